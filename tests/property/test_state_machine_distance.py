"""The distance to a flip against brute force: a reported move flips the state, and no smaller one does."""

from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.policy import Policy
from pipelines.signals.distance import MAX_REPORTED, distance_to_flip
from pipelines.signals.metrics import MARKET_METRIC_NAMES, SectorMetrics
from pipelines.signals.rules import build_rules
from pipelines.signals.states import market_state, state_of

RULES = build_rules(Policy())
PREDICATES = tuple(
    {
        predicate.name: predicate
        for rule in RULES.states
        for part in (rule.enter, rule.stay)
        if part is not None
        for predicate in part.predicates()
    }.values()
)
QUIET = SectorMetrics(
    1.0, 0.5, 0.0, 1.2, 0.3, 0.3, 0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 0.05, coverage_frac=1.0, is_fresh=True
)
RANGES = {
    "funding_3d_bps": (-4, 6),
    "funding_pctl_90d": (0, 1),
    "market_excess_bps": (-3, 4),
    "funding_peak_28d_bps": (-1, 6),
    "funding_stdev_14d_bps": (0, 3),
    "funding_stdev_median_90d_bps": (0, 1.5),
    "volatility_pctl_90d": (0, 1),
    "open_interest_z_90d": (-2, 3),
    "open_interest_usd_z_90d": (-2, 3),
    "open_interest_change_7d_frac": (-0.3, 0.3),
    "volume_ratio_7d_28d": (0, 3),
    "momentum_14d_frac": (-0.4, 0.4),
    "momentum_14d_peak_28d_frac": (-0.1, 0.5),
}


def near_the_limits(name):
    low, high = RANGES[name]
    limits = [p.threshold for p in PREDICATES if p.metric == name and p.times is None]
    on_or_beside = [round(limit + step, 9) for limit in limits for step in (-1e-9, 0.0, 1e-9)]
    anywhere = st.floats(low, high).map(lambda value: round(value, 9) + 0.0)
    return st.one_of(anywhere, st.sampled_from(on_or_beside)) if limits else anywhere


def sectors():
    known = {name: near_the_limits(name) for name in RANGES}
    known["market_excess_bps"] = st.one_of(st.none(), known["market_excess_bps"])
    return st.builds(
        SectorMetrics,
        **known,
        funding_sign_flips_14d=st.integers(0, 9),
        coverage_frac=st.just(1.0),
        is_fresh=st.just(True),
    )


def quiet_sectors():
    """A sector far from every limit with one or two metrics changed: often two moves away from a flip."""
    changes = st.sampled_from(sorted(RANGES)).flatmap(
        lambda name: st.tuples(st.just(name), near_the_limits(name)),
    )
    return st.lists(changes, max_size=2).map(lambda pairs: replace(QUIET, **dict(pairs)))


latches = st.sampled_from([None, "OVERLEVERAGED", "UNSTABLE"])


def ends(metrics, limits, name):
    """Every value of a metric at which some predicate changes, with the slack over its threshold."""
    value, found = getattr(metrics, name), {}
    if value is None:
        return found
    for predicate in PREDICATES:
        if predicate.metric != name:
            continue
        limit = limits[predicate.name]
        cost = round(abs(value - limit), 9) / (abs(limit) or 1)
        for end in (round(limit - 1e-9, 9), limit, round(limit + 1e-9, 9)):
            if end != value:
                found[end] = min(cost, found.get(end, cost))
    return found


def nearest_single_moves(metrics, limits, state, latch):
    """Per metric and direction, the cost of the first end on the way that flips the state."""
    values = vars(metrics)
    costs = {}
    for name in MARKET_METRIC_NAMES:
        for upwards in (True, False):
            reachable = ends(metrics, limits, name).items()
            walk = sorted(
                ((end, cost) for end, cost in reachable if (end > values[name]) == upwards),
                reverse=not upwards,
            )
            for end, cost in walk:
                if market_state(values | {name: end}, limits, RULES, latch) != state:
                    costs[(name, end)] = cost
                    break
    return costs


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.one_of(sectors(), quiet_sectors()), latches)
def test_every_reported_set_of_moves_flips_the_state_and_none_of_its_moves_is_superfluous(metrics, latch):
    state = state_of(metrics, RULES, latch)
    for flip in distance_to_flip(metrics, state, latch, RULES):
        targets = {move.metric: move.target for move in flip.moves}
        assert len(targets) == len(flip.moves)
        # With the products recomputed for the moved metrics too: a fixed limit is never the easier one.
        assert state_of(replace(metrics, **targets), RULES, latch) != state
        limits = RULES.limits(vars(metrics))
        for left_out in targets:
            fewer = {name: target for name, target in targets.items() if name != left_out}
            assert market_state(vars(metrics) | fewer, limits, RULES, latch) == state


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.one_of(sectors(), quiet_sectors()), latches)
def test_no_single_move_smaller_than_the_reported_one_flips_the_state(metrics, latch):
    state = state_of(metrics, RULES, latch)
    limits = RULES.limits(vars(metrics))
    brute = nearest_single_moves(metrics, limits, state, latch)
    reported = [flip for flip in distance_to_flip(metrics, state, latch, RULES) if len(flip.moves) == 1]
    assert all((flip.moves[0].metric, flip.moves[0].target) in brute for flip in reported)
    # Not the names' order: where two limits are a billionth apart, both lead to the same end at nearly the
    # same cost.
    smallest = sorted(brute.values())[:MAX_REPORTED]
    assert [flip.distance for flip in reported] == pytest.approx(smallest, abs=1e-6)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(quiet_sectors(), latches)
def test_two_metrics_are_reported_only_and_always_where_no_single_one_but_some_two_flip(metrics, latch):
    state = state_of(metrics, RULES, latch)
    limits, values = RULES.limits(vars(metrics)), vars(metrics)
    flips = distance_to_flip(metrics, state, latch, RULES)
    assume(len(flips[0].moves) != 1)
    reach = {name: ends(metrics, limits, name) for name in MARKET_METRIC_NAMES}
    costs = [
        one_cost + other_cost
        for one, other in combinations(MARKET_METRIC_NAMES, 2)
        for (one_end, one_cost), (other_end, other_cost) in product(reach[one].items(), reach[other].items())
        if market_state(values | {one: one_end, other: other_end}, limits, RULES, latch) != state
    ]
    assert bool(costs) == (len(flips[0].moves) == 2)
    if costs:
        assert flips[0].distance <= min(costs) + 1e-8
