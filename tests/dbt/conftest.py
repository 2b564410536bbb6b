"""A raw history written row by row, and the dbt project run over it in its own build file."""

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import exp
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from warehouse.contracts import FACTS, RAW, Table
from warehouse.schema import create_tables

DBT_DIRECTORY = Path(__file__).parents[2] / "dbt"
FIRST_DAY, DAYS = date(2025, 1, 1), 150
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
        self,
        exchange: str,
        symbol: str,
        settled_at: datetime | date,
        rate: float,
        hours: float | None = 8,
        **values: Any,
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


def _random_market() -> RawHistory:
    """150 days of ten assets on three exchanges, with gaps, glitches, odd units, a late listing and a new sector."""
    draw = random.Random(7)
    history = RawHistory()
    prices = {
        "BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0, "AVAX": 30.0, "CELO": 0.6, "ARB": 0.8,
        "UNI": 10.0, "AAVE": 120.0, "DOGE": 0.2, "PEPE": 1e-5,
    }  # fmt: skip
    coins = {asset: 1e8 / price * draw.uniform(0.3, 3) for asset, price in prices.items()}
    listed = {"listed_at": datetime(2020, 1, 1)}
    for asset in prices:
        units = 1000 if asset == "PEPE" else 1
        name = f"{units}PEPE" if asset == "PEPE" else asset
        # The three exchanges publish open interest in coins, in contracts and in USD.
        known = {} if asset == "AAVE" else listed
        history.instrument("binance", f"{name}/USDT:USDT", contract_multiplier=float(units), **known)
        history.instrument("bybit", f"{name}/USDT:USDT", contract_size=0.5, contract_multiplier=float(units), **known)
        history.instrument("okx", f"{asset}/USDC:USDC", **known)
        history.instrument("binance", f"{asset}/USDT")
    history.instrument("bybit", "BTC/USD:BTC", contract_size=100.0, **listed)
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        shock = draw.gauss(0, 0.02)
        for asset in prices:
            prices[asset] *= exp(shock + draw.gauss(0, 0.03))
            coins[asset] *= exp(draw.gauss(0, 0.04))
            if asset != "AAVE" or number >= 40:
                _random_day(history, draw, day, asset, prices[asset], coins[asset])
    return history


def _random_day(history: RawHistory, draw: random.Random, day: date, asset: str, price: float, coins: float) -> None:
    start, units = _instant(day), 1000 if asset == "PEPE" else 1
    usdt = f"{units}PEPE/USDT:USDT" if asset == "PEPE" else f"{asset}/USDT:USDT"
    base = draw.gauss(0.5, 1.0)

    def here(chance: float = 0.97) -> bool:
        return draw.random() < chance

    if here():
        history.candle("binance", usdt, day, price * units, draw.uniform(5e7, 9e7))
    for hours in (0, 8, 16):
        if here():
            close = price * units * (1 + draw.gauss(0, 0.001))
            history.candle("bybit", usdt, start + timedelta(hours=hours), close, draw.uniform(1e7, 2e7), hours=8)
    if here() and asset not in ("CELO", "ARB"):
        wrong = 1.07 if here(0.02) else 1.0
        history.candle("okx", f"{asset}/USDC:USDC", day, price * wrong, None, volume_base=1e7 / price)
    if here():
        history.candle("binance", f"{asset}/USDT", day, price * 0.999, draw.uniform(2e7, 4e7))
    if here() and asset == "BTC":
        history.candle("bybit", "BTC/USD:BTC", day, price * 1.0005, 5e6)
    for hours in (8, 16, 24):
        if here():
            history.funding("binance", usdt, start + timedelta(hours=hours), (base + draw.gauss(0, 0.3)) * 1e-4)
    for hours in range(4, 25, 4):
        if here():
            rate = (base + draw.gauss(0, 0.3)) * 0.5e-4
            jitter = timedelta(milliseconds=draw.choice([0, 0, 3]) if hours < 24 else 0)
            history.funding("bybit", usdt, start + timedelta(hours=hours) + jitter, rate, hours=None)
    if here(0.9):
        history.funding("okx", f"{asset}/USDC:USDC", start + timedelta(hours=24), base * 2e-4, hours=24)
    if here(0.96):
        for minutes in (60 * 12, 60 * 23, 60 * 24 + draw.choice([-3, 0, 4, 10, 12])):
            history.open_interest("binance", usdt, start + timedelta(minutes=minutes), coins / units)
    if here(0.93):
        jump = 3.0 if here(0.03) else 1.0
        contracts = coins * jump / units / 0.5 * draw.uniform(0.3, 0.32)
        history.open_interest(
            "bybit", usdt, start + timedelta(hours=draw.choice([20, 24])), open_interest_contracts=contracts
        )
    if here() and asset not in ("CELO", "ARB"):
        usd = 0.1 * coins * price
        history.open_interest("okx", f"{asset}/USDC:USDC", start + timedelta(hours=24), open_interest_usd=usd)
    if here() and asset == "BTC":
        history.open_interest(
            "bybit", "BTC/USD:BTC", start + timedelta(hours=24), open_interest_contracts=coins * price / 1000
        )


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

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table of the intermediate models and the marts, without the columns that tell of its making."""
        with duckdb.connect(str(self.path), read_only=True) as con:
            names = con.execute(
                "select schema_name || '.' || table_name from duckdb_tables() "
                "where schema_name in ('intermediate', 'marts') order by all"
            ).fetchall()
            making = "columns(c -> c not in ('loaded_until_at', 'loaded_rows', 'rules_fingerprint'))"
            return {name: con.execute(f"select {making} from {name} order by all").fetchall() for (name,) in names}

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


@dataclass(frozen=True)
class MarketBuild:
    """A random market, built in three steps.

    Attributes:
        history: All rows that ended up in the raw tables.
        build: The build file after the last step.
        nightly: Every table (rows in key order) after the second step, which was incremental.
        rebuilt: The same after the third, a full refresh.
    """

    history: RawHistory
    build: DbtBuild
    nightly: dict[str, list[tuple[Any, ...]]]
    rebuilt: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def market_build(dbt_build: Callable[[str], DbtBuild]) -> MarketBuild:
    """First the rows of 120 days but a tenth of them, with some wrong values; then the rest and the corrections."""
    history, draw = _random_market(), random.Random(11)
    early, late, cut = RawHistory(), RawHistory(), datetime.combine(FIRST_DAY + timedelta(days=120), time(0, 15))
    for table, rows in history.rows.items():
        for row in rows:
            if table != "instruments" and (row["available_at"] > cut or draw.random() < 0.1):
                late.rows[table].append(row | {"ingested_at": datetime(2025, 6, 2), "batch_id": "late"})
            else:
                early.rows[table].append(row | {"ingested_at": datetime(2025, 6, 1)})
            if table == "funding_rates" and draw.random() < 0.05:
                early.rows[table].append(row | {"funding_rate": 0.01, "ingested_at": datetime(2025, 5, 31)})
    build = dbt_build("market")
    build.load(early)
    build.dbt("build", "--exclude-resource-type", "unit_test")
    build.load(late)
    build.dbt("run")
    nightly = build.tables()
    build.dbt("run", "--full-refresh")
    return MarketBuild(history, build, nightly, build.tables())
