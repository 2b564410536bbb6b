"""One day's allocation: the golden cases and the edge cases of the rules."""

from fractions import Fraction as F

import pytest

from pipelines.allocations.allocate import Standing, allocate, water_fill
from pipelines.allocations.book import to_cents
from pipelines.policy import Policy, parse_policy

STRATEGIC = {"L1": F(2, 5), "DEFI": F(3, 10), "EMERGING": F(3, 10)}
MULTIPLIERS = {"REDUCE": F(3, 4), "TRIM": F(5, 6)}
AFTER_G3 = {"L1": F(3, 10), "DEFI": F(9, 40), "EMERGING": F(9, 40)}
R, T, I, H, Z = "REDUCE", "TRIM", "INCREASE", "HOLD", "FREEZE"


def plan(l1, defi, emerging, held=STRATEGIC, strategic=STRATEGIC, policy=None, quiet=False, depegged=False):
    actions = {"L1": l1, "DEFI": defi, "EMERGING": emerging}
    sectors = {
        name: Standing(held[name], strategic[name], action, MULTIPLIERS.get(action), quiet)
        for name, action in actions.items()
    }
    return allocate(sectors, 1 - sum(held.values()), policy or Policy(), depegged)


def weights(result):
    return (*(result.targets[name] for name in ("L1", "DEFI", "EMERGING")), result.cash)


def codes(result):
    return {name: found for name, found in result.codes.items() if found}


def test_g1_the_worked_table_is_exact_to_the_cent():
    result = plan(R, I, T)
    assert weights(result) == (F(3, 10), F(9, 20), F(1, 4), 0)
    # 80,000 x 3/10, 9/20, 1/4; before: 32,000 / 24,000 / 24,000 -> -8,000 / +12,000 / -4,000
    cents = to_cents({**result.targets, "CASH": result.cash}, 8_000_000)
    assert cents == {"CASH": 0, "DEFI": 3_600_000, "EMERGING": 2_000_000, "L1": 2_400_000}
    assert codes(result) == {"DEFI": {"TILT_CAP"}}


def test_g2_unstable_mapped_to_hold_leaves_that_sector_alone():
    assert weights(plan(R, I, H)) == (F(3, 10), F(2, 5), F(3, 10), 0)


def test_g3_all_reduce_goes_to_cash():
    result = plan(R, R, R)
    assert weights(result) == (F(3, 10), F(9, 40), F(9, 40), F(1, 4))
    assert codes(result) == {}


def test_g4_a_second_reduce_of_everything_stops_at_the_cash_cap():
    result = plan(R, R, R, AFTER_G3)
    assert weights(result) == (F(7, 25), F(21, 100), F(21, 100), F(3, 10))
    assert codes(result) == {name: {"CASH_CAP"} for name in STRATEGIC}


def test_g5_a_single_increase_without_seller_or_cash_does_nothing():
    result = plan(H, I, H)
    assert weights(result) == (F(2, 5), F(3, 10), F(3, 10), 0)
    assert codes(result) == {"DEFI": {"NO_PROCEEDS"}}


def test_all_increase_without_cash_is_no_trade():
    result = plan(I, I, I)
    assert weights(result) == (F(2, 5), F(3, 10), F(3, 10), 0)
    assert codes(result) == {name: {"NO_PROCEEDS"} for name in STRATEGIC}


def test_g6_idle_cash_raises_a_sector_by_one_step():
    result = plan(H, I, H, AFTER_G3)
    assert weights(result) == (F(3, 10), F(17, 40), F(9, 40), F(1, 20))
    assert codes(result) == {"DEFI": {"STEP_CAP"}}


def test_g7_quiet_sectors_get_a_quarter_of_the_idle_cash_back():
    result = plan(H, H, H, AFTER_G3, policy=parse_policy({"limits": {"recentre": "1/4"}}), quiet=True)
    assert weights(result) == (F(13, 40), F(39, 160), F(39, 160), F(3, 16))
    assert codes(result) == {name: {"RECENTRE"} for name in STRATEGIC}


def test_idle_cash_stays_until_the_sectors_have_been_quiet():
    assert weights(plan(H, H, H, AFTER_G3)) == (*AFTER_G3.values(), F(1, 4))


