"""THE MAP: the data's way from the exchanges to a release, in order.

exchanges -> raw -> transform (dbt: staging, intermediate, marts) -> signals -> portfolio
(allocations, hedges, ledger) -> publish
"""

import dagster as dg

from pipelines.freshness import expected_every_night
from pipelines.jobs import nightly_job, snapshot_job
from pipelines.portfolio import assets as portfolio
from pipelines.publish import assets as publish
from pipelines.publish import report_asset, upkeep
from pipelines.raw import assets as raw
from pipelines.resources import Exchanges, PipelineWarehouse, RunSettings
from pipelines.schedules import nightly_schedule, snapshot_schedule
from pipelines.sensors import SENSORS
from pipelines.signals import assets as signals
from pipelines.transform import assets as transform

defs = dg.Definitions(
    assets=expected_every_night(
        [
            *raw.ASSETS,
            *transform.ASSETS,
            *signals.ASSETS,
            *portfolio.ASSETS,
            *publish.ASSETS,
            *report_asset.ASSETS,
            *upkeep.ASSETS,
        ]
    ),
    jobs=[nightly_job, snapshot_job],
    schedules=[nightly_schedule, snapshot_schedule],
    sensors=SENSORS,
    resources={"settings": RunSettings(), "warehouse": PipelineWarehouse(), "exchanges": Exchanges()},
    executor=dg.in_process_executor,
)
