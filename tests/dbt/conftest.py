"""The dbt project run over a raw history in a build file of its own. The modules beside this file help the tests."""

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from random_market import FIRST_DAY, random_market
from raw_history import RawHistory

from warehouse.contracts import RAW
from warehouse.schema import create_tables

INCREMENTAL = (
    *("int_candle_daily", "int_basis_daily", "int_funding_daily", "int_open_interest_daily"),
    *("int_instrument_observed", "int_instrument_daily", "int_asset_daily"),
)
DBT_DIRECTORY = Path(__file__).parents[2] / "dbt"


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

    def query(self, sql: str, **attached: Path) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries; other build files may be attached under a name."""
        with duckdb.connect(str(self.path), read_only=True) as con:
            for name, path in attached.items():
                con.execute(f"attach '{path}' as {name} (read_only)")
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
    """A random market, built night by night.

    Attributes:
        history: All rows that ended up in the raw tables.
        build: The build file at the end.
        kept_rows: Rows per incremental table that the last load left as the ones before had made them.
        nightly: Every table (rows in key order) after the last load, built incrementally.
        rebuilt: The same after a full refresh.
    """

    history: RawHistory
    build: DbtBuild
    kept_rows: dict[str, int]
    nightly: dict[str, list[tuple[Any, ...]]]
    rebuilt: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def market_build(dbt_build: Callable[[str], DbtBuild]) -> MarketBuild:
    """Three loads: 120 days without a tenth of their rows; what is missing up to day 140; the last ten days.

    The second load also corrects values of the first, and the third those of the last days of the second.
    """
    draw, loads = random.Random(11), [RawHistory(), RawHistory(), RawHistory()]
    known_at = [datetime(2025, 6, day) for day in (1, 2, 3)]
    ends = [datetime.combine(FIRST_DAY + timedelta(days=days), time(0, 15)) for days in (120, 140)]
    history = random_market()
    for table, rows in history.rows.items():
        for row in rows:
            part = 0 if table == "instruments" else sum(row["available_at"] > end for end in ends)
            if part == 0 and table != "instruments" and draw.random() < 0.1:
                part = 1
            loads[part].rows[table].append(row | {"ingested_at": known_at[part]})
            is_corrected = part == 1 or (part == 2 and row["available_at"] < ends[1] + timedelta(days=2))
            if table == "funding_rates" and is_corrected and draw.random() < 0.1:
                loads[part - 1].rows[table].append(row | {"funding_rate": 0.01, "ingested_at": known_at[part - 1]})
    build = dbt_build("market")
    build.load(loads[0])
    build.dbt("build", "--exclude-resource-type", "unit_test")
    for load in loads[1:]:
        build.load(load)
        build.dbt("run")
    kept_rows = {
        f"intermediate.{name}": build.query(
            f"select count(*) as kept from intermediate.{name} "
            f"where loaded_rows < (select max(loaded_rows) from intermediate.{name})"
        )[0]["kept"]
        for name in INCREMENTAL
    }
    nightly = build.tables()
    build.dbt("run", "--full-refresh")
    return MarketBuild(history, build, kept_rows, nightly, build.tables())
