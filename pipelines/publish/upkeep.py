"""The end of a good night: history that nobody needs any more makes room."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.clock import utc_now
from pipelines.disk import disk_use, remove_dbt_targets, remove_old_logs
from pipelines.resources import PipelineWarehouse, RunSettings
from pipelines.settings import dagster_home

UPKEEP_KEY = dg.AssetKey(["publish", "upkeep"])
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
MOST_RUNS_A_NIGHT = 20


@dg.asset(
    key=UPKEEP_KEY,
    group_name="publish",
    kinds={"python"},
    owners=["team:data"],
    deps=[dg.AssetKey(["publish", "report"])],
)
def upkeep(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    """What the night no longer needs is cleared away, and how much room each part takes.

    Runs that Dagster keeps, with their events, and logs go after `ROTATION_RETENTION__HISTORY_DAYS`; what dbt leaves
    behind goes with the night. Facts, decisions, reports and the kept releases stay. The release is out: nothing that
    goes wrong here makes the night a failed one.
    """
    files, days, now = warehouse.files, settings.load().retention.history_days, utc_now()
    removed = dict.fromkeys(("runs_removed", "logs_removed", "dbt_folders_removed"), 0)
    try:
        removed["dbt_folders_removed"] = remove_dbt_targets(context.run_id, now)
        if days:
            removed["logs_removed"] = remove_old_logs(files.directory / "logs", now - timedelta(days=days))
            removed["runs_removed"] = forget_runs(context.instance, now - timedelta(days=days))
    except Exception as error:
        context.log.warning(f"not everything that is old was cleared away: {type(error).__name__}: {error}")
    sizes = disk_use(files.directory, dagster_home(files.directory))
    return dg.MaterializeResult(metadata=removed | {f"{name}_mb": round(size / 1e6, 1) for name, size in sizes.items()})


def forget_runs(instance: dg.DagsterInstance, before: datetime, most: int = MOST_RUNS_A_NIGHT) -> int:
    """Delete runs that ended, with all that they told, by Dagster's own means; gives how many.

    A night makes one or two, so `most` catches up with a shorter retention within some nights, and no night takes long.

    Args:
        instance: Where they are kept.
        before: Runs made earlier than this instant (UTC) go, the oldest first.
        most: At most so many.
    """
    wanted = dg.RunsFilter(statuses=list(ENDED), created_before=before.replace(tzinfo=UTC))
    runs = instance.get_runs(wanted, limit=most, ascending=True)
    for run in runs:
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        instance.delete_run(run.run_id)
    return len(runs)


ASSETS = [upkeep]
