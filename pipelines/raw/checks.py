"""The gate at the border: what this run loaded must be fit to be calculated with."""

from datetime import date
from typing import Any

import dagster as dg

from expectations.border import border_questions
from pipelines.checks import as_asset_checks, check_name, check_specs, run_gate
from pipelines.clock import decision_instant
from pipelines.metadata import size_and_age
from pipelines.policy import Policy
from pipelines.settings import Settings
from warehouse.connection import Connection, Warehouse
from warehouse.contracts import FACTS, LOAD_BATCHES, Table
from warehouse.portfolio import read

# When this check says no, it is because exchanges could not be reached.
COVERAGE_CHECK = check_name(LOAD_BATCHES.qualified_name, "not_all_failed")

TABLES = (*FACTS, LOAD_BATCHES)


def table_key(qualified_name: str) -> dg.AssetKey:
    """`raw.funding_rates` -> raw/funding_rates."""
    return dg.AssetKey(qualified_name.split("."))


def border_check_specs() -> list[dg.AssetCheckSpec]:
    """Every check of the border, on the table it is about."""
    return check_specs(border_questions, table_key)


def evaluate_border(
    run_id: str, as_of_date: date, settings: Settings, policy: Policy, warehouse: Warehouse
) -> tuple[dict[str, dict[str, Any]], list[dg.AssetCheckResult]]:
    """Size and age of every raw table, and what the border's checks found about this run's rows."""
    with warehouse.open_build() as connection:
        sizes = {table.name: _size_and_age(connection, table, as_of_date) for table in TABLES}
    results = run_gate("border", run_id, as_of_date, settings, policy, warehouse)
    return sizes, as_asset_checks(results, table_key)


def _size_and_age(connection: Connection, table: Table, as_of_date: date) -> dict[str, Any]:
    newest = "null::timestamp" if table.event_column is None else "max(available_at)"
    rows = read(connection, f"select count(*), {newest} from {table.qualified_name}").row(0)
    return size_and_age(*rows, decision_instant(as_of_date))
