"""MEXC over HTTP: what the adapter brings is exactly what the simulated market holds, with few requests."""

import asyncio
from datetime import date, datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.mexc import Mexc
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.local_exchange.simulation import SimulatedMarket

NOW = datetime(2026, 11, 22, 0, 15)
SINCE = datetime(2026, 9, 23)  # 60 days and a quarter of an hour
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SEED = 7


@pytest.fixture(scope="module")
def exchange():
    with LocalExchangeProcess("simulated", seed=SEED, now=NOW) as process:
        yield process


@pytest.fixture(scope="module")
def market():
    return SimulatedMarket(SEED, to_milliseconds(NOW))


class Costs:
    """What the limiter was asked to charge, request by request."""

    def __init__(self, client):
        self.costs, throttle = [], client.throttle

        async def charging(cost=None):
            self.costs.append(cost)
            await throttle(cost)

        client.throttle = charging


def use(exchange, calls, rate_limit=False):
    """Result of `calls(adapter, client)` with a new client, whose markets are loaded."""

    async def run():
        now_ms = to_milliseconds(NOW)
        settings = {"base_url": exchange.url, "now_ms": lambda: now_ms, "rate_limit": rate_limit}
        async with open_client("mexc", **settings) as client:
            adapter = Mexc(client, Caller("mexc", RetryPolicy(attempts=1)))
            return await calls(adapter, client)

    return asyncio.run(run())


def fetched(exchange, method, *arguments):
    async def calls(adapter, client):
        await adapter.instruments()
        return await getattr(adapter, method)(*arguments)

    return use(exchange, calls)


def times(frame, column):
    return [to_milliseconds(moment) for moment in frame[column]]


@pytest.mark.parametrize(
    ("symbol", "market_type", "price_type", "timeframe"),
    [
        ("BTC/USDT", "spot", "last", "1h"),
        ("ETH/USDT", "spot", "last", "1d"),
        ("BTC/USDT:USDT", "perpetual", "last", "1h"),
        ("PEPE/USDT:USDT", "perpetual", "last", "1d"),
        ("FLOKI/USDT:USDT", "perpetual", "mark", "4h"),
        ("ETH/USD:ETH", "perpetual", "last", "1h"),
        ("BTC/USD:BTC", "perpetual", "index", "1d"),
        ("ZEC/USDT:USDT", "perpetual", "last", "1h"),  # from 3 to 6 November nothing was served
    ],
)
def test_candles_are_exactly_those_of_the_market(exchange, market, symbol, market_type, price_type, timeframe):
    got = fetched(exchange, "candles", symbol, market_type, price_type, timeframe, SINCE, NOW)
    step = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}[timeframe]
    last_ms = to_milliseconds(NOW) // step * step - step  # the last that has closed
    held = market.candles("mexc", symbol, timeframe, price_type, to_milliseconds(SINCE), last_ms)
    assert len(held.open_ms) > 50
    assert times(got.frame, "opened_at") == held.open_ms.tolist()
    for name in ("open", "high", "low", "close"):
        assert got.frame[name].to_list() == getattr(held, name).tolist()
    size = next(each.contract_size for each in market.listings("mexc") if each.symbol == symbol)
    if price_type != "last":
        base, quote = [None] * len(held.open_ms), [None] * len(held.open_ms)
    elif symbol.endswith(("ETH", "BTC")):
        base, quote = [None] * len(held.open_ms), (held.volume_quote / size * size).tolist()
    else:
        base, quote = (held.volume_base / size * size).tolist(), held.volume_quote.tolist()
    assert got.frame["volume_base"].to_list() == base
    assert got.frame["volume_quote"].to_list() == quote
    assert got.is_complete and got.rejected.is_empty()
    assert [gap.after.date() for gap in got.gaps] == ([date(2026, 11, 3)] if symbol.startswith("ZEC") else [])


