"""Writes what the exchanges said: append-only, in bulk, and only what is new.

A fact is written when its natural key is new, or when its values differ from the newest revision that is stored;
writing the same answer twice writes nothing. Stored rows are looked up only inside the batch's own window and
keys: over a table of millions of rows that is what keeps a nightly write cheap.
"""

import json
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import polars as pl

from warehouse.connection import Connection, transaction
from warehouse.contracts import LOAD_BATCHES, QUARANTINE, Table
from warehouse.errors import SchemaMismatch
from warehouse.frames import conform, frame_schema, insert, registered

CONFLICTING_DUPLICATE = "conflicting_duplicate"


@dataclass(frozen=True)
class SeriesBatch:
    """The answer to one request series: one exchange, one dataset, one symbol or all of them.

    Attributes:
        table: The fact table that the rows belong to.
        frame: Clean rows with all columns of `table`, lineage included.
        rejected: Rows that broke a rule: row_number, row_json, rule (a batch_id column is allowed).
        batch: Columns of `raw.load_batches`; at least batch_id, exchange, dataset and status. `rows_written` and
            `rows_quarantined` are filled in by the writer.
    """

    table: Table
    frame: pl.DataFrame
    rejected: pl.DataFrame
    batch: dict[str, Any]


class RawWriter:
    """Writes groups of batches; may be called from worker threads, one group at a time."""

    def __init__(self, con: Connection) -> None:
        self._con = con
        self._one_at_a_time = threading.Lock()

    def write(self, batches: Sequence[SeriesBatch]) -> int:
        """Write facts, load log and quarantine of a group in one transaction: all of it or nothing.

        `rows_written` of the load log counts the fact rows that carry the batch's id: new keys and changed values.

        Returns:
            How many fact rows were new or changed.

        Raises:
            SchemaMismatch: a frame or a batch has other columns than its contract.
        """
        if not batches:
            return 0
        with self._one_at_a_time, closing(self._con.cursor()) as cursor, transaction(cursor):
            written: dict[str, int] = {}
            conflicts: list[pl.DataFrame] = []
            for name, table in {batch.table.name: batch.table for batch in batches}.items():
                group = [batch for batch in batches if batch.table.name == name and not batch.frame.is_empty()]
                if group:
                    frame = conform(table, *(batch.frame for batch in group))
                    frame, conflicting = _one_row_per_key(table, frame)
                    conflicts.append(conflicting)
                    written |= _insert_changed(cursor, table, frame)
            quarantined = _quarantine_frame(batches, conflicts)
            _replace_rows(cursor, QUARANTINE, quarantined)
            _replace_rows(cursor, LOAD_BATCHES, _log_frame(batches, written, quarantined))
        return sum(written.values())


def coverage(con: Connection, exchange: str) -> pl.DataFrame:
    """What is loaded without a hole, per series: the span that reaches the newest row.

    Windows of loads with status `ok` are joined where they touch or overlap; after a hole a new span begins.
    The next load must start at or before `covered_until_at`, otherwise it opens a hole.

    Returns:
        dataset, symbol, price_type, timeframe (null where the series has none), covered_from_at,
        covered_until_at; one row per series.
    """
    return con.execute(
        """
        with windows as (
            select
                dataset, symbol, price_type, timeframe, window_start_at,
                coalesce(covered_until_at, window_end_at) as until_at
            from raw.load_batches
            where exchange = $exchange and status = 'ok' and window_start_at is not null
        ),
        spans as (
            select
                *,
                coalesce(window_start_at > max(until_at) over (
                    partition by dataset, symbol, price_type, timeframe order by window_start_at, until_at
                    rows between unbounded preceding and 1 preceding
                ), true) as starts_span
            from windows
            where until_at is not null
        )
        select
            dataset, symbol, price_type, timeframe,
            max(window_start_at) filter (where starts_span) as covered_from_at,
            max(until_at) as covered_until_at
        from spans
        group by all
        order by all
        """,
        {"exchange": exchange},
    ).pl()


def asked_in_vain(con: Connection, exchange: str) -> pl.DataFrame:
    """Series of which the exchange said that it has nothing and will have nothing.

    Returns:
        dataset, symbol, price_type, timeframe, absent_from_at (start of the earliest window that was asked for); one
        row per series.
    """
    return con.execute(
        """
        select dataset, symbol, price_type, timeframe, min(window_start_at) as absent_from_at
        from raw.load_batches
        where exchange = $exchange and status = 'absent' and symbol is not null
        group by all
        order by all
        """,
        {"exchange": exchange},
    ).pl()


