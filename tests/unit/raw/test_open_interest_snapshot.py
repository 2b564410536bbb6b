"""Open interest of this moment: what is asked for, what is kept, and when none is needed."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from pipelines.exchanges.capabilities import BINANCE, BYBIT
from pipelines.exchanges.errors import ExchangeFailure, Rule
from pipelines.exchanges.port import INSTRUMENT_COLUMNS, OPEN_INTEREST_COLUMNS, Fetched
from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp, build_batches
from pipelines.raw.snapshot import is_taken, keeps_no_history, observed_symbols, take_snapshot
from warehouse.connection import Warehouse
from warehouse.raw import RawWriter
from warehouse.schema import create_tables

MIDNIGHT = datetime(2024, 6, 11)
SNAPSHOT_AT, NIGHT_AT = MIDNIGHT + timedelta(minutes=2), MIDNIGHT + timedelta(minutes=15)
YEAR = timedelta(days=365)
STAMP = Stamp("run-1", MIDNIGHT + timedelta(minutes=3), "simulated", LagMinutes())
ABSENT = {"open_interest": "only the value of this moment"}


class MemoryAdapter:
    """Shows one coin of open interest per symbol; a symbol of `failing` cannot be read."""

    exchange = "weex"

    def __init__(self, asked_how, *failing):
        self.capabilities = replace(BINANCE, exchange="weex", open_interest_now=asked_how, absences=ABSENT)
        self.failing, self.asked = failing, []

    async def open_interest_now(self, symbols):
        self.asked.append(tuple(symbols))
        if set(symbols) & set(self.failing):
            raise ExchangeFailure("weex", "open interest now", symbols[0], Rule("permanent", "gone", "nothing"))
        rows = [("weex", symbol, SNAPSHOT_AT, None, 1.0, None, "snapshot") for symbol in symbols]
        return Fetched(pl.DataFrame(rows, schema=OPEN_INTEREST_COLUMNS, orient="row"), 1, "digest")


@pytest.fixture
def warehouse(tmp_path):
    with Warehouse(tmp_path).open_build("test") as connection:
        create_tables(connection)
        yield connection


def take(warehouse, adapter, *symbols):
    loads = asyncio.run(take_snapshot(adapter, symbols, stamp=STAMP, clock=lambda: SNAPSHOT_AT))
    return RawWriter(warehouse).write(build_batches(loads, STAMP))


def test_one_request_where_the_exchange_shows_all_at_once_and_one_per_symbol_where_not(warehouse):
    bulk, single = MemoryAdapter("all at once"), MemoryAdapter("one by one")
    take(warehouse, bulk, "A/USDT:USDT", "B/USDT:USDT")
    take(warehouse, single, "A/USDT:USDT", "B/USDT:USDT")
    assert bulk.asked == [("A/USDT:USDT", "B/USDT:USDT")]
    assert single.asked == [("A/USDT:USDT",), ("B/USDT:USDT",)]


def test_a_snapshot_is_known_when_it_is_taken_and_counts_as_seen(warehouse):
    assert take(warehouse, MemoryAdapter("all at once"), "A/USDT:USDT") == 1
    row = warehouse.execute(
        "select observed_at, available_at, pit_quality, source_kind, open_interest_base from raw.open_interest"
    ).fetchone()
    assert row == (SNAPSHOT_AT, SNAPSHOT_AT, "observed", "snapshot", 1.0)


def test_a_symbol_that_cannot_be_read_is_logged_and_the_others_are_kept(warehouse):
    take(warehouse, MemoryAdapter("one by one", "B/USDT:USDT"), "A/USDT:USDT", "B/USDT:USDT")
    log = warehouse.execute("select symbol, timeframe, status from raw.load_batches order by symbol").fetchall()
    assert log == [("A/USDT:USDT", "now", "ok"), ("B/USDT:USDT", "now", "failed")]


def test_the_night_takes_none_where_the_snapshot_was_taken_since_midnight(warehouse):
    assert not is_taken(warehouse, "weex", NIGHT_AT)
    take(warehouse, MemoryAdapter("all at once"), "A/USDT:USDT")
    assert is_taken(warehouse, "weex", NIGHT_AT)
    assert not is_taken(warehouse, "mexc", NIGHT_AT)
    assert not is_taken(warehouse, "weex", NIGHT_AT + timedelta(days=1))
    # A day that is decided again, later: the snapshot of a later day says nothing about it.
    assert not is_taken(warehouse, "weex", NIGHT_AT - timedelta(days=1))


def test_only_an_exchange_without_history_needs_one():
    assert not keeps_no_history(BINANCE) and not keeps_no_history(BYBIT)
    assert keeps_no_history(replace(BYBIT, absences=ABSENT))


def test_perpetuals_that_trade_are_observed():
    rows = [
        {"symbol": "A/USDT:USDT", "market_type": "perpetual", "is_active": True},
        {"symbol": "B/USDT:USDT", "market_type": "perpetual", "is_active": False},
        {"symbol": "C/USDT:USDT", "market_type": "perpetual", "is_active": None},
        {"symbol": "D/USDT:USDT", "market_type": "perpetual", "is_active": True, "delist_at": MIDNIGHT},
        {"symbol": "E/USDT:USDT", "market_type": "perpetual", "is_active": True, "delist_at": MIDNIGHT + YEAR},
        {"symbol": "A/USDT", "market_type": "spot", "is_active": True},
        {"symbol": "A/USDT:USDT-241227", "market_type": "dated", "is_active": True},
    ]
    listed = pl.DataFrame(rows, schema=INSTRUMENT_COLUMNS)
    assert observed_symbols(listed, SNAPSHOT_AT) == ["A/USDT:USDT", "C/USDT:USDT", "E/USDT:USDT"]