@pytest.mark.parametrize(
    ("symbol", "days", "interval_hours", "requests"),
    [
        ("BTC/USDT:USDT", 60, 8, 2),  # 180 settlements
        ("FET/USDT:USDT", 60, 4, 4),  # 360
        ("SUI/USDT:USDT", 60, None, 3),  # every 4 h from 21 September to 19 October: 156 and 102
        ("FLOKI/USDT:USDT", 365, 1, 87),  # 8,760, and 72 lost in an outage
        ("BTC/USD:BTC", 60, 8, 2),
    ],
)
def test_settlements_are_complete_whatever_their_interval(exchange, market, symbol, days, interval_hours, requests):
    start = datetime(2026, 11, 22) - timedelta(days=days)
    got = fetched(exchange, "funding_rates", symbol, start, NOW)
    held = market.settlements("mexc", symbol, to_milliseconds(start), to_milliseconds(NOW))
    assert times(got.frame, "settled_at") == held.settled_ms.tolist()
    assert got.frame["funding_rate"].to_list() == held.funding_rate.tolist()
    if interval_hours is not None:
        lost = 72 if symbol.startswith("FLOKI") else 0
        assert got.frame.height == (days * 24 - lost) // interval_hours + 1
    assert got.requests <= requests
    assert got.is_complete


def test_open_interest_now_is_the_markets_latest_in_contracts(exchange, market):
    sizes = {"BTC/USDT:USDT": 1e-4, "PEPE/USDT:USDT": 1e7, "ETH/USD:ETH": 10.0}  # coins, coins, dollars
    got = fetched(exchange, "open_interest_now", list(sizes))
    contracts = dict(got.frame.select("symbol", "open_interest_contracts").iter_rows())
    for symbol, size in sizes.items():
        held = market.open_interest("mexc", symbol, to_milliseconds(NOW) - DAY_MS, to_milliseconds(NOW))
        assert contracts[symbol] == (held.usd if symbol == "ETH/USD:ETH" else held.base)[-1] / size
    assert got.requests == 1


def test_instruments_say_sizes_steps_listings_and_what_no_longer_trades(exchange):
    rows = {row["symbol"]: row for row in fetched(exchange, "instruments").frame.iter_rows(named=True)}
    pepe, inverse, gone = rows["PEPE/USDT:USDT"], rows["BTC/USD:BTC"], rows["MKR/USDT:USDT"]
    assert (pepe["contract_size"], pepe["contract_multiplier"], pepe["lot_step"]) == (1e7, 1.0, 1e7)
    assert rows["BTC/USDT:USDT"]["lot_step"] == 1e-4  # one contract, in coins
    assert (inverse["is_linear"], inverse["contract_size"], inverse["lot_step"]) == (False, 100.0, 1.0)
    assert rows["WIF/USDT:USDT"]["listed_at"] == datetime(2026, 10, 5, 8) and rows["WIF/USDT"]["listed_at"] is None
    assert not gone["is_active"] and not rows["MKR/USDT"]["is_active"] and rows["SKY/USDT:USDT"]["is_active"]
    assert {row["market_type"] for row in rows.values()} == {"spot", "perpetual"}


def test_the_list_of_contracts_does_not_keep_the_next_request_waiting_for_five_seconds(exchange):
    async def calls(adapter, client):
        charged = Costs(client)
        listed = await adapter.instruments()
        debt = client.throttler.config["tokens"]  # each is worth 50 ms
        await adapter.funding_now(["BTC/USDT:USDT"])
        return listed.requests, charged.costs, debt

    requests, costs, debt = use(exchange, calls, rate_limit=True)
    assert (requests, costs) == (2, [10, 4, 2])  # spot's list, the contracts' list, the tickers
    assert debt >= -14  # 0.7 s at most; with ccxt's own cost of 100 it is 100 and more


def test_a_night_of_forty_coins_takes_one_request_a_series_and_three_more(exchange, market):
    listed = {each.symbol for each in market.listings("mexc") if each.delisted_ms is None}
    coins = sorted(symbol.split("/")[0] for symbol in listed if symbol.endswith("/USDT:USDT"))[:40]

    async def calls(adapter, client):
        requests = (await adapter.instruments()).requests
        for coin in coins:
            start = NOW - timedelta(days=3)
            requests += (await adapter.candles(f"{coin}/USDT", "spot", "last", "1d", start, NOW)).requests
            for price_type in ("last", "mark", "index"):
                window = (f"{coin}/USDT:USDT", "perpetual", price_type, "1d", start, NOW)
                requests += (await adapter.candles(*window)).requests
            requests += (await adapter.funding_rates(f"{coin}/USDT:USDT", NOW - timedelta(days=2), NOW)).requests
        return requests + (await adapter.open_interest_now([f"{coin}/USDT:USDT" for coin in coins])).requests

    assert len(coins) == 40
    assert use(exchange, calls) == 2 + 40 * 5 + 1
