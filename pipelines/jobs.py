"""The nightly job, every stage in one process; and before it the snapshot of what exchanges keep no history of."""

import dagster as dg

from pipelines.raw.assets import SNAPSHOT_KEY

NIGHTLY = "nightly"
SNAPSHOT = "open_interest_snapshot"

# Starting a process per step costs seconds, computing a step less; the waiting inside a step is asynchronous.
nightly_job = dg.define_asset_job(
    NIGHTLY,
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(SNAPSHOT_KEY),
    executor_def=dg.in_process_executor,
    description="From the exchanges to a release: one day, or a range of days in one run.",
)
snapshot_job = dg.define_asset_job(
    SNAPSHOT,
    selection=dg.AssetSelection.assets(SNAPSHOT_KEY),
    executor_def=dg.in_process_executor,
    description="Open interest of this moment, from the exchanges that keep no history of it.",
)
