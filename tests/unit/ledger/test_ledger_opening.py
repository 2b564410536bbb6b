from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction

import pytest

from pipelines.ledger.book import LedgerBook, LedgerError
from pipelines.ledger.futures import FuturesFill, fill_futures
from pipelines.ledger.marks import mark_to_market
from pipelines.ledger.opening import (
    OpeningHolding,
    OpeningPosition,
    OpeningStatement,
    open_from_cash,
    open_from_holdings,
    rename,
    transfer,
)
from pipelines.ledger.posting import Posting
from pipelines.ledger.rows import attribution
from pipelines.ledger.spot import SpotFill, fill_spot

Balances = Callable[..., dict[str, int]]
OPENING = Posting(date(2026, 3, 9), datetime(2026, 3, 10), None)
SHORT = OpeningPosition(
    "h", "hedge", "binance", "BTC/USDT:USDT", "BTC", Fraction(-1, 25), Fraction(50_000), Fraction(45_000), 200_000
)


def test_opening_from_cash_splits_the_value(balances: Balances) -> None:
    opened, entries = open_from_cash(LedgerBook(), 8_000_000, 2_000_000, OPENING)
    assert balances(entries) == {
        "cash:spot": 8_000_000, "cash:collateral": 2_000_000, "equity:opening": -10_000_000,
    }  # fmt: skip
    assert (opened.nav_cents, opened.futures_equity_cents, opened.opening_cents) == (10_000_000, 2_000_000, 10_000_000)
    assert {(e.kind, e.reason, e.decision_id) for e in entries} == {("transfer", "OPENING", None)}


def test_opening_with_holdings_costs_them_at_their_value_now(balances: Balances) -> None:
    statement = OpeningStatement(
        (OpeningHolding("bybit", "ETH", Fraction(3), Fraction(1_000)),), (SHORT,), 500_000, 100, 600_000
    )
    opened, entries = open_from_holdings(LedgerBook(), statement, OPENING)
    # The short's profit until now, 0.04 x 5,000 = 200.00, was brought in: it is no profit since the opening.
    assert balances(entries) == {
        "spot:bybit:ETH": 300_000, "futures:h": 20_000, "cash:spot": 500_000, "cash:tilt": 100,
        "cash:collateral": 600_000, "equity:opening": -1_420_100,
    }  # fmt: skip
    assert not opened.totals
    opened.check()
    marked, _ = mark_to_market(opened, {}, {("binance", "BTC/USDT:USDT"): Fraction(44_000)}, OPENING)
    assert marked.futures["h"].unrealised_cents == 24_000
    assert marked.role_totals("hedge").unrealised_cents == 4_000
    close = FuturesFill("h", "hedge", "binance", "BTC/USDT:USDT", "BTC", Fraction(1, 25), Fraction(44_000), 0)
    closed, _ = fill_futures(marked, [close], OPENING)
    assert (closed.collateral_cents, closed.role_totals("hedge").realised_cents) == (624_000, 4_000)
    closed.check()


def test_opening_a_live_book_anew_books_the_difference_and_begins_to_count_at_zero(
    book: LedgerBook, at: Posting, balances: Balances
) -> None:
    earned, _ = mark_to_market(book, {"BTC": Fraction(21_000)}, {}, at)  # +2,000.00
    earned, _ = fill_spot(earned, [SpotFill("binance", "BTC", "sell", Fraction(1), Fraction(21_000), 2_100)], at)
    statement = OpeningStatement(
        (OpeningHolding("binance", "BTC", Fraction(3), Fraction(22_000)),), (), 1_000_000, 0, 1_000_000
    )
    opened, entries = open_from_holdings(earned, statement, OPENING)
    changed = balances(entries)
    assert changed["spot:binance:BTC"] == 6_600_000 - 2_100_000
    assert changed["cash:spot"] == 1_000_000 - earned.cash_cents
    # Realised and unrealised profit of 1,000.00 each and the fee are closed into the opening.
    assert (changed["pnl:spot:realised"], changed["pnl:spot:unrealised"]) == (100_000, 100_000)
    assert changed["pnl:spot:fee"] == -2_100
    assert (opened.nav_cents, opened.opening_cents, opened.totals) == (8_600_000, 8_600_000, {})
    assert [e.quantity_base for e in entries if e.account == "spot:binance:BTC"] == [2]
    assert opened.sequence == earned.sequence + 1
    found = attribution(earned, opened)
    assert found.nav_change_cents == found.transfers_in_cents + found.total.profit_cents


def test_opening_again_with_the_same_books_no_money(book: LedgerBook) -> None:
    statement = OpeningStatement(
        (OpeningHolding("binance", "BTC", Fraction(2), Fraction(20_000)),), (SHORT,), 1_000_000, 0, 1_000_000
    )
    opened, first = open_from_holdings(book, statement, OPENING)
    assert any(entry.account == "futures:h" for entry in first)
    assert open_from_holdings(opened, statement, OPENING) == (opened, ())


