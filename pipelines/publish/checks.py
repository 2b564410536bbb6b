"""The gate before the release: what must be true of the marts and the decision before anybody reads them."""

from datetime import date

import dagster as dg

from expectations.release import release_questions
from pipelines.checks import as_asset_checks, check_specs, run_gate
from pipelines.policy import Policy
from pipelines.settings import Settings
from warehouse.connection import Warehouse

AUDIT_KEY = dg.AssetKey(["publish", "audit"])


def _audit_key(_: str) -> dg.AssetKey:
    return AUDIT_KEY


def audit_check_specs() -> list[dg.AssetCheckSpec]:
    """Every check of the audit."""
    return check_specs(release_questions, _audit_key)


def evaluate_audit(
    run_id: str, as_of_date: date, settings: Settings, policy: Policy, warehouse: Warehouse
) -> list[dg.AssetCheckResult]:
    """What the audit found in the build file."""
    results = run_gate("release", run_id, as_of_date, settings, policy, warehouse)
    return as_asset_checks(results, _audit_key)
