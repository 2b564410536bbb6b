"""Runs of the command line and of Dagster's daemon at the same time: the second one waits, says for whom, and goes on.

No turn is a matter of time: the first run is stopped (SIGSTOP) once it holds the lock, and goes on or is killed when
the second one has said that it waits.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pytest

from warehouse.connection import Warehouse
from warehouse.release import current_release

PROJECT = Path(__file__).parents[2]
GIVE_UP_S = 240.0
Found = TypeVar("Found")


@pytest.fixture
def start(yesterday, small_market, monkeypatch) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program as a process of its own, on a copy of a real release; none outlives the test."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    surroundings = {
        "WAREHOUSE_DIR": str(yesterday), "ROTATION_SOURCE": "recorded", "ROTATION_DATA": str(small_market),
        "ROTATION_PUBLISH__REPORT": "false",
    }  # fmt: skip
    started = []

    def start(program: str, *words: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *words], cwd=PROJECT, env=os.environ | surroundings | more,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _wait_for(look: Callable[[], Found | None]) -> Found:
    give_up = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def _stopped_with_the_lock(process: subprocess.Popen[str], warehouse: Warehouse) -> None:
    def is_holder() -> bool:
        assert process.poll() is None, process.communicate()[0]
        who = warehouse.lock_holder()
        return who is not None and who.pid == process.pid

    _wait_for(is_holder)
    process.send_signal(signal.SIGSTOP)


def test_a_second_night_waits_for_the_first_and_goes_on_when_that_is_killed(start, yesterday, market_days):
    warehouse, day = Warehouse(yesterday), market_days[1] - timedelta(days=1)
    first = start("rotation", "run", "--date", f"{day}")
    _stopped_with_the_lock(first, warehouse)
    refused = start("rotation", "run", "--date", f"{day}", "--wait", "0")
    said = refused.communicate()[0]
    assert refused.returncode == 2 and f"process {first.pid} on " in said and f"kill {first.pid}" in said

    second = start("rotation", "run", "--date", f"{day}")
    waiting = next(line for line in second.stdout if " turn: " in line)
    assert f"waiting for process {first.pid} on " in waiting and re.search(r"\d\d:\d\d:\d\d\+00:00 \(.*\)", waiting)
    assert current_release(warehouse).as_of_date == day - timedelta(days=1)  # readers do not wait
    first.kill()
    said = second.communicate()[0]
    assert second.returncode == 0, said
    assert current_release(warehouse).as_of_date == day


def test_a_run_that_dagster_starts_waits_for_the_command_line_and_says_so_in_its_log(start, yesterday, monkeypatch):
    warehouse = Warehouse(yesterday)
    mine = start("rotation", "snapshot")
    _stopped_with_the_lock(mine, warehouse)
    start("rotation", "ui", "--only", "daemon")
    monkeypatch.setenv("DAGSTER_HOME", str(yesterday / "dagster"))
    launched = start("dagster", "job", "launch", "-w", "workspace.yaml", "-j", "open_interest_snapshot")
    said = launched.communicate()[0]
    assert launched.returncode == 0, said

    with dg.DagsterInstance.get() as instance:

        def waits() -> str | None:
            for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                for entry in instance.all_logs(run.run_id):
                    if "waiting for its turn" in entry.user_message:
                        assert f"process {mine.pid} on " in entry.user_message
                        return run.run_id
            return None

        run_id = _wait_for(waits)
        mine.send_signal(signal.SIGCONT)
        said = mine.communicate()[0]
        assert mine.returncode == 0, said
        ended = _wait_for(lambda: (run := instance.get_run_by_id(run_id)).is_finished and run)
        assert ended.status == dg.DagsterRunStatus.SUCCESS
    assert warehouse.lock_holder() is None
