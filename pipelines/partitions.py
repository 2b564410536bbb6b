"""The one time axis of the pipeline: a partition is the UTC day that a decision is about."""

from datetime import date

import dagster as dg

FIRST_PARTITION = "2018-01-01"
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION, timezone="UTC")

# a range of N days is one run: later days need the earlier ones, and starting N processes costs more than computing
ONE_RUN = dg.BackfillPolicy.single_run()


def partition_days(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """First and last day of the run, both included."""
    days = context.partition_key_range
    return date.fromisoformat(days.start), date.fromisoformat(days.end)
