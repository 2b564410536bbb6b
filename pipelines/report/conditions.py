"""A sector's rules as trees of conditions, met or not, and the shortest way to a cut."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.policy import Policy
from pipelines.report import words
from pipelines.signals.rules import AllOf, Condition, Predicate, Rules, build_rules

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
    state: str
    is_met: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Way:
    """How a sector would come into a state that is cut: everything in `moves` at once, all else unchanged."""

    state: str
    action: str
    moves: tuple[str, ...]


Traced = Mapping[str, Mapping[str, Any]]  # a predicate's name to its record in the rule trace


def groups(trace: Iterable[Mapping[str, Any]], policy: Policy) -> list[Group]:
    """Every predicate of the trace, in the structure of its rule; a predicate of no known rule stands by itself.

    Args:
        trace: The parsed `rule_trace` of a sector's signal.
        policy: Gives the rules' structure; every number is the trace's.
    """
    records = list(trace)
    by_name = {record["predicate"]: record for record in records}
    rules = build_rules(policy)
    found = [_data_group(records)]
    for rule in rules.states:
        found.append(_group(rule.state, f"Enters {rule.state}", rule.enter, by_name))
        if rule.stay is not None:
            applies = any(r["applies"] for r in records if r["role"] == "stay" and r["state"] == rule.state)
            note = "" if applies else " (only once it is in that state)"
            found.append(_group(rule.state, f"Stays {rule.state}{note}", rule.stay, by_name))
    known = _known_names(rules)
    strangers = [r for r in records if r["state"] not in ("STALE", "NO_DATA") and r["predicate"] not in known]
    if strangers:
        lines = tuple(_leaf(0, record) for record in strangers)
        found.append(Group("Other conditions", "", all(line.is_met for line in lines), lines))
    return found


def ways_to_be_cut(trace: Iterable[Mapping[str, Any]], policy: Policy) -> list[Way]:
    """For every state that is cut: the fewest conditions that are still missing, the shortest way first.

    A way that would need one metric to be in two places, or one that is unknown, is left out. An empty `moves`
    means that the conditions hold today.
    """
    by_name = {record["predicate"]: record for record in trace}
    found = []
    for rule in build_rules(policy).states:
        action = getattr(policy.actions, rule.state)
        if action not in ("REDUCE", "TRIM"):
            continue
        routes = [route for route in map(_checked, _routes(rule.enter, by_name)) if route is not None]
        if routes:
            missing = min(routes, key=_length)
            found.append((_length(missing), Way(rule.state, action, tuple(_move(record) for record in missing))))
    return [way for _, way in sorted(found, key=lambda pair: pair[0])]


def flip_sentence(flip: Mapping[str, Any]) -> str:
    """One entry of `distance_to_flip`: which state it becomes if which metrics move where."""
    moves = words.names([_move(move) for move in flip["moves"]])
    return f"{flip['becomes']} if {moves}"


def _data_group(records: list[Mapping[str, Any]]) -> Group:
    lines = tuple(_leaf(0, record) for record in records if record["state"] in ("STALE", "NO_DATA"))
    return Group("Too little data (one of these freezes it)", "STALE", any(line.is_met for line in lines), lines)


def _group(state: str, title: str, condition: Condition, by_name: Traced) -> Group:
    lines = tuple(_lines(condition, by_name, 0))
    return Group(title, state, _holds(condition, by_name), lines)


def _lines(condition: Condition, by_name: Traced, depth: int) -> Iterator[Line]:
    if isinstance(condition, Predicate):
        record = by_name.get(condition.name)
        yield _leaf(depth, record) if record else Line(depth, words.metric_label(condition.metric), None, words.UNKNOWN)
        return
    text = "all of these" if isinstance(condition, AllOf) else "one of these"
    yield Line(depth, text, _holds(condition, by_name))
    for part in condition.parts:
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


def _holds(condition: Condition, by_name: Traced) -> bool:
    if isinstance(condition, Predicate):
        record = by_name.get(condition.name)
        return record is not None and bool(record["satisfied"])
    holds = [_holds(part, by_name) for part in condition.parts]
    return all(holds) if isinstance(condition, AllOf) else any(holds)


def _routes(condition: Condition, by_name: Traced) -> list[tuple[Mapping[str, Any], ...]]:
    """Every choice of predicates that together make the condition true."""
    if isinstance(condition, Predicate):
        record = by_name.get(condition.name)
        return [] if record is None or record["value"] is None or record["threshold"] is None else [(record,)]
    parts = [_routes(part, by_name) for part in condition.parts]
    if not isinstance(condition, AllOf):
        return [route for part in parts for route in part]
    routes: list[tuple[Mapping[str, Any], ...]] = [()]
    for part in parts:
        routes = [(*route, *more) for route in routes for more in part]
    return routes


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


def _known_names(rules: Rules) -> set[str]:
    conditions = [part for rule in rules.states for part in (rule.enter, rule.stay) if part is not None]
    return {predicate.name for condition in conditions for predicate in condition.predicates()}
