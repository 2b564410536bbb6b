"""Tactical longs: off unless asked for, small, stopped."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.market import HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.positions import SleeveBook
from pipelines.hedges.sleeve import decide_sleeve
from pipelines.policy import Policy, parse_policy

DAY = dt.date(2024, 3, 4)
ON = parse_policy({"tactical": {"enabled": True}, "expression": {"bullish": "futures"}})
UNI = HedgeMarket("UNI", "binance", "UNI/USDT:USDT", F(10_000), mark_price_usd=10.0, lot_step_base=0.1,
                  min_notional_usd=5.0, funding_3d_bps=1.0)  # fmt: skip
DEFI = SectorView(
    "ACCUMULATION", "INCREASE", volume_ratio=1.5, momentum_14d_frac=0.05, spread_z=1.0, target_usd=F(30_000),
    leaders={"AAVE": 0.3, "UNI": 0.4}, leader_daily_vol=0.05,
)  # fmt: skip


def decide(uni=UNI, view=DEFI, day=DAY, book=None, policy=ON, collateral=2_000_000, nav=10_000_000):
    return decide_sleeve(
        day, book or SleeveBook(), SleeveMarket({"UNI": uni}, {"DEFI": view}), policy, collateral, nav
    )  # fmt: skip


def later(days, **given):
    (row,) = decide(day=DAY + dt.timedelta(days), book=decide().book, **given).rows
    return row


def test_s40_it_is_off_by_default_and_where_strength_is_bought_as_spot():
    assert decide(policy=Policy()).rows == ()
    assert decide(policy=parse_policy({"tactical": {"enabled": True}})).rows == ()
    only = {"tactical": {"enabled": True}, "expression": {"sectors": {"DEFI": {"bullish": "both"}}}}
    assert len(decide(policy=parse_policy(only)).rows) == 1


def test_s41_the_long_is_sized_by_risk_at_the_least_leverage_and_has_a_stop():
    (row,) = decide().rows
    # 0.5% of 100,000 over 2 x 5% = 5,000 > 2 x 2,000 of margin: 4,000 at 2x
    assert (row["asset"], row["side"], row["notional_usd"], row["margin_usd"]) == ("UNI", "long", 4000.0, 2000.0)
    assert (row["leverage"], row["reason"], row["offset_frac"]) == (2.0, "ACCUMULATION", None)
    assert row["expires_date"] == DAY + dt.timedelta(21)
    assert "Its stop is 9, looked at once a night" in row["explanation"]
    assert "used up by a fall of 49.8%" in row["explanation"]  # 0.5 / 0.996
    # twice the volatility: 2,500 of notional at 1.25x; four times: 1,250 at 1x
    assert [decide(view=dataclasses.replace(DEFI, leader_daily_vol=v)).rows[0]["leverage"] for v in (0.1, 0.2)] == [
        1.25,
        1.0,
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "NEUTRAL"}, {"volume_ratio": 1.499}, {"momentum_14d_frac": 0.049}, {"spread_z": 0.999},
        {"spread_z": None}, {"leader_daily_vol": None}, {"leader_daily_vol": 0.0},
    ],
)  # fmt: skip
def test_it_needs_accumulation_volume_momentum_and_spread(fields):
    assert decide(view=dataclasses.replace(DEFI, **fields)).rows == ()


@pytest.mark.parametrize(
    ("days", "given", "outcome"),
    [
        (1, {"uni": dataclasses.replace(UNI, mark_price_usd=9.0)}, ("close", "STOP")),
        (1, {"uni": dataclasses.replace(UNI, mark_price_usd=9.01)}, ("hold", None)),
        (1, {"uni": dataclasses.replace(UNI, mark_price_usd=5.0)}, ("close", "LIQUIDATED")),
        (1, {"view": dataclasses.replace(DEFI, state="NEUTRAL")}, ("close", "STATE_LEFT")),
        (1, {"view": dataclasses.replace(DEFI, state="NO_DATA")}, ("close", "STATE_LEFT")),
        (20, {}, ("hold", None)),
        (21, {}, ("close", "MAX_DAYS")),
        (1, {"policy": Policy()}, ("close", "SWITCHED_OFF")),
        (1, {"view": dataclasses.replace(DEFI, volume_ratio=0.1, spread_z=None)}, ("hold", None)),
        (1, {"collateral": 200_000}, ("resize", "MARGIN")),  # 2,000 of margin where 500 are allowed
    ],
)
def test_it_closes_at_its_stop_with_its_state_or_by_age(days, given, outcome):
    row = later(days, **given)
    assert (row["status"], row["reason"]) == outcome


def test_after_a_stop_no_second_one_opens_before_accumulation_has_ended():
    stopped = decide(uni=dataclasses.replace(UNI, mark_price_usd=9.0), day=DAY + dt.timedelta(1), book=decide().book)
    again = decide(day=DAY + dt.timedelta(2), book=stopped.book)
    assert again.rows == () and "has ended already" in again.notes[0]
    calm = decide(view=dataclasses.replace(DEFI, state="NEUTRAL"), day=DAY + dt.timedelta(3), book=stopped.book)
    assert len(decide(day=DAY + dt.timedelta(4), book=calm.book).rows) == 1


def test_a_long_gains_with_the_price_and_pays_positive_funding():
    row = next(r for r in decide().scenarios if r["shock_frac"] == 0.1 and r["funding_path"] == "persist")
    # 4,000 x 10%; 3 settlements of 1 bp x 1.05; two sides of 7 bp
    assert (row["hedge_price_pnl_usd"], row["funding_pnl_usd"], row["cost_usd"]) == (400.0, -1.26, 5.6)
    assert row["offset_frac"] is None


def test_no_long_of_an_asset_that_is_sold_short():
    view = dataclasses.replace(DEFI, leaders={"BTC": 1.0})
    btc = dataclasses.replace(UNI, asset="BTC", funding_3d_bps=4.0, funding_pctl_90d=0.99, open_interest_z_90d=2.0)
    plan = decide_sleeve(DAY, SleeveBook(), SleeveMarket({"BTC": btc}, {"DEFI": view}), ON, 2_000_000, 10_000_000)
    assert [row["role"] for row in plan.rows] == ["hedge"]
    assert "the two would cancel" in plan.notes[0]


def test_a_long_closes_when_its_asset_is_sold_short():
    view = dataclasses.replace(DEFI, leaders={"BTC": 1.0})
    calm = dataclasses.replace(UNI, asset="BTC")
    hot = dataclasses.replace(calm, funding_3d_bps=4.0, funding_pctl_90d=0.99, open_interest_z_90d=2.0)
    book, sectors = SleeveBook(), {"DEFI": view}
    for day, btc in ((DAY, calm), (DAY + dt.timedelta(1), hot)):
        plan = decide_sleeve(day, book, SleeveMarket({"BTC": btc}, sectors), ON, 2_000_000, 10_000_000)
        book = plan.book
    assert [(row["role"], row["reason"]) for row in plan.rows] == [("hedge", "OVERBOUGHT"), ("tactical", "SOLD_SHORT")]
