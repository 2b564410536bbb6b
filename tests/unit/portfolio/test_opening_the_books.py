"""How the books begin, and begin anew."""

from fractions import Fraction as F

import pytest
from hand_made import OVERBOUGHT, Market, day, nights, orders, policy, portfolio, row

from pipelines.holdings.portfolio import PortfolioError

LINEAR = {
    "exchange": "binance", "symbol": "BTC/USDT:USDT", "side": "short", "role": "hedge", "quantity_base": "0.1",
    "entry_price_usd": "48000", "margin_usd": 4_800,
}  # fmt: skip


def test_without_a_portfolio_file_the_books_are_all_cash_split_between_the_sleeves():
    (night,) = nights(Market(), 0, 0, value_usd=50_000.01)
    assert night.ledger.cash_cents + night.ledger.collateral_cents == 50_000_01
    assert night.ledger.collateral_cents == 10_000_00
    assert {one.kind for one in night.entries} == {"transfer"} and night.entries[0].reason == "OPENING"
    assert night.entries[0].decision_id is None and night.book.statement is None


def test_coins_by_quantity_and_by_worth_are_valued_at_the_close_of_the_day():
    held = [
        {"exchange": "binance", "asset": "BTC", "quantity": "0.123456789"},
        {"exchange": "okx", "asset": "ETH", "value_usd": 3_000},
    ]
    (night,) = nights(Market(), 0, 0, says=portfolio(holdings=held, cash_usd="7.50"))
    spot = night.ledger.spot
    assert spot["binance", "BTC"].quantity_base == F(123456789, 10**9)
    assert (spot["binance", "BTC"].value_cents, spot["okx", "ETH"].quantity_base) == (6172_84, F(3, 2))
    assert night.ledger.cash_cents == 7_50 and night.decision.reason is None
    assert night.book.first_decision == day(0)


def test_a_holding_given_by_its_worth_without_a_price_is_refused_and_one_by_quantity_waits_for_one():
    market = Market(prices={(0, "ETH"): None}, absent=set())
    with pytest.raises(PortfolioError, match="ETH on binance .* no price on 2024-03-04; give its quantity"):
        nights(market, 0, 0, says=portfolio(holdings=[{"exchange": "binance", "asset": "ETH", "value_usd": 3_000}]))
    held = [{"exchange": "binance", "asset": a, "quantity": "2"} for a in ("ETH", "BTC")]
    first, second = nights(market, 0, 1, says=portfolio(holdings=held))
    assert [night.ledger.spot["binance", "ETH"].value_cents for night in (first, second)] == [0, 4_000_00]
    assert second.ledger.role_totals("spot").profit_cents == 0  # a first price is no profit


def test_a_stated_position_goes_on_with_the_profit_it_came_with():
    held = [{"exchange": "binance", "asset": "BTC", "quantity": "1"}]
    says = portfolio(holdings=held, futures={"collateral_usd": 12_500, "positions": [LINEAR]})
    market = Market(metrics={(number, "BTC"): OVERBOUGHT for number in range(3)}, prices={(1, "BTC"): 49_000.0})
    first, second = nights(market, 0, 1, says=says)
    (position,) = first.ledger.futures.values()
    assert (position.quantity, position.unrealised_cents) == (F(-1, 10), -200_00)  # 0.1 short from 48,000 at 50,000
    assert first.ledger.role_totals("hedge").profit_cents == 0
    assert second.ledger.role_totals("hedge").profit_cents == 100_00
    assert first.sleeve.rows[0]["status"] == "hold"


def test_a_stated_inverse_position_is_counted_in_contracts_of_dollars():
    market = Market()
    market.instruments = [
        {
            "exchange": "binance", "symbol": "BTC/USD:BTC", "is_linear": False, "contract_size": 100.0,
            "lot_step": 1.0, "min_notional_usd": None, "is_active": True, "ingested_at": None, "delist_at": None,
        }
    ]  # fmt: skip
    market.metrics = {(0, "BTC"): OVERBOUGHT}
    short = LINEAR | {"symbol": "BTC/USD:BTC", "entry_price_usd": "50000"}
    says = portfolio(
        holdings=[{"exchange": "binance", "asset": "BTC", "quantity": "1"}],
        futures={"collateral_usd": 12_500, "positions": [short]},
    )
    (night,) = nights(market, 0, 0, says=says)
    (position,) = night.ledger.futures.values()
    assert (position.quantity, position.contract_size_usd, position.asset) == (-50, 100, "BTC")  # 0.1 BTC at 50,000


def test_the_same_statement_opens_the_books_once():
    says = portfolio(holdings=[{"exchange": "binance", "asset": "BTC", "quantity": "1"}], cash_usd=50_000)
    market = Market(prices={(1, "BTC"): 60_000.0})
    (first,) = nights(market, 0, 0, says=says)
    (second,) = nights(market, 1, 1, first.book, says=says)
    assert not [one for one in second.entries if one.reason == "OPENING"]
    assert second.ledger.role_totals("spot").profit_cents == 10_000_00


def test_another_statement_opens_the_books_anew_and_keeps_the_cuts():
    def says(coins):
        return portfolio(holdings=[{"exchange": "binance", "asset": "BTC", "quantity": coins}], cash_usd=1_000,
                         futures={"collateral_usd": 13_000})  # fmt: skip

    market = Market(actions={(number, "GOLD"): "REDUCE" for number in range(3)})
    first, second = nights(market, 0, 1, says=says("1"))
    assert orders(first) == {("sell", "BTC"): 12_500} and second.ledger.cash_cents == 13_500_00
    (anew,) = nights(market, 2, 2, second.book, says=says("2"))
    assert anew.ledger.cash_cents == 1_000_00 and anew.ledger.spot["binance", "BTC"].quantity_base == 2
    assert anew.ledger.role_totals("spot").profit_cents == 0
    assert anew.book.statement != second.book.statement
    # The cut of two days ago still counts: no second one before its cooldown is over.
    assert "COOLDOWN" in row(anew, "GOLD").reason_codes and not anew.orders.orders
    anew.ledger.check()


def test_a_new_statement_drops_orders_and_tilts_that_are_not_of_it():
    market = Market(rich={(0, "ETH"): (0.5, 0.1)})

    def says(coins):
        return portfolio(holdings=[{"exchange": "binance", "asset": "ETH", "quantity": coins}], cash_usd=1_000)

    first, second = nights(market, 0, 1, says=says("10"))
    assert second.ledger.tilt_cash_cents == 2_000_00
    (anew,) = nights(market, 2, 2, second.book, says=says("20"))
    assert anew.ledger.tilt_cash_cents == 0 and not anew.book.tilts.tilts
    (from_pending,) = nights(market, 1, 1, first.book, says=says("20"))
    assert from_pending.ledger.spot["binance", "ETH"].quantity_base == 20


def test_own_fees_of_an_exchange_are_paid_in_place_of_the_policys():
    market = Market(actions={(0, "GOLD"): "REDUCE"})
    says = portfolio(
        holdings=[{"exchange": "binance", "asset": "BTC", "quantity": "1"}],
        fees={"binance": {"spot_frac": "0.002"}},
    )
    first, second = nights(market, 0, 1, rules=policy(), says=says)
    (order,) = first.orders.orders
    assert order.fee_usd == 25  # two thousandths of 12,500
    assert second.ledger.role_totals("spot").fee_cents == 25_00
