"""The state of one sector on one day, and the trace of the predicates behind it."""

from dataclasses import dataclass

from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import NEUTRAL, NO_DATA, STALE, Predicate, Rules, Values


@dataclass(frozen=True)
class PredicateTrace:
    """One predicate as it stood on one day.

    Attributes:
        state: The state whose rule it is part of.
        role: `enter` or `stay`.
        applies: False for a `stay` predicate of a state that is not remembered.
        predicate: Path of its threshold in the policy; `missing` and `is_fresh` have none.
        metric, comparison, value, threshold: `value comparison threshold`; the threshold of a multiple is the
            product (60% of that day's peak).
        slack: In the metric's unit, positive inside the limit; None where the value is unknown or a flag.
        satisfied: Whether it held; an unknown value never does.
    """

    state: str
    role: str
    applies: bool
    predicate: str
    metric: str
    comparison: str
    value: float | bool | None
    threshold: float | bool | None
    slack: float | None
    satisfied: bool


def missing_metrics(metrics: SectorMetrics, rules: Rules) -> list[str]:
    """Names of the metrics that a state needs and this day does not have."""
    return [name for name in rules.required if getattr(metrics, name) is None]


def data_state(metrics: SectorMetrics, rules: Rules) -> str | None:
    """STALE or NO_DATA where the data do not carry a state, else None. Unknown health is NO_DATA."""
    if metrics.is_fresh is False:
        return STALE
    values = vars(metrics)
    is_unknown = metrics.is_fresh is None or metrics.coverage_frac is None
    if is_unknown or rules.low_coverage.holds(values, rules.limits(values)) or missing_metrics(metrics, rules):
        return NO_DATA
    return None


def market_state(values: Values, limits: Values, rules: Rules, latch: str | None) -> str:
    """The first state whose rule is true, most cautious first; NEUTRAL if none is."""
    for rule in rules.states:
        if rule.condition(latch).holds(values, limits):
            return rule.state
    return NEUTRAL


def state_of(metrics: SectorMetrics, rules: Rules, latch: str | None = None) -> str:
    """The state of one day.

    Args:
        metrics: The sector's metrics of that day.
        rules: The rules under the policy.
        latch: The state that is remembered from the days before; it stays on a weaker condition than it was
            entered. None gives the raw state.
    """
    values = vars(metrics)
    return data_state(metrics, rules) or market_state(values, rules.limits(values), rules, latch)


def rule_trace(metrics: SectorMetrics, rules: Rules, latch: str | None) -> list[PredicateTrace]:
    """Every predicate of every rule, most cautious state first."""
    values = vars(metrics)
    limits = rules.limits(values)
    missing = len(missing_metrics(metrics, rules))

    def traced(state: str, role: str, applies: bool, predicate: Predicate) -> PredicateTrace:
        slack = predicate.slack(values, limits)
        return PredicateTrace(
            state,
            role,
            applies,
            predicate.name,
            predicate.metric,
            predicate.comparison,
            values[predicate.metric],
            limits[predicate.name],
            None if slack is None else round(slack, rules.decimals),
            predicate.holds(values, limits),
        )

    fresh = metrics.is_fresh
    trace = [
        PredicateTrace(STALE, "enter", True, "is_fresh", "is_fresh", "=", fresh, False, None, fresh is False),
        traced(NO_DATA, "enter", True, rules.low_coverage),
        PredicateTrace(
            NO_DATA, "enter", True, "missing", "missing_metrics", ">=", missing, 1, missing - 1, missing > 0
        ),
    ]
    for rule in rules.states:
        once = dict.fromkeys(rule.enter.predicates())  # two branches may share a predicate
        trace += [traced(rule.state, "enter", True, predicate) for predicate in once]
        if rule.stay is not None:
            applies = latch == rule.state
            trace += [traced(rule.state, "stay", applies, predicate) for predicate in rule.stay.predicates()]
    return trace
