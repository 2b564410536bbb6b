"""The gate of the books over three nights that the ledger itself has booked; single figures are then falsified."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import duckdb
import polars as pl
import pytest

from expectations.ledger import ledger_questions
from expectations.model import CheckResult, Parameters
from expectations.runner import run_suites
from expectations.suites import SUITES
from pipelines.ledger.book import LedgerBook
from pipelines.ledger.futures import FuturesFill, fill_futures
from pipelines.ledger.marks import FundingSettlement, mark_to_market, settle_funding
from pipelines.ledger.opening import OpeningHolding, OpeningStatement, open_from_cash, open_from_holdings
from pipelines.ledger.posting import Entry, Posting
from pipelines.ledger.rows import ledger_rows, nav_row
from pipelines.ledger.spot import SpotFill, fill_spot
from warehouse.contracts import DECISIONS, LEDGER, NAV_DAILY
from warehouse.frames import frame_schema, insert
from warehouse.schema import create_tables

DAYS = [date(2026, 3, 8), date(2026, 3, 9), date(2026, 3, 10)]
BTC = "BTC/USDT:USDT"
RUN = Parameters(DAYS[-1], datetime(2026, 3, 11), datetime(2026, 3, 11, 1), "run", "simulated")
Judge = Callable[..., dict[str, CheckResult]]
CHECKS = {
    "cents_off_zero", "entry_names_decision", "entry_is_complete", "cents_off_ledger", "profit_cents_off_ledger",
    "cents_off_parts", "lowest_balance_usd", "value_cents_off_ledger",
}  # fmt: skip


def nights() -> Iterator[tuple[date, LedgerBook, tuple[Entry, ...]]]:
    """Opened from cash; coins and a short are bought, marked and funded; opened anew from holdings."""
    at = [Posting(day, datetime.combine(day, datetime.min.time()) + timedelta(days=1), None) for day in DAYS]
    book, opening = open_from_cash(LedgerBook(), 8_000_000, 2_000_000, at[0])
    yield DAYS[0], book, opening

    second = replace(at[1], decision_id=f"d{DAYS[0]}")
    book, bought = fill_spot(
        book, [SpotFill("binance", "BTC", "buy", Fraction(1, 3), Fraction(60_000), 2_000, 1_000)], second
    )
    book, sold = fill_futures(
        book,
        [FuturesFill("h", "hedge", "binance", BTC, "BTC", Fraction(-1, 30), Fraction(60_000), 200_000, 100)],
        second,
    )
    book, marked = mark_to_market(book, {"BTC": Fraction(59_001)}, {("binance", BTC): Fraction(59_003)}, second)
    settled = FundingSettlement("h", second.booked_at, Fraction(-3, 10_000), Fraction(59_003))
    book, funded = settle_funding(book, [settled], second)
    yield DAYS[1], book, (*bought, *sold, *marked, *funded)

    third = replace(at[2], decision_id=f"d{DAYS[1]}")
    book, marked = mark_to_market(book, {"BTC": Fraction(61_000)}, {}, third)
    holdings = OpeningStatement((OpeningHolding("bybit", "ETH", Fraction(5), Fraction(3_000)),), (), 100, 0, 500)
    book, opening = open_from_holdings(book, holdings, at[2])
    yield DAYS[2], book, (*marked, *opening)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("books") / "build.duckdb"
    with duckdb.connect(path) as con:
        create_tables(con)
        for day, book, entries in nights():
            decision = {
                "decision_id": f"d{day}", "as_of_date": day, "portfolio_value_usd": book.nav_cents / 100,
                "decided_at": datetime(day.year, day.month, day.day, 0, 15) + timedelta(days=1),
            }  # fmt: skip
            for table, rows in (
                (LEDGER, ledger_rows(entries)),
                (NAV_DAILY, [nav_row(book, day, f"d{day}")]),
                (DECISIONS, [dict.fromkeys(DECISIONS.columns) | decision]),
            ):
                insert(con, table, pl.DataFrame(rows, schema=frame_schema(table)))
    return path


@pytest.fixture
def judge(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    monkeypatch.setitem(SUITES, "books", ledger_questions)

    def run(*statements: str, since: datetime = RUN.since) -> dict[str, CheckResult]:
        path = tmp_path / "build.duckdb"
        shutil.copy(sound, path)
        with duckdb.connect(path) as con:
            for statement in statements:
                con.execute(statement)
        results = {result.name: result for result in run_suites(path, ["books"], replace(RUN, since=since))}
        assert set(results) == CHECKS and all(result.is_blocking for result in results.values())
        return results

    return run


def failed(results: dict[str, CheckResult]) -> set[str]:
    return {name for name, result in results.items() if not result.passed}


@pytest.mark.parametrize(("since", "days"), [(RUN.since, 1), (datetime(2026, 3, 8), 3)], ids=["one night", "all"])
def test_books_of_the_ledger_pass_also_over_a_new_opening(judge: Judge, since: datetime, days: int) -> None:
    results = judge(since=since)
    assert failed(results) == set()
    assert results["cents_off_ledger"].evaluated == results["value_cents_off_ledger"].evaluated == days


FIRST, LAST = DAYS[0], DAYS[-1]


@pytest.mark.parametrize(
    ("falsified", "closes"),
    [
        # An entry that is lost: its transaction does not balance, nor does the value of its day.
        (
            "delete from portfolio.ledger where account = 'cash:spot' and kind = 'transfer' and as_of_date = '{last}'",
            {"cents_off_zero", "cents_off_ledger"},
        ),
        # A whole transaction that is booked twice balances, but the value did not change twice.
        (
            "insert into portfolio.ledger select * replace ('x' || entry_id as entry_id) from portfolio.ledger "
            "where kind = 'mark' and as_of_date = '{last}'",
            {"cents_off_ledger", "profit_cents_off_ledger"},
        ),
        ("update portfolio.ledger set decision_id = null where kind = 'mark'", {"entry_names_decision"}),
        ("update portfolio.ledger set decision_id = 'x' where kind = 'mark'", {"entry_names_decision"}),
        ("update portfolio.ledger set booked_at = null where kind = 'mark'", {"entry_is_complete"}),
        (
            "update portfolio.ledger set amount_usd = null where account = 'pnl:spot:unrealised' and kind = 'mark'",
            {"cents_off_zero", "entry_is_complete", "profit_cents_off_ledger"},
        ),
        # A cost that stands as another kind of cost.
        (
            "update portfolio.nav_daily set fees_usd = fees_usd + 1, slippage_usd = slippage_usd - 1 "
            "where as_of_date = '{last}'",
            {"profit_cents_off_ledger"},
        ),
        (
            "update portfolio.nav_daily set hedge_pnl_usd = 1, tactical_pnl_usd = -1 where as_of_date = '{last}'",
            {"profit_cents_off_ledger"},
        ),
        (
            "update portfolio.nav_daily set nav_usd = null",
            {"cents_off_ledger", "cents_off_parts", "value_cents_off_ledger"},
        ),
        (
            "update portfolio.nav_daily set spot_cash_usd = -1, tilt_cash_usd = 2 where as_of_date = '{last}'",
            {"lowest_balance_usd"},
        ),
        (
            "delete from portfolio.nav_daily where as_of_date = '{last}'",
            {"cents_off_ledger", "profit_cents_off_ledger", "value_cents_off_ledger"},
        ),
        (
            "update portfolio.decisions set portfolio_value_usd = 0 where as_of_date = '{last}'",
            {"value_cents_off_ledger"},
        ),
    ],
)  # fmt: skip
def test_falsified_books_close_the_gate(judge: Judge, falsified: str, closes: set[str]) -> None:
    assert failed(judge(falsified.format(last=LAST))) == closes


def test_cost_grows_with_new_nights_only_what_was_judged_before_is_not_judged_again(judge: Judge) -> None:
    old = f"update portfolio.ledger set amount_usd = amount_usd + 1 where as_of_date = '{FIRST}'"
    assert failed(judge(old)) == set()
    assert failed(judge(old, since=datetime(2026, 3, 8))) == {"cents_off_zero", "cents_off_ledger"}


def test_first_night_of_a_ledger_must_bring_in_all_that_there_is(judge: Judge) -> None:
    begun_later = [f"delete from portfolio.{table} where as_of_date < '{LAST}'" for table in ("ledger", "nav_daily")]
    assert failed(judge(*begun_later)) == {"cents_off_ledger", "profit_cents_off_ledger"}
