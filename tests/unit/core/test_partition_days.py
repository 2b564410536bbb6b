"""Which days a run is about."""

from datetime import date
from types import SimpleNamespace

import pytest

from pipelines.partitions import partition_days, range_tags
from pipelines.settings import SettingsError


def _run(tags):
    return SimpleNamespace(run=SimpleNamespace(tags=tags))


def test_a_range_is_the_days_of_its_tags_also_within_a_backfill():
    days = date(2026, 11, 19), date(2026, 11, 21)
    assert partition_days(_run(range_tags(*days) | {"dagster/backfill": "abc"})) == days


def test_a_part_of_a_backfill_that_does_not_know_its_days_is_refused_and_told_where_to_start():
    with pytest.raises(SettingsError, match="start it under Jobs, nightly, Materialize all"):
        partition_days(_run({"dagster/backfill": "abc"}))
