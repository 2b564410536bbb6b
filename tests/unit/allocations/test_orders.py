"""Orders of a night: amounts after costs, lots, minima, exchanges and calendar tilts."""

import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.allocations.orders import AssetStanding, SpotVenue, fill_orders, plan_orders, settle_tilts
from pipelines.allocations.tilts import FrontRich, Tilt, TiltBook
from pipelines.policy import Policy, parse_policy

DAY = dt.date(2024, 3, 4)
RICH = {"BTC": (FrontRich("okx", True, 0.12),)}


def venue(asset, exchange="binance", **changes):
    fields = {
        "price_usd": None,
        "lot_step_base": None,
        "min_notional_usd": None,
        "fee_frac": F(0),
        "slippage_frac": F(0),
        "volume_usd": None,
        "is_tradable": True,
    }
    return SpotVenue(exchange=exchange, symbol=f"{asset}/USDT", asset=asset, **(fields | changes))


def standing(asset, coins=0, price=100, sector="L1", venues=None, **changes):
    fields = {"is_stale_price": False, "is_buyable": True, "holdings": {"binance": F(coins)} if coins else {}}
    venues = [venue(asset)] if venues is None else venues
    return AssetStanding(asset, sector, F(price), venues={one.exchange: one for one in venues}, **fields | changes)


def plan(deltas, *standings, held=0, target=0, tilts=None, rich=None, policy=None, **more):
    assets = {one.asset: one for one in standings}
    return plan_orders(DAY, assets, deltas, held, target, tilts or TiltBook(), rich or {}, policy or Policy(), **more)


def rebalance(fee=F(0), slippage=F(0)):
    """L1 32,000 -> 24,000, DEFI 24,000 -> 36,000, EMERGING 24,000 -> 20,000, no cash."""

    def one(asset, coins, price, sector):
        return standing(asset, coins, price, sector, [venue(asset, fee_frac=fee, slippage_frac=slippage)])

    return plan(
        {"L1": -800_000, "DEFI": 1_200_000, "EMERGING": -400_000},
        *(one("SOL", 320, 100, "L1"), one("UNI", 2400, 10, "DEFI"), one("SUI", 8000, 3, "EMERGING")),
    )


@pytest.mark.parametrize(
    ("fee", "slippage", "bought"),
    [
        (F(0), F(0), "12000.00"),
        # Sales bring 12,000 x 0.999 = 11,988; 11,988 / 1.001 = 11,976.02.
        (F("0.001"), F(0), "11976.02"),
        # 12,000 x 0.9995 x 0.999 = 11,982.00; / (1.0005 x 1.001) = 11,964.05.
        (F("0.001"), F("0.0005"), "11964.05"),
    ],
)
def test_a_purchase_is_what_the_sales_leave_after_costs(fee, slippage, bought):
    result = rebalance(fee, slippage)
    assert [(one.side, one.asset) for one in result.orders] == [("sell", "SUI"), ("sell", "SOL"), ("buy", "UNI")]
    assert [one.notional_usd for one in result.orders] == [4000, 8000, F(bought)]
    assert 0 <= result.cash_after_usd < F("0.01") * 2
    assert sum(one.cash_change_usd for one in result.orders) == result.cash_after_usd


def test_costs_stand_on_the_order_and_sum_to_its_cash():
    sale = rebalance(F("0.001"), F("0.0005")).orders[1]
    # 8,000 x 0.0005 = 4.00; 7,996 x 0.001 = 7.996, and 7,988.004 are paid out.
    assert (sale.slippage_usd, sale.fee_usd, sale.cash_change_usd) == (4, 8, 7988)


def test_idle_cash_above_its_target_pays_for_purchases_and_the_rest_stays():
    btc = standing("BTC", venues=[venue("BTC", fee_frac=F(1, 100))])
    result = plan({"L1": 100_000}, btc, held=150_000, target=50_000)
    # used = 1,000; 1,000 / 1.01 = 990.10, costs 9.90.
    assert result.orders[0].notional_usd == F("990.10")
    assert result.cash_after_usd == 500
    ample = plan({"L1": 100_000}, btc, held=150_000, target=0)
    assert (ample.orders[0].notional_usd, ample.cash_after_usd) == (1000, 490)


def test_quantities_are_rounded_down_to_the_lot():
    coarse = standing("SOL", 320, 100, venues=[venue("SOL", lot_step_base=F(1, 2))])
    # $1,234.56 are 12.3456 coins.
    assert plan({"L1": -123_456}, coarse).orders[0].quantity_base == 12
    assert plan({"L1": 128_000}, coarse, held=128_000).orders[0].quantity_base == F(25, 2)


def test_an_emptied_sector_keeps_only_the_dust_below_the_lot():
    dusty = standing("SOL", F("320.0004"), 100, venues=[venue("SOL", lot_step_base=F(1, 1000))])
    result = plan({"L1": -3_200_004}, dusty)
    assert result.targets[0].target_quantity_base == F("0.0004")
    assert not result.dropped


