"""Distance to a flip: which metric has to move where before the state is another one."""

import pytest

from pipelines.policy import parse_policy
from pipelines.signals.distance import distance_to_flip
from pipelines.signals.rules import build_rules
from pipelines.signals.states import state_of


def flips_of(metrics, rules, latch=None):
    return distance_to_flip(metrics, state_of(metrics, rules, latch), latch, rules)


def moved(flip):
    return {move.metric: move.target for move in flip.moves}


def test_the_nearest_single_move_comes_first_measured_against_its_threshold(sector, rules):
    # OVERLEVERAGED, on funding 3.3 and the open-interest change only; no leg of it below can fail alone but:
    #   open interest change to just below .15: .03/.15 = .2
    #   funding to just below 3.0: .3/3.0 = .1
    #   percentile .95 to just below .90: .05/.90 = .0556 (market excess does not hold)
    metrics = sector(f=3.3, f_pct=0.95, f_peak28=3.3, oi_chg7=0.18)
    first, second, third = flips_of(metrics, rules)
    assert moved(first) == {"funding_pctl_90d": 0.899999999}
    assert moved(second) == {"funding_3d_bps": 2.999999999}
    assert moved(third) == {"open_interest_change_7d_frac": 0.149999999}
    assert [flip.distance for flip in (first, second, third)] == [0.055555556, 0.1, 0.2]
    assert [flip.becomes for flip in (first, second, third)] == ["NEUTRAL"] * 3


def test_a_metric_moves_onto_an_inclusive_limit(sector, rules):
    first = flips_of(sector(f=3.0, f_pct=0.90, oi_usd_z=0.9), rules)[0]
    assert moved(first) == {"open_interest_usd_z_90d": 1.0}
    assert (first.distance, first.becomes) == (0.1, "OVERLEVERAGED")


def test_a_metric_moves_one_billionth_past_a_strict_limit(sector, rules):
    # Momentum must be above 0; with the threshold 0 the distance is the slack itself.
    first = flips_of(sector(mom14=-0.02, vr=2.0), rules)[0]
    assert moved(first) == {"momentum_14d_frac": 1e-9}
    assert (first.distance, first.becomes) == (0.02, "ACCUMULATION")


def test_a_strict_limit_fails_on_the_limit_itself(sector, rules):
    first = flips_of(sector(mom14=0.02, vr=2.0), rules)[0]
    assert moved(first) == {"momentum_14d_frac": 0.0}
    assert (first.distance, first.becomes) == (0.02, "NEUTRAL")


def test_sixty_percent_of_the_peak_is_a_limit_that_does_not_move(sector, rules):
    # 0.6 * 4.7647 = 2.85882; funding 1.5 to just above it: 1.35882 / 2.85882 = .475307994
    first, second, third = flips_of(sector(f=1.5, f_peak28=4.7647, oi_chg7=-0.0928), rules)
    assert moved(first) == {"funding_3d_bps": 2.858820001}
    assert first.moves[0].threshold == 2.85882
    assert first.distance == 0.475307994
    # Open interest to just above -5%: .0428 / .05 = .856; the peak to just below 2.5: 2.2647 / 2.5 = .90588
    assert moved(second) == {"open_interest_change_7d_frac": -0.049999999}
    assert moved(third) == {"funding_peak_28d_bps": 2.499999999}


def test_two_metrics_are_named_only_where_no_single_one_is_enough(sector, rules):
    # Momentum alone raises nothing (volume ratio 1.0, open interest flat); funding stays far from its limits.
    # momentum 0 -> 1e-9 costs 0; volume ratio 1.0 -> 1.25 costs .2; open interest 0 -> .05 costs 1
    first, second, _ = flips_of(sector(), rules)
    assert moved(first) == {"momentum_14d_frac": 1e-9, "volume_ratio_7d_28d": 1.25}
    assert (first.distance, first.becomes) == (0.2, "ACCUMULATION")
    assert second.distance >= first.distance
    assert all(len(flip.moves) == 2 for flip in (first, second))


def test_no_set_holds_a_move_that_another_set_does_without(sector, rules):
    flips = flips_of(sector(mom14=-0.02, vr=2.0), rules)
    sets = [frozenset(moved(flip)) for flip in flips]
    assert not any(one < other for one in sets for other in sets)


