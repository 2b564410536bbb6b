"""The hedge of overbought assets in the futures sleeve, with what it would have been worth."""

from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from pipelines.hedges import inputs
from pipelines.hedges.overbought import decide_hedges
from pipelines.hedges.scenarios import scenario_rows
from pipelines.metadata import preview
from pipelines.partitions import DAILY, ONE_RUN, partition_days
from pipelines.policy import Policy
from pipelines.progress import report
from pipelines.resources import PipelineWarehouse, RunSettings
from warehouse.connection import Connection
from warehouse.contracts import HEDGE_SCENARIOS, HEDGES
from warehouse.frames import frame_schema
from warehouse.portfolio import replace_days
from warehouse.released import begin_deciding

Rows = list[dict[str, Any]]


@dg.asset(
    key=dg.AssetKey(["portfolio", "hedges"]),
    group_name="hedges",
    kinds={"python"},
    owners=["team:strategy"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[dg.AssetKey(["portfolio", "target_allocations"]), dg.AssetKey(["marts", "asset_futures_daily"])],
)
def hedges(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    """Shorts that would hedge overbought holdings, each with the honest share of a loss that it gives back.

    Grain: one row per (as_of_date, hedge_id); `portfolio.hedge_scenarios` has every shock, horizon and funding path
    of each. A short of a tenth of a holding offsets a tenth of its loss. No order is placed.
    """
    first_day, last_day = partition_days(context)
    report("hedges", f"{first_day} to {last_day}")
    with warehouse.files.open_build() as connection:
        begin_deciding(connection, warehouse.files, context.run_id, last_day)
        rows, scenarios, notes = _decide(connection, settings.load_policy(), first_day, last_day)
        table = pl.DataFrame(rows, schema=frame_schema(HEDGES))
        replace_days(connection, HEDGES, table, first_day, last_day)
        replace_days(
            connection,
            HEDGE_SCENARIOS,
            pl.DataFrame(scenarios, schema=frame_schema(HEDGE_SCENARIOS)),
            first_day,
            last_day,
        )
    tonight = table.filter(table["as_of_date"] == last_day)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": table.height,
            "window": f"{first_day} to {last_day}",
            "notes": notes,
            "tonight": preview(tonight.select("asset", "side", "notional_usd", "offset_frac", "status", "explanation")),
        }
    )


def _decide(connection: Connection, policy: Policy, first_day: date, last_day: date) -> tuple[Rows, Rows, list[str]]:
    """Rows of `portfolio.hedges` and `portfolio.hedge_scenarios`, and why a wanted hedge did not open."""
    book = inputs.read_book(connection, first_day, policy)
    symbols = {asset: (policy.hedge.exchange, inputs.hedge_symbol(asset)) for asset in policy.hedge.assets}
    opened = {asset: (held.exchange, held.symbol) for asset, held in book.positions.items()}
    instruments = {
        name: inputs.read_instrument(connection, *name, first_day, last_day)
        for name in {*symbols.values(), *opened.values()}
    }
    metrics = inputs.read_asset_metrics(connection, {*symbols, *opened}, first_day, last_day)
    leaders = inputs.read_leader_weights(connection, first_day, last_day)
    rows: Rows = []
    scenarios: Rows = []
    notes: list[str] = []
    for decided in inputs.read_decided_days(connection, first_day, last_day):
        held = {asset: (one.exchange, one.symbol) for asset, one in book.positions.items()}
        markets = {
            asset: inputs.hedge_market(
                asset,
                instruments[name],
                decided,
                leaders[decided.day],
                metrics.get((decided.day, asset), {}),
                policy,
            )
            for asset, name in (symbols | held).items()
        }
        plan = decide_hedges(decided.day, book, markets, policy, decided.collateral_cents, decided.nav_cents)
        book = plan.book
        notes += plan.notes
        for row in plan.rows:
            rows.append(row | {"decision_id": decided.decision_id})
            scenarios += scenario_rows(row, markets[row["asset"]].funding_3d_bps, policy)
    return rows, scenarios, notes


ASSETS = [hedges]
