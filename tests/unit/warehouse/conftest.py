from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from warehouse.connection import Connection, Warehouse
from warehouse.contracts import RELEASE_INFO, TABLES
from warehouse.named_queries import find_query, run_named
from warehouse.schema import create_tables

MARTS = Path(__file__).parents[3] / "dbt" / "models" / "marts"


class HandMade:
    """The tables of a release with the few rows that a test gives them; columns that are not given are NULL."""

    def __init__(self, con: Connection, tables: dict[str, dict[str, str]]) -> None:
        self.con = con
        for schema in ("raw", "marts", "portfolio", "quality"):
            con.execute(f"create schema {schema}")
        for name, columns in tables.items():
            con.execute(f"create table {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})")

    def fill(self, table: str, *rows: dict[str, Any], **same: Any) -> None:
        """Insert rows; `same` holds what all of them have."""
        for row in rows:
            values = same | row
            marks = ", ".join("?" for _ in values)
            self.con.execute(f"insert into {table} ({', '.join(values)}) values ({marks})", list(values.values()))

    def ask(self, name: str, **given: str) -> list[dict[str, Any]]:
        return run_named(self.con, find_query(name), given).dicts()

    def column(self, name: str, *columns: str, **given: str) -> list[Any]:
        """The answer's values of one column, or tuples of several."""
        rows = self.ask(name, **given)
        return [row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns) for row in rows]


@pytest.fixture(scope="session")
def release_tables() -> dict[str, dict[str, str]]:
    """Columns and types of every table of a release."""
    tables = {table.qualified_name: table.columns for table in (*TABLES, RELEASE_INFO)}
    for contract in sorted(MARTS.glob("*.yml")):
        for model in yaml.safe_load(contract.read_text(encoding="utf-8"))["models"]:
            tables[f"marts.{model['name']}"] = {column["name"]: column["data_type"] for column in model["columns"]}
    return tables


@pytest.fixture
def hand_made(release_tables: dict[str, dict[str, str]]) -> Iterator[HandMade]:
    with duckdb.connect() as connection:
        yield HandMade(connection, release_tables)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "data", threads=2)


@pytest.fixture
def con(warehouse: Warehouse) -> Iterator[Connection]:
    with warehouse.open_build() as connection:
        create_tables(connection)
        yield connection
