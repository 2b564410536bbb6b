"""Scenario results of a hedge, down to the cent."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.scenarios import Exposed, funding_sum_bps, ratio_for_offset, scenario, scenario_rows
from pipelines.policy import Policy, parse_policy

POLICY = Policy()
DAY = dt.date(2024, 3, 4)
HEDGE = Exposed("hedge-BTC", -1, 2_000_000, 200_000, F(2_000, 1_004) - 1, 200_000, 1.0)


def rows(f0=1.0, **changes):
    return scenario_rows(DAY, [dataclasses.replace(HEDGE, funding_3d_bps=f0, **changes)], 2_000_000, POLICY)[0]


def plan(*positions, spot_cents=2_000_000):
    return scenario_rows(DAY, positions, spot_cents, POLICY)[1]


def pick(found, shock, days, path):
    keys = ("shock_frac", "horizon_days", "funding_path")
    (row,) = [r for r in found if tuple(r[key] for key in keys) == (shock, days, path)]
    return row


@pytest.mark.parametrize(
    ("funding_bps", "offsets"),
    [
        (None, ["10.00", "25.00", "50.00", "80.00", "100.00"]),
        (1, ["10.06", "25.15", "50.30", "80.48", "100.60"]),
        (5, ["10.86", "27.14", "54.29", "86.86", "108.58"]),
        (-3, ["9.26", "23.15", "46.31", "74.09", "92.62"]),
    ],
)
def test_the_offset_of_a_ten_percent_fall_over_seven_days(funding_bps, offsets):
    found = []
    for ratio in (F(1, 10), F(1, 4), F(1, 2), F(4, 5), F(1)):
        total = None if funding_bps is None else F(21 * funding_bps)
        result = scenario(F(20_000), 20_000 * ratio, F(-1, 10), total, POLICY)
        offset = result["offset_price_only_frac"] if funding_bps is None else result["offset_frac"]
        # halves up: 108.575 is 108.58 in decimals
        found.append(f"{int(offset * 10_000 + F(1, 2)) / 100:.2f}")
    assert found == offsets


def test_the_cost_of_a_rise_is_shown():
    row = pick(rows(5.0), 0.1, 7, "persist")
    # price -200; funding 2,000 x 105 bp x 1.05 = 22.05; cost 2 x 2,000 x 7 bp = 2.80
    assert (row["spot_pnl_usd"], row["hedge_price_pnl_usd"]) == (2000.0, -200.0)
    assert (row["funding_pnl_usd"], row["cost_usd"], row["net_pnl_usd"]) == (22.05, 2.80, 1819.25)
    assert row["hedge_price_pnl_usd"] + row["funding_pnl_usd"] - row["cost_usd"] == pytest.approx(-180.75)


def test_a_tenth_hedged_still_loses_nine_tenths():
    row = pick(rows(), -0.1, 1, "persist")
    assert row["offset_price_only_frac"] == 0.1
    assert row["spot_pnl_usd"] + row["hedge_price_pnl_usd"] == -1800.0


def test_there_is_a_row_for_every_shock_horizon_and_path():
    assert len(rows()) == 11 * 3 * 3
    keys = {(row["shock_frac"], row["horizon_days"], row["funding_path"]) for row in rows()}
    assert len(keys) == 99


@pytest.mark.parametrize(
    ("path", "days", "expected"),
    [
        ("persist", 7, F(84)),  # 21 x 4
        ("flip", 7, F(-63)),  # 21 x -3
        ("linear", 1, F(4) * 3 - 3 * F(1 + 2 + 3, 21)),  # 4 + (1 - 4) k/21, k = 1..3
        ("linear", 7, F(4) * 21 - 3 * F(231, 21)),  # sum of k = 231
        ("linear", 30, F(51) + 69),  # after 21 settlements it rests at 1: 51 + 69 x 1
    ],
)
def test_funding_paths(path, days, expected):
    assert funding_sum_bps(path, 4.0, days, POLICY) == expected


def test_unknown_funding_leaves_only_the_flip_path_known():
    found = rows(None)
    assert pick(found, -0.1, 7, "persist")["net_pnl_usd"] is None
    assert pick(found, -0.1, 7, "persist")["hedge_price_pnl_usd"] == 200.0
    assert pick(found, -0.1, 7, "flip")["net_pnl_usd"] is not None


def test_without_a_move_there_is_no_offset():
    assert pick(rows(), 0.0, 7, "persist")["offset_frac"] is None


def test_a_doubling_liquidates_the_short_and_costs_its_margin():
    row = pick(rows(), 1.0, 1, "persist")
    assert (row["is_liquidated"], row["hedge_price_pnl_usd"]) == (True, -2000.0)
    assert not pick(rows(), 0.5, 1, "persist")["is_liquidated"]


def test_a_hedge_that_already_lost_can_lose_only_the_rest_of_its_margin():
    # 2,000 of margin, the notional has grown to 3,000: 1,000 left, liquidated at +32.8%
    found = rows(notional_cents=300_000, equity_cents=100_000, liquidation_move=F(4_000, 3_012) - 1)
    row = pick(found, 0.5, 1, "persist")
    assert (row["is_liquidated"], row["hedge_price_pnl_usd"]) == (True, -1000.0)
    # funding 3,000 x 3 bp x 1.25 = 1.125 -> 1.13; cost 4.20
    assert row["net_pnl_usd"] == pytest.approx(10_000 - 1000 + 1.13 - 4.20)
    assert row["offset_price_only_frac"] == 0.1


def test_a_position_without_a_price_has_no_scenarios_and_leaves_the_plan_unknown():
    unpriced = dataclasses.replace(HEDGE, notional_cents=None, liquidation_move=None)
    assert scenario_rows(DAY, [unpriced], 2_000_000, POLICY)[0] == []
    row = pick(plan(HEDGE, unpriced), -0.1, 1, "persist")
    assert (row["spot_pnl_usd"], row["hedge_price_pnl_usd"], row["net_pnl_usd"]) == (-2000.0, None, None)


def test_the_plan_is_all_spot_beside_the_sum_of_the_positions():
    long = Exposed("tactical-SOL", 1, 0, 100_000, F(-1, 2), 50_000, None)
    row = pick(plan(HEDGE, long, spot_cents=8_000_000), -0.1, 7, "flip")
    # spot -8,000; short +200, long -100; flip -63 bp: short -2,000 x .0063 x .95 = -11.97, long +5.985 -> 5.99;
    # cost 2.80 + 1.40
    assert (row["spot_pnl_usd"], row["hedge_price_pnl_usd"]) == (-8000.0, 100.0)
    assert (row["funding_pnl_usd"], row["cost_usd"], row["net_pnl_usd"]) == (-5.98, 4.20, -7910.18)
    assert row["offset_frac"] == pytest.approx(89.82 / 8000)
    assert pick(plan(HEDGE, long), -0.1, 7, "persist")["net_pnl_usd"] is None  # the long's funding is unknown
    fallen = pick(plan(HEDGE, long), -0.5, 1, "flip")
    assert (fallen["is_liquidated"], fallen["hedge_price_pnl_usd"]) == (True, 500.0)  # 1,000 less the margin of 500


def test_the_plan_of_a_night_without_positions_is_the_spot_alone():
    row = pick(plan(), 0.2, 30, "linear")
    assert (row["net_pnl_usd"], row["offset_frac"], row["hedge_price_pnl_usd"]) == (4000.0, 0.0, 0.0)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("f0", [3.4123, -0.7, None])
@pytest.mark.parametrize("notional", [199_999, 1, 123_456_789])
def test_whole_number_arithmetic_gives_what_the_fractions_give(sign, f0, notional):
    one = Exposed("x", sign, 1_234_567, notional, None, 0, f0)
    found, _ = scenario_rows(DAY, [one, dataclasses.replace(HEDGE, funding_3d_bps=0.37)], 0, POLICY)
    for row in [row for row in found if row["hedge_id"] == "x"]:
        bps = funding_sum_bps(row["funding_path"], f0, row["horizon_days"], POLICY)
        shock = F(str(row["shock_frac"]))
        expected = scenario(F(1_234_567, 100), F(notional, 100), shock, bps, POLICY, sign)
        assert {key: row[key] for key in expected} == {
            key: None if value is None else float(value) for key, value in expected.items()
        }


def test_the_ratio_for_a_wanted_offset_grows_with_beta():
    # spot that moves by 1.6 where the hedge moves by 1: the hedge moves 0.625 per move of the spot, 0.80 / 0.625
    assert ratio_for_offset(0.8, F(8, 5)) == 1.28
    assert ratio_for_offset(0.8, F(1)) == 0.8
    assert ratio_for_offset(0.8, F(0)) is None


def test_costs_come_from_the_policy():
    policy = parse_policy({"costs": {"perp_taker": 0.0, "perp_slip": 0.0}})
    assert scenario(F(20_000), F(2_000), F(-1, 10), F(0), policy)["cost_usd"] == 0
