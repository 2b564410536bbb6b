"""Whatever page sizes, orders, holes and stamps OKX has, every row arrives exactly once."""

import asyncio
import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.okx import Okx
from pipelines.exchanges.retries import Caller, RetryPolicy

BOUNDED = settings(max_examples=60, derandomize=True, deadline=None)
ORIGIN_MS = to_milliseconds(datetime(2024, 1, 1))
HOUR, DAY = 3_600_000, 86_400_000
STEPS = {"1h": HOUR, "1d": DAY}
LATEST = 1_440


class FakeOkx:
    """Serves the times it was given with OKX's rules; `cap` is the most rows it puts on a page.

    `shuffle` mixes a page's rows. The newest candle is not confirmed for `unconfirmed` milliseconds after its end.
    """

    def __init__(self, kind, times, now, cap, shuffle, unconfirmed=0, length=0):
        self.kind, self.times, self.now, self.cap, self.shuffle = kind, times, now, cap, shuffle
        self.unconfirmed, self.length, self.requests = unconfirmed, length, 0

    def market(self, symbol):
        return {
            "symbol": symbol, "id": "X", "type": "swap", "spot": self.kind == "spot", "linear": self.kind == "linear",
            "inverse": self.kind == "inverse", "contractSize": 100.0, "info": {"uly": "X"},
        }  # fmt: skip

    def milliseconds(self):
        return self.now

    def __getattr__(self, endpoint):
        async def answer(params):
            self.requests += 1
            assert self.requests < 2_000, "the loop does not end"
            return {"code": "0", "msg": "", "data": self.rows(endpoint, params)}

        return answer

    def rows(self, endpoint, params):
        before = int(params.get("after", params.get("end")))
        limit = 300 if endpoint in ("publicGetMarketCandles", "publicGetMarketHistoryCandles") else 100
        assert params["limit"] <= limit
        served = [time for time in self.times if time < before and time <= self.now]
        if "Candles" in endpoint:
            known = [time for time in self.times if time <= self.now]
            if "History" not in endpoint:
                served = [time for time in served if time in set(known[-LATEST:])]
        page = served[-min(params["limit"], self.cap) :][::-1]
        if self.shuffle:
            self.shuffle.shuffle(page)
        if "Funding" in endpoint:
            return [{"fundingTime": str(time), "fundingRate": "9", "realizedRate": "0.1"} for time in page]
        if "OpenInterest" in endpoint:
            return [[str(time), "1", str(time), "1"] for time in page]
        return [self.candle(endpoint, time) for time in page]

    def candle(self, endpoint, time):
        confirm = "1" if time + self.length + self.unconfirmed <= self.now else "0"
        volumes = ["1", "2", "3"] if "Mark" not in endpoint.replace("Market", "") and "Index" not in endpoint else []
        return [str(time), "1", "2", "0.5", str(time), *volumes, confirm]


def adapter(client):
    return Okx(client, Caller("okx", RetryPolicy(attempts=1)))


@st.composite
def grids(draw, step, longest):
    """Times on a grid with holes, a window around them, and a present somewhere near the end."""
    count, listed = draw(st.integers(0, longest)), draw(st.integers(0, longest))
    holes = draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=8))
    times = [ORIGIN_MS + (listed + index) * step for index in range(count) if index not in holes]
    start = ORIGIN_MS + draw(st.integers(0, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    end = start + draw(st.integers(1, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    now = max(ORIGIN_MS + draw(st.integers(1, 3 * longest)) * step + draw(st.integers(0, step - 1)), start + 1)
    return times, start, end, now


def drawn(data):
    # Two at least: the newest candle may be unconfirmed, and a page of nothing else would say "nothing more".
    cap = data.draw(st.integers(2, 60) | st.just(1000), label="rows per page")
    seed = data.draw(st.none() | st.integers(0, 9), label="shuffled by")
    return cap, None if seed is None else random.Random(seed)


@pytest.mark.parametrize("kind", ["spot", "linear", "inverse"])
@pytest.mark.parametrize("price_type", ["last", "mark", "index"])
@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@settings(BOUNDED, max_examples=25)
@given(data=st.data())
def test_every_confirmed_candle_of_the_window_arrives_exactly_once(kind, price_type, timeframe, data):
    step = STEPS[timeframe]
    times, start, end, now = data.draw(grids(step, 900))
    unconfirmed = data.draw(st.sampled_from([0, 20_000, step]), label="confirmed late by")
    client = FakeOkx(kind, times, now, *drawn(data), unconfirmed, step)
    market_type = "spot" if kind == "spot" else "perpetual"
    window = (from_milliseconds(start), from_milliseconds(end))
    got = asyncio.run(adapter(client).candles("X", market_type, price_type, timeframe, *window))
    wanted = [time for time in times if start <= time < end and time + step + unconfirmed <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    assert got.frame["close"].to_list() == [float(time) for time in wanted]
    holes = [(left, right) for left, right in pairwise(wanted) if right - left > step]
    assert [(to_milliseconds(gap.after), to_milliseconds(gap.before)) for gap in got.gaps] == holes


@BOUNDED
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
    client = FakeOkx("linear", stamps, settled[-1] + HOUR, *drawn(data))
    got = asyncio.run(adapter(client).funding_rates("X", from_milliseconds(start), from_milliseconds(end)))
    assert got.frame["settled_at"].to_list() == [from_milliseconds(time) for time in settled if start <= time < end]


@pytest.mark.parametrize("period", ["1h", "1d"])
@BOUNDED
@given(data=st.data())
def test_every_ended_period_of_open_interest_arrives_exactly_once_at_its_end(period, data):
    step = STEPS[period]
    opened, start, end, now = data.draw(grids(step, 260))
    client = FakeOkx("linear", opened, now, *drawn(data))
    got = asyncio.run(adapter(client).open_interest("X", period, from_milliseconds(start), from_milliseconds(end)))
    wanted = [time for time in opened if start <= time + step < end and time + step <= now]
    assert got.frame["observed_at"].to_list() == [from_milliseconds(time + step) for time in wanted]
    assert got.frame["open_interest_base"].to_list() == [float(time) for time in wanted]
    holes = [(left + step, right + step) for left, right in pairwise(wanted) if right - left > step]
    assert [(to_milliseconds(gap.after), to_milliseconds(gap.before)) for gap in got.gaps] == holes


def test_an_hourly_year_of_funding_is_complete():
    times = [ORIGIN_MS + number * HOUR for number in range(8_760)]
    client = FakeOkx("linear", times, times[-1] + HOUR, 1000, None)
    window = (from_milliseconds(ORIGIN_MS), from_milliseconds(times[-1]) + timedelta(hours=1))
    got = asyncio.run(adapter(client).funding_rates("X", *window))
    assert got.frame.height == 8_760 and got.gaps == () and got.absences == ()
    assert got.requests == 0 and client.requests == 88  # no HTTP; 8,760 rows are 88 pages of 100


def test_an_exchange_that_ignores_the_window_ends_in_an_error_and_not_in_a_loop():
    client = FakeOkx("linear", [], ORIGIN_MS + 100 * DAY, 1000, None)
    client.rows = lambda endpoint, params: [[str(ORIGIN_MS + 90 * DAY), "1", "2", "0.5", "1", "1", "1", "1", "1"]]
    window = (from_milliseconds(ORIGIN_MS), from_milliseconds(ORIGIN_MS + 50 * DAY))
    with pytest.raises(ExchangeFailure, match="rows outside the time asked for"):
        asyncio.run(adapter(client).candles("X", "perpetual", "last", "1d", *window))
