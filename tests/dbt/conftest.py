"""A raw history written row by row, and the dbt project run over it in its own build file."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from warehouse.contracts import FACTS, RAW, Table
from warehouse.schema import create_tables

DBT_DIRECTORY = Path(__file__).parents[2] / "dbt"
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
        row: dict[str, Any] = {"timeframe": frame, "opened_at": _instant(opened_at), "close": close}
        row |= {"volume_quote": volume if price_type == "last" else None}
        if ":" in symbol:
            row |= {"price_type": price_type, "market_type": "dated" if "-" in symbol else "perpetual"}
        table = "futures_ohlcv" if ":" in symbol else "spot_ohlcv"
        closed_at = _instant(opened_at) + timedelta(hours=hours)
        self._add(table, exchange, symbol, closed_at, timedelta(minutes=5), row | values)

    def funding(
        self, exchange: str, symbol: str, settled_at: datetime | date, rate: float, hours: float | None = 8, **values: Any
    ) -> None:
        """A settlement; `rate` is decimal per settlement."""
        row = {"settled_at": _instant(settled_at), "funding_rate": rate, "interval_hours": hours}
        self._add("funding_rates", exchange, symbol, row["settled_at"], timedelta(minutes=1), row | values)

    def open_interest(
        self, exchange: str, symbol: str, observed_at: datetime | date, base: float | None = None, **values: Any
    ) -> None:
        """An observation in coins (`base`), or by keyword in contracts or USD."""
        row = {"observed_at": _instant(observed_at), "open_interest_base": base, "source_kind": "history"}
        self._add("open_interest", exchange, symbol, row["observed_at"], timedelta(minutes=5), row | values)

    def complete_day(
        self, exchange: str, symbol: str, day: date, close: float, coins: float, rate: float = 1e-4, volume: float = 1e6
    ) -> None:
        """One candle, three settlements and the open interest at the day's end of a perpetual."""
        self.candle(exchange, symbol, day, close, volume)
        for hours in (8, 16, 24):
            self.funding(exchange, symbol, _instant(day) + timedelta(hours=hours), rate)
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


def _instant(moment: datetime | date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time())


class DbtBuild:
    """One build file and the dbt project over it.

    dbt parses the project anew whenever the path of its database changes (4 s), so the file is moved to the one place
    that dbt knows while dbt runs.
    """

    def __init__(self, directory: Path, workspace: Path) -> None:
        self.path = directory / "build.duckdb"
        self.manifest = workspace / "target" / "manifest.json"
        self._place = workspace / "build.duckdb"
        self._options = [
            *("--project-dir", str(DBT_DIRECTORY), "--profiles-dir", str(DBT_DIRECTORY), "--quiet"),
            *("--target-path", str(workspace / "target"), "--log-path", str(workspace / "logs")),
        ]

    def load(self, history: RawHistory) -> None:
        """Append a raw history to the build file."""
        with duckdb.connect(str(self.path)) as con:
            history.write(con)

    def dbt(self, *arguments: str, variables: dict[str, Any] | None = None) -> dict[str, str]:
        """Run dbt in this process; fails the test with dbt's own words. Gives status by node name."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        os.environ["ROTATION_BUILD_PATH"] = str(self._place)
        self.path.rename(self._place)
        try:
            result = dbtRunner().invoke([*arguments, *self._options, "--vars", json.dumps(variables or {})])
        finally:
            DuckDBConnectionManager.close_all_connections()
            self._place.rename(self.path)
        nodes = getattr(result.result, "results", None) or []
        failed = {node.node.name: node.message for node in nodes if str(node.status) in ("error", "fail")}
        assert result.success, failed or result.exception
        return {node.node.name: str(node.status) for node in nodes}

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries."""
        with duckdb.connect(str(self.path), read_only=True) as con:
            return con.execute(sql).pl().to_dicts()

    def by_key(self, table: str, *key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """A whole table, its rows by their key."""
        return {tuple(row[k] for k in key): row for row in self.query(f"select * from {table}")}


@pytest.fixture(scope="session")
def raw_history() -> Callable[[], RawHistory]:
    """Makes an empty raw history."""
    return RawHistory


@pytest.fixture(scope="session")
def dbt_build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], DbtBuild]]:
    """Makes a build with empty raw tables in a directory of the given name."""
    previous = os.environ.get("ROTATION_BUILD_PATH")
    workspace = tmp_path_factory.mktemp("dbt")

    def make(name: str) -> DbtBuild:
        build = DbtBuild(tmp_path_factory.mktemp(name), workspace)
        with duckdb.connect(str(build.path)) as con:
            create_tables(con, RAW)
        return build

    yield make
    if previous is None:
        os.environ.pop("ROTATION_BUILD_PATH", None)
    else:
        os.environ["ROTATION_BUILD_PATH"] = previous
