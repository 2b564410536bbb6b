"""The hedge of a crowded market: breadth, size, betas, and one position per asset."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.betas import used_beta
from pipelines.hedges.hedge import breadth
from pipelines.hedges.market import Beta, HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.positions import SleeveBook
from pipelines.hedges.sleeve import decide_sleeve
from pipelines.policy import Policy, parse_policy

DAY = dt.date(2024, 3, 4)
POLICY = Policy()
BETA_MODE = parse_policy({"hedge": {"mode": "beta"}})
BTC = HedgeMarket("BTC", "binance", "BTC/USDT:USDT", F(20_000), 2.0, 0.8, mark_price_usd=50_000.0,
                  lot_step_base=1e-5, min_notional_usd=5.0)  # fmt: skip
ETH = dataclasses.replace(BTC, asset="ETH", symbol="ETH/USDT:USDT", exposure_usd=F(20_000), mark_price_usd=2_000.0)
OVERBOUGHT = {"funding_3d_bps": 4.0, "funding_pctl_90d": 0.99, "open_interest_z_90d": 2.0}
HOT = {"funding_3d_bps": 3.0, "funding_pctl_90d": 0.90}
SECTORS = {
    "STORE_OF_VALUE": SectorView(**HOT, leaders_open_interest_usd=60.0, target_usd=F(20_000),
                                 asset_targets_usd={"BTC": F(20_000)}),
    "L1": SectorView(funding_3d_bps=1.0, funding_pctl_90d=0.5, leaders_open_interest_usd=40.0, target_usd=F(60_000),
                     asset_targets_usd={"ETH": F(20_000), "SOL": F(40_000)}),
}  # fmt: skip


def market(btc=BTC, eth=ETH, sectors=SECTORS, betas=None):
    return SleeveMarket({"BTC": btc, "ETH": eth}, sectors, betas or {})


def hot(share):
    """The sectors with `share` percent of open interest in the crowded one."""
    first = dataclasses.replace(SECTORS["STORE_OF_VALUE"], leaders_open_interest_usd=float(share))
    rest = dataclasses.replace(SECTORS["L1"], leaders_open_interest_usd=float(100 - share))
    return {"STORE_OF_VALUE": first, "L1": rest}


def decide(given=None, day=DAY, book=None, policy=POLICY, collateral=2_000_000, nav=10_000_000):
    return decide_sleeve(day, book or SleeveBook(), given or market(), policy, collateral, nav)


def test_breadth_is_the_share_of_open_interest_in_crowded_sectors_that_are_known():
    assert breadth(SECTORS, POLICY) == 0.6
    unknown = SECTORS | {"DEFI": SectorView(funding_3d_bps=9.0, leaders_open_interest_usd=900.0)}
    assert breadth(unknown, POLICY) == 0.6
    assert breadth({}, POLICY) is None


def test_a_crowded_market_hedges_a_tenth_of_all_spot_split_by_what_is_held():
    plan = decide()
    # a tenth of 80,000, BTC and ETH are held alike: 4,000 each for 40,000 of spot
    assert [(r["asset"], r["trigger"], r["notional_usd"], r["exposure_usd"], r["offset_frac"]) for r in plan.rows] == [
        ("BTC", "MARKET", 4000.0, 40_000.0, 0.1),
        ("ETH", "MARKET", 4000.0, 40_000.0, 0.1),
    ]
    assert plan.sleeve["breadth_frac"] == 0.6
    assert "Crowded sectors hold 60% of open interest (limit 60%)" in plan.rows[0]["explanation"]
    assert "one asset and no index" in plan.rows[0]["explanation"]


def test_below_the_limit_the_market_is_not_hedged():
    assert decide(market(sectors=hot(59))).rows == ()


def test_with_neither_held_the_market_hedge_is_split_in_halves():
    given = market(dataclasses.replace(BTC, exposure_usd=F(0)), dataclasses.replace(ETH, exposure_usd=F(0)))
    assert [row["notional_usd"] for row in decide(given).rows] == [4000.0, 4000.0]


def test_one_position_takes_the_larger_of_the_live_triggers_and_closes_when_the_last_has_ended():
    both = market(dataclasses.replace(BTC, **OVERBOUGHT))
    book = decide(both, collateral=5_000_000).book
    first = decide(both, collateral=5_000_000).rows[0]
    # overbought wants 2,000, the market 4,000: never 6,000
    assert (first["trigger"], first["notional_usd"]) == ("OVERBOUGHT+MARKET", 4000.0)
    calm = market(dataclasses.replace(BTC, **(OVERBOUGHT | {"funding_3d_bps": 1.0})))
    kept = decide(calm, DAY + dt.timedelta(1), book)
    assert [(row["trigger"], row["status"]) for row in kept.rows] == [("MARKET", "hold"), ("MARKET", "hold")]
    gone = decide(market(sectors=hot(29)), DAY + dt.timedelta(2), kept.book)
    assert [(row["status"], row["reason"]) for row in gone.rows] == [("close", "BREADTH_NORMAL")] * 2


def test_the_market_trigger_ends_and_the_overbought_one_goes_on_smaller():
    both = market(dataclasses.replace(BTC, **OVERBOUGHT))
    plan = decide(dataclasses.replace(both, sectors=hot(29)), DAY + dt.timedelta(1), decide(both).book)
    assert [(row["asset"], row["trigger"], row["status"], row["notional_usd"]) for row in plan.rows] == [
        ("BTC", "OVERBOUGHT", "resize", 2000.0),
        ("ETH", "MARKET", "close", 4000.0),
    ]


def test_breadth_between_exit_and_entry_keeps_it_and_unknown_breadth_does_too():
    book = decide().book
    for sectors in (hot(30), {"L1": SectorView(target_usd=F(80_000))}):
        plan = decide(market(sectors=sectors), DAY + dt.timedelta(1), book)
        assert [row["status"] for row in plan.rows] == ["hold", "hold"]


def test_after_thirty_days_the_market_hedge_closes_and_waits_seven_days():
    closed = decide(day=DAY + dt.timedelta(30), book=decide().book)
    assert [row["reason"] for row in closed.rows] == ["MAX_DAYS"] * 2
    early = decide(day=DAY + dt.timedelta(36), book=closed.book)
    assert early.rows == () and "too recent to open again" in early.notes[0]
    again = decide(day=DAY + dt.timedelta(37), book=closed.book)
    assert [row["status"] for row in again.rows] == ["open", "open"]


def test_a_trigger_that_ended_waits_although_the_position_lives_on():
    both = market(dataclasses.replace(BTC, **OVERBOUGHT))
    calm = market(dataclasses.replace(BTC, **(OVERBOUGHT | {"funding_3d_bps": 1.0})))
    book = decide(calm, DAY + dt.timedelta(1), decide(both).book).book
    plan = decide(both, DAY + dt.timedelta(7), book)
    assert plan.rows[0]["trigger"] == "MARKET" and "too recent" in plan.notes[0]
    assert decide(both, DAY + dt.timedelta(8), book).rows[0]["trigger"] == "OVERBOUGHT+MARKET"


FIT = Beta(1.9, 0.65, 0.02, 90)
BETAS = {
    ("SOL", "BTC"): FIT, ("SOL", "ETH"): FIT,
    ("ETH", "BTC"): Beta(1.0, 0.9, 0.01, 90), ("BTC", "ETH"): Beta(1.0, 0.9, 0.01, 90),
}  # fmt: skip


@pytest.mark.parametrize(
    ("beta", "used"),
    [
        (FIT, F(8, 5)),  # 2/3 x 1.9 + 1/3
        (Beta(9.0, 0.9, 0.02, 90), 2),
        (Beta(-3.0, 0.9, 0.02, 90), 0),
        (Beta(1.9, 0.5, 0.02, 60), F(8, 5)),
        (Beta(1.9, 0.499, 0.02, 90), None),
        (Beta(1.9, 0.9, 0.02, 59), None),
        (Beta(None, None, None, 0), None),
        (None, None),
    ],
)
def test_beta_is_shrunk_clipped_and_needs_half_of_the_variance(beta, used):
    assert used_beta(beta, BETA_MODE) == used


def test_s44_beta_mode_shows_beta_fit_and_what_is_left():
    row = decide(market(betas=BETAS), policy=BETA_MODE, collateral=5_000_000, nav=20_000_000).rows[0]
    # (20,000 x 1 + 20,000 x 1 + 40,000 x 1.6) / 80,000 = 1.3: a tenth of 1.3 x 40,000
    assert (row["notional_usd"], row["exposure_usd"], row["beta"]) == (5200.0, 40_000.0, 1.3)
    assert row["offset_frac"] == pytest.approx(0.1)
    assert row["ratio_for_80pct_offset_frac"] == pytest.approx(1.04)  # 0.80 / (1 / 1.3)
    assert row["beta_r2_frac"] == pytest.approx(0.25 * 1 + 0.25 * 0.9 + 0.5 * 0.65)
    assert row["residual_risk_annualised"] == pytest.approx((0.25 * 0.01 + 0.5 * 0.02) * 365**0.5)
    assert "The spot moves 1.30 times as much as BTC (R2 0.80)" in row["explanation"]


def test_s44_an_asset_without_a_fit_counts_one_for_one_and_it_is_said():
    weak = BETAS | {("SOL", "BTC"): Beta(1.9, 0.3, 0.02, 90)}
    plan = decide(market(betas=weak), policy=BETA_MODE, collateral=5_000_000, nav=20_000_000)
    assert plan.rows[0]["beta"] == 1.0 and plan.rows[1]["beta"] == 1.3
    assert plan.notes == (
        "SOL: the beta on BTC is unknown or explains less than 50% of the variance, so it counts one for one.",
    )


def test_the_scenario_of_a_beta_hedge_moves_its_spot_by_beta():
    plan = decide(market(betas=BETAS), policy=BETA_MODE, collateral=5_000_000, nav=20_000_000)
    row = next(r for r in plan.scenarios if r["shock_frac"] == -0.1 and r["hedge_id"] == f"hedge-BTC-{DAY}")
    assert (row["spot_pnl_usd"], row["hedge_price_pnl_usd"]) == (-5200.0, 520.0)
    assert row["offset_price_only_frac"] == 0.1
