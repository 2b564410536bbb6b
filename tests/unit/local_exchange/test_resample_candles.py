"""Coarser candles from finer ones."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.local_exchange.market import Candles
from pipelines.local_exchange.resample import FIELDS, divides, fill, resample

H = 3_600_000
DAY = 24 * H


def series(open_ms: list[int], closes: list[float], volumes: list[float] | None = None) -> Candles:
    close = np.array(closes)
    volume = np.array(volumes if volumes is not None else [1.0] * len(closes))
    return Candles(np.array(open_ms, np.int64), close - 1, close + 2, close - 2, close, volume, volume * 10)


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)


def test_open_is_the_first_high_the_highest_close_the_last_and_volumes_add_up() -> None:
    made = resample(series([0, 8 * H, 16 * H], [10.0, 30.0, 20.0], [1.0, 2.0, 4.0]), "8h", "1d", 10 * DAY)
    values = [
        made.open[0],
        made.high[0],
        made.low[0],
        made.close[0],
        made.volume_base[0],
        made.volume_quote[0],
    ]
    assert values == [9.0, 32.0, 8.0, 20.0, 7.0, 70.0]


def test_one_unknown_volume_makes_the_sum_unknown() -> None:
    made = resample(series([0, 8 * H, 16 * H], [1.0, 2.0, 3.0], [1.0, float("nan"), 4.0]), "8h", "1d", 10 * DAY)
    assert np.isnan(made.volume_base[0]) and made.close[0] == 3.0


def test_a_candle_with_a_part_missing_is_left_out() -> None:
    made = resample(series([0, 16 * H, DAY, DAY + 8 * H, DAY + 16 * H], [1.0] * 5), "8h", "1d", 10 * DAY)
    assert made.open_ms.tolist() == [DAY]


def test_the_forming_candle_needs_every_part_that_has_closed() -> None:
    # At 17:00 two thirds of the day have closed.
    assert resample(series([0, 8 * H], [1.0, 2.0]), "8h", "1d", 17 * H).close.tolist() == [2.0]
    assert resample(series([8 * H], [2.0]), "8h", "1d", 17 * H).open_ms.tolist() == []


def test_weeks_open_on_mondays_and_months_on_the_first() -> None:
    days = [ms(2024, 1, 29) + day * DAY for day in range(40)]  # a Monday
    now = ms(2024, 3, 20)
    weeks = resample(series(days, [1.0] * 40), "1d", "1w", now)
    months = resample(series(days, [1.0] * 40), "1d", "1M", now)
    assert weeks.open_ms.tolist() == [ms(2024, 1, 29) + week * 7 * DAY for week in range(5)]
    assert months.open_ms.tolist() == [ms(2024, 2, 1)] and months.volume_base.tolist() == [29.0]  # a leap year


def test_only_whole_parts_divide() -> None:
    assert divides("1h", "8h") and divides("8h", "1d") and divides("1d", "1M") and divides("8h", "1w")
    assert not divides("8h", "12h") and not divides("1d", "8h") and not divides("1h", "1h")
    assert not divides("3d", "1w")


def test_recorded_candles_go_before_made_ones() -> None:
    filled = fill(series([0, 2 * H], [1.0, 3.0]), series([0, H], [100.0, 2.0]))
    assert filled.open_ms.tolist() == [0, H, 2 * H] and filled.close.tolist() == [1.0, 2.0, 3.0]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.sets(st.integers(0, 95), max_size=96), st.integers(0, 100))
def test_hours_to_days_by_way_of_8_hours_is_the_same_as_directly(hours: set[int], now_hours: int) -> None:
    present = sorted(hour for hour in hours if hour < now_hours)
    fine = series([hour * H for hour in present], [float(hour) for hour in present])
    # The way over 8 h shows only 8-hour parts that are over, so compare at an 8-hour boundary.
    now_ms = now_hours // 8 * 8 * H
    fine = Candles(*(getattr(fine, name)[fine.open_ms < now_ms] for name in FIELDS))
    direct = resample(fine, "1h", "1d", now_ms)
    staged = resample(resample(fine, "1h", "8h", now_ms), "8h", "1d", now_ms)
    assert direct.open_ms.tolist() == staged.open_ms.tolist()
    assert direct.close.tolist() == staged.close.tolist() and direct.high.tolist() == staged.high.tolist()
    assert direct.volume_base.tolist() == staged.volume_base.tolist()
