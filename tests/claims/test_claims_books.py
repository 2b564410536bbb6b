"""Claims about what is owned and what may be asked for: spot without leverage, futures with little, exact fractions."""

import datetime as dt
import json
import re
from dataclasses import fields
from fractions import Fraction as F

import polars as pl
import pytest

from pipelines.allocations.book import Book
from pipelines.allocations.replay import SectorInput, decide_range
from pipelines.exchanges.registry import ADAPTERS
from pipelines.hedges.instruments import liquidation_price
from pipelines.hedges.market import HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.hedges.sleeve import decide_sleeve
from pipelines.ledger.book import Holding
from pipelines.policy import Policy, PolicyError, parse_policy
from pipelines.portfolio.correlations import role_correlations
from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import build_rules
from pipelines.signals.states import state_of
from warehouse.contracts import ASSET_TARGETS, HEDGES, REBALANCE_TRADES

DAY = dt.date(2024, 3, 4)
POLICY = Policy()
BORROWED = re.compile("leverage|margin|liquidation|collateral")


def test_s2_spot_has_no_leverage_no_margin_and_no_liquidation():
    names = [field.name for field in fields(Holding)] + [*ASSET_TARGETS.columns, *REBALANCE_TRADES.columns]
    assert "quantity_base" in names
    assert [name for name in names if BORROWED.search(name)] == []


def test_s3_a_futures_position_has_leverage_a_margin_and_a_liquidation_level():
    columns = {"leverage", "margin_usd", "liquidation_move_frac"}
    assert columns <= set(HEDGES.columns)
    assert {"leverage", "margin_usd"} <= {field.name for field in fields(Position)}


@pytest.mark.parametrize(("maintenance", "rise"), [(F("0.004"), 0.992), (F("0.01"), 0.980)])
def test_s51_a_short_without_leverage_is_liquidated_by_a_doubling_of_the_price(maintenance, rise):
    # (1 + 1)/(1 + mmr) - 1 = (1 - mmr)/(1 + mmr)
    price = liquidation_price("short", False, F(1), F(100), maintenance)
    assert round(float(price / 100 - 1), 3) == rise


def test_s65_factors_are_exact_fractions_and_a_rounded_one_is_refused():
    # 30/40 and 25/30
    assert [str(POLICY.multipliers.REDUCE), str(POLICY.multipliers.TRIM)] == ["3/4", "5/6"]
    with pytest.raises(PolicyError, match=r"multipliers\.TRIM: 0\.8333 is not an exact fraction"):
        parse_policy({"multipliers": {"TRIM": 0.8333}})


def test_s85_no_policy_can_ask_for_the_leverage_that_an_exchange_advertises():
    for leverage in (2.01, 125):
        with pytest.raises(PolicyError, match=r"^tactical\.max_leverage"):
            parse_policy({"tactical": {"max_leverage": leverage}})
    with pytest.raises(PolicyError, match=r"^hedge\.leverage"):
        parse_policy({"hedge": {"leverage": 2}})


def test_s84_every_exchange_of_the_article_can_be_read():
    assert {"binance", "bybit", "bingx", "weex", "mexc", "bitget"} <= set(ADAPTERS)


def state(**changes):
    quiet = dict.fromkeys((field.name for field in fields(SectorMetrics)), 0.0)
    known = quiet | {"funding_pctl_90d": 0.5, "coverage_frac": 1.0, "is_fresh": True, "volume_ratio_7d_28d": 1.0}
    return state_of(SectorMetrics(**(known | changes)), build_rules(POLICY))


def test_s37_the_best_performer_can_be_reduced_and_a_falling_sector_is_not_reduced_for_falling():
    rally = {"momentum_14d_frac": 0.40, "momentum_14d_peak_28d_frac": 0.40}
    overheated = {"funding_3d_bps": 3.0, "funding_pctl_90d": 0.9, "open_interest_z_90d": 1.0}
    assert POLICY.actions.OVERLEVERAGED == "REDUCE"
    assert state(**rally, **overheated) == "OVERLEVERAGED"
    assert state(momentum_14d_frac=-0.40) == "NEUTRAL"


def test_s62_rotation_moves_spot_and_leaves_the_futures_sleeve_alone():
    actions = {"L1": ("OVERLEVERAGED", "REDUCE", -0.30), "DEFI": ("ACCUMULATION", "INCREASE", 0.50)}
    inputs = {name: SectorInput(state, action, (), move) for name, (state, action, move) in actions.items()}
    days = {DAY + dt.timedelta(offset): inputs for offset in range(3)}
    strategic = {"L1": F(1, 2), "DEFI": F(1, 2)}
    decided = list(decide_range(days, strategic, POLICY, Book.new(10_000_000, POLICY), min(days), max(days)))
    assert [one.book.futures_cents for one in decided] == [2_000_000] * 3
    assert len({one.book.cents["L1"] for one in decided}) == 3


def test_s42_a_leveraged_long_says_that_coin_and_contract_move_alike():
    uni = HedgeMarket("UNI", "binance", "UNI/USDT:USDT", F(0), mark_price_usd=10.0, lot_step_base=0.1)
    defi = SectorView(
        "ACCUMULATION", "INCREASE", volume_ratio=2.0, momentum_14d_frac=0.1, spread_z=2.0, leaders={"UNI": 1.0},
        leader_daily_vol=0.05,
    )  # fmt: skip
    policy = parse_policy({"tactical": {"enabled": True}, "expression": {"bullish": "futures"}})
    plan = decide_sleeve(DAY, SleeveBook(), SleeveMarket({"UNI": uni}, {"DEFI": defi}), policy, 2_000_000, 10_000_000)
    assert plan.rows[0]["role"] == "tactical"
    assert "Coin and contract move alike; only the leverage differs." in plan.rows[0]["explanation"]


def nav(days):
    """Cumulative profits: spot goes up and down by 1, the hedge does the opposite, by half."""
    steps = [(-1) ** number for number in range(days)]
    spot = [float(sum(steps[:number])) for number in range(days + 1)]
    return pl.DataFrame(
        {
            "as_of_date": [DAY + dt.timedelta(number) for number in range(days + 1)],
            "spot_pnl_usd": spot,
            "hedge_pnl_usd": [-one / 2 for one in spot],
            "liquidity_pnl_usd": 0.0,
            "tactical_pnl_usd": 0.0,
        }
    )


@pytest.mark.parametrize(("days", "correlation"), [(59, None), (60, -1.0)])
def test_s71_no_correlation_of_roles_is_told_before_sixty_days(days, correlation):
    told = role_correlations(nav(days), POLICY.budgets.correlation_min_days, DAY)
    assert json.loads(told[DAY + dt.timedelta(days)])["spot-hedge"] == {"correlation": correlation, "n": days}
