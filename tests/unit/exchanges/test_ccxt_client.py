"""The real ccxt clients, sent to a small server on this machine."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pipelines.exchanges.client import count_requests, open_client
from pipelines.exchanges.errors import classify

NOW_MS = 1_720_000_000_000


@asynccontextmanager
async def serving(answer):
    """A server that answers with `answer(path)` -> (status, headers, body); gives its address and what it saw."""
    seen = []

    async def handle(request):
        seen.append(request.path)
        status, headers, body = answer(request.path)
        return web.Response(status=status, headers=headers, text=body)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


def with_client(exchange, answer, use, **settings):
    """Result of `use(client)`, the paths that were asked for, and the client."""

    async def run():
        async with serving(answer) as (url, seen):
            settings.setdefault("base_url", url)
            async with open_client(exchange, rate_limit=False, now_ms=lambda: NOW_MS, **settings) as client:
                result = await use(client)
            return result, seen, client

    return asyncio.run(run())


def ok(body):
    return lambda path: (200, {"Content-Type": "application/json"}, json.dumps(body))


@pytest.mark.parametrize(
    ("exchange", "endpoint", "path"),
    [
        ("binance", "publicGetKlines", "/api.binance.com/api/v3/klines"),
        ("binance", "fapiPublicGetKlines", "/fapi.binance.com/fapi/v1/klines"),
        ("binance", "dapiPublicGetFundingRate", "/dapi.binance.com/dapi/v1/fundingRate"),
        ("binance", "fapiDataGetOpenInterestHist", "/fapi.binance.com/futures/data/openInterestHist"),
        ("bybit", "publicGetV5MarketKline", "/api.bybit.com/v5/market/kline"),
        ("weex", "publicGetApiV3MarketKlines", "/api-spot.weex.com/api/v3/market/klines"),
        ("weex", "contractGetCapiV3MarketKlines", "/api-contract.weex.com/capi/v3/market/klines"),
    ],
)
def test_a_request_goes_to_the_given_server_under_the_exchanges_own_host_and_path(exchange, endpoint, path):
    body = {"retCode": 0, "result": {}} if exchange == "bybit" else []
    _, seen, _ = with_client(exchange, ok(body), lambda client: getattr(client, endpoint)({"symbol": "X"}))
    assert seen == [path]


def test_the_markets_of_weex_are_loaded_without_its_currencies():
    _, seen, _ = with_client("weex", ok({"symbols": []}), lambda client: client.load_markets())
    assert sorted(seen) == [
        "/api-contract.weex.com/capi/v3/market/exchangeInfo",
        "/api-spot.weex.com/api/v3/exchangeInfo",
    ]


def test_without_a_server_the_client_keeps_the_exchanges_own_addresses():
    async def urls(client):
        return str(client.urls["api"])

    result, _, _ = with_client("binance", ok([]), urls, base_url=None)
    assert "https://api.binance.com" in result and "127.0.0.1" not in result


def test_the_given_time_is_the_clients_time():
    async def now(client):
        return client.milliseconds()

    assert with_client("bybit", ok({}), now)[0] == NOW_MS


def test_the_client_is_closed_when_the_block_ends_even_by_an_error():
    kept = []

    async def fail(client):
        kept.append(client)
        await client.publicGetPing()
        assert client.session is not None
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        with_client("binance", ok({}), fail)
    assert kept[0].session is None or kept[0].session.closed


def test_requests_are_counted_in_the_tasks_that_a_block_starts():
    async def ask(client):
        with count_requests() as counted:
            await asyncio.gather(*(client.publicGetPing() for _ in range(3)))
        await client.publicGetPing()
        return counted.requests

    assert with_client("binance", ok({}), ask)[0] == 3


def test_a_block_within_a_counting_block_is_counted_by_both():
    async def ask(client):
        with count_requests() as outer:
            with count_requests() as inner:
                await client.publicGetPing()
            await client.publicGetPing()
        return inner.requests, outer.requests

    assert with_client("binance", ok({}), ask)[0] == (1, 2)


def raised(exchange, endpoint, answer):
    async def ask(client):
        try:
            return await getattr(client, endpoint)({"symbol": "X"})
        except Exception as error:
            return error

    return with_client(exchange, answer, ask)[0]


def test_every_error_carries_the_reply_it_came_from():
    error = raised("binance", "publicGetKlines", lambda path: (429, {"Retry-After": "7"}, '{"code":-1003,"msg":"x"}'))
    assert type(error).__name__ == "DDoSProtection"
    assert (error.reply.status, error.reply.retry_after_s) == (429, 7.0)
    assert "-1003" in error.reply.body


def test_bybits_country_block_is_seen_for_what_it_is_although_ccxt_calls_it_a_rate_limit():
    page = "<html>The Amazon CloudFront distribution is configured to block access from your country.</html>"
    error = raised("bybit", "publicGetV5MarketKline", lambda path: (403, {"Content-Type": "text/html"}, page))
    assert type(error).__name__ == "RateLimitExceeded"
    assert classify(error, "bybit", "candles").kind == "blocked"


def test_a_status_that_ccxt_takes_for_success_is_an_error():
    error = raised("binance", "publicGetKlines", lambda path: (423, {}, "[]"))
    assert isinstance(error, Exception)
    assert error.reply.status == 423


def test_a_server_that_is_not_there_is_an_exchange_that_cannot_be_reached():
    async def ask(client):
        try:
            await client.publicGetPing()
        except Exception as error:
            return classify(error, "binance", "candles")

    failure, _, _ = with_client("binance", ok({}), ask, base_url="http://127.0.0.1:9")
    assert (failure.kind, failure.meaning) == ("retryable", "the exchange cannot be reached")


def test_markets_that_are_known_are_not_asked_for():
    listed = {"retCode": 0, "result": {"category": "spot", "list": [], "nextPageCursor": ""}}

    async def load(client):
        return list(await client.load_markets())

    async def dump(client):
        await client.load_markets()
        return list(client.markets.values())

    symbol = {
        "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
        "lotSizeFilter": {"basePrecision": "0.001"}, "priceFilter": {"tickSize": "0.1"},
    }  # fmt: skip
    listed["result"]["list"] = [symbol]
    markets, seen, _ = with_client("bybit", ok(listed), dump)
    assert len(seen) >= 3
    loaded, seen, _ = with_client("bybit", ok(listed), load, markets=json.loads(json.dumps(markets)))
    assert seen == [] and "BTC/USDT" in loaded


def test_an_unknown_exchange_is_refused_with_examples():
    with pytest.raises(ValueError, match="ccxt knows no exchange 'binanse'; use its name there, for example binance"):
        with_client("binanse", ok({}), lambda client: None)


def test_importing_the_exchanges_does_not_import_ccxt():
    code = "import sys, pipelines.exchanges.registry; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_ccxt_leaves_running_after_an_error_does_not_open_the_client_again():
    async def run():
        # Of the lists of markets that ccxt asks for at once, the limiter holds all but the first back.
        async with serving(lambda path: (451, {}, "restricted")) as (url, seen):
            async with open_client("binance", base_url=url) as client:
                with pytest.raises(Exception, match="451"):
                    await client.load_markets()
            asked = len(seen)
            await asyncio.sleep(0.5)
            return client, asked, len(seen)

    client, asked, asked_in_the_end = asyncio.run(run())
    assert client.session is None
    assert 1 <= asked == asked_in_the_end
