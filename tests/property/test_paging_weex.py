"""WEEX: whatever page sizes, orders, holes and reach its endpoints have, every row arrives exactly once."""

import asyncio
import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.errors import ExchangeFailure, Reply
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.exchanges.weex import Weex

BOUNDED = settings(max_examples=120, derandomize=True, deadline=None)
ORIGIN_MS = to_milliseconds(datetime(2024, 1, 1))
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
STEPS = {"1h": HOUR, "4h": 4 * HOUR, "1d": DAY}


class ExchangeError(Exception):
    pass


class FakeExchange:
    """Serves the times it was given by WEEX's rules.

    Args:
        kind: `spot` or `linear`.
        times: Of the rows there are, ascending.
        now: The present.
        cap: The most rows on a page, whatever the documentation says.
        newest_days: How far back funding without times reaches.
        shuffle: Mixes a page's rows; None: newest first, as the server does it.
    """

    id = "weex"

    def __init__(
        self,
        kind: str,
        times: list[int],
        now: int,
        cap: int = 1000,
        newest_days: int = 10_000,
        shuffle: random.Random | None = None,
    ) -> None:
        self.kind, self.times, self.now, self.cap = kind, times, now, cap
        self.newest_days, self.shuffle, self.requests, self.cost = newest_days, shuffle, 0, 0

    def market(self, symbol: str) -> dict:
        is_spot = self.kind == "spot"
        return {"symbol": symbol, "id": "BTCUSDT", "spot": is_spot, "linear": not is_spot, "inverse": False, "info": {}}

    def milliseconds(self) -> int:
        return self.now

    def __getattr__(self, endpoint: str):
        async def answer(params: dict):
            self.requests += 1
            assert self.requests < 3_000, "the loop does not end"
            dear = "History" in endpoint or "Funding" in endpoint
            self.cost += 25 if dear else 10 if self.kind == "spot" else 5
            if "Funding" in endpoint:
                return self._funding(**params)
            assert endpoint.startswith("public") is (self.kind == "spot")
            return self._candles("History" in endpoint, **params)

        return answer

    def _page(self, times: list[int], limit: int) -> list[int]:
        page = times[-min(limit, self.cap) :][::-1]
        if self.shuffle:
            self.shuffle.shuffle(page)
        return page

    def _candles(self, is_history: bool, symbol, interval, limit, startTime=0, endTime=0, priceType="LAST") -> list:  # noqa: N803
        served = [time for time in self.times if time <= self.now]
        if is_history:
            assert self.kind == "linear" and limit <= 100 and 0 <= endTime - startTime <= 90 * DAY, "-1170 or -1140"
            assert endTime <= self.now, "-1142: in the future"
            served = [time for time in served if startTime <= time <= endTime]
        else:
            assert 1 <= limit <= (300 if self.kind == "spot" else 1000), "-1140"
        return [[time, "1", "2", "0.5", str(time), "10", 0, "15"] for time in self._page(served, limit)]

    def _funding(self, symbol, limit, startTime=None, endTime=None) -> list:  # noqa: N803
        first, last = self.now - self.newest_days * DAY, self.now
        if startTime is not None:
            first, last = startTime, endTime
            assert 0 <= last - first <= 7 * DAY and last <= self.now, "-1170 or -1171"
            if first < self.now - 365 * DAY:
                error = ExchangeError()
                error.reply = Reply(400, None, '{"code":-1170,"msg":"startTime must be within the last 365 days."}')
                raise error
        served = [time for time in self.times if first <= time <= last]
        return [
            {"symbol": symbol, "fundingTime": time, "fundingRate": str(time), "markPrice": "1"}
            for time in self._page(served, limit)
        ]


def adapter(client: FakeExchange) -> Weex:
    return Weex(client, Caller("weex", RetryPolicy(attempts=1)))


def window_of(start: int, end: int) -> tuple[datetime, datetime]:
    return from_milliseconds(start), from_milliseconds(end)


