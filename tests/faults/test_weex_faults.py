"""What goes wrong on the way from WEEX, end to end: ccxt over HTTP, the adapter, the load into a warehouse."""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.exchanges.weex import Weex
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp
from pipelines.raw.ingest import Limits, ingest_exchange
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
}
DATA = "lines|fundingRate"
PERP = ("BTC/USDT:USDT", "perpetual")
SERIES = tuple(
    SeriesRequest(dataset, symbol, market_type, price_type, timeframe, START, NOW, is_open=True)
    for dataset, symbol, market_type, price_type, timeframe in (
        ("spot_ohlcv", "BTC/USDT", "spot", None, "1d"),
        ("spot_ohlcv", "ETH/USDT", "spot", None, "1d"),
        ("futures_ohlcv", *PERP, "last", "1d"),
        ("futures_ohlcv", *PERP, "mark", "1d"),
        ("funding_rates", *PERP, None, None),
    )
)


@pytest.fixture(scope="module")
def exchange():
    with LocalExchangeProcess(now=NOW) as process:
        yield process


class Read:
    """One reading of the five series, and what is in the warehouse after it."""

    def __init__(self, url, folder, policy=None):
        self.pauses = []
        with Warehouse(folder).open_build("test") as connection:
            create_tables(connection)
            self.report = asyncio.run(self._read(url, policy or RetryPolicy(), RawWriter(connection)))
            rows = lambda query: connection.execute(query).fetchall()  # noqa: E731
            self.log = rows("select dataset, symbol, status, error from raw.load_batches order by all")
            self.quarantine = rows("select dataset, symbol, rule from raw.quarantine order by all")
            self.facts = {
                table: rows(f"select {columns} from raw.{table} order by all") for table, columns in FACTS.items()
            }

    async def _pause(self, seconds):
        self.pauses.append(seconds)

    async def _read(self, url, policy, writer):
        settings = {"base_url": url, "now_ms": lambda: to_milliseconds(NOW), "rate_limit": False, "timeout_s": 5.0}
        async with open_client("weex", **settings) as client:
            adapter = Weex(client, Caller("weex", policy, self._pause))
            await adapter.instruments()
            return await ingest_exchange(
                adapter, Plan(SERIES, ()), writer, Limits(4), lambda _: None,
                stamp=Stamp("run", READ_AT, "simulated", LagMinutes()), clock=lambda: READ_AT,
            )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(exchange, tmp_path_factory):
    return Read(exchange.url, tmp_path_factory.mktemp("undisturbed")).facts


@pytest.fixture
def read(exchange, undisturbed, tmp_path):
    """Reads WEEX with a fault in force; afterwards none is."""

    def run(kind, path=DATA, policy=None, **rule):
        exchange.set_faults([{"kind": kind, "exchange": "weex", "path": path, **rule}])
        return Read(exchange.url, tmp_path, policy)

    yield run
    exchange.set_faults([])


def test_undisturbed_every_series_is_loaded(undisturbed):
    assert [len(rows) for rows in undisturbed.values()] == [2 * 20, 2 * 20, 20 * 3 + 1]


@pytest.mark.parametrize(
    "kind", ["rate_limited", "server_error", "connection_reset", "truncated_json", "html_page", "empty_body"]
)
def test_a_fault_that_passes_costs_repetitions_and_no_rows(read, exchange, undisturbed, kind):
    got = read(kind, first=3)
    assert got.facts == undisturbed
    assert {status for *_, status, _ in got.log} == {"ok"} and got.quarantine == []
    assert exchange.faults()[0]["spoilt"] == 3


def test_weexs_rate_limit_is_a_plain_error_to_ccxt_and_waited_for_all_the_same(read):
    # ccxt raises ExchangeError for -1003, which alone would mean that asking again does not help.
    assert 1.0 in read("rate_limited", "fundingRate", first=1).pauses


@pytest.mark.parametrize(("kind", "meaning"), [("geo_blocked", "country"), ("forbidden_html", "country")])
def test_a_block_stops_the_exchange_at_once(read, kind, meaning):
    got = read(kind)
    assert got.report.blocked is not None and f"does not serve this {meaning}" in got.report.blocked
    assert got.pauses == [] and {status for *_, status, _ in got.log} == {"failed"}


@pytest.mark.parametrize("kind", ["duplicate_rows", "microsecond_timestamps"])
def test_rows_served_twice_or_stamped_in_microseconds_give_the_same_facts(read, undisturbed, kind):
    got = read(kind)
    assert got.facts == undisturbed and got.quarantine == []


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("nan_price", ["row_readable"]),
        ("negative_price", ["price_positive"]),
        ("conflicting_rows", ["conflicting_duplicate"] * 2),
    ],
)
def test_a_bad_row_is_set_aside_and_the_rest_is_stored(read, undisturbed, kind, rules):
    got = read(kind, "/api/v3/market/klines.*ETHUSDT")
    assert got.quarantine == [("spot_ohlcv", "ETH/USDT", rule) for rule in rules]
    assert set(got.facts["spot_ohlcv"]) < set(undisturbed["spot_ohlcv"])
    assert len(got.facts["spot_ohlcv"]) == 2 * 20 - 1


def test_a_symbol_that_is_gone_fails_alone(exchange, read):
    refusal = '{"code":-1142,"msg":"Parameter \'symbol\' is invalid."}'
    got = read("status", "markPriceKlines", status=400, body=refusal)
    failed = [(dataset, error) for dataset, _, status, error in got.log if status == "failed"]
    assert len(failed) == 1 and "does not list this symbol" in failed[0][1]


def test_open_interest_of_zero_is_served_as_zero_for_the_border_to_refuse(exchange):
    exchange.set_faults([{"kind": "zero_open_interest", "exchange": "weex", "path": "openInterest"}])

    async def look():
        settings = {"base_url": exchange.url, "now_ms": lambda: to_milliseconds(NOW), "rate_limit": False}
        async with open_client("weex", **settings) as client:
            adapter = Weex(client, Caller("weex", RetryPolicy(attempts=1)))
            await adapter.instruments()
            with pytest.raises(ExchangeFailure, match="NOPE"):
                await adapter.open_interest_now(["NOPE/USDT:USDT"])
            return (await adapter.open_interest_now([PERP[0]])).frame

    try:
        assert asyncio.run(look())["open_interest_base"].to_list() == [0.0]
    finally:
        exchange.set_faults([])
