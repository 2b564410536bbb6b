"""The decision in one screen: what to sell, buy and hedge, what was wanted and not done, and what is new."""

import json
from dataclasses import dataclass
from datetime import date

from pipelines.report import words
from pipelines.report.data import Night, Row

CENT = 0.005
_WANTED = {"REDUCE": "wants a cut", "TRIM": "wants a small cut", "INCREASE": "wants a raise", "FREEZE": "is frozen"}
_NO_TRADE = {"no_trade": "No trade tonight", "halted": "The whole plan is halted"}


@dataclass(frozen=True)
class Move:
    """A sector that is sold or bought, or one whose wish was not followed.

    Attributes:
        sector: Sector.
        state, action: What the rules say.
        usd: Amount to sell or buy, positive; 0 for a wish.
        change_frac: The amount as a share of what is held; None where nothing is held.
        before_frac, after_frac: Weight in the spot sleeve.
        why: The sentence of its state.
        notes: Sentences on what bounded the amount, or stopped it.
        codes: The reason codes behind `notes`.
        last_cut: Day and depth of its last cut, tonight's included.
    """

    sector: str
    state: str
    action: str
    usd: float
    change_frac: float | None
    before_frac: float
    after_frac: float
    why: str
    notes: str
    codes: tuple[str, ...]
    last_cut: tuple[date, str] | None


@dataclass(frozen=True)
class HedgeLine:
    """A hedge with what it honestly does.

    Attributes:
        row: The row of `portfolio.hedges`.
        title: What to do with it.
        figures: Sentences: what it gives back, what it costs, when its margin is used up.
    """

    row: Row
    title: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Tonight:
    """What a person must know in the morning.

    Attributes:
        headline: The whole decision in one or two sentences.
        sells, buys: Moves by sector, the largest first.
        hedges: Hedges that are live or close tonight.
        wishes: Sectors whose rules ask for something that was not done.
        cash: What happens to the cash, in a sentence; None where the night has no such row.
        changes: What is new since the decided day before.
        pending: States seen tonight that count only after another day.
    """

    headline: str
    sells: tuple[Move, ...]
    buys: tuple[Move, ...]
    hedges: tuple[HedgeLine, ...]
    wishes: tuple[Move, ...]
    cash: str | None
    changes: tuple[str, ...]
    pending: tuple[str, ...]


def tonight(night: Night) -> Tonight:
    """Put a night's rows into words."""
    signals = {row["sector"]: row for row in night.signals}
    moves = [
        _move(row, signals.get(row["sector"], {}), last_cut(night, row["sector"]))
        for row in night.targets
        if row["sector"] != "CASH"
    ]
    moves.sort(key=lambda move: (-move.usd, move.sector))
    deltas = {row["sector"]: row["delta_usd"] or 0.0 for row in night.targets}
    sells = tuple(move for move in moves if deltas[move.sector] <= -CENT)
    buys = tuple(move for move in moves if deltas[move.sector] >= CENT)
    wishes = tuple(move for move in moves if abs(deltas[move.sector]) < CENT and move.action in _WANTED)
    hedges = tuple(_hedge(row, night) for row in night.hedges)
    return Tonight(
        headline=_headline(night, sells, buys),
        sells=sells,
        buys=buys,
        hedges=hedges,
        wishes=wishes,
        cash=_cash(night),
        changes=tuple(_changes(night)),
        pending=tuple(_pending(night)),
    )


def last_cut(night: Night, sector: str) -> tuple[date, str] | None:
    """When the sector was cut last and how deep, from the held book; None for never."""
    try:
        day, action = json.loads(night.decision["book_json"])["cuts"][sector]
        return date.fromisoformat(day), str(action)
    except (KeyError, TypeError, ValueError):
        return None  # never cut, or a release of a version that keeps its book in another way


def wanted(action: str) -> str:
    return _WANTED[action]


def reason(signal: Row) -> str:
    """The sentence of a sector's state without its first words, which the page has as a heading."""
    text = signal.get("explanation") or ""
    text = text.removeprefix(f"{signal.get('sector')}: {signal.get('state')}. ")
    return text or "no explanation in this release"


