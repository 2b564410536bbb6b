"""Whatever page sizes, orders, bounds and holes BingX has, every row arrives exactly once."""

import asyncio
import random
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.bingx import BingX
from pipelines.exchanges.retries import Caller, RetryPolicy

BOUNDED = settings(max_examples=100, derandomize=True, deadline=None)
ORIGIN_MS = to_milliseconds(datetime(2024, 1, 1))
HOUR, DAY = 3_600_000, 86_400_000
STEPS = {"1h": HOUR, "1d": DAY}
MARKETS = {
    "spot": {"symbol": "BTC/USDT", "id": "BTC-USDT", "spot": True, "linear": None, "inverse": None},
    "linear": {"symbol": "BTC/USDT:USDT", "id": "BTC-USDT", "spot": False, "linear": True, "inverse": False},
    "inverse": {"symbol": "BTC/USD:BTC", "id": "BTC-USD", "spot": False, "linear": False, "inverse": True},
}


class FakeBingX:
    """Serves the times it was given with the rules of BingX, of which some are drawn, as nobody knows them.

    Args:
        cap: The most rows on a page, whatever the documentation says.
        keeps_newest: Which candles stay of a window that holds more than a page.
        exclusive: Whether the start and the end of a window of candles are left out.
        shuffle: Mixes a page's rows.
        hiccups: Draws the replies that hold `null` instead of rows, once each.
    """

    def __init__(self, kind, times, now, cap, keeps_newest, exclusive, shuffle, hiccups):
        self.kind, self.times, self.now, self.cap = kind, times, now, cap
        self.keeps_newest, self.exclusive, self.shuffle, self.hiccups = keeps_newest, exclusive, shuffle, hiccups
        self.requests, self.failed = 0, set()

    def market(self, symbol):
        return MARKETS[self.kind] | {"type": "swap", "active": True, "info": {"minTickSize": "100"}}

    def milliseconds(self):
        return self.now

    def __getattr__(self, endpoint):
        async def answer(params):
            self.requests += 1
            assert self.requests < 3_000, "the loop does not end"
            if str(params) not in self.failed and self.hiccups.random() < 0.1:
                self.failed.add(str(params))
                return {"code": 0, "msg": "", "data": None}
            rows = self._funding(params) if "Funding" in endpoint else self._candles(params)
            if self.shuffle:
                self.shuffle.shuffle(rows)
            return {"code": 0, "msg": "", "data": rows or None}

        return answer

    def _candles(self, params):
        start_exclusive, end_exclusive = self.exclusive
        first, last = params["startTime"] + start_exclusive, params["endTime"] - end_exclusive
        served = [time for time in self.times if first <= time <= min(last, self.now)]
        size = min(params["limit"], self.cap)
        page = (served[-size:] if self.keeps_newest else served[:size])[::-1]
        if self.kind == "spot":
            return [[time, 1.0, 2.0, 0.5, float(time), 10.0, time + 1, 15.0] for time in page]
        prices = {"open": "1", "high": "2", "low": "0.5", "volume": "10"}
        return [{**prices, "close": str(time), "time": time} for time in page]

    def _funding(self, params):
        assert "startTime" not in params
        shown = [time for time in self.times if time <= self.now]
        end = params.get("endTime", self.now)
        if "endTime" in params and shown and end > shown[-1]:
            return []  # an end in the running interval
        served = [time for time in shown if time <= end][-min(params["limit"], self.cap) :]
        return [{"symbol": "BTC-USDT", "fundingTime": time, "fundingRate": "0.0001"} for time in served[::-1]]


def read(client, method, *arguments):
    async def at_once(_):
        pass

    caller = Caller("bingx", RetryPolicy(attempts=5, total_retries=100_000), at_once)
    return asyncio.run(getattr(BingX(client, caller), method)(*arguments))


def server(data, kind, times, now):
    cap = data.draw(st.integers(1, 60) | st.just(1440), label="rows per page")
    keeps_newest = data.draw(st.booleans(), label="keeps the newest")
    exclusive = data.draw(st.tuples(st.booleans(), st.booleans()), label="bounds left out")
    seed = data.draw(st.none() | st.integers(0, 9), label="shuffled by")
    shuffle = None if seed is None else random.Random(seed)
    hiccups = random.Random(data.draw(st.integers(0, 99), label="hiccups"))
    return FakeBingX(kind, times, now, cap, keeps_newest, exclusive, shuffle, hiccups)


@pytest.mark.parametrize("kind", ["spot", "linear", "inverse"])
@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@settings(BOUNDED, max_examples=50)
@given(data=st.data())
def test_every_closed_candle_of_bingx_arrives_exactly_once(kind, timeframe, data):
    step, longest = STEPS[timeframe], 260
    count, listed = data.draw(st.integers(0, longest)), data.draw(st.integers(0, longest))
    holes = data.draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=8))
    times = [ORIGIN_MS + (listed + index) * step for index in range(count) if index not in holes]
    start = ORIGIN_MS + data.draw(st.integers(0, 2 * longest)) * step + data.draw(st.integers(0, 3)) * step // 4
    end = start + data.draw(st.integers(1, 2 * longest)) * step + data.draw(st.integers(0, 3)) * step // 4
    now = max(
        ORIGIN_MS + data.draw(st.integers(1, 3 * longest)) * step + data.draw(st.integers(0, step - 1)), start + 1
    )
    client = server(data, kind, times, now)
    market_type = "spot" if kind == "spot" else "perpetual"
    window = (from_milliseconds(start), from_milliseconds(end))
    got = read(client, "candles", "X", market_type, "last", timeframe, *window)
    wanted = [time for time in times if start <= time < end and time + step <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    assert got.frame["close"].to_list() == [float(time) for time in wanted]
    assert got.is_complete


@BOUNDED
@given(data=st.data())
def test_every_settlement_of_bingx_arrives_exactly_once_whatever_its_interval_and_stamp(data):
    hours = data.draw(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=300), label="intervals")
    settled = [ORIGIN_MS]
    for interval in hours:
        settled.append(settled[-1] + interval * HOUR)
    jitter = data.draw(st.lists(st.integers(-20, 20), min_size=len(settled), max_size=len(settled)), label="jitter")
    stamped = sorted(map(sum, zip(settled, jitter, strict=True)))
    now = settled[-1] + data.draw(st.integers(1, 8 * HOUR), label="since the last settlement")
    start = ORIGIN_MS + data.draw(st.integers(-10, 2_000)) * HOUR
    end = data.draw(st.just(now) | st.integers(1, 2_000).map(lambda count: start + count * HOUR), label="end")
    client = server(data, "linear", stamped, max(now, stamped[-1]))
    got = read(client, "funding_rates", "X", from_milliseconds(start), from_milliseconds(end))
    wanted = [from_milliseconds(time) for time in settled if start <= time < end]
    assert got.frame["settled_at"].to_list() == wanted
    assert got.is_complete


def test_a_year_of_hourly_funding_is_complete_in_nine_pages():
    # 8,760 settlements, a thousand on a page; the assumption of eight hours between them would lose seven eighths.
    times = [ORIGIN_MS + index * HOUR for index in range(8_761)]
    client = FakeBingX("linear", times, times[-1] + 900_000, 1_000, True, (False, False), None, random.Random(0))
    client.hiccups = type("Never", (), {"random": staticmethod(lambda: 1.0)})
    window = (from_milliseconds(times[0]), from_milliseconds(times[-1] + 1))
    got = read(client, "funding_rates", "X", *window)
    assert (got.frame.height, got.gaps, client.requests) == (8_761, (), 9)
