"""Two decisions about one day: what they say otherwise, and which input did it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import ndiff

from pipelines.audit_trail.contents import Change, changes
from warehouse.connection import Connection, Warehouse
from warehouse.errors import WarehouseError
from warehouse.provenance import Arrival, Snapshot, arrivals, read_snapshots, stored_policy, stored_taxonomy


class NothingToCompare(WarehouseError):
    """There are no two snapshots to compare; the message says which there are."""


@dataclass(frozen=True)
class Cause:
    """One kind of input of a decision.

    Attributes:
        kind: `raw rows`, `policy`, `taxonomy`, `portfolio file`, `held book` or `code`.
        verdict: `same`, `other`, or `unknown` where one of the snapshots does not say.
        details: What differs in it, in words.
    """

    kind: str
    verdict: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Two snapshots of one day, the earlier one first.

    Attributes:
        before, after: The snapshots.
        changes: Every value that they say otherwise.
        causes: Every kind of input, with what differs in it.
        arrivals: The raw rows that only the later one could read, or that it read in another revision.
        rows_are_complete: False where the file that was read does not hold all raw rows.
    """

    before: Snapshot
    after: Snapshot
    changes: list[Change]
    causes: list[Cause]
    arrivals: list[Arrival]
    rows_are_complete: bool

    @property
    def verdict(self) -> str:
        """Which input did it, in one sentence, as far as it can be told."""
        if not self.changes:
            return "The two say the same: nothing is bought, sold or hedged otherwise."
        others = [cause.kind for cause in self.causes if cause.verdict == "other"]
        unknown = [cause.kind for cause in self.causes if cause.verdict == "unknown"]
        hedged = f" Not known of both, and so not excluded: {', '.join(unknown)}." if unknown else ""
        if not others:
            return f"No input that is known of both differs.{hedged}"
        if len(others) == 1:
            return f"The {others[0]} did it: nothing else {'that is known of both ' if unknown else ''}differs.{hedged}"
        return f"Several inputs differ, and which of them did it cannot be told apart: {', '.join(others)}.{hedged}"


def difference(warehouse: Warehouse, day: date, first: str | None = None, second: str | None = None) -> Difference:
    """Hold two snapshots of a day against one another.

    The raw rows come from the build file; while a run is going on, from the release, which holds some days only.

    Args:
        warehouse: Where the release is.
        day: The decided day.
        first, second: Beginnings of snapshot ids; None for the newest one and the one before it.

    Raises:
        NothingToCompare: the day has fewer than two snapshots, or none of that id.
        WarehouseError: there is no release.
    """
    with warehouse.open_release() as con:
        stored = read_snapshots(con)
        before, after = _two_of(stored, day, first, second)
        is_complete = True
        try:
            with warehouse.look_into_build() as build:
                arrived = _arrivals(build, before, after)
        except WarehouseError:
            is_complete = False
            arrived = _arrivals(con, before, after)
        causes = _causes(con, before, after, arrived, {one.decision_id: one for one in stored})
    return Difference(before, after, changes(before.contents, after.contents), causes, arrived, is_complete)


def _two_of(stored: Sequence[Snapshot], day: date, first: str | None, second: str | None) -> tuple[Snapshot, Snapshot]:
    there = [one for one in stored if one.as_of_date == day]
    listed = ", ".join(f"{one.snapshot_id[:8]} ({one.taken_at:%Y-%m-%d %H:%M})" for one in there) or "none"
    if len(there) < 2:
        what = "one snapshot, so there is nothing to compare" if there else "no snapshot"
        raise NothingToCompare(
            f"{day} has {what}: {listed}. A day that is decided again from other data has a second one"
        )

    def named(text: str) -> Snapshot:
        found = [one for one in there if one.snapshot_id.startswith(text)]
        if len(found) != 1:
            raise NothingToCompare(f"{text!r} names {len(found)} snapshots of {day}; it has {listed}")
        return found[0]

    after = named(second) if second else there[-1] if not first or there[-1] != named(first) else there[-2]
    before = named(first) if first else next(one for one in reversed(there) if one != after)
    if before == after:
        raise NothingToCompare(f"--from and --to name the same snapshot {before.snapshot_id[:8]}; {day} has {listed}")
    return before, after


