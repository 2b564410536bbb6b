"""How Dagster starts runs beside those of the command line: in their order, and without waiting for the dead."""

from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from pipelines.settings import load_settings
from warehouse.connection import Warehouse

QUEUE_TAG = "rotation/queue"
LOOKS_BEFORE_DEAD = 3


class QueuedInOrder(QueuedRunCoordinator):
    """Dagster's queue, for the runs that it starts itself.

    They get a tag of which `dagster.yaml` lets one run at a time, because each day rests on the one before. A run of
    the command line has no such tag, so it holds up nobody here: the write lock decides whose turn it is.
    """

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        self._instance.add_run_tags(context.dagster_run.run_id, {QUEUE_TAG: "in order"})
        return super().submit_run(context)


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which also knows when the process of a run is dead.

    A run has begun and not ended: then it holds the write lock, or somebody else does and it waits. When nobody holds
    it, look after look, the run's process is gone. (Process ids would not do: after a restart of the machine, or in a
    container, another process may have the same one.)
    """

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(inst_data)
        self._looks_without_writer: dict[str, int] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        looks = 0 if _is_written(run) else self._looks_without_writer.get(run.run_id, 0) + 1
        if looks < LOOKS_BEFORE_DEAD:
            self._looks_without_writer[run.run_id] = looks
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._looks_without_writer.pop(run.run_id, None)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the run's process was killed: nobody holds the write lock")


def _is_written(run: dg.DagsterRun) -> bool:
    directory = run_warehouse(run)
    return Warehouse(directory or load_settings().warehouse_dir).lock_holder() is not None


def run_warehouse(run: dg.DagsterRun) -> Path | None:
    """The warehouse that a stored run names; None: the one in the settings, as for a run of the interface."""
    config: Any = run.run_config if isinstance(run.run_config, dict) else {}
    directory = config.get("resources", {}).get("warehouse", {}).get("config", {}).get("directory")
    return Path(directory) if directory else None
