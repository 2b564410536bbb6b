"""From a failed Dagster run to an exit code and one sentence."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipelines.raw.checks import COVERAGE_CHECK
from pipelines.raw.snapshot import ExchangesOutOfReach

UNEXPECTED, BAD_USAGE, GATE_SAID_NO, UNREACHABLE = 1, 2, 3, 4

# Errors whose message is written for a person: what happened, where and what to do.
_FOR_PEOPLE = {
    "BadRecording", "BookError", "HedgeError", "LedgerError", "LocalExchangeFailed", "NoRelease", "PolicyError",
    "PortfolioError", "SchemaMismatch", "SeedError", "SettingsError", "SignalInputError", "WarehouseError",
    "WarehouseLocked",
}  # fmt: skip

_KEPT = "an earlier release stays as it is"

# A gate that had nothing to judge has not said yes.
_GATE_ERRORS = {"NothingEvaluated", "SuiteError"}


def what_failed(result: dg.ExecuteInProcessResult) -> tuple[int, str]:
    """The exit code and the sentence for a run that did not succeed."""
    refused = list(_refusals(result))
    if any(check.check_name == COVERAGE_CHECK for check in refused):
        said = " ".join(dict.fromkeys(_out_of_reach(result))) or "every series failed, see raw.load_batches.error"
        return UNREACHABLE, f"the exchanges could not be read, so nothing was published; {_KEPT}: {said}"
    if refused:
        names = ", ".join(f"{check.check_name} ({check.description or 'no details'})" for check in refused)
        return GATE_SAID_NO, f"a gate said no, so nothing was published; {_KEPT}: {names}"
    for error in _errors(result):
        if (error.cls_name or "").rsplit(".", 1)[-1] in _GATE_ERRORS:
            return GATE_SAID_NO, error.message.split(": ", 1)[-1].strip()
        name = (error.cls_name or "").rsplit(".", 1)[-1]
        if name == ExchangesOutOfReach.__name__:
            return UNREACHABLE, error.message.split(": ", 1)[-1].strip()
        if name in _FOR_PEOPLE:
            return BAD_USAGE, error.message.split(": ", 1)[-1].strip()
    error = next(iter(_errors(result)), None)
    said = error.message.strip().splitlines()[-1] if error else "no error was recorded"
    return UNEXPECTED, f"the run failed unexpectedly: {said}"


def _out_of_reach(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """What was noted of every exchange that could not be read at all, once for each of the run's days."""
    for event in result.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION":
            noted = event.materialization.metadata.get("blocked")
            if noted is not None:
                yield str(noted.value)


def _refusals(result: dg.ExecuteInProcessResult) -> Iterator[Any]:
    """Evaluations of blocking checks, and of dbt's tests, that did not pass."""
    for event in result.all_events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            is_error = check.severity == dg.AssetCheckSeverity.ERROR
            if not check.passed and is_error and (check.blocking or check.asset_key.path[0] not in ("raw", "publish")):
                yield check


def _errors(result: dg.ExecuteInProcessResult) -> Iterator[Any]:
    """Every error of the run, the innermost cause first."""
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        chain = []
        while error is not None:
            chain.append(error)
            error = error.cause
        yield from reversed(chain)
