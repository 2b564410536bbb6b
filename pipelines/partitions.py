"""The one time axis of the pipeline: a partition is the UTC day that a decision is about."""

import warnings
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import dagster as dg

from pipelines.clock import last_decidable_day, utc_now
from pipelines.settings import SettingsError

FIRST_PARTITION = "2018-01-01"
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION, timezone="UTC")

# `backfill_policy` is marked beta and says so once per asset; the version is pinned
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# What a step holds in memory grows with these days, not with the range of the run.
BATCH_DAYS = 100

_BACKFILL = "dagster/backfill"
_SINGLE = "dagster/partition"
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"

# a range of N days is one run: later days need the earlier ones, and starting N processes costs more than computing
ONE_RUN = dg.BackfillPolicy.single_run()


def range_tags(first_day: date, last_day: date) -> dict[str, str]:
    """The tags of one run over a range of days."""
    return {_RANGE_START: first_day.isoformat(), _RANGE_END: last_day.isoformat()}


def partition_days(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """First and last day of the run, both included, for partitioned and unpartitioned steps alike.

    A run without partitions (a single step started by hand) is about the newest day that can be decided.

    Raises:
        SettingsError: the run is a part of a backfill that Dagster has split, and does not know its days.
    """
    first, last = _tagged_days(context.run.tags)
    if first is None or last is None:
        if _BACKFILL in context.run.tags:
            raise SettingsError(
                "a range that is started from the asset graph comes in parts, and this part does not know its days: "
                "start it under Jobs, nightly, Materialize all: there a range is one run. Nothing was published"
            )
        newest = last_decidable_day(utc_now())
        return newest, newest
    return date.fromisoformat(first), date.fromisoformat(last)


def batches(first_day: date, last_day: date) -> Iterator[tuple[date, date]]:
    """The days of a run in order, a number of them at a time: first and last day of each batch, both included."""
    while first_day <= last_day:
        batch_end = min(first_day + timedelta(days=BATCH_DAYS - 1), last_day)
        yield first_day, batch_end
        first_day = batch_end + timedelta(days=1)


def run_days(tags: Mapping[str, str]) -> str:
    """The days of a stored run, for people; empty for a run without partitions."""
    first, last = _tagged_days(tags)
    return "" if first is None or last is None else first if first == last else f"{first} to {last}"


def _tagged_days(tags: Mapping[str, str]) -> tuple[str | None, str | None]:
    return tags.get(_RANGE_START) or tags.get(_SINGLE), tags.get(_RANGE_END) or tags.get(_SINGLE)
