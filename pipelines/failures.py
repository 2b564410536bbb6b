"""From a failed Dagster run to an exit code and one sentence."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.alerts.events import FailedRun
from pipelines.partitions import run_days
from pipelines.raw.checks import COVERAGE_CHECK
from pipelines.raw.snapshot import ExchangesOutOfReach
from pipelines.run_queue import run_warehouse

UNEXPECTED, BAD_USAGE, GATE_SAID_NO, UNREACHABLE = 1, 2, 3, 4

# Errors whose message is written for a person: what happened, where and what to do.
_FOR_PEOPLE = {
    "BadRecording", "BookError", "HedgeError", "LedgerError", "LocalExchangeFailed", "NoRelease", "PolicyError",
    "PortfolioError", "SchemaMismatch", "SeedError", "SettingsError", "SignalInputError", "WarehouseError",
    "WarehouseLocked",
}  # fmt: skip

_KEPT = "an earlier release stays as it is"

# What Dagster's code server writes of a run's process that has ended by itself, and what our run launcher says of one
# that is gone together with the code server.
_KILLED = re.compile(
    r"Run execution process for \S+ (?P<how>[^.]+)\.|^Detected run worker status FAILED: '(?P<who>.+)'\. "
)

# A gate that had nothing to judge has not said yes.
_GATE_ERRORS = {"NothingEvaluated", "SuiteError"}


def what_failed(events: Sequence[dg.DagsterEvent]) -> tuple[int, str]:
    """The exit code and the sentence for a run that did not succeed, from everything that happened in it."""
    refused = list(_refusals(events))
    if any(check.check_name == COVERAGE_CHECK for check in refused):
        said = " ".join(dict.fromkeys(_out_of_reach(events))) or "every series failed, see raw.load_batches.error"
        return UNREACHABLE, f"the exchanges could not be read, so nothing was published; {_KEPT}: {said}"
    if refused:
        names = ", ".join(f"{check.check_name} ({check.description or 'no details'})" for check in refused)
        return GATE_SAID_NO, f"a gate said no, so nothing was published; {_KEPT}: {names}"
    for error in _errors(events):
        if (error.cls_name or "").rsplit(".", 1)[-1] in _GATE_ERRORS:
            return GATE_SAID_NO, error.message.split(": ", 1)[-1].strip()
        name = (error.cls_name or "").rsplit(".", 1)[-1]
        if name == ExchangesOutOfReach.__name__:
            return UNREACHABLE, error.message.split(": ", 1)[-1].strip()
        if name in _FOR_PEOPLE:
            return BAD_USAGE, error.message.split(": ", 1)[-1].strip()
    killed = next(_killed(events), None)
    if killed is not None:
        return (
            UNEXPECTED,
            f"{killed}; readers keep the release they have, and the next run goes on from what was fetched",
        )
    error = next(iter(_errors(events)), None)
    ended = [event.message for event in events if event.event_type == dg.DagsterEventType.RUN_FAILURE and event.message]
    said = error.message.strip().splitlines()[-1] if error else (ended or ["no error was recorded"])[-1]
    return UNEXPECTED, f"the run failed unexpectedly: {said}"


def recent_failures(
    since: datetime,
    warehouse_dir: Path,
    source: str,
    known: Callable[[list[str]], Collection[str]],
    instance: dg.DagsterInstance | None = None,
) -> list[FailedRun]:
    """The runs of one warehouse that have failed, the oldest first, whoever started them.

    Dagster's own run failure sensor does not see the runs that the command line makes: they come from no code location.

    Args:
        since: Only runs that have changed later, UTC.
        warehouse_dir: The warehouse; it is also that of a run which was started from the interface and names none.
        source: That of a run which names none.
        known: Gives those of some run ids that need no look: the events of a long run are many.
        instance: Where the runs are stored; None: the one in `DAGSTER_HOME`.
    """
    if instance is None:
        with dg.DagsterInstance.get() as opened:
            return recent_failures(since, warehouse_dir, source, known, opened)
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since.replace(tzinfo=UTC))
    runs = instance.get_runs(wanted)
    skipped = known([run.run_id for run in runs])
    found = []
    for run in reversed([run for run in runs if run.run_id not in skipped]):
        config: Any = run.run_config.get("resources", {}) if isinstance(run.run_config, dict) else {}
        directory = run_warehouse(run)
        if directory is not None and directory.resolve() != warehouse_dir.resolve():
            continue
        events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
        exit_code, message = what_failed(events)
        made_from = config.get("settings", {}).get("config", {}).get("source") or source
        found.append(FailedRun(run.run_id, run.job_name, exit_code, message, made_from, run_days(run.tags)))
    return found


def _out_of_reach(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """What was noted of every exchange that could not be read at all, once for each of the run's days."""
    for event in events:
        if event.event_type_value == "ASSET_MATERIALIZATION":
            noted = event.materialization.metadata.get("blocked")
            if noted is not None:
                yield str(noted.value)


def _refusals(events: Sequence[dg.DagsterEvent]) -> Iterator[Any]:
    """Evaluations of blocking checks, and of dbt's tests, that did not pass."""
    for event in events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            is_error = check.severity == dg.AssetCheckSeverity.ERROR
            if not check.passed and is_error and (check.blocking or check.asset_key.path[0] not in ("raw", "publish")):
                yield check


def _killed(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """How the run's process ended, in Dagster's words or in those of the run launcher, where it could not say so."""
    for event in events:
        said = _KILLED.search(event.message or "")
        if said:
            yield said["who"] or f"the run's process {said['how']}"


def _errors(events: Sequence[dg.DagsterEvent]) -> Iterator[Any]:
    """Every error of the run, the innermost cause first."""
    for event in events:
        error = getattr(event.event_specific_data, "error", None)
        chain = []
        while error is not None:
            chain.append(error)
            error = error.cause
        yield from reversed(chain)
