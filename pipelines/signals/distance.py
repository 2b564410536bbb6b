"""How far a state is from changing: the smallest sets of single-metric moves that flip it."""

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import (
    DATA_STATES,
    AllOf,
    Condition,
    Predicate,
    Rules,
    Values,
)
from pipelines.signals.states import market_state

MAX_REPORTED = 3


@dataclass(frozen=True)
class _Literal:
    """A predicate with the truth that is wanted of it, read as a bound on its metric.

    Attributes:
        predicate: The predicate.
        wanted: Whether it shall hold.
        is_floor: Whether the metric must be above the bound (else below).
        is_past: Whether the threshold itself is not enough.
    """

    predicate: Predicate
    wanted: bool
    is_floor: bool
    is_past: bool


Alternative = tuple[_Literal, ...]  # literals that must all come true
Targets = tuple[tuple[str, float, Predicate], ...]  # metric, where it must go, the predicate that sends it there


@dataclass(frozen=True)
class Move:
    """One metric brought to where a predicate changes.

    Attributes:
        metric: The metric's name.
        value: Where it stands.
        target: Where it must go: the threshold itself, or one unit of the last decimal past it where standing
            on the threshold does not change the predicate.
        predicate: The predicate whose threshold it moves to.
        threshold: That predicate's limit on this day.
        slack: The predicate's signed slack at `value`.
    """

    metric: str
    value: float
    target: float
    predicate: str
    threshold: float
    slack: float

    @property
    def cost(self) -> float:
        """Slack relative to the threshold, so that basis points and fractions can be added."""
        return abs(self.slack) / abs(self.threshold) if self.threshold else abs(self.slack)


@dataclass(frozen=True)
class Flip:
    """A set of moves that together change the latched state, and the state that it becomes."""

    moves: tuple[Move, ...]
    distance: float
    becomes: str


def distance_to_flip(metrics: SectorMetrics, state: str, latch: str | None, rules: Rules) -> list[Flip]:
    """The up to three smallest sets of market-metric moves that change a latched state.

    Ordered by the number of metrics, then by the sum of |slack|/|threshold| (|slack| where the threshold is
    0), then by the metrics' names. A set with a superfluous move, or with a move that goes further than
    another set of the same metrics needs, is not reported. Limits that are multiples of a metric stay where
    they are. Data health is not moved: it says nothing about the market, so a STALE or NO_DATA day has no
    distance.

    Args:
        metrics: The day's metrics.
        state: The latched state of the day.
        latch: The state that was remembered when `state` was found.
        rules: The rules under the policy.
    """
    if state in DATA_STATES:
        return []
    values = vars(metrics)
    limits = rules.limits(values)
    candidates: dict[tuple[str, ...], list[Targets]] = defaultdict(list)
    for alternative in _alternatives(rules, state, latch):
        targets = _targets(alternative, values, limits, rules.decimals)
        if targets is not None:
            candidates[tuple(metric for metric, _, _ in targets)].append(targets)
    sets = [
        tuple(_move(*target, values, limits, rules.decimals) for target in targets)
        for targets in _smallest(candidates, values)
    ]
    flips = []
    for moves in sorted(sets, key=lambda moves: _order(moves, rules.decimals))[:MAX_REPORTED]:
        becomes = market_state({**values, **{move.metric: move.target for move in moves}}, limits, rules, latch)
        if becomes == state:
            raise AssertionError(f"the moves {moves} do not change the state {state}: a defect in the rules' logic")
        flips.append(Flip(moves, _distance(moves, rules.decimals), becomes))
    return flips


def _distance(moves: tuple[Move, ...], decimals: int) -> float:
    return round(sum(move.cost for move in moves), decimals)


def _order(moves: tuple[Move, ...], decimals: int) -> tuple[int, float, list[str], list[float]]:
    names, targets = [move.metric for move in moves], [move.target for move in moves]
    return len(moves), _distance(moves, decimals), names, targets


