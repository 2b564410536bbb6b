"""Starting a night from the command line: which days, one Dagster run, and what became of it."""

from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.clock import last_decidable_day, utc_now
from pipelines.holdings.effective import load_effective
from pipelines.policy import Policy
from pipelines.progress import report_waiting
from pipelines.settings import Settings, SettingsError
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.release import Release, current_release

if TYPE_CHECKING:
    import dagster as dg

DONE = 0


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run.

    Attributes:
        exit_code: 0 done, 1 unexpected, 2 bad usage or configuration, 3 a gate said no, 4 exchanges out of reach.
        run_id: Dagster's id; empty when no run was started.
        message: One sentence for a person.
        first_day: First day that was to be decided.
        last_day: Last day that was to be decided.
        release_id: What was published; None when yesterday's release stays.
    """

    exit_code: int
    run_id: str
    message: str
    first_day: date
    last_day: date
    release_id: str | None = None


def run(
    settings: Settings,
    day: date | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> RunOutcome:
    """Run the nightly job over one day or a range, as one Dagster run in this process.

    Without days it decides the newest day; on an empty warehouse also the days before it for which the history
    that is fetched (`ingest.backfill_days`) suffices.

    Raises:
        SettingsError: The days cannot be decided.
        PolicyError: The policy file cannot be used.
        PortfolioError: The portfolio file cannot be used.
        WarehouseError: The warehouse is still being written after the longest wait, or holds another source's data.
    """
    policy, warehouse = load_effective(settings).policy, Warehouse(settings.warehouse_dir)

    def chosen() -> tuple[date, date]:
        return choose_days(settings, policy, _own_release(settings, warehouse), day, first_day, last_day)

    chosen()  # what is refused in any case should not be waited for
    with _turn(settings, warehouse):
        return _execute(settings, warehouse, *chosen())


def take_snapshot(settings: Settings) -> RunOutcome:
    """Write down the open interest of this moment where the exchange keeps no history of it, as one Dagster run.

    Raises:
        WarehouseError: The warehouse is still being written after the longest wait, or holds another source's data.
    """
    from pipelines.jobs import SNAPSHOT
    from pipelines.raw.snapshot import snapshot_day

    warehouse = Warehouse(settings.warehouse_dir)
    _own_release(settings, warehouse)
    with _turn(settings, warehouse):
        _own_release(settings, warehouse)
        day = snapshot_day(settings)
        result, failure = _run_job(SNAPSHOT, settings, {}, f"snapshot_{day}")
    if failure is not None:
        return RunOutcome(failure[0], result.run_id, failure[1], day, day)
    (written,) = result.get_asset_materialization_events()
    rows = written.materialization.metadata["dagster/row_count"].value
    return RunOutcome(DONE, result.run_id, f"open interest written down for {day}: {rows} rows", day, day)


def _turn(settings: Settings, warehouse: Warehouse) -> AbstractContextManager[object]:
    """The write lock for the whole run, the choice of its days included; a waiting person is told for whom."""
    return warehouse.write_lock(None, settings.lock_wait_seconds, report_waiting)


def choose_days(
    settings: Settings,
    policy: Policy,
    published: Release | None,
    day: date | None,
    first_day: date | None,
    last_day: date | None,
) -> tuple[date, date]:
    """The days that a run decides, both ends included.

    Raises:
        SettingsError: The range is empty, in the future, or would leave later decisions resting on another book.
    """
    begins, ends = _available_days(settings, policy)
    if day is not None:
        first_day = last_day = day
    last_day = last_day or ends
    if first_day is None:
        first_day = min(begins, last_day) if published is None else last_day
    if first_day > last_day:
        raise SettingsError(f"--from {first_day} is after --to {last_day}; swap the two")
    if last_day > ends:
        raise SettingsError(
            f"{last_day} cannot be decided yet: the newest complete day of the source is {ends}; give --to {ends}"
        )
    if published is not None and last_day < published.as_of_date:
        raise SettingsError(
            f"days up to {published.as_of_date} are decided already, and each rests on the one before: deciding "
            f"{first_day} again needs --to {published.as_of_date}, or another --warehouse"
        )
    return first_day, last_day


def _available_days(settings: Settings, policy: Policy) -> tuple[date, date]:
    """First day with enough history behind it on an empty warehouse, and the newest complete day."""
    from pipelines.raw.session import history_days

    if settings.source in ("recorded", "example"):
        from pipelines.local_exchange.recorded_files import recorded_days

        assert settings.data is not None
        begins, ends = recorded_days(settings.data)
        return begins + timedelta(days=history_days(policy)), ends
    ends = last_decidable_day(utc_now())
    decided = max(1, settings.ingest.backfill_days - history_days(policy))
    return ends - timedelta(days=decided - 1), ends


def _own_release(settings: Settings, warehouse: Warehouse) -> Release | None:
    """The current release, once it is certain that it was made from the data that this run reads."""
    published = current_release(warehouse)
    if published is not None and published.source != settings.source:
        raise WarehouseError(
            f"{warehouse.directory} holds {published.source} data; mixing it with {settings.source} data would make "
            "decisions about neither. Give another --warehouse DIR, or remove this one"
        )
    return published


def _execute(settings: Settings, warehouse: Warehouse, first_day: date, last_day: date) -> RunOutcome:
    from pipelines.jobs import NIGHTLY
    from pipelines.partitions import range_tags

    tags = range_tags(first_day, last_day)
    result, failure = _run_job(NIGHTLY, settings, tags, f"{first_day}_{last_day}")
    if failure is not None:
        return RunOutcome(failure[0], result.run_id, failure[1], first_day, last_day)
    release = current_release(warehouse)
    return RunOutcome(DONE, result.run_id, f"released {release.release_id}", first_day, last_day, release.release_id)


def _run_job(
    job: str, settings: Settings, tags: dict[str, str], log_name: str
) -> tuple["dg.ExecuteInProcessResult", tuple[int, str] | None]:
    """Run a job here and now; with it, if it failed, the exit code and the sentence that says why."""
    import dagster as dg

    from pipelines.definitions import defs
    from pipelines.failures import what_failed

    log = settings.warehouse_dir / "logs" / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # dbt and Dagster print as they go; stdout belongs to the caller's own result
    with dg.DagsterInstance.get() as instance, log.open("w", encoding="utf-8") as file, redirect_stdout(file):
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags=tags,
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {
                    "settings": {"config": _overrides(settings)},
                    "warehouse": {"config": {"directory": str(settings.warehouse_dir)}},
                },
            },
        )
    if result.success:
        return result, None
    exit_code, message = what_failed(result.all_events)
    return result, (exit_code, f"{message}; the log is {log}")


def _overrides(settings: Settings) -> dict[str, object]:
    """The settings of this call as the run's resource wants them."""
    values = {
        "source": settings.source,
        "data": str(settings.data) if settings.data else None,
        "seed": settings.seed,
        "exchanges": list(settings.exchanges),
        "portfolio_value_usd": settings.portfolio_value_usd,
        "policy": str(settings.policy_path) if settings.policy_path else None,
        "portfolio": str(settings.portfolio_path) if settings.portfolio_path else None,
    }
    return {name: value for name, value in values.items() if value is not None}
