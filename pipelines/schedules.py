"""When the jobs start by themselves."""

from datetime import timedelta

import dagster as dg

from pipelines.clock import DECISION_TIME, SNAPSHOT_TIME, last_decidable_day
from pipelines.jobs import nightly_job, snapshot_job


@dg.schedule(
    name="nightly_schedule",
    job=nightly_job,
    cron_schedule=f"{DECISION_TIME.minute} {DECISION_TIME.hour} * * *",
    execution_timezone="UTC",
    description="Decides the day that has just ended, every night at the decision's own instant.",
)
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run for the day that has just ended."""
    moment = context.scheduled_execution_time.replace(tzinfo=None) + timedelta(seconds=1)
    return dg.RunRequest(partition_key=last_decidable_day(moment).isoformat())


snapshot_schedule = dg.ScheduleDefinition(
    name="open_interest_snapshot_schedule",
    job=snapshot_job,
    cron_schedule=f"{SNAPSHOT_TIME.minute} {SNAPSHOT_TIME.hour} * * *",
    execution_timezone="UTC",
    description="Writes open interest down just after midnight, so that it counts for the day that has ended.",
)
