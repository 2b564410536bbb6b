"""The rules of the sector states as data: one definition for state, trace and distance to a flip."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pipelines.policy import Policy
from pipelines.signals.metrics import MARKET_METRIC_NAMES

STALE = "STALE"
NO_DATA = "NO_DATA"
OVERLEVERAGED = "OVERLEVERAGED"
LOSING_MOMENTUM = "LOSING_MOMENTUM"
UNSTABLE = "UNSTABLE"
CAPITULATION = "CAPITULATION"
ACCUMULATION = "ACCUMULATION"
NEUTRAL = "NEUTRAL"
DATA_STATES = (STALE, NO_DATA)

Values = Mapping[str, float | None]  # a metric's name or a predicate's name to its value or limit
Comparison = Literal[">=", "<=", ">", "<"]
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, eq=False)
class Predicate:
    """One comparison of one metric with a limit. Compared and hashed by identity.

    Attributes:
        name: Path of the threshold in the policy (`over.f`), unique among the rules.
        metric: The metric's name.
        comparison: `>=` and `<=` include the limit.
        threshold: The policy's number.
        times: Metric that multiplies the threshold into the limit (60% of a peak); None: the limit is the
            threshold itself.
    """

    name: str
    metric: str
    comparison: Comparison
    threshold: float
    times: str | None = None

    def holds(self, values: Values, limits: Values) -> bool:
        """Whether the metric meets the limit; an unknown metric does not."""
        value, limit = values[self.metric], limits[self.name]
        return value is not None and limit is not None and _HOLDS[self.comparison](value, limit)

    def slack(self, values: Values, limits: Values) -> float | None:
        """Distance to the limit in the metric's unit: positive inside, negative outside, None if unknown."""
        value, limit = values[self.metric], limits[self.name]
        if value is None or limit is None:
            return None
        return value - limit if self.comparison in (">=", ">") else limit - value

    def predicates(self) -> Iterator["Predicate"]:
        yield self


@dataclass(frozen=True)
class AllOf:
    """True when every part is."""

    parts: tuple["Condition", ...]

    def holds(self, values: Values, limits: Values) -> bool:
        return all(part.holds(values, limits) for part in self.parts)

    def predicates(self) -> Iterator[Predicate]:
        for part in self.parts:
            yield from part.predicates()


@dataclass(frozen=True)
class AnyOf:
    """True when one part is."""

    parts: tuple["Condition", ...]

    def holds(self, values: Values, limits: Values) -> bool:
        return any(part.holds(values, limits) for part in self.parts)

    def predicates(self) -> Iterator[Predicate]:
        for part in self.parts:
            yield from part.predicates()


Condition = Predicate | AllOf | AnyOf


@dataclass(frozen=True)
class Rule:
    """When a state is entered, and on which weaker condition it stays once it was held."""

    state: str
    enter: Condition
    stay: Condition | None = None

    def condition(self, latch: str | None) -> Condition:
        """What makes the rule true, given the state that is remembered."""
        if self.stay is None or latch != self.state:
            return self.enter
        return AnyOf((self.enter, self.stay))


@dataclass(frozen=True, eq=False)
class Rules:
    """The sector states' rules under one policy. Compared and hashed by identity.

    Attributes:
        states: Rules from the most cautious to the least; the first true one wins, none is NEUTRAL.
        low_coverage: True when too little of a sector's open interest has data.
        required: Metrics without which there is no state.
        decimals: Decimals to which metrics and limits are rounded.
        confirm_days: Calendar days on which a state must have held before it counts.
        latch_days: Calendar days for which a state is remembered.
    """

    states: tuple[Rule, ...]
    low_coverage: Predicate
    required: tuple[str, ...]
    decimals: int
    confirm_days: int
    latch_days: int

    def limits(self, metrics: Values) -> dict[str, float | None]:
        """Every predicate's limit on one day; None where the metric that it is a multiple of is unknown."""
        limits = dict(self._constant_limits)
        for predicate in self._multiples:
            base = metrics[predicate.times]
            limits[predicate.name] = None if base is None else round(predicate.threshold * base, self.decimals)
        return limits

    @cached_property
    def _constant_limits(self) -> dict[str, float | None]:
        return {p.name: round(p.threshold, self.decimals) for p in self._predicates if p.times is None}

    @cached_property
    def _multiples(self) -> tuple[Predicate, ...]:
        return tuple(p for p in self._predicates if p.times is not None)

    @cached_property
    def _predicates(self) -> tuple[Predicate, ...]:
        conditions = [part for rule in self.states for part in (rule.enter, rule.stay) if part is not None]
        return (self.low_coverage, *(p for condition in conditions for p in condition.predicates()))


