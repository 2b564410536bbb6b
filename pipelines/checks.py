"""Great Expectations' results as Dagster's asset checks, shared by the two gates."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg
import polars as pl

from expectations.model import CheckResult, Parameters, Question
from pipelines.clock import utc_now
from pipelines.limits import gate_limits
from pipelines.metadata import preview
from pipelines.policy import Policy
from pipelines.settings import Settings
from warehouse.connection import Warehouse
from warehouse.quality import record_checks
from warehouse.release import current_release

_NO_RUN = Parameters(date(2020, 1, 1), datetime(2020, 1, 2), datetime(2020, 1, 2), "", "simulated")
_EVER = datetime(1970, 1, 1)

AssetOf = Callable[[str], dg.AssetKey]


def check_name(table: str, name: str) -> str:
    """A check's name on an asset that stands for several tables."""
    return f"{table.replace('.', '__')}__{name}"


def check_specs(questions: Callable[[Parameters], list[Question]], asset_of: AssetOf) -> list[dg.AssetCheckSpec]:
    """One Dagster check per check of a suite, blocking where the suite says so.

    Args:
        questions: The suite.
        asset_of: Table name to the asset that the check is shown on.
    """
    return [
        dg.AssetCheckSpec(
            check_name(question.asset_key, check.name),
            asset=asset_of(question.asset_key),
            blocking=check.is_blocking,
            description=f"{check.meaning} {check.remedy}",
        )
        for question in questions(_NO_RUN)
        for check in question.checks
    ]


def run_gate(
    suite: str, run_id: str, as_of_date: date, settings: Settings, policy: Policy, warehouse: Warehouse
) -> list[CheckResult]:
    """Evaluate a suite over the build file and keep the results in `quality.check_results`.

    Everything since the current release is judged, so that what a stopped run left behind is judged too.
    """
    from expectations.runner import run_suites

    released = current_release(warehouse)
    now = utc_now()
    results = run_suites(
        warehouse.build_path,
        [suite],
        Parameters(
            as_of_date=as_of_date,
            since=released.published_at if released else _EVER,
            now=now,
            run_id=run_id,
            source=settings.source,
            last_row_counts={} if released is None or settings.publish.accept_fewer_rows else released.row_counts,
            limits=gate_limits(policy),
            hedge_ratio_frac=float(policy.hedge.ratio),
            hedge_resize_frac=policy.hedge.resize,
            min_trade_usd=policy.limits.min_trade_usd,
        ),
    )
    with warehouse.open_build() as connection:
        record_checks(connection, run_id, results, now)
    return results


def as_asset_checks(results: Sequence[CheckResult], asset_of: AssetOf) -> list[dg.AssetCheckResult]:
    """The results as the Dagster UI shows them."""
    return [
        dg.AssetCheckResult(
            asset_key=asset_of(result.asset_key),
            check_name=check_name(result.asset_key, result.name),
            passed=result.passed,
            severity=dg.AssetCheckSeverity.ERROR if result.is_blocking else dg.AssetCheckSeverity.WARN,
            description=result.details or None,
            metadata=_metadata(result),
        )
        for result in results
    ]


def _metadata(result: CheckResult) -> dict[str, Any]:
    rows = {"failing_rows": preview(pl.DataFrame(result.failing, infer_schema_length=None))} if result.failing else {}
    return {"evaluated": result.evaluated, "failed_rows": result.failed_rows, **rows}
