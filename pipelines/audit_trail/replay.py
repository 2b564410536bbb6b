"""Decisions made again from the rows known then, and held against what was published.

Decisions that rest on the same rows share one build of the marts: those of one run, and those of nights between which
nothing came in that the earlier of them could read. Each decision continues from the published one before it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pipelines.audit_trail.contents import changes
from pipelines.audit_trail.decide import ReplayError, decide_again
from pipelines.audit_trail.in_force import policy_of
from pipelines.clock import decision_instant, utc_now
from pipelines.policy import Policy
from pipelines.progress import report
from pipelines.publish.snapshots import take_snapshots
from pipelines.version import code_version
from warehouse.connection import Warehouse
from warehouse.contracts import ALLOCATION_SNAPSHOTS, DECISIONS
from warehouse.past import differing_days, fill_raw, keep_decisions, restore_decisions
from warehouse.portfolio import read
from warehouse.provenance import Snapshot, arrived_between, read_snapshots, snapshot_contents, stored_portfolio

MOST_RESTARTS = 5
# When and by which code something was decided, not what; snapshots are compared by themselves.
NOT_THE_DECISION = {"decided_at", "code_version", "pit_quality", "allocation_snapshots"}
Outcome = Literal["equal", "different", "impossible"]


@dataclass(frozen=True)
class Verdict:
    """What came of making one decision again.

    Attributes:
        snapshot: The published decision.
        outcome: `equal` to the byte; `different`; or `impossible` to make again.
        reason: Why, where it is not equal: the first row that differs, or what is missing.
        notes: What else there is to know, such as that the code is another one.
    """

    snapshot: Snapshot
    outcome: Outcome
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class Stretch:
    """Decisions in a row that are made again together.

    Attributes:
        links: One snapshot per decided day, in the order of the days.
        continues: The first one rests on the stretch before, not on what is published.
    """

    links: list[Snapshot] = field(default_factory=list)
    continues: bool = False

    @property
    def known_until(self) -> datetime:
        return max(link.known_until for link in self.links)


def replay(
    warehouse: Warehouse, choose: Callable[[Sequence[Snapshot]], Sequence[Snapshot]], policy: Policy
) -> list[Verdict]:
    """Make published decisions again from the raw rows known then.

    The build file is read while the raw rows are copied; a run that begins in these seconds is refused.

    Args:
        warehouse: Its release says what was decided, its build file has the raw rows.
        choose: Picks the snapshots among all.
        policy: The current policy; a decision under another one needs it to be stored.

    Returns:
        One verdict per chosen snapshot, by day.

    Raises:
        WarehouseError: there is no release or no build file.
        WarehouseLocked: a run is going on.
    """
    release_path = warehouse.resolve_release()
    with warehouse.open_release(release_path.stem) as con:
        stored = read_snapshots(con)
        wanted = list(choose(stored))
        policies = {one.snapshot_id: policy_of(con, one, policy) for one in stored}
        portfolios = {name: stored_portfolio(con, name) for name in {one.portfolio_hash for one in stored} if name}
    with warehouse.look_into_build() as con:
        chains = plan(stored, wanted, lambda *of_two: not arrived_between(con, *of_two))
    verdicts: dict[str, Verdict] = {}
    for number, chain in enumerate(chains):
        report("replay", f"{chain[0].links[0].as_of_date} to {chain[-1].links[-1].as_of_date}", number, len(chains))
        with TemporaryDirectory(prefix="rotation-replay-") as folder:
            workshop = _Workshop(warehouse, release_path, Warehouse(Path(folder)), policies, portfolios)
            for stretch in chain:
                verdicts |= {verdict.snapshot.snapshot_id: verdict for verdict in workshop.redo(stretch)}
    return [verdicts[one.snapshot_id] for one in sorted(wanted, key=lambda one: (one.as_of_date, one.taken_at))]


def plan(
    stored: Sequence[Snapshot],
    wanted: Iterable[Snapshot],
    is_same_knowledge: Callable[[datetime, datetime, date], bool],
) -> list[list[Stretch]]:
    """Which decisions are made again together, and in which order.

    Args:
        stored: All snapshots, by day.
        wanted: The ones to make again.
        is_same_knowledge: Whether nothing came in after one instant and until another that a day could read.

    Returns:
        Chains; the stretches of a chain rest on one another, and its first one on what is published.
    """
    chosen = {one.snapshot_id for one in wanted}
    current = [one for one in stored if one.is_current]
    chains: list[list[Stretch]] = []
    stretch = Stretch()
    for one in current:
        if stretch.links and not _belongs(stretch, one, is_same_knowledge):
            chains.append([stretch])
            stretch = Stretch()
        if stretch.links or one.snapshot_id in chosen:
            stretch.links.append(one)
    chains.append([stretch])
    for (own,) in chains:
        while own.links and own.links[-1].snapshot_id not in chosen:
            own.links.pop()
    chains = [chain for chain in chains if chain[0].links]
    planned: set[str] = set()
    for one in reversed(stored):  # the newest first: its ancestry has most of the others'
        if one.snapshot_id in chosen and not one.is_current and one.snapshot_id not in planned:
            chains.append(_ancestry(one, stored, is_same_knowledge))
            planned |= {link.snapshot_id for stretch in chains[-1] for link in stretch.links}
    return chains


def _ancestry(
    snapshot: Snapshot, stored: Sequence[Snapshot], is_same_knowledge: Callable[[datetime, datetime, date], bool]
) -> list[Stretch]:
    """A decision that was replaced, after the replaced ones that it rests on."""
    line = [snapshot]
    while (previous := _previous(line[0], stored)) is not None and not previous.is_current:
        line.insert(0, previous)
    stretches = [Stretch([line[0]])]
    for one in line[1:]:
        if _belongs(stretches[-1], one, is_same_knowledge):
            stretches[-1].links.append(one)
        else:
            stretches.append(Stretch([one], continues=True))
    return stretches


def _previous(snapshot: Snapshot, stored: Sequence[Snapshot]) -> Snapshot | None:
    found = [
        one
        for one in stored
        if one.decision_id == snapshot.previous_decision_id and one.as_of_date < snapshot.as_of_date
    ]
    return next((one for one in found if one.is_current), found[-1] if found else None)


def _belongs(stretch: Stretch, one: Snapshot, is_same_knowledge: Callable[[datetime, datetime, date], bool]) -> bool:
    """Whether a decision can share the build of those before it: the newest rows change nothing for any of them."""
    last = stretch.links[-1]
    if (one.policy_hash, one.source, one.portfolio_hash) != (last.policy_hash, last.source, last.portfolio_hash):
        return False
    if one.known_until <= stretch.known_until:
        return one.known_until == stretch.known_until
    return is_same_knowledge(stretch.known_until, one.known_until, last.as_of_date)


@dataclass
class _Workshop:
    """A warehouse in a temporary folder in which decisions are made again, chain by chain."""

    warehouse: Warehouse
    release_path: Path
    past: Warehouse
    policies: dict[str, Policy | None]
    portfolios: dict[str, str | None]
    is_broken: bool = False

    def redo(self, stretch: Stretch) -> list[Verdict]:
        """The verdicts of a stretch's decisions."""
        if self.is_broken:
            return _all_impossible(stretch.links, "it rests on an earlier decision that could not be made again")
        links = stretch.links
        policy = self.policies[links[0].snapshot_id]
        if policy is None:
            self.is_broken = True
            return _all_impossible(
                links,
                f"the policy in force then (policy_hash {links[0].policy_hash}) is not kept in the release; "
                "give its file with --policy",
            )
        first, last = links[0].as_of_date, links[-1].as_of_date
        try:
            copied = fill_raw(self.past, self.warehouse.build_path, stretch.known_until, decision_instant(last))
            if not copied:
                raise ReplayError(
                    f"the build file has no raw rows from before {stretch.known_until}: it was made anew since"
                )
            if stretch.continues:
                keep_decisions(self.past)
            else:
                restore_decisions(self.past, self.release_path, first)
            verdicts = self._decide(links, policy, with_marts=True)
        except ReplayError as error:
            self.is_broken = True
            return _all_impossible(links, str(error))
        self.is_broken = any(verdict.outcome != "equal" for verdict in verdicts)
        return verdicts

    def _decide(self, links: Sequence[Snapshot], policy: Policy, with_marts: bool) -> list[Verdict]:
        """Decide a stretch; after a day that differs, the days behind it go on from what was published."""
        verdicts: list[Verdict] = []
        for _ in range(MOST_RESTARTS):
            rebuilt = self._rebuilt(links, policy, with_marts)
            judged = [judge(link, rebuilt.get(link.as_of_date)) for link in links]
            bad = next((number for number, verdict in enumerate(judged) if verdict.outcome != "equal"), None)
            if bad is None:
                return verdicts + judged
            verdicts += judged[: bad + 1]
            links, with_marts = links[bad + 1 :], False
            if not links:
                return verdicts
            if not links[0].is_current:
                return verdicts + _all_impossible(links, "it rests on a decision that did not come out the same")
            restore_decisions(self.past, self.release_path, links[0].as_of_date)
        return verdicts + _all_impossible(links, f"{MOST_RESTARTS} days before it differ; replay it alone")

    def _rebuilt(self, links: Sequence[Snapshot], policy: Policy, with_marts: bool) -> dict[date, dict[str, Any]]:
        first, last = links[0].as_of_date, links[-1].as_of_date
        settings: dict[str, object] = {"source": links[0].source} if links[0].source else {}
        if links[0].previous_decision_id is None and links[0].portfolio_value_usd is not None:
            settings["portfolio_value_usd"] = links[0].portfolio_value_usd
        hash_then = links[0].portfolio_hash
        portfolio_json = "{}" if hash_then is None else self.portfolios[hash_then]
        if portfolio_json is None:
            raise ReplayError(
                f"the portfolio file in force then (portfolio_hash {hash_then}) is not kept in the release"
            )
        decide_again(self.past, first, last, policy, settings, with_marts, portfolio_json)
        with self.past.open_build("replay") as con:
            take_snapshots(con, first, last, utc_now())
            sql = f"from {ALLOCATION_SNAPSHOTS.qualified_name} where as_of_date between $first and $last"
            rows = read(con, sql, {"first": first, "last": last}).to_dicts()
            decisions = read(con, f"from {DECISIONS.qualified_name}").to_dicts()
        hashes = {row["decision_id"]: row for row in decisions}
        rebuilt = {row["as_of_date"]: hashes.get(row["decision_id"], {}) | row for row in rows}
        if all(link.is_current for link in links):
            differing = differing_days(self.past, self.release_path, first, last, NOT_THE_DECISION)
            for day, (table, row) in differing.items():
                rebuilt.get(day, {})["differing"] = f"{table}: {row}"
        return rebuilt


