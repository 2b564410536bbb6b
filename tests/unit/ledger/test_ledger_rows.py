import json
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction

import polars as pl
import pytest

from pipelines.ledger.book import LedgerBook, LedgerError
from pipelines.ledger.futures import FuturesFill, fill_futures
from pipelines.ledger.marks import mark_to_market
from pipelines.ledger.opening import open_from_cash
from pipelines.ledger.posting import Draft, Line, Posting
from pipelines.ledger.rows import attribution, ledger_rows, nav_row
from pipelines.ledger.spot import SpotFill, fill_spot
from pipelines.money import to_cents
from warehouse.contracts import LEDGER, NAV_DAILY
from warehouse.frames import conform, frame_schema

BUY = SpotFill("binance", "ETH", "buy", Fraction(1), Fraction(1_000), 100, 50, reason="INCREASE")
SHORT = FuturesFill(
    "h", "hedge", "binance", "BTC/USDT:USDT", "BTC", Fraction(-1, 25), Fraction(50_000), 200_000, 100, 40
)


def test_booking_again_gives_the_same_ids_and_another_content_others(book: LedgerBook, at: Posting) -> None:
    once, again = fill_spot(book, [BUY, BUY], at)[1], fill_spot(book, [BUY, BUY], at)[1]
    assert once == again
    assert len({entry.entry_id for entry in once}) == len(once)
    assert len({entry.transaction_id for entry in once}) == 2
    assert once[0].transaction_id.startswith("20260310-000001-")
    others = (
        fill_spot(book, [replace(BUY, fee_cents=101)], at)[1],
        fill_spot(book, [replace(BUY, reason=None)], at)[1],
        fill_spot(book, [BUY], replace(at, decision_id="another"))[1],
        fill_spot(book, [BUY], replace(at, booked_at=datetime(2026, 3, 12)))[1],
        fill_spot(replace(book, sequence=2), [BUY], at)[1],
    )
    assert len({entries[0].entry_id for entries in (once, *others)}) == 6


def test_rows_have_the_columns_of_the_tables(book: LedgerBook, at: Posting) -> None:
    filled, entries = fill_spot(book, [BUY], at)
    rows = ledger_rows(entries)
    conform(LEDGER, pl.DataFrame(rows, schema=frame_schema(LEDGER)))
    assert list(rows[0]) != [] and set(rows[0]) == set(LEDGER.columns)
    assert {k: v for k, v in rows[0].items() if not k.endswith("_id")} == {
        "as_of_date": date(2026, 3, 10), "booked_at": datetime(2026, 3, 11), "book": "spot",
        "account": "spot:binance:ETH", "role": "spot", "asset": "ETH", "exchange": "binance", "quantity_base": 1.0,
        "price_usd": 1000.0, "amount_usd": 1000.0, "kind": "fill", "reason": "INCREASE",
    }  # fmt: skip
    assert rows[0]["decision_id"] == "d9"
    row = nav_row(filled, date(2026, 3, 10), "d10")
    assert list(row) == list(NAV_DAILY.columns)
    assert row["nav_usd"] == 59_998.5


def test_daily_value_says_where_the_profit_came_from(book: LedgerBook, at: Posting) -> None:
    filled, _ = fill_spot(book, [BUY], at)
    filled, _ = fill_futures(filled, [SHORT], at)
    prices = {("binance", "BTC/USDT:USDT"): Fraction(51_000)}
    marked, _ = mark_to_market(filled, {"BTC": Fraction(20_500), "ETH": Fraction(990)}, prices, at)
    assert nav_row(marked, date(2026, 3, 10), "d10") == {
        "as_of_date": date(2026, 3, 10), "decision_id": "d10",
        "nav_usd": 60_947.10,  # 60,000 + 1,000 - 10 - 40 - 1.50 - 1.40
        "spot_usd": 41_990.0, "spot_cash_usd": 8_998.5, "tilt_cash_usd": 0.0, "futures_equity_usd": 9_958.6,
        "realised_pnl_usd": 0.0, "unrealised_pnl_usd": 950.0, "fees_usd": 2.0, "slippage_usd": 0.9, "funding_usd": 0.0,
        "spot_pnl_usd": 988.5, "hedge_pnl_usd": -41.4, "liquidity_pnl_usd": 0.0, "tactical_pnl_usd": 0.0,
    }  # fmt: skip
    found = attribution(book, marked)
    assert (found.nav_change_cents, found.transfers_in_cents) == (94_710, 0)
    assert {role: total.profit_cents for role, total in found.roles.items()} == {
        "spot": 98_850, "hedge": -4_140, "liquidity": 0, "tactical": 0,
    }  # fmt: skip


def test_book_is_the_same_after_json_and_always_the_same_bytes(book: LedgerBook, at: Posting) -> None:
    filled, _ = fill_futures(fill_spot(book, [BUY], at)[0], [SHORT], at)
    text = filled.to_json()
    again = LedgerBook.from_json(text)
    assert (again, again.to_json(), again.digest()) == (filled, text, filled.digest())
    backwards = replace(filled, spot=dict(reversed(filled.spot.items())))
    assert backwards.to_json() == text
    assert json.loads(text)["futures"]["h"]["quantity"] == "-1/25"
    assert filled.digest() != book.digest()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cash_cents": 1_000_001}, r"the whole book is off by 0.01 USD"),
        ({"cash_cents": 1.5}, "not whole cents"),
        ({"spot": None}, "cannot be read"),
        ({"totals": {"gambling": {}}}, "unknown role"),
        ({"spot": {"binance": {"BTC": {"quantity_base": "1/0"}}}}, "cannot be read"),
    ],
)
def test_stored_book_that_is_damaged_is_refused(book: LedgerBook, change: dict[str, object], said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        LedgerBook.from_json(json.dumps(book.to_record() | change))
    with pytest.raises(LedgerError, match="cannot be read"):
        LedgerBook.from_json("{")


def test_book_that_does_not_balance_gives_no_daily_value(book: LedgerBook, at: Posting) -> None:
    coins = book.spot["binance", "BTC"]
    shifted = replace(book, spot={("binance", "BTC"): replace(coins, cost_cents=coins.cost_cents + 1)})
    with pytest.raises(LedgerError, match="does not balance: spot is off by -0.01 USD"):
        nav_row(shifted, date(2026, 3, 10), "d10")
    richer = replace(book, cash_cents=book.cash_cents + 1)
    with pytest.raises(LedgerError, match=r"changed by 0.01 USD that no entry explains"):
        attribution(book, richer)
    owing = replace(book, cash_cents=-1, collateral_cents=2_000_001)
    with pytest.raises(LedgerError, match=r"spot cash is -0.01 USD"):
        owing.check()


def test_lines_that_do_not_sum_to_zero_are_refused(book: LedgerBook, at: Posting) -> None:
    with pytest.raises(LedgerError, match=r"a gift: the entries sum to 0.01 USD instead of 0"):
        Draft(book, at).book([Line("cash:spot", 1, "transfer")], "a gift")


def test_cents_are_rounded_halves_up() -> None:
    assert [to_cents(Fraction(x, 1000)) for x in (5, 4, -5, -6, 15)] == [1, 0, 0, -1, 2]


def test_empty_book_is_worth_nothing_and_a_rerun_of_the_opening_is_the_same() -> None:
    posting = Posting(date(2026, 3, 9), datetime(2026, 3, 10), None)
    assert LedgerBook().nav_cents == 0
    assert open_from_cash(LedgerBook(), 8, 2, posting) == open_from_cash(LedgerBook(), 8, 2, posting)
