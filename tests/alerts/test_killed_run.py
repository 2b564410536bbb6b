"""A run whose process was killed says so, in words for a person."""

import dagster as dg
from dagster._core.events import EngineEventData

from pipelines.failures import UNEXPECTED, what_failed

KEPT = "readers keep the release they have, and the next run goes on from what was fetched"


def event(kind: dg.DagsterEventType, message: str) -> dg.DagsterEvent:
    data = EngineEventData() if kind is dg.DagsterEventType.ENGINE_EVENT else None
    return dg.DagsterEvent(kind.value, "nightly", message=message, event_specific_data=data)


def test_a_killed_run_names_the_signal_and_what_stays():
    """The two events that Dagster's code server writes for a process that is gone."""
    died = "[DagsterApiServer] Run execution process for 1f6c was terminated by signal 9 (SIGKILL). This ... ops."
    marked = "This run has been marked as failed from outside the execution context."
    events = [event(dg.DagsterEventType.ENGINE_EVENT, died), event(dg.DagsterEventType.RUN_FAILURE, marked)]
    assert what_failed(events) == (UNEXPECTED, f"the run's process was terminated by signal 9 (SIGKILL); {KEPT}")


def test_a_run_that_is_gone_with_its_daemon_says_how_that_was_noticed():
    said = "the run's process was killed: nobody holds the write lock"
    marked = f"Detected run worker status FAILED: '{said}'. Marking run 46b2 as failed."
    assert what_failed([event(dg.DagsterEventType.RUN_FAILURE, marked)]) == (UNEXPECTED, f"{said}; {KEPT}")