def _one_row_per_key(table: Table, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two batches of a group may hold the same row: equal ones collapse, contradicting ones are set aside."""
    key = list(table.natural_key)
    if frame.n_unique(key) == frame.height:
        return frame, frame.clear()
    frame = frame.unique([*key, *table.values], keep="last", maintain_order=True)
    contradicting = frame.select(key).is_duplicated()
    return frame.filter(~contradicting), frame.filter(contradicting)


def _insert_changed(cursor: Connection, table: Table, frame: pl.DataFrame) -> dict[str, int]:
    """Insert new keys and changed values; gives the number of rows that each batch has written in all."""
    key = ", ".join(table.natural_key)
    window, parameters = "true", {}
    if table.event_column is not None:
        window = f"stored.{table.event_column} between $first and $last"
        parameters = {"first": frame[table.event_column].min(), "last": frame[table.event_column].max()}
    changed = " or ".join(f"incoming.{column} is distinct from newest.{column}" for column in table.values)
    with registered(cursor, frame):
        # A clock that was set back must not put a newer answer behind an older one: "newest" is by ingested_at.
        cursor.execute(
            f"""
            insert into {table.qualified_name} by name
            with newest as (
                select stored.*
                from {table.qualified_name} as stored
                semi join incoming using ({key})
                where {window}
                qualify row_number() over (partition by {key} order by stored.ingested_at desc) = 1
            )
            select incoming.* replace (
                greatest(incoming.ingested_at, newest.ingested_at + interval 1 microsecond) as ingested_at
            )
            from incoming left join newest using ({key})
            where newest.ingested_at is null or {changed}
            """,
            parameters,
        )
        counts = cursor.execute(
            f"""
            select batch_id, count(*)
            from {table.qualified_name} as stored
            where batch_id in (select batch_id from incoming) and {window}
            group by all
            """,
            parameters,
        ).fetchall()
    return dict(counts)


def _quarantine_frame(batches: Sequence[SeriesBatch], conflicts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    by_id = {batch.batch["batch_id"]: batch for batch in batches}
    rows: list[dict[str, Any]] = []
    next_number: dict[str, int] = {}
    for batch_id, batch in by_id.items():
        for row in batch.rejected.iter_rows(named=True):
            rows.append({**row, "batch_id": batch_id})
        received = batch.batch.get("rows_received") or batch.frame.height + batch.rejected.height
        next_number[batch_id] = max([received, *batch.rejected["row_number"].to_list()]) + 1
    for frame in conflicts:
        for row in frame.iter_rows(named=True):
            batch_id = row["batch_id"]
            rows.append(
                {
                    "batch_id": batch_id,
                    "row_number": next_number[batch_id],
                    "row_json": json.dumps(row, default=str),
                    "rule": CONFLICTING_DUPLICATE,
                }
            )
            next_number[batch_id] += 1
    for row in rows:
        batch = by_id[row["batch_id"]].batch
        row |= {
            "dataset": batch["dataset"],
            "exchange": batch["exchange"],
            "symbol": batch.get("symbol"),
            "quarantined_at": batch.get("ended_at") or batch.get("started_at"),
        }
    return pl.DataFrame(rows, schema=frame_schema(QUARANTINE))


def _log_frame(batches: Sequence[SeriesBatch], written: dict[str, int], quarantined: pl.DataFrame) -> pl.DataFrame:
    unknown = sorted({name for batch in batches for name in batch.batch} - set(LOAD_BATCHES.columns))
    if unknown:
        raise SchemaMismatch(f"{LOAD_BATCHES.qualified_name} has no columns {unknown}; correct the batch's keys.")
    set_aside = dict(quarantined.group_by("batch_id").len().iter_rows())
    rows = [
        batch.batch | {"rows_written": written.get(batch_id, 0), "rows_quarantined": set_aside.get(batch_id, 0)}
        for batch in batches
        for batch_id in [batch.batch["batch_id"]]
    ]
    return pl.DataFrame(rows, schema=frame_schema(LOAD_BATCHES))


def _replace_rows(cursor: Connection, table: Table, frame: pl.DataFrame) -> None:
    """Append rows; those of a batch that was logged before (a retried step) take the place of the old ones."""
    if frame.is_empty():
        return
    with registered(cursor, frame):
        cursor.execute(f"delete from {table.qualified_name} where batch_id in (select batch_id from incoming)")
    insert(cursor, table, frame)
