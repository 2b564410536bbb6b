"""Whatever page sizes, orders, holes and stamps Bitget has, every row arrives exactly once."""

import asyncio
import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.bitget import Bitget
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.retries import Caller, RetryPolicy

BOUNDED = settings(max_examples=60, derandomize=True, deadline=None)
ORIGIN_MS = to_milliseconds(datetime(2024, 1, 1))
HOUR, DAY = 3_600_000, 86_400_000
STEPS = {"1h": HOUR, "1d": DAY}
LATEST = 1_440


class FakeBitget:
    """Serves the times it was given with Bitget's rules.

    Args:
        cap: Most rows of a page.
        shuffle: Mixes a page's rows.
        includes_end: Whether a candle that opens at `endTime` counts as before it.
        settles_between: Whether a new settlement comes in between two pages, which moves all of them.
    """

    def __init__(self, kind, times, now, cap, shuffle, step=0, includes_end=False, settles_between=False):
        self.kind, self.times, self.now, self.cap, self.shuffle = kind, times, now, cap, shuffle
        self.step, self.includes_end, self.settles_between = step, includes_end, settles_between
        self.requests = 0

    def market(self, symbol):
        return {
            "symbol": symbol, "id": "X", "type": "swap", "spot": self.kind == "spot", "linear": self.kind == "linear",
            "inverse": self.kind == "inverse", "contractSize": 1, "info": {"fundInterval": "1"},
            "settle": {"spot": None, "linear": "USDT", "inverse": "BTC"}[self.kind],
        }  # fmt: skip

    def milliseconds(self):
        return self.now

    def __getattr__(self, endpoint):
        async def answer(params):
            self.requests += 1
            assert self.requests < 3_000, "the loop does not end"
            rows = self.funding(params) if "FundRate" in endpoint else self.candles(endpoint, params)
            if self.shuffle:
                self.shuffle.shuffle(rows)
            return {"code": "00000", "msg": "success", "data": rows}

        return answer

    def funding(self, params):
        assert 0 < params["pageNo"] <= 100, "40808: 0 < pageNo <=100"
        newest_first = [time for time in self.times if time <= self.now][::-1]
        if self.settles_between and self.requests > 1:
            newest_first = [self.now + HOUR, *newest_first]
        size = min(params["pageSize"], self.cap)
        page = newest_first[(params["pageNo"] - 1) * size : params["pageNo"] * size]
        return [{"symbol": "X", "fundingRate": "0.1", "fundingTime": str(time)} for time in page]

    def candles(self, endpoint, params):
        until, limit = params["endTime"], params["limit"]
        assert limit <= 200 and (self.kind == "spot") == ("Spot" in endpoint)
        known = [time for time in self.times if time <= self.now]
        closed = [time for time in known if time + self.step <= self.now]
        known = closed if "History" in endpoint else known[-LATEST:]
        if self.kind != "spot":
            assert limit * self.step <= 90 * DAY
            known = [time for time in known if time >= until - 90 * DAY]
        served = [time for time in known if time < until + self.includes_end]
        return [[str(time), "1", "2", "0.5", str(time), "1", "2", "3"] for time in served[-min(limit, self.cap) :]]


def adapter(client):
    return Bitget(client, Caller("bitget", RetryPolicy(attempts=1)))


