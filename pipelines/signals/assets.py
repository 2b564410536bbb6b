"""The state of every sector on every day, from the marts."""

import dagster as dg

from pipelines.clock import utc_now
from pipelines.metadata import preview, rows_per_day, show_per_day, table_metadata
from pipelines.partitions import DAILY, ONE_RUN, batches, partition_days
from pipelines.progress import report
from pipelines.resources import PipelineWarehouse, RunSettings
from pipelines.signals.inputs import (
    first_day_to_signal,
    read_sector_metrics,
    read_sector_spreads,
)
from pipelines.signals.signals import build_signals
from warehouse.contracts import SECTOR_SIGNALS
from warehouse.portfolio import replace_days
from warehouse.released import begin_deciding

SECTOR_SIGNALS_KEY = dg.AssetKey(["portfolio", "sector_signals"])


@dg.asset(
    key=SECTOR_SIGNALS_KEY,
    group_name="signals",
    kinds={"python", "polars"},
    owners=["team:strategy"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    metadata=table_metadata(SECTOR_SIGNALS),
    deps=[
        dg.AssetKey(["marts", name])
        for name in (
            "sector_funding_daily",
            "sector_open_interest_daily",
            "sector_spreads_daily",
            "data_health_daily",
        )
    ],
)
def sector_signals(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    """What the futures market says about each sector, with every rule's distance to flipping.

    Grain: one row per (as_of_date, sector). The chain of states is computed from the first day of data; rows are
    written for the run's days and for days that earlier runs have missed. `decided_at` is the moment from which
    nothing newer is read: the decision of the same day uses it too.
    """
    first_day, last_day = partition_days(context)
    known_at = utc_now()
    report("signals", f"states up to {last_day}")
    with warehouse.files.open_build() as connection:
        begin_deciding(connection, warehouse.files, context.run_id, last_day)
        first_day = first_day_to_signal(connection, first_day)
        metrics = read_sector_metrics(connection, last_day)
        spreads = read_sector_spreads(connection, first_day, last_day)
        days = list(batches(first_day, last_day))
        built = build_signals(metrics, spreads, settings.load_policy(), days)
        for (first, last), signals in zip(days, built, strict=True):
            replace_days(connection, SECTOR_SIGNALS, signals.with_columns(decided_at=known_at), first, last)
            show_per_day(context, SECTOR_SIGNALS_KEY, rows_per_day(signals, first, last))
    tonight = signals.filter(signals["as_of_date"] == last_day)
    return dg.MaterializeResult(
        metadata={"tonight": preview(tonight.select("sector", "state", "action", "explanation"))}
    )


ASSETS = [sector_signals]
