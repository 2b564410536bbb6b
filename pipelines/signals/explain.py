"""Why a sector is in its state, in words: templates filled from the record and the policy, no free text.

Open interest has no direction, because every long has a short: its growth is called new leverage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.policy import Policy
from pipelines.signals.chain import SectorDay
from pipelines.signals.distance import Flip, Move
from pipelines.signals.rules import (
    DATA_STATES,
    NEUTRAL,
    STALE,
    Condition,
    Predicate,
    Rules,
    Values,
)
from pipelines.signals.states import missing_metrics
from pipelines.signals.vetoes import leading_references


@dataclass(frozen=True)
class _Unit:
    """How a metric is written: `scale` times the value, with decimals, a sign where wanted, and a suffix."""

    decimals: int
    scale: int = 1
    sign: str = ""
    suffix: str = ""

    def value(self, value: float, limit: float) -> str:
        """The value with enough decimals not to seem on the other side of its limit (2.999, not 3.00)."""
        scaled, scaled_limit = round(value * self.scale, 10), round(limit * self.scale, 10)
        decimals = self.decimals
        while decimals < 10 and _side(round(scaled, decimals), scaled_limit) != _side(scaled, scaled_limit):
            decimals += 1
        return f"{scaled:{self.sign}.{decimals}f}{self.suffix}"

    def limit(self, limit: float) -> str:
        return f"{limit * self.scale:{self.sign if limit else ''}.6g}{self.suffix}"


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


_BPS = _Unit(2, suffix=" bp/8h")
_CHANGE = _Unit(1, scale=100, sign="+", suffix="%")
_SHARE = _Unit(0, scale=100, suffix="%")
_RANK = _Unit(1, scale=100)
_NUMBER = _Unit(2)
_COUNT = _Unit(0)

_METRICS: dict[str, tuple[str, _Unit]] = {
    "funding_3d_bps": ("funding", _BPS),
    "funding_pctl_90d": ("funding percentile of the last {baseline} days", _RANK),
    "market_excess_bps": ("funding above the rest of the market", _BPS),
    "funding_peak_28d_bps": ("the {peak}-day peak of funding", _BPS),
    "funding_stdev_14d_bps": ("the {funding_vol}-day standard deviation of funding", _BPS),
    "funding_stdev_median_90d_bps": ("the {baseline}-day median of funding's standard deviation", _BPS),
    "funding_sign_flips_14d": ("changes of funding's sign in {funding_vol} days", _COUNT),
    "volatility_pctl_90d": ("futures volatility percentile of the last {baseline} days", _RANK),
    "open_interest_z_90d": ("open interest z-score over {baseline} days", _NUMBER),
    "open_interest_usd_z_90d": (
        "open interest in USD (contains the price) z-score over {baseline} days",
        _NUMBER,
    ),
    "open_interest_change_7d_frac": ("open interest change in {oi_change} days", _CHANGE),
    "volume_ratio_7d_28d": ("perpetual volume over that of the {vol_prior} days before", _NUMBER),
    "momentum_14d_frac": ("futures price change in {momentum} days", _CHANGE),
    "momentum_14d_peak_28d_frac": ("highest {momentum}-day futures price change of {peak} days", _CHANGE),
    "coverage_frac": ("data coverage of the leaders' open interest", _SHARE),
}

_PHRASES: dict[str, str] = {
    "over.f": "funding {value} (limit {limit})",
    "over.pct": "funding percentile {value} of the last {baseline} days (limit {limit})",
    "over.ex": "funding {value} above the rest of the market (limit {limit})",
    "over.oi_z": "new leverage: open interest z-score {value} over {baseline} days (limit {limit})",
    "over.oi_usd_z": "open interest in USD, which contains the price, z-score {value} (limit {limit})",
    "over.oi_chg": "new leverage: open interest {value} in {oi_change} days (limit {limit})",
    "over.stay_f": "funding {value} (limit to stay {limit})",
    "over.stay_oi_z": "open interest z-score {value} over {baseline} days (limit to stay {limit})",
    "over.stay_oi_usd_z": ("open interest in USD, which contains the price, z-score {value} (limit to stay {limit})"),
    "over.stay_oi_chg": "open interest {value} in {oi_change} days (limit to stay {limit})",
    "lose.oi_chg": "open interest {value} in {oi_change} days (limit {limit})",
    "lose.pump": "futures price up by {value} in {momentum} days within the last {peak} (limit {limit})",
    "lose.norm": "funding {value}, {direction} a {peak}-day peak of {base} (limit {share} of peak)",
    "lose.mom": "futures price {value} in {momentum} days (limit {limit})",
    "unstable.rv_pct": "futures volatility percentile {value} of the last {baseline} days (limit {limit})",
    "unstable.fvol": "funding swings with a {funding_vol}-day standard deviation of {value} (limit {limit})",
    "unstable.mult": "its {baseline}-day median is {base} (limit {times} times the median)",
    "unstable.flips": "funding changed its sign {value} times in {funding_vol} days (limit {limit})",
    "unstable.stay_rv_pct": "futures volatility percentile {value} (limit to stay {limit})",
    "unstable.stay_fvol": "{funding_vol}-day standard deviation of funding {value} (limit to stay {limit})",
    "capitulation.f": "funding {value} (limit {limit})",
    "capitulation.pct": "funding percentile {value} of the last {baseline} days (limit {limit})",
    "accum.f_max": "funding low at {value} (limit {limit})",
    "accum.fvol": "and stable with a {funding_vol}-day standard deviation of {value} (limit {limit})",
    "accum.mom_above": "futures price {value} in {momentum} days (above {limit})",
    "accum.vr": "perpetual volume {value} times that of the {vol_prior} days before (limit {limit})",
    "accum.oi_chg": "new leverage: open interest {value} in {oi_change} days (limit {limit})",
}  # a predicate without a phrase is said by another one's, or is only the outer edge of a window


def explain_state(
    sector: str, day: SectorDay, flips: Sequence[Flip], rules: Rules, policy: Policy, data_reason: str | None
) -> str:
    """The state of one sector on one day, what made it, and what it waits for.

    Args:
        sector: The sector's name.
        day: The day's record.
        flips: The day's distance to a flip; the nearest one is said of a NEUTRAL day.
        rules: The rules under the policy.
        policy: Gives every limit and window that is printed.
        data_reason: What the data-health mart says is wrong; None where it says nothing.
    """
    if day.latched_state in DATA_STATES:
        return f"{sector}: {day.state}. {_missing_data(day, rules, policy, data_reason)}"
    reasons = _reasons(day, flips, rules, policy)
    if day.state != day.latched_state:
        return f"{sector}: {day.state}. {day.latched_state} seen {_waiting(day, rules)}: {reasons}."
    if _is_held_by_latch(day, rules):
        return f"{sector}: {day.state}. Stays because it was entered before and is not yet left: {reasons}."
    return f"{sector}: {day.state}. {reasons[0].upper()}{reasons[1:]}."


def explain_vetoes(
    codes: Sequence[str],
    sector: str,
    spread_z: Mapping[str, float | None],
    leader_count: int | None,
    policy: Policy,
) -> str:
    """Why the sector is not raised although its state says so; empty without a veto."""
    reasons = []
    if "SPREAD_VETO" in codes:
        for name in leading_references(sector, spread_z, policy):
            z = _NUMBER.value(spread_z[name], policy.spread.z)
            reasons.append(f"{name} runs ahead of it, spread z-score {z} (limit {_NUMBER.limit(policy.spread.z)})")
    if "SINGLE_NAME" in codes:
        count = "an unknown number of leaders" if leader_count is None else f"{leader_count} leader(s)"
        reasons.append(f"it has {count} (needs {policy.leaders.min_for_increase})")
    return f"Not raised: {'; '.join(reasons)}." if reasons else ""


def _missing_data(day: SectorDay, rules: Rules, policy: Policy, data_reason: str | None) -> str:
    parts = []
    if day.latched_state == STALE:
        dropped = _SHARE.limit(policy.data.dropped_share)
        parts.append(
            f"no fresh data: a kind of data is older than {policy.health.fresh_hours} hours, or more than"
            f" {dropped} of the open interest was dropped as unreliable"
        )
    if day.metrics.is_fresh is None:
        parts.append("missing: whether the data is fresh")
    coverage, needed = day.metrics.coverage_frac, rules.low_coverage.threshold
    label, unit = _label("coverage_frac", policy), _SHARE
    if coverage is None:
        parts.append(f"missing: {label}")
    elif coverage < needed:
        parts.append(f"{label} {unit.value(coverage, needed)} (needs {unit.limit(needed)})")
    if missing := missing_metrics(day.metrics, rules):
        is_all = len(missing) == len(rules.required)
        labels = ["every metric"] if is_all else [_label(name, policy) for name in missing]
        parts.append(f"missing: {', '.join(labels)}")
    if data_reason and data_reason != "complete":
        parts.append(f"reported: {data_reason}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _is_held_by_latch(day: SectorDay, rules: Rules) -> bool:
    """Whether the latched state holds only because it was entered before."""
    values = vars(day.metrics)
    own = next((rule for rule in rules.states if rule.state == day.latched_state), None)
    return own is not None and not own.enter.holds(values, rules.limits(values))


def _waiting(day: SectorDay, rules: Rules) -> str:
    if rules.confirm_days == 2:
        return "today, waits for a second day"
    return f"on {day.held_days} day(s) in a row, needs {rules.confirm_days}"


def _reasons(day: SectorDay, flips: Sequence[Flip], rules: Rules, policy: Policy) -> str:
    if day.latched_state == NEUTRAL:
        nearest = f"; nearest change: {flip_in_words(flips[0], policy)}" if flips else ""
        return f"no other state's conditions are met{nearest}"
    values = vars(day.metrics)
    limits = rules.limits(values)
    own = next(rule for rule in rules.states if rule.state == day.latched_state)
    held = {p.name: p for p in _satisfied(own.enter, values, limits)}
    if not held and own.stay is not None:
        held = {p.name: p for p in _satisfied(own.stay, values, limits)}
    if "lose.peak_f" in held:
        held.pop("lose.pump", None)
    return "; ".join(_phrase(p, values, limits, policy) for p in held.values() if p.name in _PHRASES)


def _satisfied(condition: Condition, values: Values, limits: Values) -> list[Predicate]:
    """The predicates that make a condition true, in its order; none where it is false."""
    if not condition.holds(values, limits):
        return []
    if isinstance(condition, Predicate):
        return [condition]
    return [p for part in condition.parts for p in _satisfied(part, values, limits)]


def _phrase(predicate: Predicate, values: Values, limits: Values, policy: Policy) -> str:
    unit = _METRICS[predicate.metric][1]
    value, limit = values[predicate.metric], limits[predicate.name]
    words = policy.windows.model_dump() | {"value": unit.value(value, limit), "limit": unit.limit(limit)}
    if predicate.times is not None:
        base = values[predicate.times]
        words |= {
            "base": f"{base:.{unit.decimals}f}",
            "share": _SHARE.limit(predicate.threshold),
            "times": _NUMBER.limit(predicate.threshold),
            "direction": "down from" if value < base else "at",
        }
    return _PHRASES[predicate.name].format(**words)


def flip_in_words(flip: Flip, policy: Policy) -> str:
    """What would have to move, and how far, for the state to become another one."""
    return f"{flip.becomes} if {' and '.join(_move(move, policy) for move in flip.moves)}"


def _move(move: Move, policy: Policy) -> str:
    unit = _METRICS[move.metric][1]
    verb = "rises" if move.target > move.value else "falls"
    beyond = "to" if move.target == move.threshold else "above" if move.target > move.threshold else "below"
    now = unit.value(move.value, move.threshold)
    return f"{_label(move.metric, policy)} {verb} {beyond} {unit.limit(move.threshold)} (now {now})"


def _label(metric: str, policy: Policy) -> str:
    return _METRICS[metric][0].format(**policy.windows.model_dump())
