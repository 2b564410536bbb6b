"""The simulated market's past never changes, and it shows nothing of its future."""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.timeframes import HOUR_MS

NOW = datetime(2026, 11, 22, 11, 17, tzinfo=UTC)
SERIES = [  # every kind of instrument, a 1000x contract, a coin with hourly funding, a renamed one
    ("binance", "BTC/USDT"),
    ("binance", "BTC/USDT:USDT"),
    ("bybit", "ETH/USD:ETH"),
    ("binance", "BTC/USDT:USDT-261225"),
    ("bybit", "SHIB1000/USDT:USDT"),
    ("bybit", "1000FLOKI/USDT:USDT"),
    ("binance", "MKR/USDT:USDT"),
]


def ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


@cache
def market(now: datetime = NOW, seed: int = 7, start: date = date(2021, 11, 1)) -> SimulatedMarket:
    return SimulatedMarket(seed, ms(now), start)


def everything(of: SimulatedMarket, exchange: str, symbol: str, start_ms: int, until_ms: int) -> bytes:
    """All closed values of an instrument in a window, as bytes."""
    parts = [of.settlements(exchange, symbol, start_ms, until_ms)]
    parts.append(of.open_interest(exchange, symbol, start_ms, until_ms))
    for price_type in ("last", "mark", "index"):
        parts.append(of.candles(exchange, symbol, "1h", price_type, start_ms, until_ms - HOUR_MS))
        parts.append(of.candles(exchange, symbol, "1d", price_type, start_ms, until_ms - 24 * HOUR_MS))
    return b"".join(getattr(part, field.name).tobytes() for part in parts for field in fields(part))


@pytest.mark.parametrize(("exchange", "symbol"), SERIES)
def test_a_later_present_leaves_the_past_bit_for_bit_as_it_was(exchange, symbol):
    earlier = datetime(2026, 8, 3, 5, 40, tzinfo=UTC)
    until = ms(datetime(2026, 8, 3, tzinfo=UTC))
    seen_then = everything(market(earlier), exchange, symbol, 0, until)
    assert len(seen_then) > 1000
    assert seen_then == everything(market(), exchange, symbol, 0, until)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(hours=st.integers(min_value=24 * 400, max_value=24 * 1800), which=st.sampled_from(SERIES))
def test_any_earlier_present_shows_the_same_last_days(hours, which):
    now = datetime(2021, 11, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=13)
    of = SimulatedMarket(7, ms(now))
    if which[1] not in {listing.symbol for listing in of.listings(which[0])}:
        return  # not listed yet
    until = ms(now.replace(minute=0))
    window = until - 9 * 24 * HOUR_MS, until
    assert everything(of, *which, *window) == everything(market(), *which, *window)


def test_values_do_not_depend_on_what_else_was_asked_before():
    window = ms(datetime(2026, 9, 1, tzinfo=UTC)), ms(datetime(2026, 10, 1, tzinfo=UTC))
    alone = SimulatedMarket(7, ms(NOW))
    expected = everything(alone, "bybit", "SOL/USDT:USDT", *window)
    after_others = SimulatedMarket(7, ms(NOW))
    for exchange, symbol in SERIES:
        everything(after_others, exchange, symbol, 0, window[0])
    assert everything(after_others, "bybit", "SOL/USDT:USDT", *window) == expected


def test_a_later_start_hides_rows_and_changes_none():
    start = date(2026, 5, 6)
    short = market(start=start)
    first = ms(datetime(2026, 5, 6, tzinfo=UTC))
    assert short.candles("binance", "ETH/USDT", "1h", "last", 0, ms(NOW)).open_ms[0] == first
    assert short.settlements("binance", "ETH/USDT:USDT", 0, ms(NOW)).settled_ms[0] == first + 8 * HOUR_MS
    window = first + HOUR_MS, ms(datetime(2026, 11, 1, tzinfo=UTC))
    for exchange, symbol in SERIES:
        if symbol != "MKR/USDT:USDT":
            assert everything(short, exchange, symbol, *window) == everything(market(), exchange, symbol, *window)


