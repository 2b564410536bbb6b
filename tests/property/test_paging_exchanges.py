"""Whatever page sizes, orders, holes and stamps an exchange has, every row arrives exactly once."""

import asyncio
import random
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.binance import Binance
from pipelines.exchanges.bybit import Bybit
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.paging import Page, read_window
from pipelines.exchanges.parse import Parsed
from pipelines.exchanges.retries import Caller, RetryPolicy

BOUNDED = settings(max_examples=120, derandomize=True, deadline=None)
ORIGIN = datetime(2024, 1, 1)
ORIGIN_MS = to_milliseconds(ORIGIN)
HOUR, DAY = 3_600_000, 86_400_000
STEPS = {"1h": HOUR, "1d": DAY}
MARKETS = {
    "spot": {"symbol": "BTC/USDT", "id": "BTCUSDT", "spot": True, "linear": None, "inverse": None},
    "linear": {"symbol": "BTC/USDT:USDT", "id": "BTCUSDT", "spot": False, "linear": True, "inverse": False},
    "inverse": {
        "symbol": "BTC/USD:BTC",
        "id": "BTCUSD_PERP",
        "spot": False,
        "linear": False,
        "inverse": True,
    },
}


class FakeExchange:
    """Serves the times it was given, in the wire format and with the rules of Binance or of Bybit.

    `cap` is the most rows it puts on a page, whatever the documentation says; `shuffle` mixes a page's rows.
    """

    def __init__(self, kind: str, times: list[int], now: int, cap: int, shuffle: random.Random | None) -> None:
        self.kind, self.times, self.now, self.cap, self.shuffle = kind, times, now, cap, shuffle
        self.requests = 0

    def market(self, symbol: str) -> dict:
        return MARKETS[self.kind] | {"type": "swap", "contractSize": 100.0, "info": {}}

    def milliseconds(self) -> int:
        return self.now

    def __getattr__(self, endpoint: str):
        async def answer(params: dict):
            self.requests += 1
            assert self.requests < 2_000, "the loop does not end"
            if "V5" in endpoint:
                return {"retCode": 0, "result": {"list": self._bybit(endpoint, params)}}
            return self._binance(endpoint, params)

        return answer

    def _page(self, times: list[int]) -> list[int]:
        if self.shuffle:
            self.shuffle.shuffle(times)
        return times

    def _binance(self, endpoint: str, params: dict) -> list:
        first, last = params["startTime"], params.get("endTime", self.now)
        served = [time for time in self.times if first <= time <= min(last, self.now)]
        size = min(params["limit"], self.cap)
        if "OpenInterestHist" in endpoint:  # the rows nearest to the end
            return [
                {"timestamp": time, "sumOpenInterest": str(time), "sumOpenInterestValue": "1"}
                for time in self._page(served[-size:])
            ]
        if "FundingRate" in endpoint:
            return [
                {"fundingTime": time, "fundingRate": "0.0001", "markPrice": ""} for time in self._page(served[:size])
            ]
        assert endpoint.startswith("dapi") is (self.kind == "inverse")
        assert "endTime" not in params or last - first <= 200 * DAY, "-1127: more than 200 days"
        return [[time, "1", "2", "0.5", str(time), "10", 0, "15"] for time in self._page(served[:size])]

    def _bybit(self, endpoint: str, params: dict) -> list:
        first = params.get("start", params.get("startTime", 0))
        last = params.get("end", params.get("endTime", self.now))
        assert "endTime" in params or "end" in params, "10001: a start without an end"
        served = [time for time in self.times if first <= time <= min(last, self.now)]
        page = self._page(served[-min(params["limit"], self.cap) :][::-1])  # the newest, newest first
        if "Funding" in endpoint:
            return [{"fundingRateTimestamp": str(time), "fundingRate": "0.0001"} for time in page]
        if "OpenInterest" in endpoint:
            return [{"timestamp": str(time), "openInterest": str(time)} for time in page]
        return [[str(time), "1", "2", "0.5", str(time), "10", "15"] for time in page]


ADAPTERS = {"binance": Binance, "bybit": Bybit}


def adapter(name: str, client: FakeExchange):
    return ADAPTERS[name](client, Caller(name, RetryPolicy(attempts=1)))