def judge(snapshot: Snapshot, rebuilt: dict[str, Any] | None) -> Verdict:
    """Hold one published decision against the row of the one made again (None: nothing was decided)."""
    notes = []
    now = code_version()
    if snapshot.code_version not in (None, now):
        notes.append(f"decided by code {snapshot.code_version}, made again by {now}")
    if rebuilt is None:
        return Verdict(snapshot, "different", "no decision is made again for this day", tuple(notes))
    contents = snapshot_contents(rebuilt)
    for part, text in snapshot.contents.items():
        if contents.get(part) != text:
            first = next(iter(changes({part: text}, {part: contents.get(part, "[]")})), None)
            where = f"{part}: " + (
                f"{first.row}.{first.column} was {first.before!r} and is {first.after!r}" if first and first.column
                else f"{first.row} was {first.before!r} and is {first.after!r}" if first
                else "the same rows, written otherwise"
            )  # fmt: skip
            return Verdict(snapshot, "different", where, tuple(notes))
    if rebuilt["decision_id"] != snapshot.decision_id:
        causes = [
            f"{name} was {getattr(snapshot, name)} and is {rebuilt.get(name)}"
            for name in ("input_hash", "policy_hash", "taxonomy_hash", "portfolio_hash")
            if getattr(snapshot, name) is not None and rebuilt.get(name) not in (None, getattr(snapshot, name))
        ]
        cause = "; ".join(causes) or "the taxonomy, the held book or the portfolio's value is another one"
        return Verdict(snapshot, "different", f"decision_id: the same targets from other inputs: {cause}", tuple(notes))
    if "differing" in rebuilt:
        return Verdict(snapshot, "different", rebuilt["differing"], tuple(notes))
    return Verdict(snapshot, "equal", "", tuple(notes))


def _all_impossible(links: Sequence[Snapshot], reason: str) -> list[Verdict]:
    return [Verdict(link, "impossible", reason) for link in links]
