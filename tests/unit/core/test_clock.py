"""The one caller of now, and the instant of a decision."""

from datetime import date, datetime

import pytest

from pipelines.clock import decision_instant, from_milliseconds, last_decidable_day, to_milliseconds, utc_now


def test_now_is_naive_utc():
    assert utc_now().tzinfo is None


def test_a_day_is_decided_fifteen_minutes_into_the_next():
    assert decision_instant(date(2024, 12, 31)) == datetime(2025, 1, 1, 0, 15)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2024, 3, 2, 0, 14, 59), date(2024, 2, 29)),
        (datetime(2024, 3, 2, 0, 15), date(2024, 3, 1)),
        (datetime(2024, 3, 2, 23, 59), date(2024, 3, 1)),
    ],
)
def test_a_day_can_be_decided_from_its_own_instant_on(now, day):
    assert last_decidable_day(now) == day


def test_milliseconds_and_back_are_the_same_moment():
    moment = datetime(2024, 2, 29, 12, 30, 15, 250_000)
    assert to_milliseconds(moment) == 1_709_209_815_250
    assert from_milliseconds(to_milliseconds(moment)) == moment
