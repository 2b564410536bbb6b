"""A sector's rules as trees of conditions, met or not, and the shortest way to a cut."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from pipelines.policy import Policy
from pipelines.report import words

Condition = str | tuple[Any, ...]  # a predicate's name, or ("all", part, ...) or ("one", part, ...)

# The shape of the rules, which a trace does not hold; the numbers are the trace's.
RULES: tuple[tuple[str, str, Condition], ...] = (
    (
        "OVERLEVERAGED",
        "enter",
        ("all", "over.f", ("one", "over.pct", "over.ex"), ("one", "over.oi_z", "over.oi_usd_z", "over.oi_chg")),
    ),
    (
        "OVERLEVERAGED",
        "stay",
        ("all", "over.stay_f", ("one", "over.stay_oi_z", "over.stay_oi_usd_z", "over.stay_oi_chg")),
    ),
    (
        "LOSING_MOMENTUM",
        "enter",
        (
            "one",
            ("all", "lose.oi_chg", ("one", "lose.peak_f", "lose.pump"), "lose.f_lo", "lose.norm"),
            ("all", "lose.oi_chg", "lose.mom", "lose.f_min"),
        ),
    ),
    (
        "UNSTABLE",
        "enter",
        ("all", "unstable.rv_pct", ("one", ("all", "unstable.fvol", "unstable.mult"), "unstable.flips")),
    ),
    ("UNSTABLE", "stay", ("all", "unstable.stay_rv_pct", "unstable.stay_fvol")),
    ("CAPITULATION", "enter", ("all", "capitulation.f", "capitulation.pct")),
    (
        "ACCUMULATION",
        "enter",
        (
            "all",
            "accum.f_min",
            "accum.f_max",
            "accum.fvol",
            "accum.mom_above",
            ("one", "accum.vr", "accum.oi_chg"),
        ),
    ),
)
CUTS = ("REDUCE", "TRIM")
_DATA_STATES = ("STALE", "NO_DATA")
_ON_THE_LIMIT = (">=", "<=")


@dataclass(frozen=True)
class Line:
    """One line of a table of conditions.

    Attributes:
        depth: How far it is set in.
        text: The condition, or `all of these` and `one of these` above a group.
        is_met: None when the value is unknown.
        value, limit, slack: As shown; empty for a group.
    """

    depth: int
    text: str
    is_met: bool | None
    value: str = ""
    limit: str = ""
    slack: str = ""


@dataclass(frozen=True)
class Group:
    """The conditions of one state: `title`, whether they hold together, and their lines."""

    title: str
    is_met: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Way:
    """How a sector would come into a state that is cut: everything in `moves` at once, all else unchanged.

    `sold_frac` is the share of the holding that the cut sells, before limits. `distance` orders ways: the number of
    moves, then the sum of their lengths in parts of their limits.
    """

    state: str
    sold_frac: float
    moves: tuple[str, ...]
    distance: tuple[int, float]


Traced = Mapping[str, Mapping[str, Any]]  # a predicate's name to its record in the rule trace


def groups(trace: Iterable[Mapping[str, Any]]) -> list[Group]:
    """Every predicate of the trace, in the shape of its rule; a predicate of no known rule stands by itself.

    Args:
        trace: The parsed `rule_trace` of a sector's signal.
    """
    records = list(trace)
    by_name = {record["predicate"]: record for record in records}
    found = [_data_group(records)]
    for state, role, condition in RULES:
        title = f"Enters {state}"
        if role == "stay":
            applies = any(r["applies"] for r in records if r["role"] == "stay" and r["state"] == state)
            title = f"Stays {state}{'' if applies else ' (only once it is in that state)'}"
        found.append(Group(title, _holds(condition, by_name), tuple(_lines(condition, by_name, 0))))
    known = {name for _, _, condition in RULES for name in _names(condition)}
    strangers = [r for r in records if r["state"] not in _DATA_STATES and r["predicate"] not in known]
    if strangers:
        lines = tuple(_leaf(0, record) for record in strangers)
        found.append(Group("Other conditions", all(line.is_met for line in lines), lines))
    return found


def ways_to_be_cut(trace: Iterable[Mapping[str, Any]], policy: Policy) -> list[Way]:
    """For every state that is cut: the fewest conditions that are still missing, the shortest way first.

    A way that would need one metric to be in two places, or one that is unknown, is left out. An empty `moves`
    means that the conditions hold today.

    Args:
        trace: The parsed `rule_trace` of a sector's signal.
        policy: Says which states are cut, and how.
    """
    by_name = {record["predicate"]: record for record in trace}
    found = []
    for state, role, condition in RULES:
        action = getattr(policy.actions, state)
        if role != "enter" or action not in CUTS:
            continue
        sold_frac = float(1 - getattr(policy.multipliers, action))
        routes = [route for route in map(_checked, _routes(condition, by_name)) if route is not None]
        if routes:
            missing = min(routes, key=_length)
            found.append(Way(state, sold_frac, tuple(_move(record) for record in missing), _length(missing)))
    return sorted(found, key=lambda way: way.distance)


def flip_sentence(flip: Mapping[str, Any]) -> str:
    """One entry of `distance_to_flip`: which state it becomes if which metrics move where."""
    moves = words.names([_move(move) for move in flip["moves"]])
    return f"{flip['becomes']} if {moves}"


def _data_group(records: list[Mapping[str, Any]]) -> Group:
    lines = tuple(_leaf(0, record) for record in records if record["state"] in _DATA_STATES)
    return Group("Too little data (one of these freezes it)", any(line.is_met for line in lines), lines)


def _lines(condition: Condition, by_name: Traced, depth: int) -> Iterator[Line]:
    if isinstance(condition, str):
        record = by_name.get(condition)
        yield _leaf(depth, record) if record else Line(depth, condition, None, words.UNKNOWN)
        return
    kind, *parts = condition
    yield Line(depth, "all of these" if kind == "all" else "one of these", _holds(condition, by_name))
    for part in parts:
        yield from _lines(part, by_name, depth + 1)


def _leaf(depth: int, record: Mapping[str, Any]) -> Line:
    metric, value, threshold = record["metric"], record["value"], record["threshold"]
    return Line(
        depth,
        words.metric_label(metric),
        None if value is None else record["satisfied"],
        words.metric_value(metric, value, threshold),
        f"{words.comparison_sign(record['comparison'])} {words.metric_limit(metric, threshold)}",
        "" if metric == "is_fresh" else words.metric_value(metric, record["slack"], 0, sign=True),
    )


def _names(condition: Condition) -> Iterator[str]:
    if isinstance(condition, str):
        yield condition
    else:
        for part in condition[1:]:
            yield from _names(part)


def _holds(condition: Condition, by_name: Traced) -> bool:
    if isinstance(condition, str):
        record = by_name.get(condition)
        return record is not None and bool(record["satisfied"])
    kind, *parts = condition
    holds = [_holds(part, by_name) for part in parts]
    return all(holds) if kind == "all" else any(holds)


def _routes(condition: Condition, by_name: Traced) -> list[tuple[Mapping[str, Any], ...]]:
    """Every choice of predicates that together make the condition true."""
    if isinstance(condition, str):
        record = by_name.get(condition)
        is_known = record is not None and record["value"] is not None and record["threshold"] is not None
        return [(record,)] if is_known else []
    kind, *parts = condition
    choices = [_routes(part, by_name) for part in parts]
    if kind == "one":
        return [route for routes in choices for route in routes]
    return [tuple(record for route in combination for record in route) for combination in product(*choices)]


def _checked(route: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...] | None:
    """The predicates still missing, one per metric, the furthest; None where the moves would undo one another."""
    missing: dict[str, Mapping[str, Any]] = {}
    for record in route:
        other = missing.get(record["metric"])
        if not record["satisfied"] and (other is None or abs(record["slack"]) > abs(other["slack"])):
            missing[record["metric"]] = record
    for record in route:
        mover = missing.get(record["metric"])
        if mover is not None and mover is not record and not _admits(record, mover["threshold"]):
            return None
    return tuple(missing.values())


def _admits(record: Mapping[str, Any], value: float) -> bool:
    return value >= record["threshold"] if record["comparison"] in (">=", ">") else value <= record["threshold"]


def _length(missing: tuple[Mapping[str, Any], ...]) -> tuple[int, float]:
    return len(missing), sum(abs(r["slack"]) / (abs(r["threshold"]) or 1) for r in missing)


def _move(record: Mapping[str, Any]) -> str:
    metric, value, threshold = record["metric"], record["value"], record["threshold"]
    target = record.get("target", threshold)
    rises = target > value
    comparison = record.get("comparison")
    if comparison is None:  # a recorded move says by its target whether the limit itself is enough
        beyond = "to" if target == threshold else "above" if target > threshold else "below"
    else:
        beyond = "to" if comparison in _ON_THE_LIMIT else "above" if rises else "below"
    label = words.metric_label(metric)
    label = label[0].lower() + label[1:]
    end = words.metric_limit(metric, threshold)
    return (
        f"{label} {'rises' if rises else 'falls'} {beyond} {end} (now {words.metric_value(metric, value, threshold)})"
    )
