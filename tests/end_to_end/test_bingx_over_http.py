"""The BingX adapter over HTTP against the local exchange: what arrives is what the market holds, row for row."""

import asyncio
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pipelines.clock import decision_instant, to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.registry import ADAPTERS
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.local_exchange.simulation.simulated_market import SimulatedMarket

SEED = 7
NOW = decision_instant(date(2026, 11, 21))
NOW_MS = to_milliseconds(NOW)
WINDOW = (NOW - timedelta(days=60), NOW)
START_MS = to_milliseconds(WINDOW[0])
DATA = "kline|Kline|fundingRate"


@pytest.fixture(scope="module")
def exchange():
    with LocalExchangeProcess("simulated", seed=SEED, now=NOW) as process:
        yield process


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(SEED, NOW_MS)


async def _no_pause(_: float) -> None:
    pass


def read(exchange, calls, faults=(), attempts=5):
    """Run `calls(adapter)` with BingX's adapter over HTTP, with faults in force."""

    async def run():
        settings = {"base_url": exchange.url, "now_ms": lambda: NOW_MS, "rate_limit": False}
        async with open_client("bingx", **settings) as client:
            adapter = ADAPTERS["bingx"](client, Caller("bingx", RetryPolicy(attempts=attempts), _no_pause))
            await adapter.instruments()
            exchange.set_faults(list(faults))
            try:
                return await calls(adapter)
            finally:
                exchange.set_faults([])

    return asyncio.run(run())


def milliseconds(frame: pl.DataFrame, name: str) -> list[int]:
    return frame[name].dt.epoch("ms").to_list()


def closed(market: SimulatedMarket, symbol: str, timeframe: str, price: str, step: int):
    known = market.candles("bingx", symbol, timeframe, price, START_MS, NOW_MS)
    is_closed = known.open_ms + step <= NOW_MS
    return {name: getattr(known, name)[is_closed].tolist() for name in known.__slots__}


@pytest.mark.parametrize(
    ("symbol", "market_type", "price_type"),
    [
        ("BTC/USDT", "spot", "last"),
        ("BTC/USDT:USDT", "perpetual", "last"),
        ("1000PEPE/USDT:USDT", "perpetual", "mark"),
        ("BTC/USD:BTC", "perpetual", "last"),
        ("WIF/USDT:USDT", "perpetual", "last"),  # listed within the window
        ("XMR/USDT:USDT", "perpetual", "last"),  # with three days of silence in it
    ],
)
@pytest.mark.parametrize(("timeframe", "step"), [("1d", 86_400_000), ("1h", 3_600_000)])
def test_candles_are_those_of_the_market(exchange, market, symbol, market_type, price_type, timeframe, step):
    window = (symbol, market_type, price_type, timeframe, *WINDOW)
    got = read(exchange, lambda adapter: adapter.candles(*window)).frame
    wanted = closed(market, symbol, timeframe, price_type, step)
    assert len(wanted["open_ms"]) > 0
    assert milliseconds(got, "opened_at") == wanted["open_ms"]
    for name in ("open", "high", "low", "close"):
        assert got[name].to_list() == wanted[name]
    if symbol == "BTC/USD:BTC":  # contracts of 100 USD went over the wire
        np.testing.assert_allclose(got["volume_quote"].to_numpy(), wanted["volume_quote"], rtol=1e-15)
        assert got["volume_base"].null_count() == got.height
    elif price_type == "last":
        assert got["volume_base"].to_list() == wanted["volume_base"]
        assert got["volume_quote"].to_list() == (wanted["volume_quote"] if market_type == "spot" else [None] * len(got))


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "FET/USDT:USDT", "1000FLOKI/USDT:USDT", "WIF/USDT:USDT"])
def test_funding_every_one_four_and_eight_hours_is_that_of_the_market(exchange, market, symbol):
    got = read(exchange, lambda adapter: adapter.funding_rates(symbol, *WINDOW)).frame
    wanted = market.settlements("bingx", symbol, START_MS, NOW_MS)
    assert milliseconds(got, "settled_at") == wanted.settled_ms.tolist()
    assert got["funding_rate"].to_list() == wanted.funding_rate.tolist()


def test_a_year_of_hourly_funding_is_complete(exchange, market):
    year = (NOW - timedelta(days=365), NOW)
    got = read(exchange, lambda adapter: adapter.funding_rates("1000FLOKI/USDT:USDT", *year))
    wanted = market.settlements("bingx", "1000FLOKI/USDT:USDT", to_milliseconds(year[0]), NOW_MS)
    # 365 * 24 = 8,760 hours, less those in which the feeds of the sector were lost for three days
    assert got.frame.height == len(wanted.settled_ms) > 8_500
    assert milliseconds(got.frame, "settled_at") == wanted.settled_ms.tolist()


