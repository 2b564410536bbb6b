"""docs/tables.md names every column of the marts and of the raw tables, with its type."""

import re
from pathlib import Path

import pytest
import yaml

from warehouse.contracts import PORTFOLIO, QUALITY, RAW, Table

PROJECT = Path(__file__).parents[2]
SECTIONS = dict(
    re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", (PROJECT / "docs" / "tables.md").read_text(), re.MULTILINE | re.DOTALL)
)
LINEAGE = ["available_at", "ingested_at", "pit_quality", "source", "batch_id"]


def _columns(section: str) -> dict[str, str]:
    return dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", SECTIONS[section], re.MULTILINE))


@pytest.mark.parametrize("path", sorted((PROJECT / "dbt" / "models" / "marts").glob("*.yml")), ids=lambda p: p.stem)
def test_mart_is_documented_column_by_column(path: Path) -> None:
    (model,) = yaml.safe_load(path.read_text())["models"]
    assert _columns(f"marts.{model['name']}") == {c["name"]: c["data_type"] for c in model["columns"]}


@pytest.mark.parametrize("table", RAW, ids=lambda table: table.name)
def test_raw_table_is_documented_column_by_column(table: Table) -> None:
    told_once = LINEAGE if "pit_quality" in table.columns else []
    expected = {name: kind.lower() for name, kind in table.columns.items() if name not in told_once}
    assert _columns(f"raw.{table.name}") == expected


@pytest.mark.parametrize("table", [*PORTFOLIO, *QUALITY], ids=lambda table: table.name)
def test_portfolio_and_quality_table_is_documented_column_by_column(table: Table) -> None:
    assert _columns(table.qualified_name) == {name: kind.lower() for name, kind in table.columns.items()}
