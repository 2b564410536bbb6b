"""Scenario results of a hedge, down to the cent."""

import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.scenarios import funding_sum_bps, scenario, scenario_rows
from pipelines.policy import Policy, parse_policy

POLICY = Policy()
HEDGE = {
    "as_of_date": dt.date(2024, 3, 4),
    "hedge_id": "hedge-BTC",
    "status": "open",
    "exposure_usd": 20_000.0,
    "notional_usd": 2_000.0,
    "margin_usd": 2_000.0,
    "liquidation_move_frac": 2 / 1.004 - 1,
}


def rows(f0=1.0, **changes):
    return scenario_rows({**HEDGE, **changes}, f0, POLICY)


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
    found = rows(notional_usd=3_000.0, liquidation_move_frac=2_000 * 2 / 1.004 / 3_000 - 1)
    row = pick(found, 0.5, 1, "persist")
    assert (row["is_liquidated"], row["hedge_price_pnl_usd"]) == (True, -1000.0)
    # funding 3,000 x 3 bp x 1.25 = 1.125 -> 1.13; cost 4.20
    assert row["net_pnl_usd"] == pytest.approx(10_000 - 1000 + 1.13 - 4.20)
    assert row["offset_price_only_frac"] == 0.1


def test_a_closed_hedge_has_no_scenarios():
    assert rows(status="close") == []
    assert rows(notional_usd=None) == []


def test_costs_come_from_the_policy():
    policy = parse_policy({"costs": {"perp_taker": 0.0, "perp_slip": 0.0}})
    assert scenario(F(20_000), F(2_000), F(-1, 10), F(0), policy)["cost_usd"] == 0
