"""What goes wrong on the way from an exchange, end to end: ccxt over HTTP, the adapters, the load into a warehouse.

Every fault is served by the local exchange in the exchanges' own words. Pauses are recorded, not waited for.
"""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.registry import ADAPTERS
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp
from pipelines.raw.ingest import IngestReport, Limits, ingest_exchange
from pipelines.raw.plan import Plan, SeriesRequest
from warehouse.connection import Warehouse
from warehouse.raw import RawWriter
from warehouse.schema import create_tables

NOW = datetime(2024, 6, 30, 0, 15)
START = datetime(2024, 6, 10)
READ_AT = NOW + timedelta(minutes=1)
FACTS = {
    "spot_ohlcv": "symbol, opened_at, open, high, low, close, volume_base, volume_quote",
    "futures_ohlcv": "symbol, price_type, opened_at, open, high, low, close, volume_base, volume_quote",
    "funding_rates": "symbol, settled_at, funding_rate, mark_price",
    "open_interest": "symbol, observed_at, open_interest_contracts, open_interest_base, open_interest_usd",
}


def series(dataset, symbol, price_type=None, timeframe="1d"):
    market_type = "spot" if dataset == "spot_ohlcv" else "perpetual"
    timeframe = None if dataset == "funding_rates" else timeframe
    return SeriesRequest(dataset, symbol, market_type, price_type, timeframe, START, NOW, is_open=True)


SERIES = (
    series("spot_ohlcv", "BTC/USDT"),
    series("spot_ohlcv", "ETH/USDT"),
    series("futures_ohlcv", "BTC/USDT:USDT", "last"),
    series("futures_ohlcv", "BTC/USD:BTC", "mark"),
    series("funding_rates", "BTC/USDT:USDT"),
    series("open_interest", "BTC/USDT:USDT"),
)


@pytest.fixture(scope="module")
def exchange():
    with LocalExchangeProcess(now=NOW) as process:
        yield process


class Read:
    """One reading of the six series, and what is in the warehouse after it."""

    def __init__(self, url, folder, name, policy=None, timeout_s=5.0, requests=SERIES):
        self.pauses = []
        self._settings = {"base_url": url, "now_ms": lambda: to_milliseconds(NOW), "rate_limit": False}
        self._settings["timeout_s"] = timeout_s
        with Warehouse(folder).open_build("test") as self._connection:
            create_tables(self._connection)
            self.report: IngestReport = asyncio.run(self._read(name, policy or RetryPolicy(), requests))
            self.log = self._rows("select dataset, symbol, status, error from raw.load_batches order by all")
            self.quarantine = self._rows("select dataset, symbol, rule, row_json from raw.quarantine order by all")
            self.facts = {
                table: self._rows(f"select {columns} from raw.{table} order by all") for table, columns in FACTS.items()
            }

    def _rows(self, query):
        return self._connection.execute(query).fetchall()

    async def _pause(self, seconds):
        self.pauses.append(seconds)

    async def _read(self, name, policy, requests):
        async with open_client(name, **self._settings) as client:
            adapter = ADAPTERS[name](client, Caller(name, policy, self._pause))
            self.instruments = await adapter.instruments()
            return await ingest_exchange(
                adapter, Plan(requests, ()), RawWriter(self._connection), Limits(4), lambda _: None,
                stamp=Stamp("run", READ_AT, "simulated", LagMinutes()), clock=lambda: READ_AT,
            )  # fmt: skip

    def statuses(self):
        return {(dataset, symbol): status for dataset, symbol, status, _ in self.log}


@pytest.fixture
def read(exchange, tmp_path):
    """Reads an exchange with faults in force; afterwards none are."""
    count = 0

    def run(name, *faults, **settings):
        nonlocal count
        count += 1
        exchange.set_faults(list(faults))
        return Read(exchange.url, tmp_path / str(count), name, **settings)

    yield run
    exchange.set_faults([])


@pytest.fixture(scope="module")
def undisturbed(exchange, tmp_path_factory):
    exchange.set_faults([])
    return {name: Read(exchange.url, tmp_path_factory.mktemp(name), name).facts for name in ADAPTERS}


DATA = "kline|Kline|funding|openInterestHist|open-interest"


@pytest.mark.parametrize("name", ["binance", "bybit"])
@pytest.mark.parametrize("kind", ["rate_limited", "server_error", "connection_reset", "truncated_json", "html_page"])
def test_a_fault_that_passes_costs_repetitions_and_no_rows(read, exchange, undisturbed, name, kind):
    got = read(name, {"kind": kind, "exchange": name, "path": DATA, "first": 3})
    assert got.facts == undisturbed[name]
    assert set(got.statuses().values()) == {"ok"}
    assert got.quarantine == []
    assert exchange.faults()[0]["spoilt"] == 3


def test_a_reply_that_never_comes_is_given_up_and_asked_for_again(read, undisturbed):
    fault = {"kind": "hang", "exchange": "binance", "path": "/api/v3/klines.*ETHUSDT", "first": 1}
    assert read("binance", fault, timeout_s=0.3).facts == undisturbed["binance"]


def test_a_rate_limit_is_waited_for_as_long_as_it_says(read):
    got = read("binance", {"kind": "rate_limited", "exchange": "binance", "path": "fundingRate", "first": 1})
    assert 1.0 in got.pauses


