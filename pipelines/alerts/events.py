"""From the rows of releases, a failed run or a release's age to events: each with a stable id and a sentence."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

Row = Mapping[str, Any]
Severity = Literal["info", "warning", "critical"]

NEAR_LIQUIDATION_FRAC = 0.10  # a move of this size or less would use up a position's margin
_MADE_UP = ("simulated", "example")
_DEPEG = "(DEPEG)"
_QUIET_STATES = ("NEUTRAL", "ACCUMULATION")
_FAILED = {
    3: ("gate_blocked", "warning", "A gate said no: nothing was published"),
    4: ("exchanges_unreachable", "warning", "The exchanges could not be read: nothing was published"),
}


@dataclass(frozen=True)
class Event:
    """Something that a person should know.

    Attributes:
        event_id: Names what happened, so that it is told once: the same for the same rows, in any release and process.
        kind: For example `state_change`, `position_opened`, `gate_blocked`.
        severity: `info`, `warning` or `critical`.
        title: One line.
        text: Why, in sentences; may be empty.
        source: What the numbers are made from: `live`, `recorded`, `simulated` or `example`.
        day: The decided day as ISO text; None where it is about no day.
        release_id: The release that says so; None for a failed run.
        run_id: Dagster's id of a failed run.
    """

    event_id: str
    kind: str
    severity: Severity
    title: str
    text: str
    source: str
    day: str | None = None
    release_id: str | None = None
    run_id: str | None = None

    @property
    def is_simulated(self) -> bool:
        """True where the market was made up."""
        return self.source in _MADE_UP

    @property
    def labelled_title(self) -> str:
        """The title, behind the label of a market that is not live."""
        label = "SIMULATED" if self.is_simulated else self.source.upper()
        return self.title if self.source == "live" else f"[{label}] {self.title}"

    def as_dict(self) -> dict[str, Any]:
        """All fields, as JSON has them."""
        return asdict(self)


@dataclass(frozen=True)
class DayRows:
    """What a release says about one decided day.

    Attributes:
        decision: Row of `portfolio.decisions`.
        signals: Rows of `portfolio.sector_signals`.
        positions: Rows of `portfolio.hedges`, of every role.
        sleeve: Row of `portfolio.futures_sleeve`; None where a release has none.
        liquidations: hedge_id and lost_usd of every position that the ledger lost to a liquidation.
    """

    decision: Row
    signals: Sequence[Row] = ()
    positions: Sequence[Row] = ()
    sleeve: Row | None = None
    liquidations: Sequence[Row] = ()

    @property
    def live(self) -> dict[str, Row]:
        """hedge_id to row of the positions that are held after the night."""
        return {row["hedge_id"]: row for row in self.positions if row["status"] != "close"}

    @property
    def notes(self) -> list[str]:
        return list((self.sleeve or {}).get("notes") or ())


@dataclass(frozen=True)
class ReleaseRows:
    """The part of a release that events are found in.

    Attributes:
        release_id, published_at, source: Which release, and what it is made from.
        days: Every decided day, the oldest first.
        rows: Some of the days.
        reserve_frac: Share of the futures sleeve that the policy keeps free of margin.
    """

    release_id: str
    published_at: datetime
    source: str
    days: Sequence[date]
    rows: Mapping[date, DayRows] = field(default_factory=dict)
    reserve_frac: float = 0.3

    @property
    def as_of(self) -> date:
        return self.days[-1]

    def day_before(self, day: date) -> date | None:
        """The decided day before; None for the first."""
        return max((other for other in self.days if other < day), default=None)


@dataclass(frozen=True)
class FailedRun:
    """A run that ended without a release.

    Attributes:
        run_id: Dagster's id.
        job: Its job.
        exit_code: What the command line ends with: 1 unexpected, 2 configuration, 3 a gate, 4 exchanges out of reach.
        message: One sentence for a person.
        source: What it was to be made from.
        days: First and last day that was to be decided, as text; empty when unknown.
    """

    run_id: str
    job: str
    exit_code: int
    message: str
    source: str
    days: str = ""


@dataclass(frozen=True)
class _Alarm:
    """A condition that lasts: told when it begins and when it ends.

    Attributes:
        group: Alarms of one group are one condition that has become better or worse.
        over: The title when the condition has ended; None where that is told by another event.
    """

    kind: str
    severity: Severity
    title: str
    text: str
    group: str
    over: str | None


def decision_events(release: ReleaseRows, base: date | None, until: date) -> list[Event]:
    """What is new between two decided days of a release, both among its rows.

    States and alarms are compared between the two days; positions and liquidations are those of every day in between.

    Args:
        release: Where.
        base: The day that is known already; None when `until` is the first decided day.
        until: The day that is told of.
    """
    events = [
        *_state_changes(release, base, until),
        *_position_changes(release, base, until),
        *_alarm_changes(release, base, until),
    ]
    order = {"critical": 0, "warning": 1, "info": 2}
    return sorted(events, key=lambda event: order[event.severity])


def withdrawn_event(release: ReleaseRows, told: Sequence[Event], still_true: Collection[str]) -> Event | None:
    """That events told before hold no longer: their day was decided again, or an earlier release was put back.

    Args:
        release: The release that readers get now.
        told: Events that were told of days which this release says something else about, or nothing.
        still_true: Ids that this release has too.
    """
    gone = [event for event in told if event.event_id not in still_true]
    if not gone:
        return None
    listed = "\n".join(f"- {event.day}: {event.title}" for event in gone)
    names = "+".join(sorted(event.event_id for event in gone))
    return Event(
        f"withdrawn:{release.release_id}:{names}",
        "withdrawn",
        "warning",
        f"No longer true: {len(gone)} {'thing' if len(gone) == 1 else 'things'} told before",
        f"Readers now get release {release.release_id}, as of {release.as_of}. It does not say:\n{listed}",
        release.source,
        release.as_of.isoformat(),
        release.release_id,
    )


def stale_event(release: ReleaseRows, now: datetime, hours: float) -> Event | None:
    """That the release is older than it should be; told once per release."""
    if now - release.published_at <= timedelta(hours=hours):
        return None
    return Event(
        f"stale:{release.release_id}",
        "stale_release",
        "critical",
        f"No new release for {hours:g} hours",
        f"Readers still get release {release.release_id}, as of {release.as_of}, published "
        f"{release.published_at:%Y-%m-%d %H:%M} UTC. See why with `rotation doctor`, then start `rotation run`.",
        release.source,
        release.as_of.isoformat(),
        release.release_id,
    )


def run_event(run: FailedRun) -> Event:
    """That a run failed, or that a gate stopped it."""
    kind, severity, title = _FAILED.get(run.exit_code, ("run_failed", "critical", "A run failed"))
    of = f" (job {run.job}{', ' + run.days if run.days else ''})"
    return Event(run_event_id(run.run_id), kind, severity, title + of, run.message, run.source, run_id=run.run_id)


def run_event_id(run_id: str) -> str:
    """The id of the event of a failed run."""
    return f"run:{run_id}"


def _event(release: ReleaseRows, day: date, name: str, kind: str, severity: Severity, title: str, text: str) -> Event:
    return Event(
        f"{kind}:{day}:{name}", kind, severity, title, text, release.source, day.isoformat(), release.release_id
    )


def _state_changes(release: ReleaseRows, base: date | None, until: date) -> Iterator[Event]:
    if base is None:
        return
    before = {row["sector"]: row["state"] for row in release.rows[base].signals}
    now = {row["sector"]: row for row in release.rows[until].signals}
    for sector in sorted(before.keys() | now.keys()):
        row, then = now.get(sector), before.get(sector)
        state = row["state"] if row else None
        if state == then:
            continue
        if row is None:
            title, text, severity = f"{sector} has no signal any more", f"It was {then}.", "warning"
        else:
            title = f"{sector}: {then} became {state}" if then else f"{sector} is new: {state}"
            title += f" ({row['action']})"
            text, severity = row["explanation"] or "", "info" if state in _QUIET_STATES else "warning"
        yield _event(release, until, f"{sector}:{then}>{state}", "state_change", severity, title, text)


def _position_changes(release: ReleaseRows, base: date | None, until: date) -> Iterator[Event]:
    held = release.rows[base].live if base else {}
    for day in sorted(day for day in release.rows if day <= until and (base is None or day > base)):
        rows = release.rows[day]
        lost = _liquidated(rows)
        for name, text in lost.items():
            yield _event(release, day, name, "liquidated", "critical", f"Liquidated: {name}", text)
        for row in rows.positions:
            name = row["hedge_id"]
            text = row["explanation"] or ""
            if row["status"] == "close" and name not in lost:
                reason = f" ({row['reason']})" if row["reason"] else ""
                title = f"{_role(row)} closed: {row['side']} of {row['asset']} on {row['exchange']}{reason}"
                yield _event(release, day, name, "position_closed", "info", title, text)
            elif row["status"] != "close" and name not in held:
                title = f"{_role(row)} opened: {_size(row)} on {row['exchange']}"
                yield _event(release, day, name, "position_opened", "info", title, text)
        for name in sorted(held.keys() - {row["hedge_id"] for row in rows.positions} - lost.keys()):
            title = f"{_role(held[name])} gone: {name} is not in the book any more"
            yield _event(release, day, name, "position_closed", "warning", title, "The release does not say why.")
        held = rows.live


def _liquidated(rows: DayRows) -> dict[str, str]:
    """hedge_id to a sentence."""
    found = {row["hedge_id"]: row["explanation"] or "" for row in rows.positions if row["reason"] == "LIQUIDATED"}
    for row in rows.liquidations:
        name = row["hedge_id"]
        told = next((note for note in rows.notes if note.startswith(f"{name}: liquidated")), found.get(name, ""))
        lost = f"The futures sleeve lost ${abs(row['lost_usd']):,.2f}." if row["lost_usd"] is not None else ""
        found[name] = f"{told} {lost}".strip()
    return found


def _alarm_changes(release: ReleaseRows, base: date | None, until: date) -> Iterator[Event]:
    now = _alarms(release.rows[until], release.reserve_frac)
    before = _alarms(release.rows[base], release.reserve_frac) if base else {}
    for name, alarm in now.items():
        if name not in before:
            yield _event(release, until, name, alarm.kind, alarm.severity, alarm.title, alarm.text)
    groups = {alarm.group for alarm in now.values()}
    held = release.rows[until].live
    for name, alarm in before.items():
        of_gone_position = alarm.kind == "near_liquidation" and name not in held
        if alarm.over and alarm.group not in groups and not of_gone_position:
            yield _event(release, until, f"over:{name}", f"{alarm.kind}_over", "info", alarm.over, "")


def _alarms(rows: DayRows, reserve_frac: float) -> dict[str, _Alarm]:
    """Name to alarm of one day: what is wrong with the sleeve, the margin, the stablecoin or the plan."""
    found = {}
    if rows.decision["status"] == "halted":
        text = rows.decision["explanation"] or rows.decision["reason"] or ""
        found["halt"] = _Alarm("halt", "warning", "The whole plan is halted", text, "halt", "The plan goes on again")
    for note in rows.notes:
        if _DEPEG in note:
            title = "The stablecoin is off its dollar"
            over = "The stablecoin is back at its dollar"
            found["depeg"] = _Alarm("depeg", "critical", title, _sentence(note), "depeg", over)
    for name, row in rows.live.items():
        move = row["liquidation_move_frac"]
        if move is not None and abs(move) <= NEAR_LIQUIDATION_FRAC:
            way = "rise" if row["side"] == "short" else "fall"
            title = f"Margin alarm: a {way} of {abs(move):.1%} liquidates the {row['side']} of {row['asset']}"
            over = f"Margin alarm over: the {row['side']} of {row['asset']} is away from its liquidation"
            found[name] = _Alarm("near_liquidation", "critical", title, row["explanation"] or "", name, over)
    if rows.sleeve is not None:
        found |= _sleeve_alarms(rows.sleeve, reserve_frac)
    return found


def _sleeve_alarms(sleeve: Row, reserve_frac: float) -> dict[str, _Alarm]:
    found = {}
    text = sleeve["explanation"] or ""
    if sleeve["is_concentrated"]:
        role = sleeve["concentration_role"]
        title = f"Concentration alarm: {role} positions take most of the used margin"
        over = "Concentration alarm over: no kind of position takes most of the used margin"
        found[f"concentration:{role}"] = _Alarm("concentration", "warning", title, text, "concentration", over)
    free, collateral, used = (sleeve[name] for name in ("free_margin_usd", "collateral_usd", "used_margin_usd"))
    if None not in (free, collateral, used) and used > 0 and round(free - reserve_frac * collateral, 2) < 0:
        over = f"Margin alarm over: at least {reserve_frac:.0%} of the futures sleeve is free again"
        if free > 0:
            title = f"Margin alarm: ${free:,.2f} of the futures sleeve is free, less than {reserve_frac:.0%} of it"
            found["margin:low"] = _Alarm("margin", "warning", title, text, "margin", over)
        else:
            title = f"Margin alarm: nothing of the futures sleeve is free (${free:,.2f})"
            found["margin:none"] = _Alarm("margin", "critical", title, text, "margin", over)
    return found


def _role(row: Row) -> str:
    return {"hedge": "Hedge", "liquidity": "Liquidity short", "tactical": "Tactical long"}.get(row["role"], row["role"])


def _size(row: Row) -> str:
    quantity, notional = row["quantity_base"], row["notional_usd"]
    coins = "" if quantity is None else f"{quantity:g} "
    return f"{row['side']} of {coins}{row['asset']}" + ("" if notional is None else f" (${notional:,.2f})")


def _sentence(note: str) -> str:
    return re.sub(r"^\w", lambda first: first[0].upper(), note)
