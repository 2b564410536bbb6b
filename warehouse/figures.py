"""The raw rows behind a figure of the marts: which instrument said what, from which batch, with which checksum."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from warehouse.connection import Connection
from warehouse.contracts import LINEAGE, Table
from warehouse.digest import DECISION_DELAY
from warehouse.portfolio import read
from warehouse.provenance import has_table


@dataclass(frozen=True)
class FigureRows:
    """The raw rows behind a figure.

    Attributes:
        rows: By day, asset, exchange and event; the newest revision of each that the decision knew.
        held_from: The earliest `available_at` of the dataset in the file; None where it has no rows of it.
    """

    rows: list[dict[str, Any]]
    held_from: datetime | None


def rows_behind(
    con: Connection,
    table: Table,
    first_day: date,
    last_day: date,
    known_until: datetime | None,
    wanted: Sequence[tuple[str, str]],
    window_end_minutes: int,
) -> FigureRows:
    """Raw rows of perpetuals on some days, of the coins that are asked for, with batch and checksum.

    Args:
        con: A file with the raw schema (a release may hold a few days of it only).
        table: `raw.funding_rates`, `raw.open_interest` or `raw.futures_ohlcv`.
        first_day, last_day: Days of the events, both included; a settlement at midnight belongs to the day it ends.
        known_until: K of the decision; None for everything that is there.
        wanted: (base of a symbol, asset) of the coins.
        window_end_minutes: Until how long after midnight an open interest counts for the day that has ended. Of a
            day's observations only the one nearest to its end is given, for only that one is read.
    """
    if not has_table(con, table.qualified_name):
        return FigureRows([], None)
    held_from = read(con, f"select min(available_at) as first from {table.qualified_name}").item()
    if not wanted or held_from is None:
        return FigureRows([], held_from)
    event = table.event_column
    day = {
        "settled_at": f"cast({event} - interval 1 microsecond as date)",
        "observed_at": f"cast({event} - interval {window_end_minutes} minute - interval 1 microsecond as date)",
    }.get(str(event), f"cast({event} as date)")
    listed = "select exchange, symbol, arg_max(base, ingested_at) as base, arg_max(market_type, ingested_at) as kind "
    listed += "from raw.instruments group by all"
    if not has_table(con, "raw.instruments"):
        listed = "select '' as exchange, '' as symbol, '' as base, '' as kind where false"
    shown = [name for name in table.columns if name not in (*LINEAGE, "exchange", "symbol", event)]
    shown += ["available_at", "ingested_at", "source", "batch_id"]
    has_batches = has_table(con, "raw.load_batches")
    frame = read(
        con,
        f"""
        with wanted as (select unnest($bases) as base, unnest($assets) as asset),
        listed as ({listed}),
        used as (
            select *, {day} as date
            from {table.qualified_name}
            where
                {day} between $first_day and $last_day
                and available_at <= {day} + to_microseconds($delay)
                and ($known_until is null or ingested_at <= $known_until)
        )
        select
            used.date, wanted.asset, used.exchange, used.symbol, used.{event},
            {", ".join(f"used.{name}" for name in shown)},
            {"batches.payload_sha256" if has_batches else "cast(null as varchar) as payload_sha256"}
        from used
        left join listed using (exchange, symbol)
        inner join wanted on wanted.base = coalesce(listed.base, split_part(used.symbol, '/', 1))
        {"left join raw.load_batches as batches using (batch_id)" if has_batches else ""}
        where coalesce(listed.kind = 'perpetual', used.symbol like '%:%' and used.symbol not like '%:%-%')
        """,
        {
            "bases": [base for base, _ in wanted],
            "assets": [asset for _, asset in wanted],
            "first_day": first_day,
            "last_day": last_day,
            "known_until": known_until,
            "delay": DECISION_DELAY // timedelta(microseconds=1),
        },
    )
    newest = frame.sort("ingested_at").unique(list(table.natural_key), keep="last")
    if event == "observed_at":
        end = pl.col("date").cast(pl.Datetime("us")) + timedelta(days=1)
        nearest = newest.sort((pl.col("observed_at") - end).abs(), "observed_at")
        newest = nearest.unique(["date", "exchange", "symbol"], keep="first", maintain_order=True)
    return FigureRows(newest.sort("date", "asset", "exchange", "symbol", event).to_dicts(), held_from)