def test_another_seed_is_another_market():
    window = ms(datetime(2026, 9, 1, tzinfo=UTC)), ms(datetime(2026, 9, 3, tzinfo=UTC))
    assert everything(market(seed=8), *SERIES[0], *window) != everything(market(), *SERIES[0], *window)


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
def test_nothing_after_the_present_is_shown_but_the_forming_candle(timeframe):
    for exchange, symbol in SERIES[:-1]:
        far = ms(NOW) + 10**10
        candles = market().candles(exchange, symbol, timeframe, "last", 0, far)
        length = {"1h": 1, "4h": 4, "1d": 24}[timeframe] * HOUR_MS
        assert candles.open_ms[-1] == ms(NOW) // length * length
        assert (candles.open_ms[:-1] + length <= ms(NOW)).all()
        settled = market().settlements(exchange, symbol, 0, far).settled_ms
        observed = market().open_interest(exchange, symbol, 0, far).stamped_ms
        assert (settled <= ms(NOW)).all()
        assert (observed <= ms(NOW)).all()


def test_the_forming_hour_grows_into_the_closed_one():
    hour = datetime(2026, 11, 22, 11, tzinfo=UTC)
    closed = market(hour + timedelta(hours=1)).candles("binance", "SOL/USDT", "1h", "last", ms(hour), ms(hour))
    seen_volume = 0.0
    for minute in (1, 20, 40, 59):
        now = hour + timedelta(minutes=minute)
        forming = market(now).candles("binance", "SOL/USDT", "1h", "last", ms(hour), ms(now))
        assert forming.open[0] == closed.open[0]
        assert closed.low[0] <= forming.low[0] <= forming.close[0] <= forming.high[0] <= closed.high[0]
        assert seen_volume < forming.volume_base[0] < closed.volume_base[0]
        seen_volume = forming.volume_base[0]


def test_the_forming_day_is_made_of_the_hours_so_far():
    day = ms(NOW.replace(hour=0, minute=0))
    hours = market().candles("binance", "SOL/USDT", "1h", "last", day, ms(NOW))
    forming = market().candles("binance", "SOL/USDT", "1d", "last", day, ms(NOW))
    assert len(hours.open_ms) == 12  # 00:00 to 11:00, the last one forming
    assert forming.close[0] == hours.close[-1]
    assert forming.high[0] == hours.high.max()
    assert forming.volume_base[0] == pytest.approx(hours.volume_base.sum())


def test_at_the_full_hour_no_candle_is_forming():
    now = NOW.replace(minute=0)
    candles = market(now).candles("binance", "SOL/USDT", "1h", "last", 0, ms(now))
    assert candles.open_ms[-1] == ms(now) - HOUR_MS


def test_nobody_knows_of_a_rename_before_it_happens():
    before = market(datetime(2026, 9, 20, tzinfo=UTC)).listings("binance")
    symbols = {listing.symbol: listing for listing in before}
    assert "SKY/USDT" not in symbols
    assert symbols["MKR/USDT"].delisted_ms is None


@pytest.mark.parametrize(
    ("seed", "now", "start", "message"),
    [
        (-1, NOW, date(2021, 11, 1), "0 or more"),
        (7, datetime(2020, 1, 1, tzinfo=UTC), date(2021, 11, 1), "begins on 2021-11-01"),
        (7, NOW, date(2021, 10, 31), "give a later day"),
        (7, NOW, date(2026, 12, 1), "is before that"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_remedy(seed, now, start, message):
    with pytest.raises(ValueError, match=message):
        SimulatedMarket(seed, ms(now), start)


def test_series_are_finite_and_stamps_ascend():
    for exchange, symbol in SERIES:
        candles = market().candles(exchange, symbol, "1h", "last", 0, ms(NOW))
        assert (np.diff(candles.open_ms) > 0).all()
        for field in fields(candles):
            assert np.isfinite(getattr(candles, field.name)).all()