def test_open_interest_and_funding_of_this_moment_are_those_of_the_market(exchange, market):
    symbols = ["BTC/USDT:USDT", "BTC/USD:BTC", "1000PEPE/USDT:USDT"]

    async def both(adapter):
        return await adapter.open_interest_now(symbols), await adapter.funding_now(symbols)

    interest, funding = read(exchange, both)
    assert (interest.requests, funding.requests) == (3, 2)  # one by one; one per side
    for row in interest.frame.iter_rows(named=True):
        known = market.open_interest("bingx", row["symbol"], START_MS, NOW_MS)
        is_inverse = row["symbol"].endswith(":BTC")
        assert row["open_interest_base"] == (known.base[-1] if is_inverse else None)
        assert row["open_interest_usd"] == (None if is_inverse else known.usd[-1])
    for row in funding.frame.iter_rows(named=True):
        assert row["funding_rate"] == market.settlements("bingx", row["symbol"], START_MS, NOW_MS).funding_rate[-1]


def test_instruments_carry_the_exchanges_own_words_about_coin_margined_contracts(exchange):
    frame = read(exchange, lambda adapter: adapter.instruments()).frame
    rows = {row["symbol"]: row for row in frame.iter_rows(named=True)}
    inverse = rows["BTC/USD:BTC"]
    assert (inverse["is_active"], inverse["contract_size"], inverse["lot_step"]) == (True, 100.0, 1.0)
    assert (inverse["is_linear"], inverse["settle"]) == (False, "BTC")
    assert rows["ETH/USD:ETH"]["contract_size"] == 10.0
    pepe = rows["1000PEPE/USDT:USDT"]
    assert (pepe["contract_size"], pepe["contract_multiplier"], pepe["is_active"]) == (1.0, 1000.0, True)
    assert rows["WIF/USDT:USDT"]["listed_at"].date() == date(2026, 10, 5)
    assert set(frame["market_type"]) == {"spot", "perpetual"}


async def both_series(adapter):
    candles = await adapter.candles("ETH/USDT:USDT", "perpetual", "last", "1d", *WINDOW)
    return candles, await adapter.funding_rates("ETH/USDT:USDT", *WINDOW)


@pytest.fixture(scope="module")
def undisturbed(exchange):
    return read(exchange, both_series)


@pytest.mark.parametrize("kind", ["rate_limited", "html_page", "truncated_json", "server_error", "connection_reset"])
def test_a_fault_that_passes_costs_no_row(exchange, undisturbed, kind):
    got = read(exchange, both_series, [{"kind": kind, "exchange": "bingx", "path": DATA, "first": 2}])
    assert [part.frame.rows() for part in got] == [part.frame.rows() for part in undisturbed]


@pytest.mark.parametrize("kind", ["duplicate_rows", "microsecond_timestamps"])
def test_rows_served_twice_or_stamped_in_microseconds_give_the_same_rows(exchange, undisturbed, kind):
    got = read(exchange, both_series, [{"kind": kind, "exchange": "bingx", "path": DATA}])
    assert [part.frame.rows() for part in got] == [part.frame.rows() for part in undisturbed]


def test_a_price_that_is_no_number_is_set_aside_and_one_that_is_negative_goes_to_the_border(exchange, undisturbed):
    path = "quote/klines"
    nan, _ = read(exchange, both_series, [{"kind": "nan_price", "exchange": "bingx", "path": path}])
    assert (nan.frame.height, nan.rejected.height) == (undisturbed[0].frame.height - 1, 1)
    negative, _ = read(exchange, both_series, [{"kind": "negative_price", "exchange": "bingx", "path": path}])
    assert (negative.frame["close"] < 0).sum() == 1


def test_rows_that_contradict_one_another_all_arrive(exchange, undisturbed):
    got, _ = read(exchange, both_series, [{"kind": "conflicting_rows", "exchange": "bingx", "path": "quote/klines"}])
    assert got.frame.height == undisturbed[0].frame.height + 1
    night = (NOW - timedelta(days=2), NOW)
    fault = {"kind": "conflicting_rows", "exchange": "bingx", "path": "fundingRate"}
    funding = read(exchange, lambda adapter: adapter.funding_rates("1000FLOKI/USDT:USDT", *night), [fault])
    assert funding.frame.height == 48 + 1


def test_open_interest_of_zero_arrives_as_it_was_said(exchange):
    got = read(
        exchange,
        lambda adapter: adapter.open_interest_now(["BTC/USDT:USDT", "BTC/USD:BTC"]),
        [{"kind": "zero_open_interest", "exchange": "bingx", "path": "openInterest"}],
    )
    assert got.frame["open_interest_usd"].to_list() == [None, 0.0]
    assert got.frame["open_interest_base"].to_list() == [0.0, None]


@pytest.mark.parametrize(
    ("kind", "failure_kind"),
    [
        ("geo_blocked", "blocked"),
        ("forbidden_html", "blocked"),
        ("empty_body", "malformed"),
        ("html_page", "malformed"),
    ],
)
def test_a_fault_that_stays_ends_in_words(exchange, kind, failure_kind):
    with pytest.raises(ExchangeFailure, match="What to do") as caught:
        read(exchange, both_series, [{"kind": kind, "exchange": "bingx", "path": DATA}], attempts=2)
    assert caught.value.kind == failure_kind


def test_a_rate_limit_that_stays_is_retryable_although_it_comes_with_status_200(exchange):
    with pytest.raises(ExchangeFailure, match="too many requests") as caught:
        read(exchange, both_series, [{"kind": "rate_limited", "exchange": "bingx", "path": DATA}], attempts=2)
    assert caught.value.kind == "retryable"
