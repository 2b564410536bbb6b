"""What the exchanges say: one asset per exchange that reads it, one per table that it fills."""

import dagster as dg

from pipelines.exchanges.capabilities import CAPABILITIES
from pipelines.metadata import table_metadata
from pipelines.partitions import DAILY, ONE_RUN, partition_days
from pipelines.progress import report
from pipelines.raw.checks import TABLES, border_check_specs, evaluate_border
from pipelines.raw.session import IngestSession
from pipelines.raw.snapshot import ExchangesOutOfReach, keeps_no_history, snapshot_day
from pipelines.resources import Exchanges, PipelineWarehouse, RunSettings
from pipelines.settings import SUPPORTED_EXCHANGES
from warehouse.contracts import OPEN_INTEREST

GROUP = "raw"
SNAPSHOT_KEY = dg.AssetKey([GROUP, "open_interest_snapshot"])
TABLE_MEANINGS = {
    "instruments": "What each exchange lists: one row per (exchange, symbol) and change.",
    "spot_ohlcv": "Closed spot candles: one row per (exchange, symbol, timeframe, opened_at) and revision.",
    "futures_ohlcv": "Closed futures candles of last, mark and index prices, perpetual and dated.",
    "funding_rates": "Funding as settled, decimal per settlement: one row per (exchange, symbol, settled_at).",
    "open_interest": "Open interest in the units each exchange publishes, every contract counted once.",
    "load_batches": "The load log: one row per series that was asked for, with what became of it.",
}


def exchange_key(exchange: str) -> dg.AssetKey:
    """The asset that stands for reading one exchange."""
    return dg.AssetKey([GROUP, exchange])


def _exchange_asset(exchange: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=exchange_key(exchange),
        group_name=GROUP,
        kinds={"ccxt", "duckdb"},
        owners=["team:data"],
        partitions_def=DAILY,
        backfill_policy=ONE_RUN,
        description=(
            f"What {exchange} said: instruments, candles, funding and open interest, appended to the raw tables. "
            "Rows that break a rule go to raw.quarantine; every request series leaves a line in raw.load_batches. "
            "An exchange that cannot be reached does not stop the others."
        ),
    )
    def read_exchange(
        context: dg.AssetExecutionContext,
        settings: RunSettings,
        warehouse: PipelineWarehouse,
        exchanges: Exchanges,
    ) -> dg.MaterializeResult:
        chosen = settings.load()
        selected = tuple(name for name in chosen.exchanges if exchange_key(name) in _selected(context))
        if exchange not in selected:
            return dg.MaterializeResult(metadata={"skipped": f"{exchange} is not among this run's exchanges"})
        session = exchanges.session(
            lambda: IngestSession(
                chosen,
                settings.load_policy(),
                warehouse.files,
                context.run_id,
                selected,
                *partition_days(context),
            )
        )
        report = session.report(exchange)
        if report.blocked is not None:
            context.log.error(report.blocked)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.rows_written,
                "window": " to ".join(moment.isoformat(sep=" ") for moment in session.window),
                "requests": report.requests,
                "rows_received": report.rows_received,
                "rows_quarantined": report.rows_quarantined,
                "series": {f"{dataset} {status}": n for (dataset, status), n in sorted(report.statuses.items())},
                "failures": report.failures,
                "holes": [f"{symbol}: {gap.after} to {gap.before}" for symbol, gap in report.gaps],
                **({"blocked": report.blocked} if report.blocked else {}),
            }
        )

    return read_exchange


def _selected(context: dg.AssetExecutionContext) -> set[dg.AssetKey]:
    """The assets of this run: all of the job's unless a part was chosen."""
    chosen = context.run.asset_selection
    return set(chosen) if chosen else {exchange_key(name) for name in SUPPORTED_EXCHANGES}


@dg.asset(
    key=SNAPSHOT_KEY,
    group_name=GROUP,
    kinds={"ccxt", "duckdb"},
    owners=["team:data"],
    description=(
        "Open interest of this moment, from the exchanges that keep no history of it: written down at 00:02 UTC it "
        "counts for the day that has just ended. A night that finds none takes one itself, for the day that has begun."
    ),
)
def open_interest_snapshot(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    chosen = settings.load()
    selected = tuple(name for name in chosen.exchanges if keeps_no_history(CAPABILITIES[name]))
    day = snapshot_day(chosen)
    with IngestSession(
        chosen, settings.load_policy(), warehouse.files, context.run_id, selected, day, day, snapshot_only=True
    ) as session:
        reports = [session.report(name) for name in selected]
    unread = {report.exchange: report.blocked for report in reports if report.blocked}
    if reports and len(unread) == len(reports):
        raise ExchangesOutOfReach(" ".join(unread.values()))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(report.rows_written for report in reports),
            "day": day.isoformat(),
            "requests": {report.exchange: report.requests for report in reports},
            "failures": [failure for report in reports for failure in report.failures],
        }
    )


@dg.multi_asset(
    name="raw_tables",
    specs=[
        dg.AssetSpec(
            dg.AssetKey([GROUP, table.name]),
            group_name=GROUP,
            kinds={"duckdb"},
            owners=["team:data"],
            deps=[
                *(exchange_key(exchange) for exchange in SUPPORTED_EXCHANGES),
                *([SNAPSHOT_KEY] if table is OPEN_INTEREST else []),
            ],
            description=TABLE_MEANINGS[table.name],
            metadata=table_metadata(table),
        )
        for table in TABLES
    ],
    check_specs=border_check_specs(),
)
def raw_tables(
    context: dg.AssetExecutionContext,
    settings: RunSettings,
    warehouse: PipelineWarehouse,
    exchanges: Exchanges,
):
    """The border from the exchanges into the warehouse: what arrived is checked before anything reads it."""
    report("checks", "checking what arrived")
    exchanges.close()
    _, last_day = partition_days(context)
    sizes, results = evaluate_border(context.run_id, last_day, settings.load(), settings.load_policy(), warehouse.files)
    for name, metadata in sizes.items():
        yield dg.MaterializeResult(asset_key=[GROUP, name], metadata=metadata)
    yield from results


ASSETS = [*(_exchange_asset(exchange) for exchange in SUPPORTED_EXCHANGES), open_interest_snapshot, raw_tables]
