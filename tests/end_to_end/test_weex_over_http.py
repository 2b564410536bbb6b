"""WEEX end to end: the adapter through ccxt over HTTP gives exactly what the simulated market holds."""

import asyncio
from datetime import datetime, timedelta

import polars as pl
import pytest

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.registry import open_adapter
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.local_exchange.simulation import SimulatedMarket

SEED, NOW = 7, datetime(2026, 11, 22, 0, 15)
NOW_MS, MIDNIGHT = to_milliseconds(NOW), datetime(2026, 11, 22)
SIXTY_DAYS = (MIDNIGHT - timedelta(days=60), NOW)
YEAR = (NOW - timedelta(days=364), NOW)
# settled every 8 hours, every 4 hours for a month, always every 4 hours, always every hour, listed in October
PERPETUALS = ("BTC/USDT:USDT", "SUI/USDT:USDT", "1000BONK/USDT:USDT", "1000FLOKI/USDT:USDT", "WIF/USDT:USDT")
STEP_MS = {"1d": 86_400_000, "1h": 3_600_000}


@pytest.fixture(scope="module")
def server():
    with LocalExchangeProcess("simulated", seed=SEED, now=NOW) as process:
        yield process


@pytest.fixture(scope="module")
def market():
    return SimulatedMarket(SEED, NOW_MS)


def read(server, method, *arguments):
    async def run():
        settings = {"base_url": server.url, "now_ms": lambda: NOW_MS, "rate_limit": False}
        async with open_adapter("weex", **settings) as adapter:
            await adapter.instruments()
            return await getattr(adapter, method)(*arguments)

    return asyncio.run(run())


def times(column):
    return [to_milliseconds(moment) for moment in column]


def held(market, symbol, timeframe, price_type, window):
    """The market's own closed candles of a window."""
    start, end = (to_milliseconds(moment) for moment in window)
    known = market.candles("weex", symbol, timeframe, price_type, start, end - 1)
    closed = known.open_ms + STEP_MS[timeframe] <= NOW_MS
    columns = (known.open_ms, known.open, known.high, known.low, known.close, known.volume_base, known.volume_quote)
    return [column[closed].tolist() for column in columns]


def served(frame):
    names = ("open", "high", "low", "close", "volume_base", "volume_quote")
    return [times(frame["opened_at"]), *(frame[name].to_list() for name in names)]


@pytest.mark.parametrize("symbol", PERPETUALS)
@pytest.mark.parametrize("price_type", ["last", "mark", "index"])
def test_candles_of_sixty_days_are_those_that_the_market_holds(server, market, symbol, price_type):
    got = read(server, "candles", symbol, "perpetual", price_type, "1d", *SIXTY_DAYS)
    expected = held(market, symbol, "1d", price_type, SIXTY_DAYS)
    assert len(expected[0]) > 40
    if price_type != "last":
        expected[5:] = [[None] * len(expected[0])] * 2
    assert served(got.frame) == expected
    assert got.rejected.is_empty() and got.absences == ()


def test_hourly_candles_beyond_the_newest_thousand_are_complete(server, market):
    got = read(server, "candles", "ETH/USDT:USDT", "perpetual", "last", "1h", *SIXTY_DAYS)
    assert served(got.frame) == held(market, "ETH/USDT:USDT", "1h", "last", SIXTY_DAYS)
    assert got.frame.height == 60 * 24
    assert got.requests == 1 + 5  # 1,000 rows with the forming one, then 441 in pages of a hundred


@pytest.mark.parametrize("symbol", ["BTC/USDT", "PEPE/USDT"])
def test_spot_candles_of_sixty_days_are_those_that_the_market_holds(server, market, symbol):
    got = read(server, "candles", symbol, "spot", "last", "1d", *SIXTY_DAYS)
    assert served(got.frame) == held(market, symbol, "1d", "last", SIXTY_DAYS)
    assert got.frame.height == 60 and got.absences == () and got.requests == 1


def test_spot_candles_of_a_year_are_there_as_far_as_they_can_be_reached(server, market):
    got = read(server, "candles", "BTC/USDT", "spot", "last", "1d", *YEAR)
    kept_from = MIDNIGHT - timedelta(days=299)
    assert served(got.frame) == held(market, "BTC/USDT", "1d", "last", (kept_from, NOW))
    assert [(absence.start, absence.end) for absence in got.absences] == [(YEAR[0], kept_from)]