def test_g8_a_receiver_at_its_tilt_cap_leaves_the_proceeds_in_cash():
    result = plan(R, I, H, {"L1": F(2, 5), "DEFI": F(9, 20), "EMERGING": F(3, 20)})
    assert weights(result) == (F(3, 10), F(9, 20), F(3, 20), F(1, 10))
    assert codes(result) == {"DEFI": {"TILT_CAP"}}


def test_g9_a_receiver_that_holds_nothing_is_bought():
    result = plan(R, I, H, {"L1": F(1, 2), "DEFI": F(0), "EMERGING": F(1, 2)})
    assert weights(result) == (F(3, 8), F(1, 8), F(1, 2), 0)
    assert codes(result) == {}


def test_g10_two_receivers_of_equal_strategic_weight_share_equally():
    assert weights(plan(R, I, I)) == (F(3, 10), F(7, 20), F(7, 20), 0)


def test_g11_a_sector_without_data_is_frozen_and_the_others_proceed():
    result = plan(Z, I, T)
    assert weights(result) == (F(2, 5), F(7, 20), F(1, 4), 0)
    assert codes(result) == {"L1": {"FREEZE"}}


def test_g12_repeated_cuts_end_at_half_the_strategic_weight():
    held, seen = dict(STRATEGIC), []
    for _ in range(6):
        result = plan(R, H, H, held)
        seen.append((result.targets["L1"], result.codes["L1"]))
        held = result.targets
    still = (F(1, 5), {"FLOOR", "BAND"})
    assert seen == [(F(3, 10), set()), (F(9, 40), set()), (F(1, 5), {"FLOOR"}), still, still, still]


def test_g13_a_futures_short_sells_no_spot_and_gives_no_proceeds():
    policy = parse_policy({"expression": {"sectors": {"L1": {"reduce": "short_futures"}}}})
    result = plan(R, I, T, policy=policy)
    assert weights(result) == (F(2, 5), F(7, 20), F(1, 4), 0)
    assert result.shorts == {"L1": F(1, 10)}  # of 80,000: 8,000
    assert codes(result) == {"L1": {"NO_PROCEEDS"}}


def test_trim_under_short_futures_sells_and_shorts_nothing():
    result = plan(H, H, T, policy=parse_policy({"expression": {"reduce": "short_futures"}}))
    assert weights(result) == (F(2, 5), F(3, 10), F(3, 10), 0)
    assert result.shorts == {}


def test_split_sells_half_of_the_cut_and_shorts_the_other_half():
    result = plan(R, H, H, policy=parse_policy({"expression": {"reduce": "split"}}))
    # cut 2/5 -> 3/10: sold 1/20, short 1/20
    assert weights(result) == (F(7, 20), F(3, 10), F(3, 10), F(1, 20))
    assert result.shorts == {"L1": F(1, 20)}


def test_trim_under_split_sells_half_and_shorts_nothing():
    result = plan(H, H, T, policy=parse_policy({"expression": {"reduce": "split"}}))
    assert (result.targets["EMERGING"], result.shorts) == (F(11, 40), {})  # 3/10 - (1/20)/2


def test_the_band_is_tested_before_the_split():
    # the whole cut 1/100 meets the band 1/100; its sold half 1/200 would not
    held = {"L1": F(1, 25), "DEFI": F(12, 25), "EMERGING": F(12, 25)}
    small = {"L1": F(1, 25), "DEFI": F(12, 25), "EMERGING": F(12, 25)}
    result = plan(R, H, H, held, small, parse_policy({"expression": {"reduce": "split"}}))
    assert result.targets["L1"] == F(7, 200)
    assert "BAND" not in result.codes["L1"]


def test_g14_cash_only_fills_one_step_of_the_receiver():
    result = plan(H, I, H, dict.fromkeys(STRATEGIC, F(0)))
    assert weights(result) == (0, F(1, 5), 0, F(4, 5))
    assert codes(result) == {"DEFI": {"STEP_CAP"}}


def test_g16_the_turnover_cap_scales_every_seller():
    result = plan(R, R, R, policy=parse_policy({"limits": {"turnover_cap": "1/10"}}))
    assert weights(result) == (F(9, 25), F(27, 100), F(27, 100), F(1, 10))
    assert codes(result) == {name: {"TURNOVER_CAP"} for name in STRATEGIC}


