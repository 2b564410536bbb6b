"""Columns of the dbt models and where each comes from, as the Dagster UI shows them.

Working them out takes dbt's compiled SQL and seven seconds, and they only change with the SQL: they are kept in
`dbt/columns.json`, which a test compares with the models.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from pipelines.settings import DBT_DIRECTORY

COLUMNS = DBT_DIRECTORY / "columns.json"


@cache
def _columns() -> dict[str, dict[str, dict[str, Any]]]:
    return json.loads(COLUMNS.read_text(encoding="utf-8"))


def has_column(table: str, column: str) -> bool:
    """Whether a model or seed has a column."""
    return column in _columns().get(table, {})


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
