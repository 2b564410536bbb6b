import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from warehouse.connection import Warehouse
from warehouse.errors import NoRelease, WarehouseError, WarehouseLocked
from warehouse.lock import LockHolder

HOLD = """
import sys
from pathlib import Path
from warehouse.connection import Warehouse
with Warehouse(Path(sys.argv[1])).{door}:
    print("held", flush=True)
    sys.stdin.read()  # until it is told to end
"""


def other_process(warehouse: Warehouse, door: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD.format(door=door)), str(warehouse.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_second_writer_is_told_who_writes_since_when_and_what_to_do(warehouse: Warehouse) -> None:
    process = other_process(warehouse, "write_lock('rotation run --live')")
    try:
        holder = warehouse.lock_holder()
        assert holder is not None and holder.pid == process.pid
        with pytest.raises(WarehouseLocked) as told, warehouse.write_lock():
            pass
        for part in (str(process.pid), holder.host, holder.started_at, "rotation run --live", f"kill {process.pid}"):
            assert part in str(told.value)
        with pytest.raises(WarehouseLocked), warehouse.open_build():
            pass
    finally:
        process.kill()
        process.wait()


def test_lock_of_a_killed_writer_is_taken_over(warehouse: Warehouse) -> None:
    process = other_process(warehouse, "write_lock('will be killed')")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert json.loads(warehouse.lock_path.read_text())["pid"] == process.pid  # it had no time to say so
    assert warehouse.lock_holder() is None
    with warehouse.write_lock("next") as holder:
        assert holder.pid == os.getpid()
        assert warehouse.lock_holder() == holder


@pytest.mark.parametrize("end", ["told to end", "killed"])
def test_second_writer_waits_its_turn_and_is_told_for_whom(warehouse: Warehouse, end: str) -> None:
    process = other_process(warehouse, "write_lock('nightly of 2026-11-20')")
    seen: list[tuple[LockHolder | None, float]] = []

    def waiting(who: LockHolder | None, waited_s: float) -> None:
        seen.append((who, waited_s))
        if len(seen) == 2:  # only now can the turn come
            process.kill() if end == "killed" else process.communicate()

    with warehouse.write_lock("next", wait_s=600, waiting=waiting) as holder:
        assert holder.pid == os.getpid()
    process.wait()
    who, first_wait_s = seen[0]
    assert who is not None and (who.pid, who.command) == (process.pid, "nightly of 2026-11-20")
    assert seen[1][1] > first_wait_s


def test_second_writer_waits_no_longer_than_it_was_told(warehouse: Warehouse) -> None:
    process = other_process(warehouse, "write_lock('hangs')")
    try:
        with (
            pytest.raises(WarehouseLocked, match=r"hangs\); it was waited for \d+ s"),
            warehouse.write_lock(wait_s=0.2),
        ):
            pass
    finally:
        process.kill()
        process.wait()


def test_what_the_holder_does_can_be_said_anew_and_since_when_stays(warehouse: Warehouse) -> None:
    with warehouse.write_lock("rotation run") as before:
        warehouse.describe_lock("nightly of 2026-11-20")
        assert warehouse.lock_holder() == replace(before, command="nightly of 2026-11-20")
    assert warehouse.lock_holder() is None


def test_two_runs_in_one_process_do_not_share_the_lock(warehouse: Warehouse) -> None:
    with (
        warehouse.write_lock("first"),
        pytest.raises(WarehouseLocked, match="first"),
        warehouse.write_lock("second", 1e9, lambda who, waited_s: pytest.fail("it waits for itself")),
    ):
        pass
    assert warehouse.lock_holder() is None
    assert warehouse.lock_path.read_text() == ""  # nobody who looks at the file is misled
    with warehouse.write_lock("second"):
        pass


def test_steps_open_the_build_file_under_the_lock_of_their_run(warehouse: Warehouse) -> None:
    with warehouse.write_lock("run"):
        with warehouse.open_build() as con:
            con.execute("create table t as select 1 as a")
        # Between two steps no connection is open: another program may have the file, the lock stays.
        assert warehouse.lock_holder() is not None
        with warehouse.open_build() as con:
            assert con.execute("from t").fetchall() == [(1,)]
        assert warehouse.lock_holder() is not None
    with warehouse.open_build() as con:
        assert warehouse.lock_holder() is not None
    assert warehouse.lock_holder() is None


def test_build_file_open_in_a_program_without_the_lock_is_named(warehouse: Warehouse) -> None:
    with warehouse.open_build():
        pass
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)",
            str(warehouse.build_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(WarehouseLocked, match=f"PID {process.pid}.*Close it there"), warehouse.open_build():
            pass
    finally:
        process.kill()
        process.wait()


def test_reading_before_the_first_release_says_how_to_make_one(warehouse: Warehouse) -> None:
    with pytest.raises(NoRelease, match="rotation run"), warehouse.open_release():
        pass
    with pytest.raises(NoRelease, match="Kept: none"), warehouse.open_release("000001-20260101"):
        pass


def test_damaged_build_file_is_an_error_with_a_remedy(warehouse: Warehouse) -> None:
    warehouse.directory.mkdir(parents=True)
    warehouse.build_path.write_bytes(b"not a database " * 1000)
    with (
        pytest.raises(WarehouseError, match=r"build.duckdb: cannot be opened .*damaged, remove it"),
        warehouse.open_build(),
    ):
        pass
    assert warehouse.lock_holder() is None


@pytest.mark.parametrize("settings", [{"memory_limit": "much"}, {"threads": 0}])
def test_setting_that_duckdb_refuses_is_named(tmp_path: Path, settings: dict[str, object]) -> None:
    name = next(iter(settings))
    refused = Warehouse(tmp_path, **settings)  # type: ignore[arg-type]
    with pytest.raises(WarehouseError, match=f"{name} = .*cannot be used"), refused.open_build():
        pass


def test_settings_reach_duckdb_and_time_is_utc(tmp_path: Path) -> None:
    with Warehouse(tmp_path, memory_limit="1GiB", threads=1).open_build() as con:
        settings = "select current_setting('memory_limit'), current_setting('threads'), current_setting('TimeZone')"
        assert con.execute(settings).fetchone() == ("1.0 GiB", 1, "UTC")


def test_directory_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match="WAREHOUSE_DIR"), Warehouse(tmp_path / "file").write_lock():
        pass