def test_no_receiver_sends_the_proceeds_to_cash():
    assert weights(plan(R, H, H)) == (F(3, 10), F(3, 10), F(3, 10), F(1, 10))


def test_a_cut_as_large_as_the_band_is_made():
    # 1/10 x 9/10: the cut is 1/100 = min(1/100, w/10)
    sectors = {"L1": Standing(F(1, 10), F(1, 10), R, F(9, 10)), "DEFI": Standing(F(9, 10), F(9, 10), H)}
    result = allocate(sectors, F(0), Policy())
    assert (result.targets["L1"], result.codes["L1"]) == (F(9, 100), set())


def test_proceeds_and_idle_cash_together_stay_inside_the_turnover_cap():
    # 1/10 sold, so 3/20 of the 1/5 idle cash may be used: 1/4 over two equal receivers
    result = plan(R, I, I, {"L1": F(2, 5), "DEFI": F(1, 10), "EMERGING": F(3, 10)})
    assert weights(result) == (F(3, 10), F(9, 40), F(17, 40), F(1, 20))


def test_idle_cash_does_not_flow_back_while_a_sector_is_being_raised():
    result = plan(H, I, H, AFTER_G3, quiet=True)
    assert weights(result) == (F(3, 10), F(17, 40), F(9, 40), F(1, 20))


def test_a_cut_in_its_cooldown_is_not_made():
    sectors = {"L1": Standing(F(1), F(1), R, None)}
    result = allocate(sectors, F(0), Policy())
    assert (result.targets, result.codes["L1"]) == ({"L1": F(1)}, {"COOLDOWN", "DRIFT_ABOVE_CAP"})


def test_a_weight_above_the_cap_by_drift_is_not_sold_and_not_raised():
    held = {"L1": F(3, 10), "DEFI": F(11, 20), "EMERGING": F(3, 20)}
    result = plan(R, I, H, held)
    assert result.targets["DEFI"] == F(11, 20)
    assert result.codes["DEFI"] == {"SECTOR_CAP", "DRIFT_ABOVE_CAP"}


def test_what_a_full_receiver_cannot_take_goes_to_the_next():
    # proceeds 1/10; DEFI has 1/40 left to 9/20, EMERGING takes the rest
    held = {"L1": F(2, 5), "DEFI": F(17, 40), "EMERGING": F(7, 40)}
    result = plan(R, I, I, held)
    assert weights(result) == (F(3, 10), F(9, 20), F(1, 4), 0)
    assert codes(result) == {"DEFI": {"TILT_CAP"}}


def test_a_sector_of_strategic_weight_zero_is_watched_only():
    watched = {"L1": F(3, 5), "DEFI": F(0), "EMERGING": F(2, 5)}
    result = plan(R, I, H, {"L1": F(1, 2), "DEFI": F(0), "EMERGING": F(1, 2)}, watched)
    assert (result.targets["DEFI"], result.codes["DEFI"]) == (0, set())
    assert result.cash == F(1, 8)


def test_a_depeg_gives_sales_back_instead_of_leaving_them_in_cash():
    # 1/10 sold, DEFI takes 1/40 up to its tilt cap, the other 3/40 go back
    result = plan(R, I, H, {"L1": F(2, 5), "DEFI": F(17, 40), "EMERGING": F(7, 40)}, depegged=True)
    assert weights(result) == (F(3, 8), F(9, 20), F(7, 40), 0)
    assert result.codes["L1"] == {"DEPEG"}


def test_cash_cannot_be_sold_twice_weights_must_sum_to_one():
    with pytest.raises(ValueError, match="sum to 9/10, not 1"):
        allocate({"L1": Standing(F(9, 10), F(1), H)}, F(0), Policy())


def test_water_fill_leaves_over_what_no_head_can_take():
    fills = water_fill(F(1), {"A": F(1, 10), "B": F(1, 5)}, {"A": F(1, 2), "B": F(1, 2)})
    assert fills == {"A": F(1, 10), "B": F(1, 5)}


def test_cents_by_largest_remainder_sum_to_the_sleeve_and_break_ties_by_name():
    thirds = {"B": F(1, 3), "A": F(1, 3), "CASH": F(1, 3)}
    assert to_cents(thirds, 100) == {"A": 34, "B": 33, "CASH": 33}
