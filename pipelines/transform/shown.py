"""What a dbt build has made, as the Dagster UI shows it: size and age of every table, the rows that fail a test."""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import polars as pl
from dagster_dbt import DbtCliInvocation

from pipelines.clock import decision_instant
from pipelines.metadata import PREVIEW_ROWS, preview, size_and_age
from pipelines.transform.columns import has_column
from warehouse.connection import Connection, Warehouse
from warehouse.portfolio import read


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
    newest = "cast(max(date) + 1 as timestamp)" if has_column(table, "date") else "null::timestamp"
    return size_and_age(*read(connection, f"select count(*), {newest} from {table}").row(0), decision_instant(last_day))


def _failing_rows(connection: Connection, sql: str) -> pl.DataFrame:
    return read(connection, f"select * from ({sql}) order by all limit {PREVIEW_ROWS}")