@st.composite
def grids(draw, step: int, longest: int):
    """Times on a grid with holes, a window around them, and a present somewhere near the end."""
    count = draw(st.integers(0, longest))
    listed = draw(st.integers(0, longest))
    holes = draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=8))
    times = [ORIGIN_MS + (listed + index) * step for index in range(count) if index not in holes]
    start = ORIGIN_MS + draw(st.integers(0, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    end = start + draw(st.integers(1, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    now = max(ORIGIN_MS + draw(st.integers(1, 3 * longest)) * step + draw(st.integers(0, step - 1)), start + 1)
    return times, start, end, now


def server(draw_from: st.DataObject, kind: str, times: list[int], now: int) -> FakeExchange:
    cap = draw_from.draw(st.integers(1, 60) | st.just(1000), label="rows per page")
    seed = draw_from.draw(st.none() | st.integers(0, 9), label="shuffled by")
    return FakeExchange(kind, times, now, cap, None if seed is None else random.Random(seed))


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
@pytest.mark.parametrize("kind", ["spot", "linear", "inverse"])
@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@settings(BOUNDED, max_examples=40)
@given(data=st.data())
def test_every_closed_candle_of_the_window_arrives_exactly_once(exchange, kind, timeframe, data):
    step = STEPS[timeframe]
    times, start, end, now = data.draw(grids(step, 260))
    client = server(data, kind, times, now)
    market_type = "spot" if kind == "spot" else "perpetual"
    window = (from_milliseconds(start), from_milliseconds(end))
    got = asyncio.run(adapter(exchange, client).candles("X", market_type, "last", timeframe, *window))
    wanted = [time for time in times if start <= time < end and time + step <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    assert got.frame["close"].to_list() == [float(time) for time in wanted]
    holes = [(left, right) for left, right in pairwise(wanted) if right - left > step]
    assert [(to_milliseconds(gap.after), to_milliseconds(gap.before)) for gap in got.gaps] == holes


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
@BOUNDED
@given(data=st.data())
def test_every_settlement_arrives_exactly_once_whatever_its_interval_and_stamp(exchange, data):
    hours = data.draw(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=300), label="intervals")
    settled = [ORIGIN_MS]
    for interval in hours:
        settled.append(settled[-1] + interval * HOUR)
    jitter = data.draw(st.lists(st.integers(-20, 20), min_size=len(settled), max_size=len(settled)), label="jitter")
    start = ORIGIN_MS + data.draw(st.integers(-10, 200)) * HOUR
    end = start + data.draw(st.integers(1, 2_000)) * HOUR
    client = server(data, "linear", sorted(map(sum, zip(settled, jitter, strict=True))), settled[-1] + HOUR)
    window = (from_milliseconds(start), from_milliseconds(end))
    got = asyncio.run(adapter(exchange, client).funding_rates("X", *window))
    wanted = [from_milliseconds(time) for time in settled if start <= time < end]
    assert got.frame["settled_at"].to_list() == wanted


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
@pytest.mark.parametrize("kind", ["linear", "inverse"])
@settings(BOUNDED, max_examples=60)
@given(data=st.data())
def test_every_observation_of_open_interest_arrives_exactly_once(exchange, kind, data):
    times, start, end, now = data.draw(grids(HOUR, 260))
    client = server(data, kind, times, now)
    window = (from_milliseconds(start), from_milliseconds(end))
    got = asyncio.run(adapter(exchange, client).open_interest("X", "1h", *window))
    wanted = [time for time in times if start <= time < end and time <= now]
    assert got.frame["observed_at"].to_list() == [from_milliseconds(time) for time in wanted]


@BOUNDED
@given(
    times=st.sets(st.integers(0, 500), max_size=200),
    window=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    cap=st.integers(1, 50),
    order=st.sampled_from(["oldest_first", "newest_first", "either"]),
    seed=st.integers(0, 1_000),
)
def test_a_window_is_read_completely_in_whichever_order_it_is_served(times, window, cap, order, seed):
    start, end = min(window), max(window)
    pick = random.Random(seed)
    ordered = sorted(times)

    async def read(low: int, high: int) -> Page:
        inside = [time for time in ordered if low <= time < high]
        first = {"oldest_first": 0, "newest_first": max(len(inside) - cap, 0)}.get(
            order, pick.randint(0, max(len(inside) - cap, 0))
        )
        return Page(Parsed(pl.DataFrame({"time_ms": inside[first : first + cap]}, {"time_ms": pl.Int64})), high)

    pages = asyncio.run(read_window(read, start, end, step=1, order=order))
    got = [time for frame in pages.frames for time in frame["time_ms"]]
    assert sorted(got) == [time for time in ordered if start <= time < end]


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
def test_an_exchange_that_ignores_the_window_ends_in_an_error_and_not_in_a_loop(exchange):
    client = FakeExchange("linear", [], ORIGIN_MS + 100 * DAY, 1000, None)
    # Whatever is asked for, Binance answers with an old candle, Bybit with a new one: neither gets on.
    stuck = [ORIGIN_MS - DAY, "1", "2", "0.5", "1", "1", 0, "1"]
    ahead = [str(ORIGIN_MS + 90 * DAY), "1", "2", "0.5", "1", "1", "1"]
    client._binance = lambda endpoint, params: [stuck]
    client._bybit = lambda endpoint, params: [ahead]
    window = (ORIGIN, ORIGIN + timedelta(days=50))
    with pytest.raises(ExchangeFailure, match="rows outside the time asked for") as caught:
        asyncio.run(adapter(exchange, client).candles("X", "perpetual", "last", "1d", *window))
    assert caught.value.kind == "malformed"
