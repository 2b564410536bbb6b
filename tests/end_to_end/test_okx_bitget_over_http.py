"""The OKX and Bitget adapters over HTTP against the simulated market: the rows are exactly what the market holds."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.registry import open_adapter
from pipelines.exchanges.retries import RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.local_exchange.simulation import SimulatedMarket

NOW = datetime(2026, 11, 22, 0, 15)
START = NOW - timedelta(days=60)
SEED = 7
SPOT, EIGHT_HOURLY, FOUR_HOURLY, HOURLY = "BTC/USDT", "BTC/USDT:USDT", "FET/USDT:USDT", "FLOKI/USDT:USDT"
CHEAP, INVERSE, INVERSE_DATED, DATED = "PEPE/USDT:USDT", "BTC/USD:BTC", "BTC/USD:BTC-261225", "BTC/USDT:USDT-261225"
DELISTED = "MKR/USDT:USDT"  # SKY since the 28th of September 2026


def ms(moment):
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def market():
    return SimulatedMarket(SEED, ms(NOW))


@pytest.fixture(scope="module")
def server():
    with LocalExchangeProcess("simulated", seed=SEED, now=NOW) as process:
        yield process


@pytest.fixture
def read(server):
    """Reads from a client of its own per exchange and test, which loads the markets once and never waits."""
    loop, stack, adapters = asyncio.new_event_loop(), AsyncExitStack(), {}

    async def run(exchange, method, *arguments):
        if exchange not in adapters:
            settings = {"base_url": server.url, "now_ms": lambda: to_milliseconds(NOW), "rate_limit": False}
            opened = open_adapter(exchange, retry=RetryPolicy(first_wait_s=0), **settings)
            adapters[exchange] = await stack.enter_async_context(opened)
            await adapters[exchange].instruments()
        return await getattr(adapters[exchange], method)(*arguments)

    yield lambda *arguments: loop.run_until_complete(run(*arguments))
    server.set_faults([])
    loop.run_until_complete(stack.aclose())
    loop.close()


def moments(values):
    return [from_milliseconds(int(value)) for value in values]


SERIES = [
    ("okx", SPOT, "spot", "last"), ("okx", EIGHT_HOURLY, "perpetual", "last"), ("okx", CHEAP, "perpetual", "last"),
    ("okx", FOUR_HOURLY, "perpetual", "mark"), ("okx", INVERSE, "perpetual", "last"),
    ("okx", INVERSE, "perpetual", "index"), ("okx", DATED, "dated", "last"), ("okx", INVERSE_DATED, "dated", "last"),
    ("bitget", SPOT, "spot", "last"), ("bitget", EIGHT_HOURLY, "perpetual", "last"),
    ("bitget", CHEAP, "perpetual", "last"), ("bitget", FOUR_HOURLY, "perpetual", "mark"),
    ("bitget", INVERSE, "perpetual", "last"), ("bitget", INVERSE, "perpetual", "index"),
    ("bitget", INVERSE_DATED, "dated", "last"),
]  # fmt: skip


@pytest.mark.parametrize(("exchange", "symbol", "market_type", "price_type"), SERIES)
@pytest.mark.parametrize(("timeframe", "hours"), [("1d", 24), ("1h", 1)])
def test_candles_are_exactly_those_of_the_market(
    read, market, exchange, symbol, market_type, price_type, timeframe, hours
):
    got = read(exchange, "candles", symbol, market_type, price_type, timeframe, START, NOW)
    held = market.candles(exchange, symbol, timeframe, price_type, ms(START), ms(NOW))
    closed = held.open_ms + hours * 3_600_000 <= ms(NOW)
    assert closed.sum() > 50 and got.rejected.is_empty()
    assert got.frame["opened_at"].to_list() == moments(held.open_ms[closed])
    for name in ("open", "high", "low", "close"):
        assert np.array_equal(got.frame[name].to_numpy(), getattr(held, name)[closed])
    if price_type == "last":
        for name in ("volume_base", "volume_quote"):
            assert np.array_equal(got.frame[name].to_numpy(), getattr(held, name)[closed])


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
@pytest.mark.parametrize(("symbol", "rows"), [(EIGHT_HOURLY, 180), (INVERSE, 180), (FOUR_HOURLY, 360), (HOURLY, 1440)])
def test_settlements_are_exactly_those_of_the_market(read, market, exchange, symbol, rows):
    got = read(exchange, "funding_rates", symbol, START, NOW)
    held = market.settlements(exchange, symbol, ms(START), ms(NOW))
    assert len(held.settled_ms) == rows  # 60 days of 3, 6 and 24 settlements
    assert got.frame["settled_at"].to_list() == moments(held.settled_ms)
    assert np.array_equal(got.frame["funding_rate"].to_numpy(), held.funding_rate)
    assert got.absences == () and got.frame["mark_price"].null_count() == rows


def test_an_hourly_year_is_complete_on_bitget_and_on_okx_as_far_as_it_is_kept(read, market):
    start = NOW - timedelta(days=365)
    held = market.settlements("bitget", HOURLY, ms(start), ms(NOW))
    got = read("bitget", "funding_rates", HOURLY, start, NOW)
    assert got.frame["settled_at"].to_list() == moments(held.settled_ms)
    assert held.settled_ms.size == 365 * 24 - 72  # an outage of 72 hours
    assert got.absences == ()
    got = read("okx", "funding_rates", HOURLY, start, NOW)
    kept = market.settlements("okx", HOURLY, ms(NOW - timedelta(days=90)), ms(NOW))
    assert got.frame["settled_at"].to_list() == moments(kept.settled_ms)
    assert [(each.start, each.end) for each in got.absences] == [(start, from_milliseconds(int(kept.settled_ms[0])))]


@pytest.mark.parametrize("symbol", [EIGHT_HOURLY, CHEAP, INVERSE, DATED])
@pytest.mark.parametrize(("period", "hours"), [("1d", 24), ("1h", 1)])
def test_okx_open_interest_is_exactly_that_of_the_market_in_all_three_units(read, market, symbol, period, hours):
    start = NOW - timedelta(days=50)
    got = read("okx", "open_interest", symbol, period, start, NOW)
    held = market.open_interest("okx", symbol, ms(start), ms(NOW))
    at = held.stamped_ms % (hours * 3_600_000) == 0
    assert at.sum() >= 50
    assert got.frame["observed_at"].to_list() == moments(held.stamped_ms[at])
    assert np.array_equal(got.frame["open_interest_base"].to_numpy(), held.base[at])
    assert np.array_equal(got.frame["open_interest_usd"].to_numpy(), held.usd[at])
    size = next(each.contract_size for each in market.listings("okx") if each.symbol == symbol)
    of = held.usd if symbol == INVERSE else held.base
    assert np.allclose(got.frame["open_interest_contracts"].to_numpy() * size, of[at], rtol=1e-12)


@pytest.mark.parametrize(("exchange", "looks"), [("okx", 1), ("bitget", 2)])
def test_open_interest_now_is_the_newest_of_the_market(read, market, exchange, looks):
    got = read(exchange, "open_interest_now", [EIGHT_HOURLY, INVERSE, CHEAP])
    for symbol, base in got.frame.select("symbol", "open_interest_base").rows():
        held = market.open_interest(exchange, symbol, ms(NOW) - 86_400_000, ms(NOW))
        assert base == held.base[-1]
    assert got.frame.height == 3 and got.requests == looks
    assert got.frame["source_kind"].unique().to_list() == ["snapshot"]


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
def test_what_was_delisted_has_left_the_list(read, exchange):
    listed = read(exchange, "instruments").frame["symbol"].to_list()
    assert EIGHT_HOURLY in listed and DELISTED not in listed
    with pytest.raises(ExchangeFailure, match="does not list this symbol"):
        read(exchange, "candles", DELISTED, "perpetual", "last", "1d", START, NOW)


@pytest.mark.parametrize(("exchange", "requests"), [("okx", 3), ("bitget", 8)])
def test_the_list_of_markets_takes_no_request_for_options_or_currencies(server, exchange, requests):
    async def listed():
        async with open_adapter(exchange, base_url=server.url, rate_limit=False) as adapter:
            return (await adapter.instruments()).requests

    assert asyncio.run(listed()) == requests


SERIES_OF_A_CONTRACT = [
    ("candles", EIGHT_HOURLY, "perpetual", "last", "1d", START, NOW),
    ("candles", EIGHT_HOURLY, "perpetual", "mark", "1d", START, NOW),
    ("funding_rates", EIGHT_HOURLY, START, NOW),
    ("open_interest", EIGHT_HOURLY, "1d", START, NOW),
]
SPOT_DAYS = ("candles", SPOT, "spot", "last", "1d", START, NOW)  # 59 have opened and closed in these 60 days


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rate_limited", "first": 2}, {"kind": "html_page", "first": 2}, {"kind": "empty_body", "first": 2},
        {"kind": "truncated_json", "first": 2}, {"kind": "duplicate_rows"}, {"kind": "microsecond_timestamps"},
    ],
    ids=lambda fault: fault["kind"],
)  # fmt: skip
def test_a_fault_that_passes_and_rows_served_twice_cost_nothing(server, read, exchange, fault):
    whole = [read(exchange, *series) for series in SERIES_OF_A_CONTRACT]
    server.set_faults([fault | {"exchange": exchange, "path": "candles|fund|rubik"}])
    for series, undisturbed in zip(SERIES_OF_A_CONTRACT, whole, strict=True):
        got = read(exchange, *series)
        assert got.frame.equals(undisturbed.frame) and got.rejected.is_empty()
    assert server.faults()[0]["spoilt"] >= 2


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
@pytest.mark.parametrize(("kind", "rejected", "rows"), [("nan_price", 1, 58), ("conflicting_rows", 0, 60)])
def test_a_wrong_row_goes_along_beside_the_others(server, read, exchange, kind, rejected, rows):
    server.set_faults([{"kind": kind, "exchange": exchange, "path": "candles"}])
    got = read(exchange, *SPOT_DAYS)
    assert (got.rejected.height, got.frame.height) == (rejected, rows)


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
def test_a_negative_price_arrives_as_it_was_said(server, read, exchange):
    server.set_faults([{"kind": "negative_price", "exchange": exchange, "path": "candles"}])
    assert (read(exchange, *SPOT_DAYS).frame["close"] < 0).sum() == 1  # the border's rules set it aside


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
def test_open_interest_of_zero_arrives_as_zero_and_not_as_nothing(server, read, exchange):
    server.set_faults([{"kind": "zero_open_interest", "exchange": exchange}])
    assert read(exchange, "open_interest_now", [EIGHT_HOURLY]).frame["open_interest_base"].to_list() == [0.0]
    history = read(exchange, "open_interest", EIGHT_HOURLY, "1d", START, NOW).frame
    assert set(history["open_interest_base"]) == ({0.0} if exchange == "okx" else set())


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("geo_blocked", "does not serve this country"),
        ("empty_body", "cannot be read as this endpoint's data"),
        ("rate_limited", "too many requests"),
    ],
)
def test_a_fault_that_stays_fails_with_words(server, read, exchange, kind, meaning):
    server.set_faults([{"kind": kind, "exchange": exchange, "path": "candles"}])
    with pytest.raises(ExchangeFailure, match=meaning):
        read(exchange, *SPOT_DAYS)