@pytest.mark.parametrize("kind", ["server_error", "html_page", "empty_body", "truncated_json"])
def test_a_fault_that_stays_fails_its_own_series_with_words_and_no_other(read, undisturbed, kind):
    fault = {"kind": kind, "exchange": "binance", "path": "/api/v3/klines.*ETHUSDT"}
    got = read("binance", fault, policy=RetryPolicy(attempts=3))
    assert [key for key, status in got.statuses().items() if status != "ok"] == [("spot_ohlcv", "ETH/USDT")]
    (error,) = [error for *_, status, error in got.log if status == "failed"]
    assert error.startswith("binance candles ETH/USDT: ")
    assert "What to do: " in error
    for leak in ("http", "Traceback", "symbol=", "127.0.0.1"):
        assert leak not in error
    others = [row for row in undisturbed["binance"]["spot_ohlcv"] if row[0] != "ETH/USDT"]
    assert got.facts["spot_ohlcv"] == others


@pytest.mark.parametrize(
    ("name", "kind", "meaning"),
    [
        ("binance", "banned", "banned for asking too often"),
        ("binance", "geo_blocked", "does not serve this country"),
        ("binance", "forbidden_html", "does not serve this country"),
        ("bybit", "forbidden_html", "does not serve this country"),
        ("bybit", "geo_blocked", "does not serve this country"),
    ],
)
def test_a_block_stops_the_exchange_at_once_and_says_what_to_do(read, name, kind, meaning):
    got = read(name, {"kind": kind, "exchange": name, "path": DATA})
    assert got.report.blocked is not None and meaning in got.report.blocked
    assert got.pauses == []
    assert {status for *_, status, _ in got.log} == {"failed"}
    assert all(symbol is None and "series were not read" in error for _, symbol, _, error in got.log)


def test_a_block_of_one_exchange_leaves_the_other_alone(read, undisturbed):
    block = {"kind": "geo_blocked", "exchange": "binance"}
    assert read("bybit", block).facts == undisturbed["bybit"]


def test_an_exchange_that_is_down_is_left_after_its_share_of_repetitions(read, exchange):
    before = sum(exchange.request_counts().values())
    fault = {"kind": "server_error", "exchange": "bybit", "path": DATA}
    got = read("bybit", fault, policy=RetryPolicy(attempts=3, total_retries=4))
    assert got.report.blocked is not None and "failed so often" in got.report.blocked
    # the list of instruments takes five, the rest is four repetitions and what was under way beside them
    assert sum(exchange.request_counts().values()) - before <= 5 + 4 + 2 * 4


def test_a_price_that_is_no_number_is_set_aside_as_it_came(read, undisturbed):
    got = read("binance", {"kind": "nan_price", "exchange": "binance", "path": "/api/v3/klines.*BTCUSDT"})
    ((dataset, symbol, rule, row),) = got.quarantine
    assert (dataset, symbol, rule) == ("spot_ohlcv", "BTC/USDT", "row_readable")
    assert '"NaN"' in row
    assert len(got.facts["spot_ohlcv"]) == len(undisturbed["binance"]["spot_ohlcv"]) - 1


def test_a_negative_price_is_set_aside_and_the_rest_is_stored(read, undisturbed):
    got = read("bybit", {"kind": "negative_price", "exchange": "bybit", "path": "kline.*spot.*ETHUSDT"})
    assert [row[:3] for row in got.quarantine] == [("spot_ohlcv", "ETH/USDT", "price_positive")]
    assert set(got.facts["spot_ohlcv"]) < set(undisturbed["bybit"]["spot_ohlcv"])


@pytest.mark.parametrize("kind", ["duplicate_rows", "microsecond_timestamps"])
@pytest.mark.parametrize("name", ["binance", "bybit"])
def test_rows_served_twice_or_stamped_in_microseconds_give_the_same_facts(read, undisturbed, name, kind):
    got = read(name, {"kind": kind, "exchange": name, "path": DATA})
    assert got.facts == undisturbed[name]
    assert got.quarantine == []


@pytest.mark.parametrize("name", ["binance", "bybit"])
def test_rows_that_contradict_one_another_are_both_set_aside(read, undisturbed, name):
    path = "klines.*ETHUSDT" if name == "binance" else "kline.*spot.*ETHUSDT"
    got = read(name, {"kind": "conflicting_rows", "exchange": name, "path": path})
    assert [row[:3] for row in got.quarantine] == [("spot_ohlcv", "ETH/USDT", "conflicting_duplicate")] * 2
    assert len(got.facts["spot_ohlcv"]) == len(undisturbed[name]["spot_ohlcv"]) - 1


@pytest.mark.parametrize("name", ["binance", "bybit"])
def test_open_interest_of_zero_is_set_aside_and_covers_nothing(read, name):
    got = read(name, {"kind": "zero_open_interest", "exchange": name, "path": "openInterestHist|open-interest"})
    assert got.facts["open_interest"] == []
    assert {rule for _, _, rule, _ in got.quarantine} == {"open_interest_positive"}
    assert got.statuses()["open_interest", "BTC/USDT:USDT"] == "failed"


def test_a_symbol_that_the_exchange_does_not_list_fails_alone(read, undisturbed):
    got = read("binance", requests=(*SERIES, series("spot_ohlcv", "NOPE/USDT")))
    assert got.statuses()["spot_ohlcv", "NOPE/USDT"] == "failed"
    assert "asset_symbols.csv" in got.report.failures[0]
    assert got.facts == undisturbed["binance"]


def test_open_interest_beyond_thirty_days_is_absent_with_the_reason(read):
    long = SeriesRequest(
        "open_interest", "BTC/USDT:USDT", "perpetual", None, "1d", datetime(2024, 1, 1), NOW, is_open=True
    )
    got = read("binance", requests=(long,))
    assert [(status, error) for *_, status, error in got.log] == [
        ("absent", "binance serves open interest of the last 30 days only"),
        ("ok", None),
    ]
    assert got.facts["open_interest"][0][1] == datetime(2024, 6, 1)
