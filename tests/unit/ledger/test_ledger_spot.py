from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from pipelines.ledger.book import LedgerBook, LedgerError
from pipelines.ledger.marks import mark_to_market
from pipelines.ledger.posting import Posting
from pipelines.ledger.spot import SpotFill, fill_spot

Balances = Callable[..., dict[str, int]]


def fill(side: str, quantity: str, price: int, **more: Any) -> SpotFill:
    return SpotFill(more.pop("exchange", "binance"), more.pop("asset", "BTC"), side, Fraction(quantity),
                    Fraction(price), **more)  # type: ignore[arg-type]  # fmt: skip


def test_spot_sale_changes_coins_and_cash_and_tells_profit_from_costs(
    book: LedgerBook, at: Posting, balances: Balances
) -> None:
    marked, _ = mark_to_market(book, {"BTC": Fraction(21_000)}, {}, at)
    # Half a coin of 2: value 21,000/2 = 10,500.00, cost 20,000/2 = 10,000.00, sold at 22,000: 11,000.00.
    sale = fill("sell", "1/2", 22_000, fee_cents=1_100, slippage_cents=550, reason="REDUCE")
    sold, entries = fill_spot(marked, [sale], at)
    assert balances(entries) == {
        "spot:binance:BTC": -1_050_000,
        "cash:spot": 1_100_000 - 1_100 - 550,
        "pnl:spot:realised": -100_000,
        "pnl:spot:unrealised": 50_000,
        "pnl:spot:fee": 1_100,
        "pnl:spot:slippage": 550,
    }
    held = sold.spot["binance", "BTC"]
    assert (held.quantity_base, held.cost_cents, held.value_cents) == (Fraction(3, 2), 3_000_000, 3_150_000)
    spot = sold.role_totals("spot")
    assert (spot.realised_cents, spot.unrealised_cents, spot.fee_cents, spot.slippage_cents) == (
        100_000, 150_000, 1_100, 550,
    )  # fmt: skip
    sold.check()
    # A spot trade touches neither the futures sleeve nor any role but its own.
    assert sold.futures_equity_cents == marked.futures_equity_cents
    assert {entry.role for entry in entries} == {"spot"} and {entry.reason for entry in entries} == {"REDUCE"}
    first = entries[0]
    assert (first.book, first.kind, first.quantity_base, first.price_usd) == ("spot", "fill", Fraction(-1, 2), 22_000)


def test_purchase_pays_reference_price_and_costs_from_cash(book: LedgerBook, at: Posting, balances: Balances) -> None:
    purchase = fill("buy", "3", 1_000, asset="ETH", fee_cents=300, slippage_cents=150)
    bought, entries = fill_spot(book, [purchase], at)
    assert balances(entries) == {
        "spot:binance:ETH": 300_000, "cash:spot": -300_450, "pnl:spot:fee": 300, "pnl:spot:slippage": 150,
    }  # fmt: skip
    assert bought.spot["binance", "ETH"].cost_cents == 300_000
    assert bought.nav_cents == book.nav_cents - 450
    bought.check()


def test_cash_never_goes_below_zero(book: LedgerBook, at: Posting) -> None:
    exact = fill("buy", "10", 999, asset="ETH", fee_cents=900, slippage_cents=100)  # 9,990 + 9 + 1 = 10,000.00
    assert fill_spot(book, [exact], at)[0].cash_cents == 0
    with pytest.raises(
        LedgerError,
        match=r"purchase of 10 ETH on binance needs 10,000.01 USD of spot cash, but there is 10,000.00 USD: make it",
    ):
        fill_spot(book, [fill("buy", "10", 999, asset="ETH", fee_cents=901, slippage_cents=100)], at)


def test_sales_pay_for_the_purchases_after_them(book: LedgerBook, at: Posting) -> None:
    both = [fill("sell", "1", 20_000), fill("buy", "30", 1_000, asset="ETH")]
    assert fill_spot(book, both, at)[0].cash_cents == 0
    with pytest.raises(LedgerError, match="spot cash"):
        fill_spot(book, both[::-1], at)


def test_more_than_held_there_cannot_be_sold(book: LedgerBook, at: Posting) -> None:
    with pytest.raises(LedgerError, match=r"sale of 2.1 BTC on binance: there is 2; sell at most"):
        fill_spot(book, [fill("sell", "21/10", 20_000)], at)
    with pytest.raises(LedgerError, match=r"on bybit: there is none"):
        fill_spot(book, [fill("sell", "1", 20_000, exchange="bybit")], at)


def test_selling_everything_leaves_no_cent_of_cost_behind(book: LedgerBook, at: Posting) -> None:
    thirds = [fill("sell", "1/3", 20_000), fill("sell", "5/3", 20_000)]
    sold, _ = fill_spot(book, thirds, at)
    assert not sold.spot
    assert sold.role_totals("spot").unrealised_cents == 0
    # 6,666.67 + 33,333.33
    assert sold.cash_cents == 1_000_000 + 4_000_000
    sold.check()


def test_temporary_sale_keeps_its_cash_apart(book: LedgerBook, at: Posting, balances: Balances) -> None:
    sold, entries = fill_spot(book, [fill("sell", "1/10", 20_000, sleeve="tilt")], at)
    assert balances(entries)["cash:tilt"] == 200_000
    assert (sold.cash_cents, sold.tilt_cash_cents) == (book.cash_cents, 200_000)
    back, _ = fill_spot(sold, [fill("buy", "1/10", 20_000, sleeve="tilt")], at)
    assert back.tilt_cash_cents == 0
    with pytest.raises(LedgerError, match="tilt cash"):
        fill_spot(back, [fill("buy", "1/10", 20_000, sleeve="tilt")], at)


@pytest.mark.parametrize("wrong", [{"quantity": "0"}, {"price": 0}, {"fee_cents": -1}, {"slippage_cents": -1}])
def test_fill_that_cannot_be_is_refused(book: LedgerBook, at: Posting, wrong: dict[str, Any]) -> None:
    given = {"side": "buy", "quantity": "1", "price": 1_000} | wrong
    with pytest.raises(LedgerError, match="must be above 0, costs 0 or more"):
        fill_spot(book, [fill(**given)], at)


def test_mark_books_what_a_price_changed_and_a_missing_price_keeps_the_last_one(
    book: LedgerBook, at: Posting, balances: Balances
) -> None:
    with_eth, _ = fill_spot(book, [fill("buy", "1", 1_000, asset="ETH")], at)
    marked, entries = mark_to_market(with_eth, {"BTC": Fraction(19_000), "SOL": Fraction(1)}, {}, at)
    assert balances(entries) == {"spot:binance:BTC": -200_000, "pnl:spot:unrealised": 200_000}
    assert {entry.kind for entry in entries} == {"mark"}
    prices = {asset: holding.last_price_usd for (_, asset), holding in marked.spot.items()}
    assert prices == {"BTC": 19_000, "ETH": 1_000}
    assert mark_to_market(marked, {"BTC": Fraction(19_000)}, {}, at) == (marked, ())
    with pytest.raises(LedgerError, match="the price of BTC is 0"):
        mark_to_market(book, {"BTC": Fraction(0)}, {}, at)
