"""What goes wrong on the way from MEXC: ccxt over HTTP and the adapter, faults in MEXC's own words and shapes."""

import asyncio
from datetime import datetime

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.mexc import Mexc
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess

NOW = datetime(2024, 6, 30, 0, 15)
START = datetime(2024, 6, 10)
SERIES = {
    "spot": ("candles", "ETH/USDT", "spot", "last", "1d", START, NOW),
    "last": ("candles", "BTC/USDT:USDT", "perpetual", "last", "1d", START, NOW),
    "mark": ("candles", "BTC/USD:BTC", "perpetual", "mark", "1d", START, NOW),
    "funding": ("funding_rates", "FLOKI/USDT:USDT", START, NOW),
    "held": ("open_interest_now", ["BTC/USDT:USDT"]),
}
DATA = {"spot": "/klines", "last": "/kline/BTC_", "mark": "fair_price", "funding": "history", "held": "/ticker"}


@pytest.fixture(scope="module")
def exchange():
    with LocalExchangeProcess(now=NOW) as process:
        yield process


@pytest.fixture
def read(exchange):
    """Reads one series with a fault in force; afterwards none is."""

    def run(name, fault=None, attempts=4):
        pauses = []

        async def pause(seconds):
            pauses.append(seconds)

        async def reading():
            settings = {"base_url": exchange.url, "now_ms": lambda: to_milliseconds(NOW), "rate_limit": False}
            async with open_client("mexc", **settings) as client:
                adapter = Mexc(client, Caller("mexc", RetryPolicy(attempts=attempts), pause))
                await adapter.instruments()
                exchange.set_faults([{"exchange": "mexc", "path": DATA[name], **fault}] if fault else [])
                method, *arguments = SERIES[name]
                return await getattr(adapter, method)(*arguments)

        return asyncio.run(reading()), pauses

    yield run
    exchange.set_faults([])


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("kind", ["rate_limited", "server_error", "html_page", "empty_body", "truncated_json"])
def test_a_fault_that_passes_costs_repetitions_and_no_rows(read, exchange, name, kind):
    undisturbed, _ = read(name)
    got, pauses = read(name, {"kind": kind, "first": 2})
    assert got.frame.equals(undisturbed.frame) and got.is_complete
    assert len(pauses) == 2
    assert exchange.faults()[0]["spoilt"] == 2


def test_mexcs_rate_limit_is_a_success_by_its_status_and_is_seen_by_its_code(read):
    with pytest.raises(ExchangeFailure, match="too many requests.*HTTP 200 510 Requests are too frequent") as caught:
        read("last", {"kind": "rate_limited"})
    assert caught.value.kind == "retryable"


def test_maintenance_is_waited_for_and_not_taken_for_a_fault_of_the_network(read):
    body = '{"code":500,"message":"Under maintenance, please try again later"}'
    with pytest.raises(ExchangeFailure, match="down or under maintenance") as caught:
        read("last", {"kind": "status", "status": 200, "body": body})
    assert caught.value.kind == "retryable"


@pytest.mark.parametrize("kind", ["geo_blocked", "forbidden_html", "banned"])
def test_a_block_stops_the_exchange_at_once(read, kind):
    with pytest.raises(ExchangeFailure) as caught:
        read("last", {"kind": kind})
    assert caught.value.kind == "blocked"


@pytest.mark.parametrize("name", ["spot", "last", "mark"])
def test_a_price_that_is_no_number_is_set_aside_and_the_rest_is_kept(read, name):
    undisturbed, _ = read(name)
    got, _ = read(name, {"kind": "nan_price", "first": 1})
    assert got.rejected.height == 1 and "NaN" in got.rejected["row_json"][0]
    assert got.frame.height >= undisturbed.frame.height - 1


@pytest.mark.parametrize("name", ["spot", "last", "mark"])
def test_a_negative_price_arrives_as_it_was_sent_for_the_border_to_judge(read, name):
    got, _ = read(name, {"kind": "negative_price"})
    assert (got.frame["close"] < 0).sum() == 1


@pytest.mark.parametrize("name", ["spot", "last", "mark", "funding"])
@pytest.mark.parametrize("kind", ["duplicate_rows", "microsecond_timestamps"])
def test_rows_served_twice_or_in_another_unit_of_time_give_the_same_facts(read, name, kind):
    undisturbed, _ = read(name)
    got, _ = read(name, {"kind": kind})
    assert got.frame.equals(undisturbed.frame)


@pytest.mark.parametrize("name", ["spot", "last", "mark", "funding"])
def test_rows_that_contradict_one_another_both_arrive(read, name):
    undisturbed, _ = read(name)
    got, _ = read(name, {"kind": "conflicting_rows", "first": 1})
    assert got.frame.height == undisturbed.frame.height + 1


def test_open_interest_of_zero_arrives_as_zero_for_the_border_to_judge(read):
    got, _ = read("held", {"kind": "zero_open_interest"})
    assert got.frame["open_interest_contracts"].to_list() == [0.0]
