"""The nightly job: every stage, in one process."""

import dagster as dg

NIGHTLY = "nightly"

# Starting a process per step costs seconds, computing a step less; the waiting inside a step is asynchronous.
nightly_job = dg.define_asset_job(
    NIGHTLY,
    selection=dg.AssetSelection.all(),
    executor_def=dg.in_process_executor,
    description="From the exchanges to a release: one day, or a range of days in one run.",
)
