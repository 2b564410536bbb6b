"""Pages -> one series in the warehouse's columns: no row twice, nothing outside the window, holes named."""

import hashlib
import json
from datetime import datetime

import numpy as np
import polars as pl

from pipelines.clock import from_milliseconds
from pipelines.exchanges.paging import Pages
from pipelines.exchanges.parse import HOUR_MS, MINUTE_MS, RULE_UNREADABLE, TIME
from pipelines.exchanges.port import Absence, Fetched, Gap, no_rejected_rows


def to_the_hour(frame: pl.DataFrame) -> pl.DataFrame:
    """Funding times within a minute of a full hour moved onto it; others, which would be news, left alone.

    Binance stamps settlements some milliseconds late (08:00:00.003); joins on the hour would miss those.
    """
    times = frame[TIME].to_numpy()
    nearest = (times + HOUR_MS // 2) // HOUR_MS * HOUR_MS
    moved = np.where(np.abs(times - nearest) <= MINUTE_MS, nearest, times)
    return frame.with_columns(pl.Series(TIME, moved))


def collect(pages: Pages, start: int, end: int, *, is_hourly: bool = False) -> pl.DataFrame:
    """The rows of all pages with `start <= time < end`, ascending; rows equal in every column stand once."""
    if not pages.frames:
        return pl.DataFrame(schema={TIME: pl.Int64})
    frame = pages.frames[0] if len(pages.frames) == 1 else pl.concat(pages.frames)
    if is_hourly:
        frame = to_the_hour(frame)
    times = frame[TIME].to_numpy()
    if times.min(initial=start) < start or times.max(initial=start) >= end:
        frame = frame.filter((pl.col(TIME) >= start) & (pl.col(TIME) < end))
    return _ascending(frame)


def _ascending(frame: pl.DataFrame) -> pl.DataFrame:
    times = frame[TIME].to_numpy()
    if (np.diff(times) > 0).all():
        return frame
    order = np.argsort(times)
    if (np.diff(times[order]) > 0).all():
        return frame[order]
    return frame.unique().sort(frame.columns)


def fetched(
    rows: pl.DataFrame,
    columns: dict[str, pl.DataType],
    values: dict[str, pl.Expr | str | None],
    *,
    pages: Pages,
    requests: int,
    longest_step: int,
) -> Fetched:
    """A series in the shape of the port.

    Args:
        rows: What `collect` gives.
        columns: The columns wanted with their types, in order.
        values: Column name to expression, to text (the same on every row) or to None (null on every row).
        pages: Where the rows come from; their unreadable rows go along.
        requests: HTTP requests made.
        longest_step: Neighbours further apart than this, in milliseconds, have a gap between them.
    """
    if rows.is_empty():
        frame = pl.DataFrame(schema=columns)
    else:
        frame = rows.select(_typed(name, values[name], kind) for name, kind in columns.items())
    gaps, rejected = _gaps(rows, longest_step), _rejected(pages)
    return Fetched(frame, requests, _digest(rows), gaps, rejected=rejected, is_complete=pages.is_complete)


def present(frame: pl.DataFrame, pages: Pages, requests: int) -> Fetched:
    """What an exchange shows of this moment, in the shape of the port: no series, so no gaps."""
    return Fetched(frame, requests, _digest(frame), rejected=_rejected(pages))


def absent(columns: dict[str, pl.DataType], start: datetime, end: datetime, reason: str) -> Fetched:
    """A series that the exchange does not offer at all: no rows and no request, but the reason."""
    frame = pl.DataFrame(schema=columns)
    return Fetched(frame, 0, _digest(frame), absences=(Absence(start, end, reason),))


def candle_values(*, is_traded: bool, usd_per_contract: float | None) -> dict[str, pl.Expr | str | None]:
    """Candle columns over parsed rows.

    Volume and turnover are coins and quote currency, except on coin-margined contracts, where they are
    contracts and coins: the quote volume is then contracts times the USD that one is worth.

    Args:
        is_traded: False for mark and index candles, which have no volume.
        usd_per_contract: Of a coin-margined contract; None for all others.
    """
    values: dict[str, pl.Expr | str | None] = {name: pl.col(name) for name in ("open", "high", "low", "close")}
    values |= {"opened_at": time_column(), "volume_base": None, "volume_quote": None}
    if is_traded and usd_per_contract is None:
        values |= {"volume_base": pl.col("volume"), "volume_quote": pl.col("turnover")}
    elif is_traded:
        values |= {"volume_base": pl.col("turnover"), "volume_quote": pl.col("volume") * usd_per_contract}
    return values


def time_column() -> pl.Expr:
    """The rows' time as a naive UTC timestamp."""
    return pl.from_epoch(pl.col(TIME), time_unit="ms").dt.cast_time_unit("us")


def as_column(value: pl.Expr | str | None) -> pl.Expr:
    """The expression itself, or the same value on every row."""
    return value if isinstance(value, pl.Expr) else pl.lit(value)


def _typed(name: str, value: pl.Expr | str | None, kind: pl.DataType) -> pl.Expr:
    return value.cast(kind).alias(name) if isinstance(value, pl.Expr) else pl.lit(value, kind).alias(name)


# Small frames are the rule here, and a Polars expression costs a tenth of a millisecond whatever it does: what
# NumPy can say about a column is asked of NumPy.


def _digest(rows: pl.DataFrame) -> str:
    # Numbers in binary form instead of JSON text: the same certainty for a fifth of the time. Null is NaN in them.
    digest = hashlib.sha256()
    for name in sorted(rows.columns):
        column = rows[name]
        digest.update(f"{name}:{column.dtype}:{len(column)};".encode())
        if column.dtype == pl.String:  # which NumPy would give as addresses in memory
            digest.update(json.dumps(column.to_list()).encode())
        else:
            digest.update(column.to_numpy().tobytes())
    return digest.hexdigest()


def _gaps(rows: pl.DataFrame, longest_step: int) -> tuple[Gap, ...]:
    times = rows[TIME].to_numpy()
    places = np.flatnonzero(np.diff(times) > longest_step).tolist()
    return tuple(
        Gap(from_milliseconds(int(times[place])), from_milliseconds(int(times[place + 1]))) for place in places
    )


def _rejected(pages: Pages) -> pl.DataFrame:
    rows = list(pages.rejected)
    if not rows:
        return no_rejected_rows()
    return pl.DataFrame({"row_number": range(len(rows)), "row_json": rows}).with_columns(
        pl.col("row_number").cast(pl.Int64), rule=pl.lit(RULE_UNREADABLE)
    )