def test_a_metric_is_never_asked_to_move_both_ways_at_once(sector, rules):
    # Both branches of LOSING_MOMENTUM hold. Funding above .6 * 3.0 ends the first and funding at -2.0 the
    # second: no funding does both, but -2.0 alone ends both, and so does open interest above -5%.
    flips = flips_of(sector(oi_chg7=-0.06, mom14=-0.9, f_peak28=3.0), rules)
    assert [moved(flip) for flip in flips] == [
        {"open_interest_change_7d_frac": -0.049999999},
        {"funding_3d_bps": -2.0},
        {"funding_peak_28d_bps": 2.499999999, "momentum_14d_frac": -0.099999999},
    ]


def test_the_remembered_state_is_part_of_the_rules(sector, rules):
    # Funding 2.1 keeps OVERLEVERAGED down to 2.0; without the memory the day is NEUTRAL.
    metrics = sector(f=2.1, f_peak28=3.4, oi_z=0.9)
    first = flips_of(metrics, rules, latch="OVERLEVERAGED")[0]
    assert moved(first) == {"funding_3d_bps": 1.999999999}
    assert first.distance == 0.05
    assert state_of(metrics, rules) == "NEUTRAL"
    assert moved(flips_of(metrics, rules)[0]) != moved(first)


def test_leaving_a_state_held_both_ways_needs_both_to_fail(sector, rules):
    # Entered anew and remembered: just below 3.0 it would still stay, so funding must fall below 2.0.
    metrics = sector(f=3.0, f_pct=0.90, f_peak28=3.4, oi_z=1.0)
    assert moved(flips_of(metrics, rules)[0]) == {"funding_3d_bps": 2.999999999}
    by_metric = {tuple(moved(flip)): moved(flip) for flip in flips_of(metrics, rules, latch="OVERLEVERAGED")}
    assert by_metric[("funding_3d_bps",)] == {"funding_3d_bps": 1.999999999}


def test_unknown_market_excess_is_never_asked_to_move(sector, rules):
    flips = flips_of(sector(f=3.0, f_pct=0.5, oi_z=1.0, ex=None), rules)
    assert moved(flips[0]) == {"funding_pctl_90d": 0.9}
    assert all("market_excess_bps" not in moved(flip) for flip in flips)


@pytest.mark.parametrize("changes", [{"vr": None}, {"is_fresh": False}, {"coverage": 0.1}])
def test_a_day_without_usable_data_has_no_distance(sector, rules, changes):
    assert flips_of(sector(**changes), rules) == []


def test_data_health_is_no_market_metric_and_is_not_moved(sector, rules):
    flips = flips_of(sector(coverage=0.600000001), rules)
    assert flips
    assert all("coverage_frac" not in moved(flip) for flip in flips)


def test_at_most_three_sets_are_reported_in_order(sector, rules):
    flips = flips_of(sector(mom14=0.05, vr=2.0, oi_chg7=0.06), rules)
    keys = [(len(flip.moves), flip.distance) for flip in flips]
    assert len(keys) == 3
    assert keys == sorted(keys)


def test_equal_distances_are_ordered_by_the_metrics_names(sector, rules):
    # Both z stand at .5, each .5 short of 1.0.
    flips = flips_of(sector(f=3.0, f_pct=0.90, oi_z=0.5, oi_usd_z=0.5), rules)
    assert [list(moved(flip)) for flip in flips[:2]] == [["open_interest_usd_z_90d"], ["open_interest_z_90d"]]
    assert flips[0].distance == flips[1].distance == 0.5


def test_the_same_day_gives_the_same_answer_whatever_rules_object_is_used(sector, policy):
    metrics = sector(f=3.0, f_pct=0.90, oi_z=0.5, oi_usd_z=0.5, rv_pct=0.7)
    answers = [flips_of(metrics, build_rules(policy)) for _ in range(5)]
    assert all(answer == answers[0] for answer in answers)


def test_distances_follow_the_policy(sector):
    rules = build_rules(parse_policy({"over": {"oi_z": 2.0, "oi_usd_z": 2.0, "oi_chg": 9.0}}))
    first = flips_of(sector(f=3.0, f_pct=0.90, oi_z=1.5), rules)[0]
    assert moved(first) == {"open_interest_z_90d": 2.0}
    assert first.distance == 0.25
