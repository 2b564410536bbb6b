"""Readers and publishers at the same time, in processes of their own."""

import signal
import subprocess
import sys
import textwrap
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from warehouse.connection import Warehouse
from warehouse.release import Release, list_releases, publish
from warehouse.schema import create_tables

READER = """
import sys, time
from pathlib import Path
from warehouse.connection import Warehouse

warehouse, stop = Warehouse(Path(sys.argv[1]), threads=1), Path(sys.argv[2])
print("ready", flush=True)
seen, queries, is_last = [], 0, False
while not is_last:
    is_last = stop.exists()  # asked before the release is opened, so that the last look meets the last release
    with warehouse.open_release() as con:
        for _ in range(3):
            release_id, = con.execute("select release_id from quality.release_info").fetchone()
            number, rows = con.execute("select min(release), count(*) from marts.numbers").fetchone()
            assert rows == 2000 and int(release_id[:6]) == number, (release_id, number, rows)
            queries += 1
    seen.append(release_id)
    time.sleep(0.3)  # two cores for nine processes
assert seen == sorted(seen), seen
print(queries, len(set(seen)), seen[-1], flush=True)
"""

PUBLISHER = """
import os, signal, sys
from datetime import date, datetime
from pathlib import Path
from warehouse import release
from warehouse.connection import Warehouse

def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

{sabotage}
release.publish(
    Warehouse(Path(sys.argv[1])), as_of_date=date(2026, 1, 2), source="simulated", git_sha=None, policy_hash=None,
    input_hash=None, checks_passed=1, keep=2, published_at=datetime(2026, 1, 3),
)
print("published", flush=True)
"""


def build(warehouse: Warehouse, number: int) -> None:
    """A mart whose every row carries the number of the release it will be in."""
    with warehouse.open_build() as con:
        create_tables(con)
        con.execute("create schema if not exists marts")
        con.execute(f"create or replace table marts.numbers as select {number} as release from range(2000)")


def release(warehouse: Warehouse, number: int, keep: int) -> Release:
    build(warehouse, number)
    day = date(2026, 1, 1) + timedelta(days=number)
    return publish(
        warehouse,
        as_of_date=day,
        source="simulated",
        git_sha=None,
        policy_hash=None,
        input_hash=None,
        checks_passed=1,
        keep=keep,
        published_at=datetime(2026, 1, 1) + timedelta(days=number),
    )


def test_eight_readers_see_twenty_releases_without_an_error_and_never_an_older_one(tmp_path: Path) -> None:
    warehouse, stop = Warehouse(tmp_path / "data", threads=1), tmp_path / "stop"
    release(warehouse, 1, keep=1)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(READER), str(warehouse.directory), str(stop)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
        for number in range(2, 22):
            # One release is kept, so every publication removes the file that the readers have open.
            last = release(warehouse, number, keep=1)
        stop.touch()
        results = [reader.communicate(timeout=60) for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
    assert [(reader.returncode, errors) for reader, (_, errors) in zip(readers, results, strict=True)] == [(0, "")] * 8
    for output, _ in results:
        queries, distinct, newest = output.split()
        assert int(queries) > 10 and int(distinct) > 3 and newest == last.release_id


@pytest.mark.parametrize(
    ("moment", "sabotage"),
    [
        ("before the copy is closed", "release._describe = die"),
        ("when the file is complete but has its working name", "release._sync = die"),
        ("when the file has its name and is not linked", "release._point_to = die"),
        ("just before the swap", "os.replace = die"),
    ],
)
def test_publisher_killed_at_any_moment_leaves_the_old_release(tmp_path: Path, moment: str, sabotage: str) -> None:
    warehouse = Warehouse(tmp_path / "data", threads=1)
    old = release(warehouse, 1, keep=2)
    build(warehouse, 2)
    program = textwrap.dedent(PUBLISHER).format(sabotage=sabotage)
    killed = subprocess.run(
        [sys.executable, "-c", program, str(warehouse.directory)], capture_output=True, text=True, timeout=60
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr

    with warehouse.open_release() as con:
        assert con.execute("select release_id from quality.release_info").fetchone() == (old.release_id,)
        assert con.execute("select count(*), max(release) from marts.numbers").fetchone() == (2000, 1)

    build(warehouse, 3)
    new = release(warehouse, 3, keep=2)
    assert new.is_current and new.release_id > old.release_id
    with warehouse.open_release() as con:
        assert con.execute("select count(*), max(release) from marts.numbers").fetchone() == (2000, 3)
    assert [path.name for path in warehouse.releases_dir.iterdir() if not path.name.endswith(".duckdb")] == []
    assert sorted(path.name for path in warehouse.directory.iterdir()) == [
        "build.duckdb",
        "build.lock",
        "releases",
        "warehouse.duckdb",
    ]
    assert new.release_id in [r.release_id for r in list_releases(warehouse)]


def test_publisher_killed_after_the_swap_has_published(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "data", threads=1)
    old = release(warehouse, 1, keep=2)
    build(warehouse, 2)
    program = textwrap.dedent(PUBLISHER).format(sabotage="release.insert = die")
    subprocess.run([sys.executable, "-c", program, str(warehouse.directory)], capture_output=True, timeout=60)
    with warehouse.open_release() as con:
        assert con.execute("select max(release) from marts.numbers").fetchone() == (2,)
    new = release(warehouse, 3, keep=3)
    assert [r.release_id[:6] for r in list_releases(warehouse)] == ["000001", "000002", "000003"]
    assert old.release_id < new.release_id