def test_coins_without_a_price_are_worth_nothing_until_there_is_one_and_that_is_no_profit(
    at: Posting, balances: Balances
) -> None:
    unknown = OpeningHolding("binance", "OLD", Fraction(10), None)
    opened, _ = open_from_holdings(LedgerBook(), OpeningStatement((unknown,), (), 100), OPENING)
    assert (opened.nav_cents, opened.spot["binance", "OLD"].last_price_usd) == (100, None)
    priced, entries = mark_to_market(opened, {"OLD": Fraction(2)}, {}, at)
    assert balances(entries) == {"spot:binance:OLD": 2_000, "equity:opening": -2_000}
    assert (priced.opening_cents, priced.totals) == (2_100, {})
    sold, _ = fill_spot(opened, [SpotFill("binance", "OLD", "sell", Fraction(5), Fraction(3))], at)
    assert sold.role_totals("spot").profit_cents == 0 and sold.opening_cents == 3_100
    sold.check()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (OpeningStatement((OpeningHolding("b", "X", Fraction(0), None),)), "must be above 0"),
        (OpeningStatement((OpeningHolding("b", "X", Fraction(1), Fraction(0)),)), "must be above 0"),
        (OpeningStatement((OpeningHolding("b", "X", Fraction(1), None),) * 2), "X on b is given twice"),
        (OpeningStatement(futures=(SHORT, SHORT)), "position h is given twice"),
        (OpeningStatement(cash_cents=-1), "of spot cash"),
    ],
)
def test_opening_that_cannot_be_is_refused(statement: OpeningStatement, said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        open_from_holdings(LedgerBook(), statement, OPENING)


def test_transfer_between_the_sleeves_is_its_own_entry_and_no_profit(
    book: LedgerBook, at: Posting, balances: Balances
) -> None:
    moved, entries = transfer(book, "spot", "collateral", 250_000, at)
    assert balances(entries) == {"cash:spot": -250_000, "cash:collateral": 250_000}
    assert {(e.kind, e.reason, e.book) for e in entries} == {("transfer", "SLEEVE_TRANSFER", "cash")}
    assert (moved.nav_cents, moved.totals) == (book.nav_cents, book.totals)
    with pytest.raises(LedgerError, match=r"needs 10,000.01 USD of spot cash"):
        transfer(book, "spot", "collateral", 1_000_001, at)
    for source, target, cents in (("spot", "spot", 1), ("spot", "tilt", 0)):
        with pytest.raises(LedgerError, match="an amount above 0 and two different sleeves"):
            transfer(book, source, target, cents, at)  # type: ignore[arg-type]


def test_renamed_coin_keeps_its_value_and_books_no_profit(book: LedgerBook, at: Posting, balances: Balances) -> None:
    held, _ = open_from_holdings(
        book,
        OpeningStatement(
            (
                OpeningHolding("binance", "BTC", Fraction(2), Fraction(20_000)),
                OpeningHolding("binance", "NEW", Fraction(5), None),
            ),
            (SHORT,),
            collateral_cents=1_000_000,
        ),
        OPENING,
    )
    # One BTC becomes 1,000 NEW; 5 NEW without a price were there: their first price is 20.
    renamed, entries = rename(held, "BTC", "NEW", Fraction(1_000), at, {"BTC/USDT:USDT": "NEW/USDT:USDT"})
    assert balances(entries) == {
        "spot:binance:BTC": -4_000_000, "spot:binance:NEW": 4_010_000, "equity:opening": -10_000, "futures:h": 0,
    }  # fmt: skip
    assert {entry.kind for entry in entries} == {"transfer"}
    coins, short = renamed.spot["binance", "NEW"], renamed.futures["h"]
    assert (coins.quantity_base, coins.last_price_usd, coins.value_cents) == (2_005, 20, 4_010_000)
    assert (short.quantity, short.entry_price_usd, short.symbol) == (-40, 50, "NEW/USDT:USDT")
    assert short.unrealised_cents == short.profit_cents(Fraction(45)) == 20_000
    assert not renamed.totals and list(renamed.spot) == [("binance", "NEW")]
    renamed.check()
    with pytest.raises(LedgerError, match="give a ratio above 0"):
        rename(held, "BTC", "NEW", Fraction(0), at)


def test_contracts_of_an_inverse_position_stay_when_the_coin_is_redenominated(at: Posting) -> None:
    # 20 contracts of 100 USD, short from 50,000 to 40,000: 20 x 100 x 0.2 = 400.00, before and after
    inverse = replace(SHORT, quantity=Fraction(-20), price_usd=Fraction(40_000), contract_size_usd=Fraction(100))
    held, _ = open_from_holdings(LedgerBook(), OpeningStatement(futures=(inverse,)), OPENING)
    renamed, _ = rename(held, "BTC", "BTC", Fraction(10), at)
    short = renamed.futures["h"]
    assert (short.quantity, short.entry_price_usd, short.last_price_usd) == (-20, 5_000, 4_000)
    assert short.profit_cents(short.last_price_usd) == short.unrealised_cents == 40_000


def test_redenomination_under_the_same_name_moves_coins_only(book: LedgerBook, at: Posting) -> None:
    changed, entries = rename(book, "BTC", "BTC", Fraction(10), at)
    assert [entry.quantity_base for entry in entries] == [-2, 20]
    assert changed.spot["binance", "BTC"].quantity_base == 20
    assert changed.nav_cents == book.nav_cents
