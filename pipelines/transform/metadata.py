"""What the Dagster UI shows of the dbt models: columns and their origins, size and age, the rows that fail a test.

Where a column comes from takes dbt's compiled SQL and seven seconds to work out, and only changes with the SQL: it is
kept in `dbt/columns.json`, which a test compares with the models.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import polars as pl
from dagster_dbt import DbtCliInvocation

from pipelines.clock import decision_instant
from pipelines.metadata import PREVIEW_ROWS, preview, size_and_age
from pipelines.settings import DBT_DIRECTORY
from warehouse.connection import Connection, Warehouse
from warehouse.portfolio import read

COLUMNS = DBT_DIRECTORY / "columns.json"


@cache
def _columns() -> dict[str, dict[str, dict[str, Any]]]:
    return json.loads(COLUMNS.read_text(encoding="utf-8"))


def column_schema(table: str, described: Mapping[str, Mapping[str, Any]]) -> dg.TableSchema:
    """Name, type, meaning and origin of a model's or seed's columns.

    The origin stands in the description too: Dagster's own interface draws no lineage of columns.

    Args:
        table: For example `marts.sector_weights`.
        described: What the dbt project says about its columns, by name; may be empty.
    """
    return dg.TableSchema(
        [
            dg.TableColumn(name, column["type"], _description(described.get(name, {}), column.get("from", [])))
            for name, column in _columns().get(table, {}).items()
        ]
    )


def _description(told: Mapping[str, Any], origins: list[str]) -> str | None:
    tables: dict[str, list[str]] = {}
    for origin in origins:
        table, column = origin.rsplit(".", 1)
        tables.setdefault(table, []).append(column)
    from_where = "; ".join(f"{table}: {', '.join(columns)}" for table, columns in tables.items())
    return " ".join([*filter(None, [told.get("description")]), *([f"[from {from_where}]"] if origins else [])]) or None


def column_lineage(table: str) -> dg.TableColumnLineage:
    """The columns that each column of a model is computed from; constants and counts come from none."""
    return dg.TableColumnLineage(
        {
            name: [_dependency(source) for source in column["from"]]
            for name, column in _columns().get(table, {}).items()
            if "from" in column
        }
    )


def _dependency(source: str) -> dg.TableColumnDep:
    schema, table, column = source.split(".")
    return dg.TableColumnDep(dg.AssetKey([schema, table]), column)


def shown(events: Iterable[Any], invocation: DbtCliInvocation, warehouse: Warehouse, last_day: date) -> Iterator[Any]:
    """dbt's events with what a person wants to see of them. dbt must have ended, for it opens the build file alone.

    Views are not counted: that would compute them.
    """
    compiled = _compiled_tests(invocation.target_path / "run_results.json")
    with warehouse.open_build() as connection:
        for event in events:
            node = invocation.manifest["nodes"].get(_unique_id(event), {})
            if isinstance(event, dg.Output):
                yield event.with_metadata({**event.metadata, **_size(connection, node, last_day)})
            elif isinstance(event, dg.AssetCheckResult) and not event.passed and _unique_id(event) in compiled:
                rows = _failing_rows(connection, compiled[_unique_id(event)])
                yield event.with_metadata({**event.metadata, "failing_rows": preview(rows)})
            else:
                yield event


def _unique_id(event: Any) -> str | None:
    value = (getattr(event, "metadata", None) or {}).get("unique_id")
    return getattr(value, "value", value)


def _compiled_tests(path: Path) -> dict[str, str]:
    """Unique id to SQL of the tests that did not pass; empty when dbt stopped before it wrote its results."""
    if not path.is_file():
        return {}
    results = orjson.loads(path.read_bytes())["results"]
    return {
        one["unique_id"]: one["compiled_code"]
        for one in results
        if one["status"] in ("fail", "warn") and one.get("compiled_code")
    }


def _size(connection: Connection, node: dict[str, Any], last_day: date) -> dict[str, Any]:
    if node["config"]["materialized"] == "view":
        return {}
    table = f"{node['schema']}.{node['name']}"
    newest = "cast(max(date) + 1 as timestamp)" if "date" in _columns().get(table, {}) else "null::timestamp"
    return size_and_age(*read(connection, f"select count(*), {newest} from {table}").row(0), decision_instant(last_day))


def _failing_rows(connection: Connection, sql: str) -> pl.DataFrame:
    return read(connection, f"select * from ({sql}) order by all limit {PREVIEW_ROWS}")
