"""From an adapter's answer to what is written: lineage, bad rows set aside, a line for the load log."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from expectations.limits import Limits as RowLimits
from expectations.rules import split_rows
from pipelines.exchanges.parse import duration_ms
from pipelines.exchanges.port import Fetched, no_rejected_rows
from pipelines.policy_models import LagMinutes
from warehouse.contracts import FACTS, Table
from warehouse.frames import empty_frame
from warehouse.raw import SeriesBatch

TABLES = {table.name: table for table in FACTS}
_OBSERVED_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class Stamp:
    """What one run writes on all of its rows.

    Attributes:
        run_id: Of the run.
        ingested_at: One instant for the whole run: the knowledge time of all it learns.
        source: `live`, `simulated`, `recorded` or `archive`.
        lags: Minutes after its event at which anybody could have known a value.
        row_limits: Thresholds of the rules that a row must keep.
    """

    run_id: str
    ingested_at: datetime
    source: str
    lags: LagMinutes
    row_limits: RowLimits = field(default_factory=RowLimits)


@dataclass(frozen=True)
class Load:
    """One line of the load log to be, with the rows it stands for (None: there are none to be had)."""

    table: Table
    log: dict[str, Any]
    fetched: Fetched | None = None


def load_log(stamp: Stamp, exchange: str, dataset: str, status: str, **columns: Any) -> dict[str, Any]:
    """The columns of `raw.load_batches` for one request; what is not given is NULL.

    The batch_id is a digest of what was asked for and when: a step that is run again replaces its lines.
    """
    name = [
        columns.get(key) for key in ("symbol", "price_type", "timeframe", "window_start_at", "window_end_at")
    ]
    text = "|".join(map(str, (stamp.run_id, stamp.ingested_at.isoformat(), exchange, dataset, status, *name)))
    return {
        "batch_id": hashlib.sha256(text.encode()).hexdigest()[:32],
        "run_id": stamp.run_id,
        "exchange": exchange,
        "dataset": dataset,
        "status": status,
        "requests": 0,
        "rows_received": 0,
        **columns,
    }


def covered_until(dataset: str, timeframe: str | None, frame: pl.DataFrame) -> datetime:
    """End of the newest row: a candle's close, otherwise its instant."""
    newest = frame[TABLES[dataset].event_column].max()
    return newest + _length(dataset, timeframe)


def build_batches(loads: list[Load], stamp: Stamp) -> list[SeriesBatch]:
    """What is written for these loads; the rules are checked once per table, not once per series."""
    by_table: dict[str, list[Load]] = {}
    for load in loads:
        by_table.setdefault(load.table.name, []).append(load)
    return [batch for group in by_table.values() for batch in _table_batches(group, stamp)]


def _table_batches(loads: list[Load], stamp: Stamp) -> list[SeriesBatch]:
    table = loads[0].table
    framed = [load for load in loads if load.fetched is not None and not load.fetched.frame.is_empty()]
    clean: dict[str, pl.DataFrame] = {}
    broken: dict[str, pl.DataFrame] = {}
    if framed:
        frame = pl.concat([_with_lineage(load, stamp) for load in framed])
        sound, rejected = split_rows(table.name, frame, now=stamp.ingested_at, limits=stamp.row_limits)
        clean, broken = _by_batch(sound), _by_batch(rejected)
    batches = []
    for load in loads:
        batch_id = load.log["batch_id"]
        bad = broken[batch_id].drop("batch_id") if batch_id in broken else no_rejected_rows()
        if load.fetched is not None and not load.fetched.rejected.is_empty():
            # Rows are numbered from 1, the unreadable ones after all that could be read.
            unreadable = load.fetched.rejected.with_columns(
                pl.col("row_number") + load.fetched.frame.height + 1
            )
            bad = pl.concat([bad, unreadable])
        batches.append(SeriesBatch(table, clean.get(batch_id, empty_frame(table)), bad, load.log))
    return batches


def _with_lineage(load: Load, stamp: Stamp) -> pl.DataFrame:
    table, log = load.table, load.log
    assert load.fetched is not None
    if table.event_column is None:
        event: pl.Expr = pl.lit(stamp.ingested_at)  # a list of instruments is what it says, when it says it
        available = event
    else:
        event = pl.col(table.event_column) + _length(table.name, log.get("timeframe"))
        available = event + _lag(table.name, stamp.lags)
        if "source_kind" in table.columns:
            available = pl.when(pl.col("source_kind") == "snapshot").then(event).otherwise(available)
    is_observed = stamp.ingested_at - event <= _OBSERVED_WITHIN
    return load.fetched.frame.with_columns(
        available_at=available.cast(pl.Datetime("us")),
        ingested_at=pl.lit(stamp.ingested_at).cast(pl.Datetime("us")),
        pit_quality=pl.when(is_observed).then(pl.lit("observed")).otherwise(pl.lit("assumed")),
        source=pl.lit(stamp.source),
        batch_id=pl.lit(log["batch_id"]),
    )


def _by_batch(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(key[0]): part for key, part in frame.partition_by("batch_id", as_dict=True).items()}


def _length(dataset: str, timeframe: str | None) -> timedelta:
    """From a row's own time to the instant its value became final."""
    if not dataset.endswith("_ohlcv") or timeframe is None:
        return timedelta(0)
    return timedelta(milliseconds=duration_ms(timeframe))


def _lag(dataset: str, lags: LagMinutes) -> timedelta:
    minutes = {"funding_rates": lags.funding, "open_interest": lags.open_interest}.get(dataset, lags.candle)
    return timedelta(minutes=minutes)
