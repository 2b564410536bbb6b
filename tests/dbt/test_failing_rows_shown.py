"""A dbt test that fails carries the rows that fail it into the interface; tables carry their size and age."""

import json
from datetime import date
from types import SimpleNamespace

import dagster as dg
import pytest

from pipelines.transform.metadata import shown
from warehouse.connection import Warehouse

NODES = {
    "model.rotation.sector_weights": {
        "schema": "marts", "name": "sector_weights", "resource_type": "model", "config": {"materialized": "table"},
    },
    "model.rotation.data_health_daily": {
        "schema": "marts", "name": "data_health_daily", "resource_type": "model", "config": {"materialized": "table"},
    },
    "model.rotation.stg_loads": {
        "schema": "staging", "name": "stg_loads", "resource_type": "model", "config": {"materialized": "view"},
    },
    "test.rotation.unique": {"resource_type": "test"},
}  # fmt: skip


@pytest.fixture
def warehouse(tmp_path):
    warehouse = Warehouse(tmp_path)
    with warehouse.open_build() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.sector_weights as select n as sector from range(3) t (n)")
        connection.execute("create table marts.data_health_daily as select date '2026-11-20' as date")
    return warehouse


@pytest.fixture
def invocation(tmp_path):
    results = [
        {"unique_id": "test.rotation.unique", "status": "fail", "compiled_code": "select 7 as sector, 2 as times"},
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    return SimpleNamespace(target_path=tmp_path, manifest={"nodes": NODES})


def _output(name):
    return dg.Output(None, name, metadata={"unique_id": f"model.rotation.{name}"})


def _check(passed):
    return dg.AssetCheckResult(
        passed=passed, asset_key="a", check_name="b", metadata={"unique_id": "test.rotation.unique"}
    )


def test_tables_show_size_and_age_and_views_are_not_counted(warehouse, invocation):
    events = [_output(name) for name in ("sector_weights", "data_health_daily", "stg_loads")]
    weights, health, view = (event.metadata for event in shown(events, invocation, warehouse, date(2026, 11, 21)))
    assert weights["dagster/row_count"].value == 3
    assert "data_age_hours" not in weights
    assert health["data_age_hours"].value == 24.25  # known until 2026-11-21 00:00, decided on 2026-11-22 00:15
    assert "dagster/row_count" not in view


def test_a_test_that_fails_shows_its_rows_and_one_that_passes_none(warehouse, invocation):
    failed, passed = shown([_check(False), _check(True)], invocation, warehouse, date(2026, 11, 21))
    assert failed.metadata["failing_rows"].value.splitlines() == ["| sector | times |", "| --- | --- |", "| 7 | 2 |"]
    assert "failing_rows" not in passed.metadata


def test_a_build_that_stopped_before_its_results_still_shows_what_it_said(warehouse, invocation, tmp_path):
    (tmp_path / "run_results.json").unlink()
    (failed,) = shown([_check(False)], invocation, warehouse, date(2026, 11, 21))
    assert not failed.passed