@st.composite
def grids(draw, step: int, longest: int):
    """Times on a grid with holes, the present somewhere, and a window before, around or after them."""
    count = draw(st.integers(0, longest), label="rows")
    listed = draw(st.integers(0, longest), label="listed")
    holes = draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=8), label="holes")
    gap = draw(st.integers(0, 150), label="an outage of")
    gap_at = draw(st.integers(0, max(count, 1)), label="at")
    present = [index for index in range(count) if index not in holes and not gap_at <= index < gap_at + gap]
    times = [ORIGIN_MS + (listed + index) * step for index in present]
    start = ORIGIN_MS + draw(st.integers(0, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    end = start + draw(st.integers(1, 2 * longest)) * step + draw(st.integers(0, 3)) * step // 4
    now = max(ORIGIN_MS + draw(st.integers(1, 3 * longest)) * step + draw(st.integers(0, step - 1)), start + 1)
    return times, start, end, now


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
@settings(BOUNDED, max_examples=80)
@given(data=st.data())
def test_every_closed_candle_of_a_contract_arrives_exactly_once(timeframe, data):
    step = STEPS[timeframe]
    times, start, end, now = data.draw(grids(step, 1_300))
    cap = data.draw(st.integers(1, 60).map(lambda rows: 20 * rows) | st.just(1000), label="rows per page")
    seed = data.draw(st.none() | st.integers(0, 9), label="shuffled by")
    client = FakeExchange("linear", times, now, cap, shuffle=None if seed is None else random.Random(seed))
    got = asyncio.run(adapter(client).candles("X", "perpetual", "last", timeframe, *window_of(start, end)))
    wanted = [time for time in times if start <= time < end and time + step <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    assert got.frame["close"].to_list() == [float(time) for time in wanted]
    holes = [(left, right) for left, right in pairwise(wanted) if right - left > step]
    assert [(to_milliseconds(gap.after), to_milliseconds(gap.before)) for gap in got.gaps] == holes
    assert got.absences == () and got.is_complete


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@BOUNDED
@given(data=st.data())
def test_every_spot_candle_in_reach_arrives_once_and_the_rest_is_absent(timeframe, data):
    step = STEPS[timeframe]
    times, start, end, now = data.draw(grids(step, 500))
    cap = data.draw(st.integers(1, 300) | st.just(300), label="rows per page")
    client = FakeExchange("spot", times, now, cap)
    got = asyncio.run(adapter(client).candles("X", "spot", "last", timeframe, *window_of(start, end)))
    reach = now // step * step - 299 * step
    known = [time for time in times if time <= now]
    newest = known[-min(cap, min((now // step * step - max(-(-start // step) * step, reach)) // step + 2, 300)) :]
    wanted = [time for time in newest if max(start, reach) <= time < end and time + step <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    # Nothing is both there and absent, and what is not there although it exists is absent.
    absent = [(to_milliseconds(part.start), to_milliseconds(part.end)) for part in got.absences]
    assert all(low < high for low, high in absent)
    assert not any(low <= time < high for low, high in absent for time in wanted)
    missing = [time for time in times if start <= time < end and time + step <= now and time not in wanted]
    if wanted:
        assert all(any(low <= time < high for low, high in absent) for time in missing)
    assert client.requests <= 1


@BOUNDED
@given(data=st.data())
def test_every_settlement_arrives_exactly_once_whatever_its_interval_and_stamp(data):
    hours = data.draw(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=400), label="intervals")
    halted_at = data.draw(st.integers(0, 600), label="halted for 400 hours at")
    settled = [ORIGIN_MS]
    for index, interval in enumerate(hours):
        settled.append(settled[-1] + (interval + 400 * (index == halted_at)) * HOUR)
    jitter = data.draw(st.lists(st.integers(-20, 20), min_size=len(settled), max_size=len(settled)), label="jitter")
    start = ORIGIN_MS + data.draw(st.integers(-10, 200)) * HOUR
    end = start + data.draw(st.integers(1, 2_000)) * HOUR
    now = settled[-1] + data.draw(st.integers(1, 900), label="hours since the last") * HOUR
    client = FakeExchange(
        "linear",
        sorted(map(sum, zip(settled, jitter, strict=True))),
        now,
        cap=data.draw(st.integers(1, 60) | st.just(1000), label="rows per page"),
        newest_days=data.draw(st.sampled_from([7, 30, 10_000]), label="newest reach"),
        shuffle=random.Random(data.draw(st.integers(0, 9))) if data.draw(st.booleans(), label="shuffled") else None,
    )
    got = asyncio.run(adapter(client).funding_rates("X", *window_of(start, end)))
    kept_from = now - 365 * DAY + HOUR
    refused = [part for part in got.absences if to_milliseconds(part.end) <= max(kept_from, end)]
    since = max(start, kept_from) if refused else start
    wanted = [from_milliseconds(time) for time in settled if since <= time < end]
    assert got.frame["settled_at"].to_list() == wanted


@pytest.mark.parametrize("newest_days", [7, 10_000])
@pytest.mark.parametrize("hours", [1, 4, 8])
def test_a_year_of_funding_is_complete_and_its_cost_bounded(hours, newest_days):
    now = ORIGIN_MS + 364 * DAY + 15 * MINUTE
    times = list(range(ORIGIN_MS, now, hours * HOUR))
    client = FakeExchange("linear", times, now, newest_days=newest_days)
    got = asyncio.run(adapter(client).funding_rates("X", *window_of(ORIGIN_MS, now)))
    assert got.frame.height == 364 * 24 // hours + 1 and got.gaps == ()
    reach_days = min(newest_days, 1000 * hours / 24)
    assert client.requests <= 2 + (364 - reach_days) / 7 + 1


@pytest.mark.parametrize(("kind", "requests"), [("linear", 1 + 78), ("spot", 1)])
def test_a_year_of_hourly_candles_costs_one_cheap_request_and_pages_of_a_hundred(kind, requests):
    # 8,760 closed hours and the forming one: 1,000 rows for 5 units, the 7,761 others in 78 pages of 25 units.
    now = ORIGIN_MS + 365 * DAY + 15 * MINUTE
    client = FakeExchange(kind, list(range(ORIGIN_MS, now, HOUR)), now)
    market_type = "spot" if kind == "spot" else "perpetual"
    got = asyncio.run(adapter(client).candles("X", market_type, "last", "1h", *window_of(ORIGIN_MS, now)))
    assert client.requests == requests
    assert got.frame.height == (299 if kind == "spot" else 8760)
    assert client.cost == (10 if kind == "spot" else 5 + 78 * 25)


def test_a_history_that_ignores_its_window_ends_in_an_error_and_not_in_a_loop():
    now = ORIGIN_MS + 3_000 * DAY
    client = FakeExchange("linear", [], now)
    ahead = [now - DAY, "1", "2", "0.5", "1", "1", 0, "1"]
    client._candles = lambda is_history, **params: [ahead]
    window = (datetime(2024, 1, 1), datetime(2024, 1, 1) + timedelta(days=50))
    with pytest.raises(ExchangeFailure, match="rows outside the time asked for") as caught:
        asyncio.run(adapter(client).candles("X", "perpetual", "last", "1d", *window))
    assert caught.value.kind == "malformed"