def test_an_order_below_the_minimum_is_dropped_and_its_amount_stays_cash():
    assets = standing("SOL", 99, 10, "L1"), standing("ADA", 1, 10, "L1")
    result = plan({"L1": 100_000}, *assets, held=100_000)
    # The mix is 99 to 1: $990 and $10, and $10 are below the $25 of the policy.
    assert [(one.asset, one.notional_usd) for one in result.orders] == [("SOL", 990)]
    assert result.dropped == (("ADA", "buy", F(10), "MIN_NOTIONAL"),)
    assert result.cash_after_usd == 10
    assert [one.reason_codes for one in result.targets] == [("MIN_NOTIONAL",), ()]


def test_the_minimum_is_the_larger_of_the_exchange_and_the_policy():
    strict = standing("SOL", 100, 10, venues=[venue("SOL", min_notional_usd=F(100))])
    assert not plan({"L1": -9_999}, strict).orders
    assert plan({"L1": -10_000}, strict).orders[0].notional_usd == 100
    lax = parse_policy({"limits": {"min_trade_usd": 1}})
    assert plan({"L1": -500}, standing("SOL", 100, 10), policy=lax).orders[0].notional_usd == 5
    assert not plan({"L1": -2_499}, standing("SOL", 100, 10)).orders


def test_a_dropped_sale_funds_nothing():
    result = plan({"L1": -2_000, "DEFI": 2_000}, standing("SOL", 9), standing("UNI", 9, sector="DEFI"))
    assert not result.orders
    assert result.dropped == (("SOL", "sell", F(20), "MIN_NOTIONAL"), ("UNI", "buy", F(20), "NO_PROCEEDS"))


def test_coins_are_sold_where_it_is_cheapest_first_and_only_where_they_are():
    venues = [
        venue("SOL", "binance", fee_frac=F(2, 1000)),
        venue("SOL", "bybit", fee_frac=F(3, 1000)),
        venue("SOL", "kraken", fee_frac=F(0)),
        venue("SOL", "okx", fee_frac=F(1, 1000)),
    ]
    sol = standing("SOL", venues=venues, holdings={"okx": F(2), "binance": F(3), "bybit": F(9), "wallet": F(6)})
    # Half of the 20 coins are wanted; 14 can be sold: all 2 of okx, all 3 of binance, 5 of bybit.
    orders = plan({"L1": -100_000}, sol).orders
    assert {one.exchange: one.quantity_base for one in orders} == {"okx": 2, "binance": 3, "bybit": 5}


def test_an_order_has_the_price_of_its_exchange_else_of_the_asset():
    own = standing("SOL", 50, venues=[venue("SOL", price_usd=F("99.5"))])
    order = plan({"L1": -100_000}, own).orders[0]
    # Coins are counted at the asset's $100: a fifth of 50.
    assert (order.quantity_base, order.price_usd, order.notional_usd) == (10, F("99.5"), 995)
    assert plan({"L1": -100_000}, standing("SOL", 50)).orders[0].price_usd == 100
    bought = plan({"L1": 99_500}, own, held=99_500).orders[0]
    assert (bought.quantity_base, bought.notional_usd) == (10, 995)


def test_targets_are_what_is_held_once_the_orders_are_filled():
    targets = {one.asset: one for one in rebalance(F("0.001")).targets}
    assert [one.asset for one in rebalance().targets] == ["UNI", "SUI", "SOL"]
    sol, uni = targets["SOL"], targets["UNI"]
    assert (sol.current_usd, sol.target_usd, sol.target_quantity_base) == (32_000, 24_000, 240)
    assert (sol.current_weight, sol.target_weight) == (F(2, 5), F(3, 10))
    assert uni.target_usd == F("35976.02")


def test_a_rich_front_sells_a_tenth_into_cash_of_its_own():
    btc = standing("BTC", 10, 1000, venues=[venue("BTC", fee_frac=F(1, 1000))])
    result = plan({"L1": 0}, btc, rich=RICH)
    (order,) = result.orders
    assert (order.side, order.notional_usd, order.reason_codes) == ("sell", 1000, ("CALENDAR_TILT",))
    assert (result.cash_after_usd, result.tilt_cash_after_usd) == (0, 999)
    assert result.tilts.tilts == (Tilt("tilt-BTC-2024-03-04", "BTC", "okx", DAY),)
    assert result.targets[0].reason_codes == ("CALENDAR_TILT",)
    settled = settle_tilts(result.tilts, fill_orders(result.orders, {("binance", "BTC/USDT"): F(1010)}, F(0)))
    assert (settled.tilts[0].sold_cents, settled.tilts[0].cash_cents) == (101_000, 100_899)


