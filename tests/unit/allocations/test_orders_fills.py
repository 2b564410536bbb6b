"""What becomes of orders at the next open, and their rows."""

import datetime as dt
from dataclasses import replace
from fractions import Fraction as F

from pipelines.allocations.asset_targets import AssetTarget
from pipelines.allocations.order_rows import asset_target_rows, trade_rows
from pipelines.allocations.trades import Order, fill_orders, priced

DAY = dt.date(2024, 3, 4)


def order(side, asset, quantity, price=100, fee=F(0), slippage=F(0), **changes):
    amounts = priced(side, F(quantity), F(price), fee, slippage)
    made = Order(
        *("L1", asset, "binance", f"{asset}/USDT", side, F(quantity), F(price), *amounts),
        reason_codes=(),
        fee_frac=fee,
        slippage_frac=slippage,
        lot_step_base=F(1, 10),
        minimum_usd=F(25),
    )
    return replace(made, **changes)


def fill(orders, prices, cash=0):
    return fill_orders(orders, {("binance", f"{asset}/USDT"): price for asset, price in prices.items()}, F(cash))


def test_a_sale_is_filled_whole_at_the_new_price():
    (sale,) = fill([order("sell", "SOL", 10, fee=F(1, 1000), slippage=F(1, 100))], {"SOL": F(90)})
    # 900 less 9 of slippage, less a thousandth of 891.
    assert (sale.notional_usd, sale.slippage_usd, sale.fee_usd) == (900, 9, F("0.89"))
    assert (sale.status, sale.cash_change_usd) == ("filled", F("890.11"))


def test_purchases_are_scaled_alike_to_the_cash_there_is_and_to_the_lot():
    orders = [order("sell", "SOL", 10), order("buy", "ADA", 6), order("buy", "UNI", 4)]
    fills = fill(orders, {"SOL": F(90), "ADA": F(100), "UNI": F(100)})
    # 900 for 1,000: 5.4 and 3.6 coins.
    assert [(one.status, one.quantity_base) for one in fills] == [
        ("filled", 10),
        ("scaled", F("5.4")),
        ("scaled", F("3.6")),
    ]
    assert sum(one.cash_change_usd for one in fills) == 0


def test_cash_that_is_held_fills_purchases_whole():
    (bought,) = fill([order("buy", "ADA", 6, fee=F(1, 100))], {"ADA": F(110)}, cash=F("666.60"))
    assert (bought.status, bought.cash_change_usd) == ("filled", F("-666.60"))


def test_an_order_without_a_price_lapses_and_funds_nothing():
    fills = fill([order("sell", "SOL", 10), order("buy", "ADA", 6)], {"SOL": None, "ADA": F(100)}, cash=300)
    assert [(one.status, one.quantity_base, one.price_usd) for one in fills] == [
        ("lapsed", 0, None),
        ("scaled", 3, F(100)),
    ]
    assert fills[0].cash_change_usd == 0


def test_a_purchase_scaled_below_its_minimum_lapses():
    (bought,) = fill([order("buy", "ADA", 6)], {"ADA": F(100)}, cash=20)
    assert (bought.status, bought.quantity_base, bought.cash_change_usd) == ("lapsed", 0, 0)


def test_the_proceeds_of_a_tilt_pay_for_no_purchase():
    tilted = order("sell", "BTC", 10, tilt_id="tilt-BTC-2024-03-04")
    assert [one.status for one in fill([tilted, order("buy", "ADA", 6)], {"BTC": F(100), "ADA": F(100)})] == [
        "filled",
        "lapsed",
    ]


def test_an_order_becomes_a_row_with_a_number_of_the_day():
    rows = trade_rows(DAY, [order("sell", "SOL", 10), order("buy", "ADA", "0.5", fee=F(1, 1000))], "abc")
    assert [row["trade_id"] for row in rows] == ["2024-03-04-01-sell-SOL-binance", "2024-03-04-02-buy-ADA-binance"]
    assert rows[1] == {
        "as_of_date": DAY,
        "trade_id": "2024-03-04-02-buy-ADA-binance",
        "exchange": "binance",
        "symbol": "ADA/USDT",
        "sector": "L1",
        "asset": "ADA",
        "side": "buy",
        "quantity_base": 0.5,
        "price_usd": 100.0,
        "notional_usd": 50.0,
        "fee_usd": 0.05,
        "slippage_usd": 0.0,
        "reason_codes": [],
        "decision_id": "abc",
    }


def test_an_asset_target_becomes_a_row():
    target = AssetTarget(
        *("SOL", "L1", None, True, False, True, F(3), F(5, 2), F(3, 10), F(1, 4)),
        *(F("300.01"), F("250.25"), ("CALENDAR_TILT",)),
    )
    assert asset_target_rows(DAY, [target], "abc") == [
        {
            "as_of_date": DAY,
            "sector": "L1",
            "asset": "SOL",
            "price_usd": None,
            "is_stale_price": True,
            "is_buyable": False,
            "is_sellable": True,
            "current_quantity_base": 3.0,
            "target_quantity_base": 2.5,
            "current_weight_frac": 0.3,
            "target_weight_frac": 0.25,
            "current_usd": 300.01,
            "target_usd": 250.25,
            "reason_codes": ["CALENDAR_TILT"],
            "decision_id": "abc",
        }
    ]