@lru_cache(maxsize=256)
def _alternatives(rules: Rules, state: str, latch: str | None) -> tuple[Alternative, ...]:
    """What must come true for a flip: a more cautious rule fires, or the state's own rule fails."""
    terms: set[frozenset[tuple[Predicate, bool]]] = set()
    for rule in rules.states:
        is_own = rule.state == state
        terms |= _normal_form(rule.condition(latch), wanted=not is_own)
        if is_own:
            break
    minimal = [term for term in terms if not any(other < term for other in terms)]
    ordered = [sorted(term, key=_name_order) for term in minimal]
    ordered.sort(key=lambda term: [_name_order(pair) for pair in term])
    return tuple(tuple(_literal(*pair) for pair in term) for term in ordered)


def _name_order(pair: tuple[Predicate, bool]) -> tuple[str, bool]:
    return pair[0].name, pair[1]


def _normal_form(condition: Condition, wanted: bool) -> set[frozenset[tuple[Predicate, bool]]]:
    """Disjunctive normal form of a condition, or of its negation."""
    if isinstance(condition, Predicate):
        return {frozenset({(condition, wanted)})}
    parts = [_normal_form(part, wanted) for part in condition.parts]
    if isinstance(condition, AllOf) == wanted:
        return {frozenset().union(*choice) for choice in product(*parts)}
    return set().union(*parts)


def _literal(predicate: Predicate, wanted: bool) -> _Literal:
    is_floor = (predicate.comparison in (">=", ">")) == wanted
    is_strict = predicate.comparison in (">", "<")
    return _Literal(predicate, wanted, is_floor, is_past=is_strict == wanted)


def _targets(alternative: Alternative, values: Values, limits: Values, decimals: int) -> Targets | None:
    """The shortest moves that make all literals true, by metric name; None where no move can."""
    floors: dict[str, tuple[float, Predicate]] = {}
    ceilings: dict[str, tuple[float, Predicate]] = {}
    for literal in alternative:
        predicate = literal.predicate
        metric, bound = predicate.metric, limits[predicate.name]
        if values[metric] is None:
            if literal.wanted:
                return None
            continue
        if literal.is_past:
            bound = round(bound + (10**-decimals if literal.is_floor else -(10**-decimals)), decimals)
        bounds = floors if literal.is_floor else ceilings
        known = bounds.get(metric)
        if known is None or (bound > known[0] if literal.is_floor else bound < known[0]):
            bounds[metric] = bound, predicate
    targets = []
    for metric, (floor, predicate) in floors.items():
        if metric in ceilings and floor > ceilings[metric][0]:
            return None
        if values[metric] < floor:
            targets.append((metric, floor, predicate))
    for metric, (ceiling, predicate) in ceilings.items():
        if values[metric] > ceiling:
            targets.append((metric, ceiling, predicate))
    return tuple(sorted(targets, key=lambda target: target[0]))


def _smallest(candidates: dict[tuple[str, ...], list[Targets]], values: Values) -> list[Targets]:
    """Leave out the sets that do more than another one: more metrics, or the same ones further."""
    metric_sets = {names: frozenset(names) for names in candidates}
    smallest: list[Targets] = []
    for names, sets in candidates.items():
        if any(other < metric_sets[names] for other in metric_sets.values()):
            continue
        distinct = {tuple(target for _, target, _ in targets): targets for targets in reversed(sets)}
        smallest += [
            targets
            for ends, targets in distinct.items()
            if not any(other != ends and _is_shorter(other, ends, names, values) for other in distinct)
        ]
    return smallest


def _is_shorter(other: tuple[float, ...], ends: tuple[float, ...], names: tuple[str, ...], values: Values) -> bool:
    """Whether every end of `other` lies between the metric's value and its end in `ends`."""
    return all(
        min(values[name], end) <= other_end <= max(values[name], end)
        for name, end, other_end in zip(names, ends, other, strict=True)
    )


def _move(metric: str, target: float, predicate: Predicate, values: Values, limits: Values, decimals: int) -> Move:
    slack = round(predicate.slack(values, limits), decimals)
    return Move(metric, values[metric], target, predicate.name, limits[predicate.name], slack)