def _move(target: Row, signal: Row, cut: tuple[date, str] | None) -> Move:
    current, delta = target["current_usd"], target["delta_usd"] or 0.0
    return Move(
        sector=target["sector"],
        state=target["state"] or "",
        action=target["action"] or "",
        usd=abs(delta) if abs(delta) >= CENT else 0.0,
        change_frac=abs(delta) / current if current else None,
        before_frac=target["current_weight_frac"],
        after_frac=target["target_weight_frac"],
        why=reason(signal) if signal else "",
        notes=_notes(target, signal),
        codes=tuple(target["reason_codes"] or ()),
        last_cut=cut,
    )


def _notes(target: Row, signal: Row) -> str:
    """What the allocation adds to the state's sentence: after the amount, which the page shows as a number."""
    told = target["explanation"] or ""
    state_sentence = signal.get("explanation") or ""
    if not state_sentence or not told.startswith(state_sentence):
        return ", ".join(target["reason_codes"] or [])
    _, _, notes = told.removeprefix(state_sentence).strip().partition(". ")
    return notes


def _headline(night: Night, sells: tuple[Move, ...], buys: tuple[Move, ...]) -> str:
    if told := night.decision.get("explanation"):
        return str(told)
    status = night.decision["status"]
    if status in _NO_TRADE:
        return f"{_NO_TRADE[status]}: {night.decision['reason'] or 'no reason given'}."
    parts = [
        f"{verb} {words.names([f'{move.sector} for {words.usd(move.usd)}' for move in moves])}."
        for verb, moves in (("Sell", sells), ("Buy", buys))
        if moves
    ]
    if not parts:
        parts = ["Sell nothing and buy nothing tonight."]
    live = [row for row in night.hedges if row["status"] != "close"]
    closed = [row for row in night.hedges if row["status"] == "close"]
    for row in closed:
        parts.append(f"Close the {row['side']} of {row['asset']}.")
    for row in live:
        parts.append(f"{words.HEDGE_STATUS.get(row['status'], row['status']).capitalize()} {_position(row)}.")
    if not live and not closed:
        parts.append("No hedge is open and none is proposed.")
    return " ".join(parts)


def _position(row: Row) -> str:
    return f"{row['side']} of {words.quantity(row['quantity_base'])} {row['asset']} on {row['exchange']}"


def _hedge(row: Row, night: Night) -> HedgeLine:
    status = words.HEDGE_STATUS.get(row["status"], row["status"]).capitalize()
    if row["status"] == "close":
        return HedgeLine(row, f"{status} {row['side']} of {row['asset']}", ())
    figures = []
    offset, wanted_ratio, rise = (
        row[n] for n in ("offset_frac", "ratio_for_80pct_offset_frac", "liquidation_move_frac")
    )
    if row["notional_usd"] is None:
        figures.append("What it gives back is unknown: it has no price tonight.")
    elif row["side"] == "long":
        figures.append("It is no hedge: it gains when the price rises, and loses with the spot when it falls.")
    elif offset is not None:
        figures.append(
            f"It gives back {words.percent(offset)} of the loss on {words.usd(row['exposure_usd'])} of spot. The other "
            f"{words.percent(1 - offset)} stays a loss."
        )
        sleeve = night.decision["spot_sleeve_usd"]
        if sleeve and row["exposure_usd"] is not None:
            share = words.percent(row["exposure_usd"] / sleeve)
            figures.append(f"That spot is {share} of all of it; this hedge does nothing for the rest.")
    figures += [text for shock in (-0.1, 0.1) if (text := _shock(row, night.scenarios, shock))]
    if wanted_ratio is not None:
        figures.append(
            f"To give back 80% the short would have to be {words.percent(wanted_ratio, decimals=0)} of the spot value; "
            f"it is {words.percent(row['hedge_ratio_frac'])}."
        )
    if rise is not None:
        figures.append(f"Its margin is used up by a rise of {words.percent(rise)}.")
    return HedgeLine(row, f"{status} {_position(row)}", tuple(figures))


