"""Killed at any moment, an import of the archive is finished by the next one: the same raw tables, nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.clock import decision_instant
from pipelines.local_exchange.process import LocalExchangeProcess
from warehouse.connection import Warehouse
from warehouse.contracts import FACTS, LOAD_BATCHES, QUARANTINE

PROJECT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
KILLS_ALONE, KILLS_IN_A_ROW = 5, 5
FIRST, LAST = date(2025, 1, 28), date(2025, 2, 5)  # parts of two months; the first day of LDO's listing is far off
# When a row was loaded is all that a kill may change: the ids of loads come from the files.
MOMENTS = {"ingested_at", "quarantined_at", "run_id", "started_at", "ended_at"}


@pytest.fixture(scope="module")
def load(small_market, tmp_path_factory) -> Iterator[Callable[..., dict[str, Any]]]:
    """Imports days of the small market's archive, or is killed: `load(directory, kill_after, wait_s)`."""
    with LocalExchangeProcess("recorded", small_market, now=decision_instant(LAST + timedelta(days=40))) as exchange:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(Path(__file__).with_name("archive_in_a_child.py"))],
            cwd=PROJECT,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        def load(directory: Path, kill_after: int | None = None, wait_s: float = 0.0) -> dict[str, Any]:
            order = {"url": exchange.url, "warehouse": str(directory), "first_day": str(FIRST), "last_day": str(LAST)}
            process.stdin.write(json.dumps(order | {"kill_after": kill_after, "wait_s": wait_s}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        with process:
            yield load
            process.stdin.close()


@pytest.fixture(scope="module")
def undisturbed(load, tmp_path_factory) -> tuple[int, dict[str, pl.DataFrame]]:
    """How many reports an import makes, and the raw tables that it leaves."""
    directory = tmp_path_factory.mktemp("undisturbed")
    done = load(directory)
    assert done["ended"] == 0
    tables = _tables(directory)
    assert tables["raw.open_interest"].height > 20_000
    assert tables["raw.funding_rates"].height > 1_000
    return done["reports"], tables


@pytest.mark.parametrize("seed", range(KILLS_ALONE))
def test_an_import_killed_at_a_random_moment_is_finished_by_the_next(load, undisturbed, tmp_path, seed):
    reports, tables = undisturbed
    draw = random.Random(seed)
    assert load(tmp_path, draw.randint(0, reports - 1), draw.uniform(0, 0.1))["ended"] == KILLED
    assert Warehouse(tmp_path).lock_holder() is None
    assert load(tmp_path)["ended"] == 0
    _assert_same(_tables(tmp_path), tables)


def test_an_import_killed_many_times_in_a_row_is_finished_in_the_end(load, undisturbed, tmp_path):
    reports, tables = undisturbed
    draw = random.Random(KILLS_ALONE)
    for _ in range(KILLS_IN_A_ROW):
        assert load(tmp_path, draw.randint(0, reports - 1), draw.uniform(0, 0.1))["ended"] == KILLED
    assert load(tmp_path)["ended"] == 0
    _assert_same(_tables(tmp_path), tables)


def test_an_import_that_is_done_changes_nothing_when_it_is_done_again(load, undisturbed, tmp_path):
    _, tables = undisturbed
    for _ in range(2):
        assert load(tmp_path)["ended"] == 0
    _assert_same(_tables(tmp_path), tables)


def _tables(directory: Path) -> dict[str, pl.DataFrame]:
    """Every raw table, sorted, without the moments of loading."""
    tables = {}
    with Warehouse(directory).open_build() as connection:
        for table in (*FACTS, QUARANTINE, LOAD_BATCHES):
            columns = [column for column in table.columns if column not in MOMENTS]
            frame = connection.execute(f"select {', '.join(columns)} from {table.qualified_name}").pl()
            tables[table.qualified_name] = frame.sort(columns)
    return tables


def _assert_same(found: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame]) -> None:
    for table in FACTS:
        key = list(table.natural_key)
        assert not found[table.qualified_name].select(key).is_duplicated().any(), f"{table.qualified_name}: twice"
    for name, frame in expected.items():
        assert found[name].equals(frame), f"{name}: {found[name].height} rows instead of {frame.height}, or others"
