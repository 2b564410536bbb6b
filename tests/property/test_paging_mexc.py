"""Whatever pages MEXC serves, in whatever order and while rows arrive, every row is there exactly once."""

import asyncio
import random
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.clock import from_milliseconds, to_milliseconds
from pipelines.exchanges.mexc import Mexc
from pipelines.exchanges.retries import Caller, RetryPolicy

BOUNDED = settings(max_examples=150, derandomize=True, deadline=None)
ORIGIN_MS = to_milliseconds(datetime(2024, 1, 1))
HOUR = 3_600_000
STEPS = {"1h": HOUR, "4h": 4 * HOUR, "1d": 24 * HOUR}
PRICES = {"open": "1", "high": "2", "low": "0.5"}


class FakeMexc:
    """Serves the times it was given in MEXC's wire format.

    Attributes:
        cap: The most rows of one reply, whatever the documentation says.
        keeps: Which rows of a window that holds more: the `oldest` or the `newest`.
        end_counts: Whether the end of a window is part of it.
        shuffle: Mixes a reply's rows.
        arrivals: Settlements still to come; one of them arrives after each reply.
    """

    id = "mexc"

    def __init__(self, is_spot, times, now, cap, keeps="oldest", end_counts=True, shuffle=None, arrivals=()):
        self.is_spot, self.times, self.now, self.cap = is_spot, list(times), now, cap
        self.keeps, self.end_counts, self.shuffle, self.arrivals = keeps, end_counts, shuffle, list(arrivals)
        self.requests = 0

    def market(self, symbol):
        return {
            "symbol": symbol, "id": "X", "spot": self.is_spot, "linear": not self.is_spot, "inverse": False,
            "contractSize": 0.5,
        }  # fmt: skip

    def milliseconds(self):
        return self.now

    def __getattr__(self, endpoint):
        async def answer(params):
            self.requests += 1
            assert self.requests < 3_000, "the loop does not end"
            reply = self._settlements(params) if "FundingRate" in endpoint else self._candles(endpoint, params)
            self.times += [self.arrivals.pop(0)] if self.arrivals else []
            return reply

        return answer

    def _candles(self, endpoint, params):
        if self.is_spot:
            first, last = params["startTime"], params["endTime"]
        else:
            first, last = params["start"] * 1000, params["end"] * 1000
        last = min(last if self.end_counts else last - 1, self.now)
        inside = [time for time in self.times if first <= time <= last]
        size = min(self.cap, params.get("limit", 2000))
        page = inside[:size] if self.keeps == "oldest" else inside[-size:]
        if self.shuffle:
            self.shuffle.shuffle(page)
        if self.is_spot:
            return [[time, *PRICES.values(), str(time), "10", time + 1, "15"] for time in page]
        columns = {name: [float(value)] * len(page) for name, value in PRICES.items()}
        columns |= {"close": [float(time) for time in page], "vol": [20.0] * len(page), "amount": [15.0] * len(page)}
        return {"success": True, "code": 0, "data": {"time": [time // 1000 for time in page], **columns}}

    def _settlements(self, params):
        number, size = params["page_num"], min(params["page_size"], self.cap)
        newest_first = self.times[::-1]
        page = newest_first[(number - 1) * size : number * size]
        if self.shuffle:
            self.shuffle.shuffle(page)
        rows = [{"symbol": "X", "fundingRate": 0.0001, "settleTime": time} for time in page]
        data = {"pageSize": size, "totalPage": -(-len(newest_first) // size), "currentPage": number, "resultList": rows}
        return {"success": True, "code": 0, "data": data}


def adapter(client):
    return Mexc(client, Caller("mexc", RetryPolicy(attempts=1)))


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


@BOUNDED
@given(data=st.data(), is_spot=st.booleans(), timeframe=st.sampled_from(sorted(STEPS)))
def test_every_closed_candle_of_the_window_arrives_exactly_once(data, is_spot, timeframe):
    step = STEPS[timeframe]
    times, start, end, now = data.draw(grids(step, 700))
    cap = data.draw(st.integers(1, 60) | st.just(500) | st.just(2000), label="rows per reply")
    seed = data.draw(st.none() | st.integers(0, 9), label="shuffled by")
    shuffle = None if seed is None else random.Random(seed)
    keeps, end_counts = data.draw(st.sampled_from(["oldest", "newest"])), data.draw(st.booleans())
    client = FakeMexc(is_spot, times, now, cap, keeps, end_counts, shuffle)
    window = (from_milliseconds(start), from_milliseconds(end))
    market_type = "spot" if is_spot else "perpetual"
    got = asyncio.run(adapter(client).candles("X", market_type, "last", timeframe, *window))
    wanted = [time for time in times if start <= time < end and time + step <= now]
    assert got.frame["opened_at"].to_list() == [from_milliseconds(time) for time in wanted]
    assert got.frame["close"].to_list() == [float(time) for time in wanted]
    assert set(got.frame["volume_base"]) <= {10.0}  # spot coins; 20 contracts of half a coin
    assert got.is_complete


@BOUNDED
@given(data=st.data())
def test_every_settlement_arrives_exactly_once_while_new_ones_arrive(data):
    hours = data.draw(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=400), label="intervals")
    settled = [ORIGIN_MS]
    for interval in hours:
        settled.append(settled[-1] + interval * HOUR)
    arriving = data.draw(st.integers(0, min(30, len(settled) - 1)), label="arrive while reading")
    known = len(settled) - arriving
    jitter = data.draw(st.lists(st.integers(-20, 20), min_size=len(settled), max_size=len(settled)), label="jitter")
    stamped = [time + late for time, late in zip(settled, jitter, strict=True)]
    start = ORIGIN_MS + data.draw(st.integers(-10, 1_500)) * HOUR
    end = start + data.draw(st.integers(1, 2_000)) * HOUR
    seed = data.draw(st.none() | st.integers(0, 9), label="shuffled by")
    shuffle = None if seed is None else random.Random(seed)
    cap = data.draw(st.integers(2, 100), label="rows per page")
    client = FakeMexc(False, stamped[:known], settled[-1], cap, shuffle=shuffle, arrivals=stamped[known:])
    window = (from_milliseconds(start), from_milliseconds(end))
    got = asyncio.run(adapter(client).funding_rates("X", *window))
    # What was known when the reading began is there; what arrived after its page had been read comes next time.
    wanted = [from_milliseconds(time) for time in settled[:known] if start <= time < end]
    assert got.frame["settled_at"].to_list() == wanted
    older = sum(time > start - 60_000 for time in stamped)
    assert client.requests <= -(-older // (cap - 1)) + 2