def horizon(rows: list[Row]) -> int | None:
    """The horizon that a page speaks of: 7 days, or the middle one where the policy has no 7."""
    days = sorted({row["horizon_days"] for row in rows})
    return None if not days else 7 if 7 in days else days[len(days) // 2]


def _shock(hedge: Row, scenarios: list[Row], shock: float) -> str | None:
    rows = [row for row in scenarios if row["hedge_id"] == hedge["hedge_id"]]
    days = horizon(rows)
    row = next(
        (
            row
            for row in rows
            if row["horizon_days"] == days
            and row["funding_path"] == "persist"
            and abs(row["shock_frac"] - shock) < 1e-9
        ),
        None,
    )
    if row is None or row["net_pnl_usd"] is None:
        return None
    own = row["net_pnl_usd"] - row["spot_pnl_usd"]
    direction, gained, verb = ("fall", "loses", "gives back") if shock < 0 else ("rise", "gains", "costs")
    if (own < 0) != (shock > 0):  # funding or costs outweigh the price
        verb = "gains" if own > 0 else "costs"
    return (
        f"In a {direction} of {words.percent(abs(shock), decimals=0)} over {days} days the spot {gained} "
        f"{words.usd(abs(row['spot_pnl_usd']))} and the hedge {verb} {words.usd(abs(own))}, funding as today and costs "
        "included."
    )


def _cash(night: Night) -> str | None:
    row = next((row for row in night.targets if row["sector"] == "CASH"), None)
    if row is None:
        return None
    now, then = words.usd(row["current_usd"]), words.usd(row["target_usd"])
    share = words.percent(row["target_weight_frac"])
    return f"Cash stays at {now} ({share})." if now == then else f"Cash goes from {now} to {then} ({share})."


def _changes(night: Night) -> list[str]:
    if night.previous_day is None:
        return ["This is the first night."]
    changes = []
    before = {row["sector"]: row for row in night.previous_signals}
    for row in night.signals:
        old = before.get(row["sector"])
        if old is None:
            changes.append(f"{row['sector']} is new: {row['state']}.")
        elif old["state"] != row["state"]:
            changes.append(f"{row['sector']}: {old['state']} became {row['state']} ({_action(row)}).")
        elif old["action"] != row["action"]:
            changes.append(f"{row['sector']}: still {row['state']}, but {old['action']} became {_action(row)}.")
    changes += [
        f"{sector} has no signal any more." for sector in sorted(before.keys() - {r["sector"] for r in night.signals})
    ]
    for row in night.hedges:
        if row["status"] != "hold":
            done = {"open": "opened", "close": "closed", "resize": "resized"}.get(row["status"], row["status"])
            changes.append(f"Hedge of {row['asset']}: {done} ({row['reason'] or row['trigger']}).")
    gone = {r["hedge_id"] for r in night.previous_hedges if r["status"] != "close"} - {
        r["hedge_id"] for r in night.hedges
    }
    changes += [f"Hedge {name} is not in the book any more." for name in sorted(gone)]
    return [*_value_change(night), *(changes or ["No state and no hedge changed."])]


def _value_change(night: Night) -> list[str]:
    now, then = night.decision["portfolio_value_usd"], night.previous_value_usd
    if now is None or not then:
        return []
    change = words.percent(now / then - 1, sign=True, decimals=2)
    return [f"Everything together is worth {words.usd(now)}, {words.usd(now - then, sign=True)} ({change}) since."]


def _action(row: Row) -> str:
    return f"{row['action']}: {words.ACTIONS.get(row['action'], '')}".rstrip(": ")


def _pending(night: Night) -> list[str]:
    """What the rules see tonight and the decision does not use yet."""
    return [
        f"{row['sector']} counts as {row['state']}, but its figures say {row['latched_state']}: that counts once it "
        "has been seen on enough days in a row."
        for row in night.signals
        if row["latched_state"] and row["latched_state"] != row["state"]
    ]
