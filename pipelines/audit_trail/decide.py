"""The nightly job's own steps from the raw facts to the decision, on a warehouse of one's own."""

from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path

from pipelines.policy import Policy
from pipelines.settings import prepare_process_environment
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

_BUILT_BY_DBT = ("seeds", "staging", "intermediate", "marts")
_DECIDED = "portfolio"


class ReplayError(WarehouseError):
    """A decision cannot be made again; the message says what is missing and what to do."""


def decide_again(
    warehouse: Warehouse,
    first_day: date,
    last_day: date,
    policy: Policy,
    settings: Mapping[str, object],
    with_marts: bool = True,
    portfolio_json: str = "{}",
) -> None:
    """Build the marts and decide some days as a night does, from the raw rows that a warehouse holds.

    Nothing is fetched and nothing is published. Every day continues from what the portfolio tables say of the days
    before it.

    Args:
        warehouse: A copy that may be written; never the one that people read.
        first_day: First day decided.
        last_day: Last day decided, included; the marts end there.
        policy: The policy in force.
        settings: More of the run's settings, as the run's `settings` resource takes them (`source`, ...).
        portfolio_json: The portfolio file of then; without one the books began as cash.
        with_marts: False where the marts are there already and only the days are decided anew.

    Raises:
        ReplayError: a step failed; the message ends with its own words.
    """
    prepare_process_environment(warehouse.directory)
    import dagster as dg

    from pipelines.definitions import defs
    from pipelines.failures import what_failed
    from pipelines.jobs import NIGHTLY
    from pipelines.partitions import range_tags
    from pipelines.publish.assets import SNAPSHOTS_KEY

    schemas = (*_BUILT_BY_DBT, _DECIDED) if with_marts else (_DECIDED,)
    keys = [spec.key for spec in defs.resolve_all_asset_specs() if spec.key.path[0] in schemas]
    keys.remove(SNAPSHOTS_KEY)
    # The resource reads a file; JSON is YAML too.
    policy_path = warehouse.directory / "policy.yml"
    policy_path.write_text(policy.canonical_json(), encoding="utf-8")
    portfolio_path = warehouse.directory / "portfolio.yml"
    portfolio_path.write_text(portfolio_json, encoding="utf-8")
    resources = {
        "settings": {"config": {"policy": str(policy_path), "portfolio": str(portfolio_path), "data": ".", **settings}},
        "warehouse": {"config": {"directory": str(warehouse.directory)}},
    }
    log = _log_path(warehouse)
    with dg.DagsterInstance.ephemeral() as instance, log.open("a", encoding="utf-8") as file, redirect_stdout(file):
        result = defs.resolve_job_def(NIGHTLY).execute_in_process(
            instance=instance,
            asset_selection=keys,
            raise_on_error=False,
            tags=range_tags(first_day, last_day),
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": resources,
            },
        )
    if not result.success:
        _, message = what_failed(result.all_events)
        raise ReplayError(f"{first_day} to {last_day} cannot be decided again: {message}")


def _log_path(warehouse: Warehouse) -> Path:
    """dbt and Dagster print as they go; standard output belongs to the caller."""
    return warehouse.directory / "replay.log"
