"""Liquidity shorts: instead of a sale, fixed in size, ended with a sale."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.hedge import OVERBOUGHT
from pipelines.hedges.market import HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.positions import SleeveBook
from pipelines.hedges.sleeve import decide_sleeve, ending_shorts
from pipelines.policy import Policy, parse_policy

DAY = dt.date(2024, 3, 4)
POLICY = Policy()
SOL = HedgeMarket("SOL", "binance", "SOL/USDT:USDT", F(24_000), mark_price_usd=100.0, lot_step_base=0.01,
                  min_notional_usd=5.0, funding_3d_bps=1.0)  # fmt: skip
ADA = dataclasses.replace(SOL, asset="ADA", symbol="ADA/USDT:USDT", exposure_usd=F(8_000), mark_price_usd=0.5,
                          lot_step_base=1.0)  # fmt: skip
L1 = SectorView(
    "OVERLEVERAGED", "REDUCE", target_usd=F(32_000), reduction_usd=F(8_000),
    holdings_usd={"SOL": F(24_000), "ADA": F(8_000)}, asset_targets_usd={"SOL": F(24_000), "ADA": F(8_000)},
    leaders={"SOL": 0.4, "ADA": 0.4},
)  # fmt: skip
QUIET = dataclasses.replace(L1, reduction_usd=F(0))


def market(sol=SOL, ada=ADA, view=QUIET, **more):
    return SleeveMarket({one.asset: one for one in (sol, ada) if one}, {"L1": view}, **more)


def decide(given, day=DAY, book=None, policy=POLICY, collateral=4_000_000, nav=20_000_000):
    return decide_sleeve(day, book or SleeveBook(), given, policy, collateral, nav)


def opened():
    return decide(market(view=L1)).book


def later(days, **given):
    """The plan so many days after the short was opened; it agrees with what was told before the allocation."""
    night, day = market(**given), DAY + dt.timedelta(days)
    plan = decide(night, day, opened())
    told = ending_shorts(day, opened(), night, POLICY)
    assert plan.spot_sales_usd == {sector: ending.usd for sector, ending in told.items()}
    return plan


def test_s45_the_short_is_the_amount_that_would_have_been_sold_split_by_holdings():
    plan = decide(market(view=L1))
    assert [(r["asset"], r["role"], r["notional_usd"], r["leverage"], r["reason"]) for r in plan.rows] == [
        ("ADA", "liquidity", 2000.0, 1.0, "REDUCE"),
        ("SOL", "liquidity", 6000.0, 1.0, "REDUCE"),
    ]
    assert sum(row["notional_usd"] for row in plan.rows) == 8000.0
    assert plan.spot_sales_usd == {}
    assert [order.quantity_change_base for order in plan.orders] == [-4000, -60]


def test_s46_it_says_that_it_yields_no_cash_and_what_it_does_not_lock():
    text = decide(market(view=L1)).rows[1]["explanation"]
    assert "yields no cash" in text and "only up to basis, funding" in text
    assert "offsets about 25% of the loss on $24,000.00 of spot" in text and "by about one quarter" in text


def test_a_trim_shorts_nothing():
    assert decide(market(view=dataclasses.replace(L1, state="UNSTABLE", action="TRIM"))).rows == ()


def test_no_second_short_while_one_is_live_and_its_size_is_fixed():
    plan = later(
        1, view=dataclasses.replace(L1, reduction_usd=F(9_000)), sol=dataclasses.replace(SOL, mark_price_usd=70.0)
    )
    assert [(row["status"], row["quantity_base"]) for row in plan.rows] == [("hold", 4000.0), ("hold", 60.0)]
    assert "no second one" in plan.notes[0]


@pytest.mark.parametrize(
    ("days", "given", "reason"),
    [
        # 60 x 106.66 + 4,000 x 0.5 = 8,399.60, 60 x 106.67 + 2,000 = 8,400.20: the limit is 8,400
        (1, {"sol": dataclasses.replace(SOL, mark_price_usd=106.67)}, "LIMIT_PRICE"),
        (1, {"sol": dataclasses.replace(SOL, mark_price_usd=106.66)}, None),
        (1, {"view": dataclasses.replace(QUIET, state="NEUTRAL", action="HOLD")}, "STATE_LEFT"),
        (1, {"view": dataclasses.replace(QUIET, state="UNSTABLE", action="TRIM")}, "STATE_LEFT"),
        (13, {}, None),
        (14, {}, "MAX_DAYS"),
        (14, {"view": dataclasses.replace(QUIET, state="STALE", action="FREEZE")}, None),
        (14, {"is_spot_frozen": True}, None),
        (1, {"ada": dataclasses.replace(ADA, mark_price_usd=1.0)}, "LIQUIDATED"),
    ],
)
def test_it_ends_at_its_limit_price_with_its_state_or_by_age(days, given, reason):
    plan = later(days, **given)
    statuses = {row["status"] for row in plan.rows}
    assert statuses == ({"close"} if reason else {"hold"})
    assert {row["reason"] for row in plan.rows} == {reason}
    assert bool(plan.spot_sales_usd) == bool(reason)


def test_the_spot_that_is_sold_are_the_coins_that_were_short():
    plan = later(14, sol=dataclasses.replace(SOL, mark_price_usd=90.0))
    assert plan.spot_sales_usd == {"L1": 60 * 90 + 4000 * F(1, 2)}
    assert [order.quantity_change_base for order in plan.orders] == [4000, 60]
    assert "Its spot is sold in the same plan." in plan.rows[0]["explanation"]
    poor = dataclasses.replace(QUIET, holdings_usd={"SOL": F(1_000)})
    assert later(14, view=poor).spot_sales_usd == {"L1": 1_000}


def test_after_it_has_ended_no_second_one_opens_before_the_state_has_left_reduce():
    ended = later(14).book
    plan = decide(market(view=L1), DAY + dt.timedelta(15), ended)
    assert plan.rows == () and "has ended already" in plan.notes[0]
    calm = decide(
        market(view=dataclasses.replace(QUIET, state="NEUTRAL", action="HOLD")), DAY + dt.timedelta(16), ended
    )
    assert len(decide(market(view=L1), DAY + dt.timedelta(17), calm.book).rows) == 2


def test_a_leader_without_a_contract_is_left_to_the_others_and_said():
    plan = decide(market(ada=None, view=L1))
    assert [(row["asset"], row["notional_usd"]) for row in plan.rows] == [("SOL", 8000.0)]
    assert "ADA cannot be shorted" in plan.notes[0]
    assert "nothing is reduced" in decide(market(sol=None, ada=None, view=L1)).notes[1]


def test_margin_that_is_short_shrinks_the_short_and_says_that_a_part_is_not_covered():
    # 8,000: one asset 4,000, one exchange 4,800 (ADA 1,600, SOL 3,200), the role 4,000: 1,333.33 and 2,666.66
    plan = decide(market(view=L1), collateral=800_000)
    assert [(row["notional_usd"], row["reason"]) for row in plan.rows] == [(1333.0, "MARGIN"), (2666.0, "MARGIN")]
    assert "a part of the reduction has no short" in plan.notes[0]


BTC = HedgeMarket("BTC", "binance", "BTC/USDT:USDT", F(20_000), 4.0, 0.99, 2.0, 2.0, 50_000.0,
                  lot_step_base=1e-5, min_notional_usd=5.0)  # fmt: skip
VALUE = SectorView(
    "OVERLEVERAGED", "REDUCE", target_usd=F(20_000), reduction_usd=F(5_000), holdings_usd={"BTC": F(20_000)},
    asset_targets_usd={"BTC": F(20_000)}, leaders={"BTC": 1.0},
)  # fmt: skip


def test_a_hedge_does_not_double_the_liquidity_short_of_the_same_asset():
    # as if the 5,000 had been sold: a tenth of the other 15,000
    plan = decide(SleeveMarket({"BTC": BTC}, {"STORE_OF_VALUE": VALUE}))
    hedge, short = plan.rows
    assert (hedge["notional_usd"], hedge["exposure_usd"], hedge["reason"]) == (1500.0, 15_000.0, "DUPLICATE_HEDGE")
    assert (short["role"], short["notional_usd"]) == ("liquidity", 5000.0)
    assert hedge["trigger"] == OVERBOUGHT and hedge["offset_frac"] == 0.1
    assert "that no liquidity short stands for (DUPLICATE_HEDGE)" in hedge["explanation"]


def test_a_hedge_whose_spot_is_all_shorted_closes():
    hedged = decide(SleeveMarket({"BTC": BTC}, {})).book
    small = dataclasses.replace(BTC, exposure_usd=F(5_000))
    plan = decide(SleeveMarket({"BTC": small}, {"STORE_OF_VALUE": VALUE}), DAY + dt.timedelta(1), hedged)
    assert (plan.rows[0]["status"], plan.rows[0]["reason"]) == ("close", "DUPLICATE_HEDGE")


def test_hedges_come_first_when_margin_is_short_and_then_liquidity():
    policy = parse_policy({"budgets": {"hedge": "1/2", "liquidity": "1/2", "asset": "1", "venue": "1"}})
    plan = decide(
        SleeveMarket({"BTC": dataclasses.replace(BTC, exposure_usd=F(100_000)), "SOL": SOL, "ADA": ADA}, {"L1": L1}),
        policy=policy, collateral=1_000_000,
    )  # fmt: skip
    # 10,000: 7,000 beside the reserve, 5,000 for the hedge, 2,000 are left for the shorts
    margins = {row["asset"]: (row["margin_usd"], row["reason"]) for row in plan.rows}
    assert margins == {"BTC": (5000.0, "MARGIN"), "ADA": (500.0, "MARGIN"), "SOL": (1500.0, "MARGIN")}
    assert plan.sleeve["free_margin_usd"] == 3000.0
