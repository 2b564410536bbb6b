"""The one shape that every exchange is brought into: what an adapter offers and what it gives back.

Times are naive UTC. Windows are half-open: `start <= time < end`. A frame's columns are the columns of the
warehouse's table without its lineage (when it became known, from where), which ingestion adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Protocol

import polars as pl

from pipelines.exchanges.capabilities import Capabilities
from warehouse.contracts import (
    FUNDING_RATES,
    FUTURES_OHLCV,
    INSTRUMENTS,
    OPEN_INTEREST,
    SPOT_OHLCV,
    Table,
)

LINEAGE = ("available_at", "ingested_at", "pit_quality", "source", "batch_id")
_TYPES: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BIGINT": pl.Int64(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "TIMESTAMP": pl.Datetime("us"),
}


def fact_schema(table: Table) -> dict[str, pl.DataType]:
    """The columns that an adapter fills for `table`: all but the lineage, in the table's order."""
    return {name: _TYPES[kind] for name, kind in table.columns.items() if name not in LINEAGE}


INSTRUMENT_COLUMNS = fact_schema(INSTRUMENTS)
SPOT_CANDLE_COLUMNS = fact_schema(SPOT_OHLCV)
FUTURES_CANDLE_COLUMNS = fact_schema(FUTURES_OHLCV)
FUNDING_COLUMNS = fact_schema(FUNDING_RATES)
OPEN_INTEREST_COLUMNS = fact_schema(OPEN_INTEREST)

FUNDING_NOW_COLUMNS = {
    "exchange": pl.String(),
    "symbol": pl.String(),
    "observed_at": pl.Datetime("us"),
    "funding_rate": pl.Float64(),  # decimal per settlement
    "interval_hours": pl.Float64(),  # null where the exchange does not say it
    "next_settlement_at": pl.Datetime("us"),
}

REJECTED_COLUMNS = {"row_number": pl.Int64(), "row_json": pl.String(), "rule": pl.String()}


@cache
def no_rejected_rows() -> pl.DataFrame:
    """The empty frame of rows that could not be read: row_number, row_json, rule."""
    return pl.DataFrame(schema=REJECTED_COLUMNS)


@dataclass(frozen=True)
class Gap:
    """A hole in a series: the rows at `after` and `before` are neighbours, and too far apart."""

    after: datetime
    before: datetime


@dataclass(frozen=True)
class Absence:
    """A part of the window that the exchange does not offer at all, and why: asking again will not help."""

    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True)
class Fetched:
    """One series of one exchange, complete over the window asked for.

    Attributes:
        frame: Sorted by time; equal rows served twice stand once; rows that share a key but differ all stand.
        requests: HTTP requests made for it, repeated ones included.
        payload_sha256: Of the rows received, in canonical order and binary form: equal data, equal digest.
        gaps: Holes inside the series.
        absences: Parts of the window that the exchange refuses to serve.
        rejected: Rows that could not be read (row_number, row_json, rule): they belong in quarantine.
        is_complete: False when a part of the window was answered with unreadable rows alone: it has to be asked again.
    """

    frame: pl.DataFrame
    requests: int
    payload_sha256: str
    gaps: tuple[Gap, ...] = ()
    absences: tuple[Absence, ...] = ()
    rejected: pl.DataFrame = field(default_factory=no_rejected_rows)
    is_complete: bool = True


class Adapter(Protocol):
    """One exchange. Every method raises `errors.ExchangeFailure` when the exchange cannot be read."""

    exchange: str
    capabilities: Capabilities

    async def instruments(self) -> Fetched:
        """Everything the exchange lists as spot, perpetual or dated contract, trading or not."""
        ...

    async def candles(
        self, symbol: str, market_type: str, price_type: str, timeframe: str, start: datetime, end: datetime
    ) -> Fetched:
        """Closed candles with `start <= opened_at < end`; prices per unit of the contract's base.

        Args:
            symbol: ccxt's unified symbol.
            market_type: `spot`, `perpetual` or `dated`; spot gives the columns of `raw.spot_ohlcv`.
            price_type: `last`, `mark` or `index`; mark and index candles have no volume (null).
            timeframe: For example `1h` or `1d`.
            start: First opening time, included.
            end: Last opening time, excluded.
        """
        ...

    async def funding_rates(self, symbol: str, start: datetime, end: datetime) -> Fetched:
        """Settled funding, decimal per settlement, with `start <= settled_at < end`."""
        ...

    async def open_interest(self, symbol: str, period: str, start: datetime, end: datetime) -> Fetched:
        """History of open interest, one row per `period`, in whichever units the exchange publishes."""
        ...

    async def open_interest_now(self, symbols: Sequence[str]) -> Fetched:
        """Open interest at this moment, one row per symbol that the exchange knows, `source_kind` snapshot.

        `observed_at` is the exchange's own stamp where it sends one per row, else the moment of the reply.
        """
        ...

    async def funding_now(self, symbols: Sequence[str]) -> Fetched:
        """The running interval's funding as the exchange shows it now (`FUNDING_NOW_COLUMNS`): an estimate.

        It is never stored as a settlement; people and `rotation doctor --live` look at it.
        """
        ...