def build_rules(policy: Policy) -> Rules:
    """The rules with the policy's thresholds."""

    def p(path: str, metric: str, comparison: Comparison, times: str | None = None) -> Predicate:
        return Predicate(path, metric, comparison, float(operator.attrgetter(path)(policy)), times)

    funding, funding_stdev = "funding_3d_bps", "funding_stdev_14d_bps"
    open_interest_change, momentum = "open_interest_change_7d_frac", "momentum_14d_frac"
    overleveraged = Rule(
        OVERLEVERAGED,
        enter=AllOf(
            (
                p("over.f", funding, ">="),
                AnyOf((p("over.pct", "funding_pctl_90d", ">="), p("over.ex", "market_excess_bps", ">="))),
                AnyOf(
                    (
                        p("over.oi_z", "open_interest_z_90d", ">="),
                        p("over.oi_usd_z", "open_interest_usd_z_90d", ">="),
                        p("over.oi_chg", open_interest_change, ">="),
                    )
                ),
            )
        ),
        stay=AllOf(
            (
                p("over.stay_f", funding, ">="),
                AnyOf(
                    (
                        p("over.stay_oi_z", "open_interest_z_90d", ">="),
                        p("over.stay_oi_usd_z", "open_interest_usd_z_90d", ">="),
                        p("over.stay_oi_chg", open_interest_change, ">="),
                    )
                ),
            )
        ),
    )
    open_interest_falls = p("lose.oi_chg", open_interest_change, "<=")
    funding_normalises_after_a_pump = AllOf(
        (
            open_interest_falls,
            AnyOf(
                (
                    p("lose.peak_f", "funding_peak_28d_bps", ">="),
                    p("lose.pump", "momentum_14d_peak_28d_frac", ">="),
                )
            ),
            p("lose.f_lo", funding, ">="),
            p("lose.norm", funding, "<=", times="funding_peak_28d_bps"),
        )
    )
    price_falls = AllOf(
        (open_interest_falls, p("lose.mom", momentum, "<="), p("lose.f_min", funding, ">")),
    )
    unstable = Rule(
        UNSTABLE,
        enter=AllOf(
            (
                p("unstable.rv_pct", "volatility_pctl_90d", ">="),
                AnyOf(
                    (
                        AllOf(
                            (
                                p("unstable.fvol", funding_stdev, ">="),
                                p("unstable.mult", funding_stdev, ">=", times="funding_stdev_median_90d_bps"),
                            )
                        ),
                        p("unstable.flips", "funding_sign_flips_14d", ">="),
                    )
                ),
            )
        ),
        stay=AllOf(
            (
                p("unstable.stay_rv_pct", "volatility_pctl_90d", ">="),
                p("unstable.stay_fvol", funding_stdev, ">="),
            )
        ),
    )
    capitulation = AllOf(
        (p("capitulation.f", funding, "<="), p("capitulation.pct", "funding_pctl_90d", "<=")),
    )
    accumulation = AllOf(
        (
            p("accum.f_min", funding, ">="),
            p("accum.f_max", funding, "<="),
            p("accum.fvol", funding_stdev, "<="),
            p("accum.mom_above", momentum, ">"),
            AnyOf(
                (
                    p("accum.vr", "volume_ratio_7d_28d", ">="),
                    p("accum.oi_chg", open_interest_change, ">="),
                )
            ),
        )
    )
    return Rules(
        states=(
            overleveraged,
            Rule(LOSING_MOMENTUM, enter=AnyOf((funding_normalises_after_a_pump, price_falls))),
            unstable,
            Rule(CAPITULATION, enter=capitulation),
            Rule(ACCUMULATION, enter=accumulation),
        ),
        low_coverage=p("health.coverage", "coverage_frac", "<"),
        required=tuple(name for name in MARKET_METRIC_NAMES if name != "market_excess_bps"),
        decimals=policy.metrics.round_decimals,
        confirm_days=policy.decide.confirm_days,
        latch_days=policy.decide.latch_days,
    )
