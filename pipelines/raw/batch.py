"""From an adapter's answer to what is written: lineage, bad rows set aside, a line for the load log."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
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
    """One line of the load log to be, with the rows it stands for.

    Attributes:
        table: Where the rows belong.
        log: Columns of `raw.load_batches`.
        fetched: The rows; None where there are none to be had.
        is_open: True when later rows are still to come, so that coverage ends with the newest row; otherwise
            the window is answered to its end.
    """

    table: Table
    log: dict[str, Any]
    fetched: Fetched | None = None
    is_open: bool = False


def load_log(stamp: Stamp, exchange: str, dataset: str, status: str, **columns: Any) -> dict[str, Any]:
    """The columns of `raw.load_batches` for one request; what is not given is NULL.

    The batch_id is a digest of what was asked for and when: a step that is run again replaces its lines.
    """
    name = [columns.get(key) for key in ("symbol", "price_type", "timeframe", "window_start_at", "window_end_at")]
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


def build_batches(loads: list[Load], stamp: Stamp) -> list[SeriesBatch]:
    """What is written for these loads; the rules are checked once per table, not once per series.

    Rows that break a rule are set aside. A load that keeps no row has failed, and covers nothing.
    """
    by_table: dict[str, list[Load]] = {}
    for load in loads:
        by_table.setdefault(load.table.name, []).append(load)
    return [batch for group in by_table.values() for batch in _table_batches(group, stamp)]


def _table_batches(loads: list[Load], stamp: Stamp) -> list[SeriesBatch]:
    table = loads[0].table
    answers = [(load, load.fetched) for load in loads if load.fetched is not None]
    heights = {load.log["batch_id"]: fetched.frame.height for load, fetched in answers}
    frame = _with_lineage(table, [fetched.frame for _, fetched in answers], heights, stamp)
    sound, rejected = split_rows(table.name, frame, now=stamp.ingested_at, limits=stamp.row_limits)
    clean, broken = _by_batch(sound, heights), _by_batch(rejected, {})
    no_rows, none_rejected = empty_frame(table), no_rejected_rows()
    batches = []
    for load in loads:
        batch_id = load.log["batch_id"]
        bad = broken[batch_id].drop("batch_id") if batch_id in broken else none_rejected
        if load.fetched is not None and not load.fetched.rejected.is_empty():
            # Rows are numbered from 1, the unreadable ones after all that could be read.
            number = pl.col("row_number") + load.fetched.frame.height + 1
            bad = pl.concat([bad, load.fetched.rejected.with_columns(number)])
        kept = clean.get(batch_id, no_rows)
        batches.append(SeriesBatch(table, kept, bad, _judged(load, kept, bad.height)))
    return batches


def _judged(load: Load, kept: pl.DataFrame, rejected: int) -> dict[str, Any]:
    """The line of the load log, now that it is known which rows keep the rules."""
    log, event = load.log, load.table.event_column
    if log["status"] != "ok":
        return log
    if kept.is_empty():
        error = f"none of the {rejected} rows that arrived can be used; they are in raw.quarantine, with the rule"
        return log | {"status": "failed", "error": error}
    if event is None:
        return log
    if not load.is_open:
        return log | {"covered_until_at": log["window_end_at"]}
    newest: datetime = kept[event].max()
    return log | {"covered_until_at": newest + _length(load.table.name, log["timeframe"])}


def _with_lineage(table: Table, frames: list[pl.DataFrame], heights: dict[str, int], stamp: Stamp) -> pl.DataFrame:
    """All frames as one, with lineage: column by column for all of them, not once per series."""
    if not any(heights.values()):
        return empty_frame(table)
    frame = pl.concat(frames)
    batch_numbers = np.repeat(np.arange(len(heights)), list(heights.values()))
    ingested_at = pl.lit(stamp.ingested_at, pl.Datetime("us"))
    event = _event_time(table, frame)
    if event is None:
        event = available_at = ingested_at  # a list of instruments is what it says, when it says it
    else:
        available_at = event + _lag(table.name, stamp.lags)
    if "source_kind" in table.columns:
        available_at = pl.when(pl.col("source_kind") == "snapshot").then(event).otherwise(available_at)
    is_observed = ingested_at - event <= _OBSERVED_WITHIN
    return frame.with_columns(
        available_at=available_at,
        ingested_at=ingested_at,
        pit_quality=pl.when(is_observed).then(pl.lit("observed")).otherwise(pl.lit("assumed")),
        source=pl.lit(stamp.source),
        batch_id=pl.Series(list(heights)).gather(batch_numbers),
    )


def _event_time(table: Table, frame: pl.DataFrame) -> pl.Expr | None:
    """The instant at which a row's value became final: a candle's close, otherwise the row's own time."""
    if table.event_column is None:
        return None
    event = pl.col(table.event_column)
    if "timeframe" not in table.columns:
        return event
    lengths = {name: _length(table.name, name) for name in frame["timeframe"].unique()}
    return event + pl.col("timeframe").replace_strict(lengths, return_dtype=pl.Duration("us"))


def _by_batch(frame: pl.DataFrame, heights: dict[str, int]) -> dict[str, pl.DataFrame]:
    """The frame's rows by batch; while all of `heights` are there, cut where one batch follows another."""
    if frame.height != sum(heights.values()):
        return {str(key[0]): part for key, part in frame.partition_by("batch_id", as_dict=True).items()}
    parts, first = {}, 0
    for batch_id, height in heights.items():
        parts[batch_id] = frame.slice(first, height)
        first += height
    return parts


def _length(dataset: str, timeframe: str | None) -> timedelta:
    """From a row's own time to the instant its value became final."""
    if not dataset.endswith("_ohlcv") or timeframe is None:
        return timedelta(0)
    return timedelta(milliseconds=duration_ms(timeframe))


def _lag(dataset: str, lags: LagMinutes) -> timedelta:
    minutes = {"funding_rates": lags.funding, "open_interest": lags.open_interest}.get(dataset, lags.candle)
    return timedelta(minutes=minutes)