def test_a_tilt_follows_the_sector_target_and_its_proceeds_fund_no_purchase():
    btc, uni = standing("BTC", 10, 1000), standing("UNI", 10, 100, "DEFI")
    result = plan({"L1": -200_000, "DEFI": 200_000}, btc, uni, rich=RICH)
    # 10,000 - 2,000 = 8,000, of which a tenth is tilted away.
    assert [(one.side, one.asset, one.notional_usd, one.tilt_id) for one in result.orders] == [
        ("sell", "BTC", 2000, None),
        ("sell", "BTC", 800, "tilt-BTC-2024-03-04"),
        ("buy", "UNI", 2000, None),
    ]
    assert result.tilt_cash_after_usd == 800


def test_an_asset_is_not_bought_and_tilted_away_in_one_night():
    # 10,000 + 3,000 = 13,000; nine tenths are 11,700: 1,700 are bought and 1,300 change their tag.
    result = plan({"L1": 300_000}, standing("BTC", 10, 1000), held=300_000, rich=RICH)
    assert [(one.side, one.notional_usd, one.tilt_id) for one in result.orders] == [("buy", 1700, None)]
    assert (result.cash_after_usd, result.tilts.tilts[0].cash_cents) == (0, 130_000)
    # 10,000 + 500 = 10,500; nine tenths are 9,450: 550 are sold and 500 change their tag.
    small = plan({"L1": 50_000}, standing("BTC", 10, 1000), held=50_000, rich=RICH)
    assert [(one.side, one.notional_usd) for one in small.orders] == [("sell", 550)]
    assert (small.cash_after_usd, small.tilt_cash_after_usd) == (0, 1050)


def test_a_tilt_too_small_to_trade_is_none():
    result = plan({}, standing("BTC", 2, 100), rich=RICH)
    assert not result.orders and not result.tilts.tilts
    assert result.dropped == (("BTC", "sell", F(20), "MIN_NOTIONAL"),)


def test_a_tilt_of_which_nothing_was_filled_is_none():
    result = plan({}, standing("BTC", 10, 1000), rich=RICH)
    assert settle_tilts(result.tilts, fill_orders(result.orders, {}, F(0))).tilts == ()


OVER = TiltBook((Tilt("tilt-BTC-2024-02-19", "BTC", "okx", dt.date(2024, 2, 19), 100_000, 99_900),))


def test_a_tilt_that_is_over_buys_back_the_same_usd_from_its_cash_then_from_what_is_left():
    btc = standing("BTC", 9, 1000, venues=[venue("BTC", fee_frac=F(1, 1000))])
    rich_in_cash = plan({}, btc, held=5_000, target=5_000, tilts=OVER)
    (order,) = rich_in_cash.orders
    assert (order.side, order.notional_usd, order.reason_codes) == ("buy", 1000, ("CALENDAR_TILT",))
    # 999 tagged + 50 held - 1,000 x 1.001.
    assert (rich_in_cash.cash_after_usd, rich_in_cash.tilts) == (48, TiltBook())
    # Without other cash: 999 / 1.001 = 998.00.
    assert plan({}, btc, tilts=OVER).orders[0].notional_usd == F("998.00")


def test_a_tilt_that_is_over_cancels_a_sale_instead_of_trading_both_ways():
    btc = standing("BTC", 9, 1000)
    result = plan({"L1": -300_000, "DEFI": 300_000}, btc, standing("UNI", 10, 100, "DEFI"), tilts=OVER)
    # 3,000 are to be sold and 1,000 bought back: the 999 that are tagged stand for the proceeds of the 1,000.
    assert [(one.side, one.asset, one.notional_usd) for one in result.orders] == [
        ("sell", "BTC", 2000),
        ("buy", "UNI", 2999),
    ]
    assert result.cash_after_usd == 0 and not result.dropped


def test_a_tilt_that_is_over_on_an_asset_that_may_not_be_bought_becomes_cash():
    result = plan({}, standing("BTC", 9, 1000, is_buyable=False), tilts=OVER)
    assert (result.orders, result.cash_after_usd, result.tilts.tilts) == ((), 999, ())
    assert result.notes == ("BTC: its tilt is over and it may not be bought: $999.00 become cash.",)


def test_a_frozen_sector_keeps_its_tilts_as_they_are():
    result = plan({}, standing("BTC", 9, 1000), tilts=OVER, frozen_sectors={"L1"})
    assert (result.orders, result.tilts, result.tilt_cash_after_usd) == ((), OVER, 999)
    assert not plan({}, standing("BTC", 9, 1000), rich=RICH, frozen_sectors={"L1"}).orders


def test_sector_and_tilt_together_sell_no_more_than_is_on_the_exchange():
    # A fifth of the 10 coins leaves 8, of which half would be 4; binance has 3, the wallet cannot sell.
    btc = standing("BTC", price=1000, holdings={"binance": F(3), "wallet": F(7)})
    result = plan({"L1": -200_000}, btc, rich=RICH, policy=parse_policy({"calendar": {"tilt": "1/2"}}))
    assert [(one.quantity_base, one.tilt_id) for one in result.orders] == [(2, None), (1, "tilt-BTC-2024-03-04")]