@pytest.mark.parametrize("window", [SIXTY_DAYS, YEAR])
@pytest.mark.parametrize("symbol", PERPETUALS)
def test_every_settlement_is_there_with_the_mark_price_of_its_hour(server, market, symbol, window):
    got = read(server, "funding_rates", symbol, *window)
    start, end = (to_milliseconds(moment) for moment in window)
    known = market.settlements("weex", symbol, start, end - 1)
    assert times(got.frame["settled_at"]) == known.settled_ms.tolist()
    assert got.frame["funding_rate"].to_list() == known.funding_rate.tolist()
    marks = market.candles("weex", symbol, "1h", "mark", start, end)
    by_hour = dict(zip(marks.open_ms.tolist(), marks.open.tolist(), strict=True))
    assert got.frame["mark_price"].to_list() == [by_hour.get(time) for time in known.settled_ms.tolist()]
    if symbol == "1000FLOKI/USDT:USDT" and window is YEAR:  # hourly, one outage of three days
        assert got.frame.height >= 364 * 24 - 3 * 72


def test_open_interest_and_funding_of_the_moment_are_the_markets_newest(server, market):
    got = read(server, "open_interest_now", PERPETUALS).frame
    day = (NOW_MS - 86_400_000, NOW_MS)
    newest = {symbol: market.open_interest("weex", symbol, *day).base[-1] for symbol in PERPETUALS}
    assert dict(got.select("symbol", "open_interest_base").iter_rows()) == newest
    assert set(got["observed_at"]) == {NOW} and set(got["source_kind"]) == {"snapshot"}
    funding = read(server, "funding_now", PERPETUALS).frame
    rows = {symbol: market.settlements("weex", symbol, *day).funding_rate[-1] for symbol in PERPETUALS}
    assert dict(funding.select("symbol", "funding_rate").iter_rows()) == rows
    hours = dict(funding.select("symbol", "interval_hours").iter_rows())
    assert [hours[symbol] for symbol in PERPETUALS] == [8.0, 8.0, 4.0, 1.0, 4.0]
    assert funding.filter(pl.col("symbol") == "1000FLOKI/USDT:USDT")["next_settlement_at"][0] == from_milliseconds(
        to_milliseconds(MIDNIGHT) + 3_600_000
    )


def test_instruments_are_what_is_listed_now(server, market):
    got = read(server, "instruments").frame
    now = {item.symbol for item in market.listings("weex") if item.delisted_ms is None}
    assert set(got["symbol"]) == now
    assert "DASH/USDT:USDT" not in now  # delisted in August: it is simply gone


def test_a_night_of_forty_coins_takes_six_requests_a_coin_and_the_two_lists(server):
    async def night():
        settings = {"base_url": server.url, "now_ms": lambda: NOW_MS, "rate_limit": False}
        async with open_adapter("weex", **settings) as adapter:
            listed = (await adapter.instruments()).frame
            three_days = (MIDNIGHT - timedelta(days=3), NOW)
            symbols = {kind: rows["symbol"].to_list() for (kind,), rows in listed.group_by("market_type")}
            for symbol in symbols["spot"]:
                await adapter.candles(symbol, "spot", "last", "1d", *three_days)
            for symbol in symbols["perpetual"]:
                for price_type in ("last", "mark", "index"):
                    await adapter.candles(symbol, "perpetual", price_type, "1d", *three_days)
                await adapter.funding_rates(symbol, *three_days)
            await adapter.open_interest_now(symbols["perpetual"])
            return len(symbols["perpetual"])

    before = server.request_counts()
    assert asyncio.run(night()) == 40
    after = server.request_counts()
    made = {place: count - before.get(place, 0) for place, count in after.items() if count != before.get(place, 0)}
    contract = "api-contract.weex.com/capi/v3/market/"
    assert made == {
        "api-spot.weex.com/api/v3/exchangeInfo": 1,
        "api-spot.weex.com/api/v3/market/klines": 40,
        contract + "exchangeInfo": 1,
        contract + "klines": 40,
        contract + "markPriceKlines": 40,
        contract + "indexPriceKlines": 40,
        contract + "fundingRate": 40,
        contract + "openInterest": 40,
    }
