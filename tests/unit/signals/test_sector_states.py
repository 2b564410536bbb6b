"""The raw state of one sector on one day: every boundary, every precedence, every unknown."""

import math

import pytest

from pipelines.policy import parse_policy
from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import build_rules
from pipelines.signals.states import state_of

STATES_1_AND_3 = {"f": 3.0, "f_pct": 0.90, "oi_z": 1.0, "rv_pct": 0.80, "flips": 4}
STATES_2_AND_3 = {"oi_chg7": -0.05, "mom14": -0.10, "rv_pct": 0.80, "flips": 4}

BOUNDARIES = [
    ({"f": 3.0, "f_pct": 0.90, "oi_z": 1.0}, None, "OVERLEVERAGED"),
    ({"f": 3.0, "f_pct": 0.90, "oi_usd_z": 1.0}, None, "OVERLEVERAGED"),
    ({"f": 2.999, "f_pct": 0.95, "oi_z": 2}, None, "NEUTRAL"),
    ({"f": 3.0, "ex": 1.5, "oi_chg7": 0.15}, None, "OVERLEVERAGED"),
    ({"f": 6, "f_pct": 0.99, "oi_z": 0.2, "oi_chg7": 0.01}, None, "NEUTRAL"),
    ({"oi_chg7": -0.05, "f_peak28": 2.5, "f": 1.5}, None, "LOSING_MOMENTUM"),
    ({"oi_chg7": -0.05, "f_peak28": 2.5, "f": 1.51}, None, "NEUTRAL"),
    ({"oi_chg7": -0.08, "mom14_peak28": 0.20, "f": 0.6, "f_peak28": 1.2}, None, "LOSING_MOMENTUM"),
    ({"oi_chg7": -0.05, "mom14": -0.10}, None, "LOSING_MOMENTUM"),
    (STATES_1_AND_3, None, "OVERLEVERAGED"),
    (STATES_2_AND_3, None, "LOSING_MOMENTUM"),
    ({"f": 2.0, "oi_z": 0.5}, "OVERLEVERAGED", "OVERLEVERAGED"),
    ({"rv_pct": 0.80, "fvol14": 2.0, "fvol_med": 1.0}, None, "UNSTABLE"),
    ({"rv_pct": 0.80, "flips": 4}, None, "UNSTABLE"),
    ({"rv_pct": 0.79, "fvol14": 5, "fvol_med": 1}, None, "NEUTRAL"),
    ({"f": -2, "f_pct": 0.05, "mom14": -0.3, "oi_chg7": -0.2}, None, "CAPITULATION"),
    ({"mom14": 0.01, "vr": 1.25}, None, "ACCUMULATION"),
    ({"mom14": 0.01, "oi_chg7": 0.05}, None, "ACCUMULATION"),
    ({"mom14": -0.01, "vr": 2}, None, "NEUTRAL"),
    ({"mom14": 0.05, "vr": 2, "f": 1.51}, None, "NEUTRAL"),
    ({"mom14": 0.05, "vr": 2, "fvol14": 1.01}, None, "NEUTRAL"),
    ({"oi_z": None}, None, "NO_DATA"),
    ({"flips": None}, None, "NO_DATA"),
    ({"f": 1.99, "oi_z": 0.5}, "OVERLEVERAGED", "NEUTRAL"),
]


@pytest.mark.parametrize(("changes", "latch", "expected"), BOUNDARIES)
def test_every_boundary_of_the_states_is_where_it_is_said_to_be(sector, rules, changes, latch, expected):
    assert state_of(sector(**changes), rules, latch) == expected


@pytest.mark.parametrize("changes", [STATES_1_AND_3, STATES_2_AND_3])
def test_the_examples_of_precedence_really_satisfy_the_less_cautious_state_too(sector, rules, changes):
    metrics = sector(**changes)
    values = vars(metrics)
    unstable = next(rule for rule in rules.states if rule.state == "UNSTABLE")
    assert unstable.enter.holds(values, rules.limits(values))


def test_the_quiet_sector_is_neutral(sector, rules):
    assert state_of(sector(), rules) == "NEUTRAL"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"f": 1.5, "f_peak28": 4.7647, "oi_chg7": -0.0928}, "LOSING_MOMENTUM"),  # 0.6 * 4.7647 = 2.85882
        ({"f": 0.6333, "fvol14": 0.1, "vr": 1.5, "mom14": 0.0797}, "ACCUMULATION"),
        ({"fvol14": 3.9590, "flips": 6, "rv_pct": 0.9667}, "UNSTABLE"),
    ],
)
def test_three_sectors_of_the_worked_example_have_their_three_states(sector, rules, changes, expected):
    assert state_of(sector(**changes), rules) == expected


def test_very_high_funding_with_flat_open_interest_is_not_overleveraged(sector, rules):
    assert state_of(sector(f=6.0, f_pct=0.99, ex=4.0), rules) == "NEUTRAL"


def test_deeply_negative_funding_is_capitulation_and_its_action_is_to_hold(sector, rules, policy):
    assert state_of(sector(f=-2.5, f_pct=0.01), rules) == "CAPITULATION"
    assert policy.actions.CAPITULATION == "HOLD"


