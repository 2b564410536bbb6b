"""The days of a run, and how many of them are held in memory at once."""

from datetime import date, timedelta

import pytest

from pipelines import partitions

FIRST = date(2024, 1, 1)


@pytest.mark.parametrize(("days", "sizes"), [(1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_every_day_of_a_run_is_in_one_batch(days, sizes):
    cut = list(partitions.batches(FIRST, FIRST + timedelta(days - 1)))
    told = [first + timedelta(n) for first, last in cut for n in range((last - first).days + 1)]
    assert told == [FIRST + timedelta(n) for n in range(days)]
    assert [(last - first).days + 1 for first, last in cut] == sizes


def test_a_run_without_days_has_no_batch():
    assert list(partitions.batches(FIRST, FIRST - timedelta(1))) == []
