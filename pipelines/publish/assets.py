"""The audit of what was built and decided, and the release that everybody reads."""

import dagster as dg

from pipelines.audit_trail.in_force import keep_in_force
from pipelines.clock import utc_now
from pipelines.metadata import preview, table_metadata
from pipelines.partitions import DAILY, ONE_RUN, partition_days
from pipelines.progress import report
from pipelines.publish.checks import AUDIT_KEY, audit_check_specs, evaluate_audit
from pipelines.publish.snapshots import take_snapshots
from pipelines.resources import PipelineWarehouse, RunSettings
from pipelines.seeds import taxonomy_hash
from pipelines.settings import SEEDS_DIRECTORY
from pipelines.version import git_sha
from warehouse.contracts import ALLOCATION_SNAPSHOTS, CHECK_RESULTS
from warehouse.portfolio import read
from warehouse.release import publish
from warehouse.released import released_as

SNAPSHOTS_KEY = dg.AssetKey(["portfolio", "allocation_snapshots"])

_NEWEST_DECISION = """
select as_of_date, policy_hash, input_hash
from portfolio.decisions
order by as_of_date desc
limit 1
"""
_CHECKS_PASSED = "select count(*) from quality.check_results where run_id = $run_id and passed"


@dg.multi_asset(
    name="audit",
    specs=[
        dg.AssetSpec(
            AUDIT_KEY,
            group_name="publish",
            kinds={"greatexpectations"},
            owners=["team:data"],
            deps=[
                dg.AssetKey(["portfolio", "ledger"]),
                dg.AssetKey(["marts", "data_health_daily"]),
                dg.AssetKey(["marts", "calendar_spreads_daily"]),
                dg.AssetKey(["marts", "sector_membership"]),
            ],
            metadata=table_metadata(CHECK_RESULTS),
            description=(
                "Everything that must be true of the marts and the decision before anybody may read them. "
                "A blocking check that fails keeps yesterday's release."
            ),
        )
    ],
    check_specs=audit_check_specs(),
)
def audit(context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse):
    """The gate before the release."""
    report("audit", "checking the release")
    _, last_day = partition_days(context)
    outcome = evaluate_audit(context.run_id, last_day, settings.load(), settings.load_policy(), warehouse.files)
    yield dg.MaterializeResult(
        asset_key=AUDIT_KEY,
        metadata={
            "checks": len(outcome),
            "not_passed": sum(not check.passed for check in outcome),
        },
    )
    yield from outcome


@dg.asset(
    key=SNAPSHOTS_KEY,
    group_name="publish",
    kinds={"duckdb"},
    owners=["team:strategy"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[AUDIT_KEY],
    metadata=table_metadata(ALLOCATION_SNAPSHOTS),
)
def allocation_snapshots(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    """The night's targets, orders and futures positions as they passed the audit, never updated.

    Grain: one row per (as_of_date, snapshot_id). A second, different decision for a day is a new snapshot.
    """
    first_day, last_day = partition_days(context)
    effective, now = settings.load_effective(), utc_now()
    portfolio = (effective.portfolio_hash, effective.portfolio_json) if effective.portfolio_hash else None
    with warehouse.files.open_build() as connection:
        keep_in_force(connection, effective.policy, portfolio, taxonomy_hash(), SEEDS_DIRECTORY, now)
        added = take_snapshots(connection, first_day, last_day, now)
    return dg.MaterializeResult(metadata={"dagster/row_count": added, "window": f"{first_day} to {last_day}"})


@dg.asset(
    key=dg.AssetKey(["publish", "release"]),
    group_name="publish",
    kinds={"duckdb"},
    owners=["team:data"],
    deps=[AUDIT_KEY, SNAPSHOTS_KEY],
)
def release(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    """The file that everybody queries, put in place by one atomic rename; earlier ones stay for a rollback."""
    report("release", "publishing")
    chosen = settings.load()
    with warehouse.files.open_build() as connection:
        newest = read(connection, _NEWEST_DECISION)
        checks_passed = read(connection, _CHECKS_PASSED, {"run_id": context.run_id}).item()
    as_of_date, policy_hash, input_hash = newest.row(0)
    include_raw = chosen.publish.include_raw
    published = publish(
        warehouse.files,
        as_of_date=as_of_date,
        source=chosen.source,
        git_sha=git_sha(),
        policy_hash=policy_hash,
        input_hash=input_hash,
        checks_passed=checks_passed,
        keep=chosen.publish.keep_releases,
        published_at=utc_now(),
        raw_days=include_raw if include_raw != 0 else None,
    )
    with warehouse.files.open_build() as connection:
        released_as(connection, published.release_id)
    with warehouse.files.open_release() as connection:
        targets = read(
            connection,
            "select sector, action, target_weight_frac, target_usd from portfolio.target_allocations "
            "where as_of_date = $day order by sector",
            {"day": as_of_date},
        )
    report("release", published.release_id)
    return dg.MaterializeResult(
        metadata={
            "release_id": published.release_id,
            "as_of_date": str(as_of_date),
            "source": published.source,
            "path": str(published.path),
            "row_counts": published.row_counts,
            "dagster/row_count": sum(published.row_counts.values()),
            "bytes": published.path.stat().st_size,
            "allocations": preview(targets),
        }
    )


ASSETS = [audit, allocation_snapshots, release]
