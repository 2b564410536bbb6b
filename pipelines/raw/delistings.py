"""Instruments that an exchange lists no more: some say when they end, some are just gone from the list."""

from datetime import datetime

import polars as pl

from pipelines.exchanges.port import INSTRUMENT_COLUMNS
from warehouse.connection import Connection

MISSING_AT_MOST = 0.5
"""A list that lacks a larger share of what traded yesterday is broken, and says nothing about delistings."""


def trading_until_now(connection: Connection, exchange: str, now: datetime) -> pl.DataFrame:
    """What the exchange traded by its newest list that is stored, in the columns of `raw.instruments`, no lineage."""
    columns = ", ".join(INSTRUMENT_COLUMNS)
    return connection.execute(
        f"""
        select {columns} from raw.instruments where exchange = $exchange
        qualify row_number() over (partition by symbol order by ingested_at desc) = 1
            and is_active is distinct from false and coalesce(delist_at, expiry_at, $now + interval 1 day) > $now
        """,
        {"exchange": exchange, "now": now},
    ).pl()


def gone_from_the_list(known: pl.DataFrame, listed: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Revisions for instruments of `known` that `listed` has no more: not active, delisted at `now` at the latest.

    They keep their history, and trade no more from this day on. One that comes back gets a new revision then.

    Args:
        known: What was traded, in the columns of `raw.instruments` without lineage.
        listed: The exchange's list of now.
        now: When it was seen that they are gone: the end itself lies between two lists.

    Returns:
        The columns of `known`; no rows when the list lacks more than `MISSING_AT_MOST` of what was traded.
    """
    gone = known.join(listed.select("symbol"), on="symbol", how="anti")
    if gone.height > MISSING_AT_MOST * known.height:
        return gone.clear()
    return gone.with_columns(
        is_active=pl.lit(False), delist_at=pl.coalesce("delist_at", pl.lit(now, pl.Datetime("us")))
    )