def test_wild_funding_without_volatile_futures_is_not_unstable(sector, rules):
    assert state_of(sector(fvol14=5.0, fvol_med=1.0, flips=9, rv_pct=0.79), rules) == "NEUTRAL"


def test_falling_open_interest_without_a_pump_before_is_not_lost_momentum(sector, rules):
    assert state_of(sector(oi_chg7=-0.20, f=0.1, f_peak28=2.499, mom14_peak28=0.199), rules) == "NEUTRAL"


def test_funding_of_exactly_the_lower_edge_is_outside_the_price_branch_of_losing_momentum(sector, rules):
    # The branch needs funding above -2.0, the only strict limit besides momentum above 0.
    falling = {"oi_chg7": -0.05, "mom14": -0.10, "f_pct": 0.5}
    assert state_of(sector(f=-2.0, **falling), rules) == "NEUTRAL"
    assert state_of(sector(f=-1.999999999, **falling), rules) == "LOSING_MOMENTUM"


def test_momentum_of_exactly_zero_is_not_accumulation(sector, rules):
    assert state_of(sector(mom14=0.0, vr=2.0), rules) == "NEUTRAL"
    assert state_of(sector(mom14=1e-9, vr=2.0), rules) == "ACCUMULATION"


def test_a_product_limit_is_rounded_so_that_sixty_percent_of_the_peak_is_met_exactly(sector, rules):
    # 0.6 * 3.3 is 1.9799999999999998 in binary; rounded to 9 decimals it is 1.98, which 1.98 meets.
    assert 0.6 * 3.3 < 1.98
    assert state_of(sector(oi_chg7=-0.05, f_peak28=3.3, f=1.98), rules) == "LOSING_MOMENTUM"


def test_unknown_market_excess_only_fails_its_own_condition(sector, rules):
    assert state_of(sector(f=3.0, f_pct=0.90, oi_z=1.0, ex=None), rules) == "OVERLEVERAGED"
    assert state_of(sector(f=3.0, f_pct=0.89, oi_z=1.0, ex=None), rules) == "NEUTRAL"


@pytest.mark.parametrize(
    "name",
    [
        *("f", "f_pct", "f_peak28", "fvol14", "fvol_med", "flips", "rv_pct"),
        *("oi_z", "oi_usd_z", "oi_chg7", "vr", "mom14", "mom14_peak28"),
    ],
)
def test_each_required_metric_that_is_unknown_means_no_data(sector, rules, name):
    # Everything else would make the sector overleveraged: no data must win.
    overleveraged = {"f": 3.0, "f_pct": 0.90, "oi_z": 1.0}
    assert state_of(sector(**overleveraged), rules) == "OVERLEVERAGED"
    assert state_of(sector(**{**overleveraged, name: None}), rules) == "NO_DATA"


def test_coverage_at_the_limit_is_enough_and_below_it_is_no_data(sector, rules):
    assert state_of(sector(coverage=0.60), rules) == "NEUTRAL"
    assert state_of(sector(coverage=0.599999999), rules) == "NO_DATA"


def test_unknown_data_health_is_no_data(sector, rules):
    assert state_of(sector(coverage=None), rules) == "NO_DATA"
    assert state_of(sector(is_fresh=None), rules) == "NO_DATA"


def test_stale_comes_before_no_data(sector, rules):
    assert state_of(sector(is_fresh=False, f=None), rules) == "STALE"
    assert state_of(SectorMetrics(is_fresh=False), rules) == "STALE"


def test_a_remembered_state_is_not_kept_without_data(sector, rules):
    assert state_of(sector(f=2.5, oi_z=0.6, vr=None), rules, "OVERLEVERAGED") == "NO_DATA"
    assert state_of(sector(f=2.5, oi_z=0.6, is_fresh=False), rules, "OVERLEVERAGED") == "STALE"


def test_a_mart_row_is_rounded_on_entry_and_what_is_not_finite_is_unknown(sector):
    row = vars(sector()) | {
        "funding_3d_bps": 0.1 + 0.2,  # 0.30000000000000004
        "momentum_14d_frac": -1e-12,
        "volume_ratio_7d_28d": math.inf,
        "open_interest_z_90d": math.nan,
        "a_column_more": "ignored",
    }
    metrics = SectorMetrics.from_row(row, decimals=9)
    assert metrics.funding_3d_bps == 0.3
    assert math.copysign(1, metrics.momentum_14d_frac) == 1
    assert metrics.volume_ratio_7d_28d is None
    assert metrics.open_interest_z_90d is None
    assert metrics.is_fresh is True


def test_a_threshold_changed_in_the_policy_moves_the_boundary(sector):
    rules = build_rules(parse_policy({"over": {"f": 4.0}}))
    assert state_of(sector(f=3.9, f_pct=0.90, oi_z=1.0), rules) == "NEUTRAL"
    assert state_of(sector(f=4.0, f_pct=0.90, oi_z=1.0), rules) == "OVERLEVERAGED"
