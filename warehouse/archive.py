"""What the warehouse holds already, as an import of files asks for it."""

from datetime import datetime

import polars as pl

from warehouse.connection import Connection
from warehouse.frames import registered

# dataset, symbol, price type, timeframe, window from and to
FileKey = tuple[str, str, str | None, str | None, datetime, datetime]


def imported_files(con: Connection, exchange: str) -> dict[FileKey, str]:
    """SHA-256 of what each series and window was last stored from.

    A file that was exchanged and then exchanged back is another one than the last, so only the newest load counts.
    """
    rows = con.execute(
        """
        select dataset, symbol, price_type, timeframe, window_start_at, window_end_at, payload_sha256
        from raw.load_batches
        where exchange = $exchange and status = 'ok' and payload_sha256 is not null and symbol is not null
        qualify row_number() over (
            partition by dataset, symbol, price_type, timeframe, window_start_at, window_end_at
            order by ended_at desc, batch_id desc
        ) = 1
        """,
        {"exchange": exchange},
    ).fetchall()
    return {tuple(row[:6]): row[6] for row in rows}


def contract_sizes(con: Connection, exchange: str) -> dict[str, float]:
    """USD of one contract by symbol, of the coin-margined contracts that the exchange lists."""
    rows = con.execute(
        "select symbol, arg_max(contract_size, ingested_at) from raw.instruments "
        "where exchange = $exchange and is_linear = false and contract_size is not null group by symbol",
        {"exchange": exchange},
    ).fetchall()
    return dict(rows)


def fill_mark_prices(con: Connection, funding: pl.DataFrame) -> pl.DataFrame:
    """Funding rows with the mark price that is stored for their settlement where they say none themselves.

    Args:
        con: The build file.
        funding: Rows with exchange, symbol, settled_at and mark_price; the other columns pass through.
    """
    silent = funding.filter(pl.col("mark_price").is_null())
    if silent.is_empty():
        return funding
    key = ["exchange", "symbol", "settled_at"]
    cursor = con.cursor()
    try:
        with registered(cursor, silent.select(key)) as asked:
            stored = cursor.execute(
                f"""
                select exchange, symbol, settled_at, arg_max(mark_price, ingested_at) as stored_mark
                from raw.funding_rates semi join {asked} using (exchange, symbol, settled_at)
                where settled_at between $first and $last and mark_price is not null
                group by all
                """,
                {"first": silent["settled_at"].min(), "last": silent["settled_at"].max()},
            ).pl()
    finally:
        cursor.close()
    if stored.is_empty():
        return funding
    filled = funding.join(stored, on=key, how="left", maintain_order="left")
    return filled.with_columns(pl.coalesce("mark_price", "stored_mark").alias("mark_price")).drop("stored_mark")
