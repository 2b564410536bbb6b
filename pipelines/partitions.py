"""The one time axis of the pipeline: a partition is the UTC day that a decision is about."""

import dagster as dg

FIRST_PARTITION = "2018-01-01"
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION, timezone="UTC")

# a range of N days is one run: later days need the earlier ones, and starting N processes costs more than computing
ONE_RUN = dg.BackfillPolicy.single_run()
