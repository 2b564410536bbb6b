"""Columns of the dbt models with their types and origins: `dbt/columns.json`.

`python -m tests.dbt.column_table` writes the file; a test compares the two.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from dagster_dbt.core.dbt_cli_event import EventHistoryMetadata, _build_column_lineage_metadata

from pipelines.transform.assets import ModelNames
from pipelines.transform.metadata import COLUMNS


def column_table(build: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Table to column to `type` and, for models, `from`: the columns of parents that it is computed from.

    Args:
        build: A `DbtBuild` of empty raw tables; seeds and models are made in it.
    """
    build.dbt("seed")
    build.dbt("run")
    manifest = json.loads(build.manifest.read_text())
    with duckdb.connect(str(build.path), read_only=True) as con:
        rows = con.execute(
            "select table_schema, table_name, column_name, data_type from information_schema.columns "
            "order by table_schema, table_name, ordinal_position"
        ).fetchall()
    types: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in rows:
        types.setdefault(f"{schema}.{table}", {})[column] = kind.lower()
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")]
    told = {}
    for node in sorted(nodes, key=_name):
        origins = _origins(node, manifest, types, build.manifest.parent) if node["resource_type"] == "model" else None
        told[_name(node)] = {
            column: {"type": kind} | ({} if origins is None else {"from": origins.get(column, [])})
            for column, kind in types[_name(node)].items()
        }
    return told


def as_text(told: dict[str, dict[str, dict[str, Any]]]) -> str:
    """JSON with a line per column."""
    tables = []
    for table, columns in told.items():
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(column)}" for name, column in columns.items())
        tables.append(f"{json.dumps(table)}: {{\n{lines}\n}}")
    return "{\n" + ",\n".join(tables) + "\n}\n"


def _name(node: dict[str, Any]) -> str:
    return f"{node['schema']}.{node['name']}"


def _origins(
    node: dict[str, Any], manifest: dict[str, Any], types: dict[str, dict[str, str]], target: Path
) -> dict[str, list[str]]:
    """Column to the columns it is computed from, as `schema.table.column`."""

    def typed(one: dict[str, Any]) -> dict[str, dict[str, str]]:
        return {column: {"data_type": kind} for column, kind in types[_name(one)].items()}

    parents = [
        manifest["nodes"].get(name) or manifest["sources"][name] for name in manifest["parent_map"][node["unique_id"]]
    ]
    history = EventHistoryMetadata(typed(node), {parent["relation_name"]: typed(parent) for parent in parents})
    metadata = _build_column_lineage_metadata(history, node, manifest, ModelNames(), target, None)
    return {
        column: sorted(".".join([*dep.asset_key.path, dep.column_name]) for dep in deps)
        for column, deps in metadata["dagster/column_lineage"].deps_by_column.items()
    }


def main() -> None:
    from tests.dbt.conftest import DbtBuild
    from warehouse.contracts import RAW
    from warehouse.schema import create_tables

    with tempfile.TemporaryDirectory() as folder:
        build = DbtBuild(Path(folder), Path(folder) / "work")
        (Path(folder) / "work").mkdir()
        with duckdb.connect(str(build.path)) as con:
            create_tables(con, RAW)
        COLUMNS.write_text(as_text(column_table(build)), encoding="utf-8")


if __name__ == "__main__":
    main()
