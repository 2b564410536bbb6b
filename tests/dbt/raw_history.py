"""A raw history written row by row: what exchanges said, in the shapes of the raw tables."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import duckdb
import polars as pl

from warehouse.contracts import FACTS, RAW, Table
from warehouse.schema import create_tables

_POLARS = {
    "VARCHAR": pl.String,
    "DOUBLE": pl.Float64,
    "BOOLEAN": pl.Boolean,
    "TIMESTAMP": pl.Datetime("us"),
}


@dataclass
class RawHistory:
    """Rows of the raw tables. A row's `ingested_at` is the instant it became available, unless given."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {t.name: [] for t in FACTS})

    def instrument(self, exchange: str, symbol: str, **values: Any) -> None:
        """An instrument as its symbol describes it: BASE/QUOTE, BASE/QUOTE:SETTLE or with -YYMMDD behind."""
        base, rest = symbol.split("/")
        quote, _, settle = rest.partition(":")
        expiry = settle.partition("-")[2]
        kind = "spot" if not settle else "dated" if expiry else "perpetual"
        settle = settle.partition("-")[0]
        row = {
            "market_type": kind, "base": base, "quote": quote, "settle": settle or None, "is_active": True,
            "is_linear": None if kind == "spot" else settle != base, "contract_size": 1.0,
            "contract_multiplier": 1.0,
        }  # fmt: skip
        if expiry:
            row["expiry_at"] = datetime.strptime(expiry, "%y%m%d") + timedelta(hours=8)
        self._add("instruments", exchange, symbol, datetime(2020, 1, 1), timedelta(0), row | values)

    def candle(
        self,
        exchange: str,
        symbol: str,
        opened_at: datetime | date,
        close: float | None,
        volume: float | None = 1e6,
        hours: float = 24,
        price_type: str = "last",
        **values: Any,
    ) -> None:
        """A closed candle; `volume` is USD. Without a settle currency in the symbol it is a spot candle."""
        frame = f"{hours / 24:g}d" if hours >= 24 else f"{hours:g}h" if hours >= 1 else f"{hours * 60:g}m"
        row: dict[str, Any] = {"timeframe": frame, "opened_at": instant(opened_at), "close": close}
        row |= {"volume_quote": volume if price_type == "last" else None}
        if ":" in symbol:
            row |= {"price_type": price_type, "market_type": "dated" if "-" in symbol else "perpetual"}
        table = "futures_ohlcv" if ":" in symbol else "spot_ohlcv"
        closed_at = instant(opened_at) + timedelta(hours=hours)
        self._add(table, exchange, symbol, closed_at, timedelta(minutes=5), row | values)

    def funding(
        self,
        exchange: str,
        symbol: str,
        settled_at: datetime | date,
        rate: float,
        hours: float | None = 8,
        **values: Any,
    ) -> None:
        """A settlement; `rate` is decimal per settlement."""
        row = {"settled_at": instant(settled_at), "funding_rate": rate, "interval_hours": hours}
        self._add("funding_rates", exchange, symbol, row["settled_at"], timedelta(minutes=1), row | values)

    def open_interest(
        self, exchange: str, symbol: str, observed_at: datetime | date, base: float | None = None, **values: Any
    ) -> None:
        """An observation in coins (`base`), or by keyword in contracts or USD."""
        row = {"observed_at": instant(observed_at), "open_interest_base": base, "source_kind": "history"}
        self._add("open_interest", exchange, symbol, row["observed_at"], timedelta(minutes=5), row | values)

    def complete_day(
        self, exchange: str, symbol: str, day: date, close: float, coins: float, rate: float = 1e-4, volume: float = 1e6
    ) -> None:
        """One candle, three settlements and the open interest at the day's end of a perpetual."""
        self.candle(exchange, symbol, day, close, volume)
        for hours in (8, 16, 24):
            self.funding(exchange, symbol, instant(day) + timedelta(hours=hours), rate)
        self.open_interest(exchange, symbol, day + timedelta(days=1), coins)

    def frame(self, table: Table) -> pl.DataFrame:
        """The rows of one table in its columns."""
        schema = {name: _POLARS[kind] for name, kind in table.columns.items()}
        return pl.DataFrame([{c: row.get(c) for c in schema} for row in self.rows[table.name]], schema=schema)

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Append all rows to the raw tables, made if they are missing."""
        create_tables(con, RAW)
        for table in FACTS:
            frame = self.frame(table)
            con.register("frame", frame.to_arrow())
            con.execute(f"insert into {table.qualified_name} by name select * from frame")
            con.unregister("frame")

    def _add(
        self, table: str, exchange: str, symbol: str, event: datetime, lag: timedelta, row: dict[str, Any]
    ) -> None:
        lineage = {"available_at": event + lag, "ingested_at": event + lag, "pit_quality": "observed"}
        lineage |= {"source": "simulated", "batch_id": "first"}
        self.rows[table].append({"exchange": exchange, "symbol": symbol} | lineage | row)


def instant(moment: datetime | date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time())