def _arrivals(con: Connection, before: Snapshot, after: Snapshot) -> list[Arrival]:
    earlier, later = sorted((before.known_until, after.known_until))
    return arrivals(con, earlier, later, before.as_of_date)


def _causes(
    con: Connection,
    before: Snapshot,
    after: Snapshot,
    arrived: Sequence[Arrival],
    by_decision: Mapping[str, Snapshot],
) -> list[Cause]:
    rows = _compared("raw rows", before.input_hash, after.input_hash, _arrivals_in_words(arrived))
    if rows.verdict == "unknown" and arrived:
        rows = Cause(rows.kind, "other", _arrivals_in_words(arrived))
    policies = [stored_policy(con, one.policy_hash) for one in (before, after)]
    taxonomies = [stored_taxonomy(con, one.taxonomy_hash) for one in (before, after)]
    return [
        rows,
        _compared("policy", before.policy_hash, after.policy_hash, _policy_in_words(*policies)),
        _compared("taxonomy", before.taxonomy_hash, after.taxonomy_hash, _taxonomy_in_words(*taxonomies)),
        _compared("portfolio file", before.portfolio_hash, after.portfolio_hash, (), is_optional=True),
        _compared(
            "held book",
            before.previous_decision_id,
            after.previous_decision_id,
            _book_in_words(before, after, by_decision),
            is_optional=True,
        ),
        _compared(
            "code", before.code_version, after.code_version, (f"{before.code_version}, then {after.code_version}",)
        ),
    ]


def _compared(
    kind: str, before: str | None, after: str | None, details: tuple[str, ...], is_optional: bool = False
) -> Cause:
    if before == after and (before is not None or is_optional):
        return Cause(kind, "same")
    if not is_optional and (before is None or after is None):
        return Cause(kind, "unknown")
    return Cause(kind, "other", details)


def _arrivals_in_words(arrived: Sequence[Arrival]) -> tuple[str, ...]:
    counts: dict[str, list[int]] = {}
    for one in arrived:
        counts.setdefault(one.table, [0, 0])[0 if one.is_new else 1] += 1
    return tuple(f"{table}: {new} new, {revised} revised" for table, (new, revised) in sorted(counts.items()))


def _policy_in_words(before: str | None, after: str | None) -> tuple[str, ...]:
    import json

    if before is None or after is None:
        return ("what the policies said is not kept",)
    one, other = (_flat(json.loads(text)) for text in (before, after))
    return tuple(
        f"{key}: {one.get(key)} -> {other.get(key)}" for key in sorted({*one, *other}) if one.get(key) != other.get(key)
    )


def _flat(section: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(section, Mapping):
        return {prefix.removesuffix("."): section}
    return {key: value for name, part in section.items() for key, value in _flat(part, f"{prefix}{name}.").items()}


def _taxonomy_in_words(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    if not before or not after:
        return ("what the taxonomies said is not kept",)
    return tuple(
        f"{name}: {line.rstrip()}"
        for name in sorted({*before, *after})
        for line in ndiff(before.get(name, "").splitlines(), after.get(name, "").splitlines())
        if line[0] in "+-"
    )


def _book_in_words(before: Snapshot, after: Snapshot, by_decision: Mapping[str, Snapshot]) -> tuple[str, ...]:
    named = []
    for one in (before, after):
        previous = by_decision.get(one.previous_decision_id or "")
        named.append(
            f"of {previous.as_of_date}, snapshot {previous.snapshot_id[:8]}" if previous else "of no decision kept here"
        )
    return (f"it continues the book {named[0]}; then {named[1]}",)
