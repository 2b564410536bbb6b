"""The decision of the night over the whole portfolio, and everything that follows from it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from pipelines.clock import utc_now
from pipelines.metadata import SHOWN_DAYS, preview, rows_per_day, show_per_day, table_metadata
from pipelines.partitions import DAILY, ONE_RUN, batches, partition_days
from pipelines.portfolio import inputs
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.correlations import role_correlations
from pipelines.portfolio.nights import decide_nights
from pipelines.portfolio.rows import NIGHT_TABLES, decision_row, frame, night_rows
from pipelines.portfolio.shown import decision_texts
from pipelines.progress import report
from pipelines.report.files import reports_dir
from pipelines.resources import PipelineWarehouse, RunSettings
from pipelines.seeds import taxonomy_hash
from pipelines.settings import Settings
from pipelines.version import code_version
from warehouse.connection import Connection
from warehouse.contracts import (
    DECISIONS,
    FUTURES_SLEEVE,
    HEDGES,
    LEDGER,
    NAV_DAILY,
    REBALANCE_TRADES,
    TARGET_ALLOCATIONS,
    Table,
)
from warehouse.digest import input_hashes
from warehouse.portfolio import read, replace_days
from warehouse.released import begin_deciding


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["portfolio", name])


def _mart(name: str) -> dg.AssetKey:
    return dg.AssetKey(["marts", name])


def _spec(table: Table, group: str, description: str, deps: list[dg.AssetKey]) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(table.name),
        group_name=group,
        description=description,
        deps=deps,
        kinds={"python"},
        owners=["team:strategy"],
        metadata=table_metadata(table, folded=table is TARGET_ALLOCATIONS),
    )


# One asset per question that people ask; tables that come with it are named in its description. Dagster writes two
# events per asset and day, which over years takes longer than deciding.
SPECS = (
    _spec(
        TARGET_ALLOCATIONS,
        "allocations",
        "What share of the spot sleeve each sector should hold, to the cent, with the reason.\n\n"
        "Grain: one row per (as_of_date, sector) and one for CASH; `portfolio.decisions` has one row per day. Weights "
        "are fractions of the spot sleeve and sum to 1 exactly. A day continues from the newest released decision.",
        [_key("sector_signals"), _mart("sector_weights"), _mart("sector_membership")],
    ),
    _spec(
        REBALANCE_TRADES,
        "allocations",
        "The spot orders that lead there: sells before buys, whole lots, costs inside the budget. None is placed.\n\n"
        "Grain: one row per (as_of_date, trade_id); `portfolio.asset_targets` has one row per coin, with what it is "
        "held at before and after, and whether it can be traded.",
        [_key("target_allocations"), _mart("calendar_spreads_daily")],
    ),
    _spec(
        HEDGES,
        "hedges",
        "Futures positions of the night, each with the honest share of a loss that it gives back.\n\n"
        "Grain: one row per (as_of_date, hedge_id); roles hedge, liquidity and tactical. A short of a tenth of a "
        "holding offsets a tenth of its loss: `portfolio.hedge_scenarios` has every shock, horizon and funding path, "
        "`portfolio.futures_sleeve` margin, budgets and concentration of the night.",
        [_key("rebalance_trades"), _mart("asset_futures_daily")],
    ),
    _spec(
        LEDGER,
        "ledger",
        "The paper portfolio in double entry: every fill, cost, funding payment, transfer and mark.\n\n"
        "Grain: one row per entry; the entries of a transaction sum to 0. Orders are filled at the next open after "
        "their decision, plus slippage. `portfolio.nav_daily` has the value of each night and where it came from, per "
        "role, to the cent.",
        [_key("rebalance_trades"), _key("hedges")],
    ),
)


@dg.multi_asset(name="portfolio", specs=SPECS, partitions_def=DAILY, backfill_policy=ONE_RUN)
def portfolio(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> Iterator[dg.MaterializeResult]:
    """Decide the days of the run, one after the other."""
    first_day, last_day = partition_days(context)
    report("portfolio", f"{first_day} to {last_day}")
    with warehouse.files.open_build() as connection:
        begin_deciding(connection, warehouse.files, context.run_id, last_day)
        known_at = inputs.read_knowledge_times(connection, first_day, last_day)
        hashes = input_hashes(connection, first_day, last_day, max(known_at.values(), default=utc_now()))
        for first, last in batches(first_day, last_day):
            tables = _decide(connection, settings, hashes, known_at, first, last)
            for table in (DECISIONS, *NIGHT_TABLES):
                replace_days(connection, table, tables[table.name], first, last)
            for spec in SPECS:
                show_per_day(context, spec.key, rows_per_day(tables[spec.key.path[-1]], first, last))
            in_words = _in_words(settings.load(), reports_dir(warehouse.files), tables, last_day)
            show_per_day(context, _key(TARGET_ALLOCATIONS.name), in_words)
    for name, columns in _PREVIEWS.items():
        tonight = tables[name].filter(pl.col("as_of_date") == last_day)
        show_per_day(context, _key(name), {last_day: {"tonight": preview(tonight.select(columns))}})
    for spec in SPECS:
        yield dg.MaterializeResult(asset_key=spec.key)


def _in_words(
    settings: Settings, reports: Path, tables: dict[str, pl.DataFrame], newest: date
) -> dict[date, dict[str, dg.MetadataValue]]:
    """The decisions of the days that are shown, in words; with the newest of the run, where its page will lie."""
    shown: dict[date, dict[str, dg.MetadataValue]] = {}
    for decision in tables[DECISIONS.name].filter(pl.col("as_of_date") > newest - SHOWN_DAYS).to_dicts():
        day = decision["as_of_date"]
        targets, orders, hedges = (
            tables[table.name].filter(pl.col("as_of_date") == day).to_dicts()
            for table in (TARGET_ALLOCATIONS, REBALANCE_TRADES, HEDGES)
        )
        texts = decision_texts(day, settings.source, decision["explanation"], targets, orders, hedges)
        shown[day] = {name: dg.MetadataValue.md(text) for name, text in texts.items()}
    if settings.publish.report and newest in shown:  # a run writes the page of its newest night
        shown[newest]["report"] = dg.MetadataValue.path(str(reports / f"{newest}.html"))
    return shown


# Dagster keeps what is shown with every day of a range: only what a person decides by is worth that.
_PREVIEWS = {
    "target_allocations": ("sector", "action", "current_usd", "target_usd", "reason_codes", "explanation"),
    "rebalance_trades": ("side", "asset", "exchange", "quantity_base", "notional_usd", "fee_usd", "slippage_usd"),
    "hedges": ("role", "asset", "side", "notional_usd", "offset_frac", "status", "explanation"),
}


def _decide(
    connection: Connection,
    settings: RunSettings,
    hashes: Mapping[date, str],
    known_at: Mapping[date, datetime],
    first_day: date,
    last_day: date,
) -> dict[str, pl.DataFrame]:
    """The frame of every table for some days, which go on from the newest decision before them."""
    chosen, effective = settings.load(), settings.load_effective()
    policy = effective.policy
    book = inputs.read_book(connection, first_day)
    world = inputs.read_world(connection, book, chosen, effective, first_day, last_day)
    sentences = inputs.read_sentences(connection, first_day, last_day)
    stored_at = inputs.read_stored_times(connection, first_day, last_day)
    stamp = {
        "policy_hash": policy.canonical_hash(),
        "code_version": code_version(),
        "source": chosen.source,
        "cadence": policy.decide.cadence,
        "portfolio_hash": effective.portfolio_hash,
        "taxonomy_hash": taxonomy_hash(),
    }
    fixed = {name: stamp[name] for name in ("policy_hash", "portfolio_hash", "taxonomy_hash")}

    def name_decision(day: date, held: NightBook) -> str:
        record = fixed | {"as_of_date": f"{day}", "held_book": held.digest(), "input_hash": hashes[day]}
        return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for night in decide_nights(book, world, policy, first_day, last_day, name_decision):
        day = night.decision.as_of
        for table, added in night_rows(night, sentences.get(day, {}), world.strategic, policy).items():
            rows[table] += added
        decided_at = stored_at.get(night.decision_id, known_at[day])
        is_observed = (decided_at.date() - day).days <= 1
        rows[DECISIONS.name].append(
            decision_row(night)
            | stamp
            | {
                "decided_at": decided_at,
                "input_hash": hashes[day],
                "pit_quality": "observed" if is_observed else "assumed",
            }
        )
    report("portfolio", f"decided {last_day}")
    frames = {table.name: frame(table, rows[table.name]) for table in (DECISIONS, *NIGHT_TABLES)}
    frames[FUTURES_SLEEVE.name] = _with_correlations(
        connection, frames[FUTURES_SLEEVE.name], frames[NAV_DAILY.name], first_day, policy.budgets.correlation_min_days
    )
    return frames


def _with_correlations(
    connection: Connection, sleeve: pl.DataFrame, nav: pl.DataFrame, first_day: date, min_days: int
) -> pl.DataFrame:
    """The rows of the futures sleeve with the roles' correlations, which need the profits of all nights before too."""
    earlier = read(
        connection, f"select * from {NAV_DAILY.qualified_name} where as_of_date < $first_day", {"first_day": first_day}
    )
    told = role_correlations(pl.concat([earlier.select(nav.columns), nav]), min_days, first_day)
    texts = pl.Series("role_correlations", [told[day] for day in sleeve["as_of_date"]], dtype=pl.String)
    return sleeve.with_columns(texts)


ASSETS = [portfolio]