@st.composite
def grids(draw, step, longest):
    """Times on a grid with holes, a window around them, and a present somewhere near the end."""
    count, listed = draw(st.integers(0, longest)), draw(st.integers(0, longest))
    holes = draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=8))
    long_hole = draw(st.integers(0, longest))
    times = [
        ORIGIN_MS + (listed + index + (long_hole if index > count // 2 else 0)) * step
        for index in range(count)
        if index not in holes
    ]
    start = ORIGIN_MS + draw(st.integers(0, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    end = start + draw(st.integers(1, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    now = max(ORIGIN_MS + draw(st.integers(1, 4 * longest)) * step + draw(st.integers(0, step - 1)), start + 1)
    return times, start, end, now


def drawn(data):
    cap = data.draw(st.integers(2, 60) | st.just(1000), label="rows per page")
    seed = data.draw(st.none() | st.integers(0, 9), label="shuffled by")
    return cap, None if seed is None else random.Random(seed)


@pytest.mark.parametrize("kind", ["spot", "linear", "inverse"])
@pytest.mark.parametrize("price_type", ["last", "mark"])
@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@settings(BOUNDED, max_examples=30)
@given(data=st.data())
def test_every_closed_candle_of_the_window_arrives_exactly_once(kind, price_type, timeframe, data):
    step = STEPS[timeframe]
    times, start, end, now = data.draw(grids(step, 700))
    includes_end = data.draw(st.booleans(), label="a candle at endTime is served")
    client = FakeBitget(kind, times, now, *drawn(data), step, includes_end)
    market_type = "spot" if kind == "spot" else "perpetual"
    price_type = "last" if kind == "spot" else price_type
    window = (from_milliseconds(start), from_milliseconds(end))
    got = asyncio.run(adapter(client).candles("X", market_type, price_type, timeframe, *window))
    wanted = [time for time in times if start <= time < end and time + step <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    assert got.frame["close"].to_list() == [float(time) for time in wanted]
    holes = [(left, right) for left, right in pairwise(wanted) if right - left > step]
    assert [(to_milliseconds(gap.after), to_milliseconds(gap.before)) for gap in got.gaps] == holes


@settings(BOUNDED, max_examples=120)
@given(data=st.data())
def test_every_settlement_arrives_exactly_once_whatever_its_interval_and_stamp(data):
    hours = data.draw(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=300), label="intervals")
    settled = [ORIGIN_MS]
    for interval in hours:
        settled.append(settled[-1] + interval * HOUR)
    jitter = data.draw(st.lists(st.integers(-20, 20), min_size=len(settled), max_size=len(settled)), label="jitter")
    start = ORIGIN_MS + data.draw(st.integers(-10, 200)) * HOUR
    end = start + data.draw(st.integers(1, 2_000)) * HOUR
    stamps = sorted(map(sum, zip(settled, jitter, strict=True)))
    cap, shuffle = drawn(data)
    moves = data.draw(st.booleans(), label="a settlement comes between two pages")
    client = FakeBitget("linear", stamps, settled[-1] + HOUR, max(cap, 5), shuffle, settles_between=moves)
    got = asyncio.run(adapter(client).funding_rates("X", from_milliseconds(start), from_milliseconds(end)))
    assert got.frame["settled_at"].to_list() == [from_milliseconds(time) for time in settled if start <= time < end]


def test_an_hourly_year_of_funding_is_complete():
    times = [ORIGIN_MS + number * HOUR for number in range(8_760)]
    client = FakeBitget("linear", times, times[-1] + 60_000, 1000, None)
    window = (from_milliseconds(ORIGIN_MS), from_milliseconds(times[-1]) + timedelta(hours=1))
    got = asyncio.run(adapter(client).funding_rates("X", *window))
    assert got.frame.height == 8_760 and got.gaps == () and got.absences == ()
    assert client.requests == 88  # 8,760 rows are 88 pages of 100


def test_an_exchange_that_ignores_the_window_ends_in_an_error_and_not_in_a_loop():
    client = FakeBitget("linear", [], ORIGIN_MS + 100 * DAY, 1000, None)
    client.candles = lambda endpoint, params: [[str(ORIGIN_MS + 90 * DAY), "1", "2", "0.5", "1", "1", "1"]]
    window = (from_milliseconds(ORIGIN_MS), from_milliseconds(ORIGIN_MS + 50 * DAY))
    with pytest.raises(ExchangeFailure, match="rows outside the time asked for"):
        asyncio.run(adapter(client).candles("X", "perpetual", "last", "1d", *window))
