"""What is cleared away at the end of a night, what stays, and what keeps Dagster's home and queue in order."""

import os
from datetime import datetime, timedelta

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from pipelines.disk import FAILED_TARGETS_KEPT, disk_use, remove_dbt_targets, remove_old_logs
from pipelines.publish.upkeep import forget_runs
from pipelines.run_queue import LOOKS_BEFORE_DEAD, WatchedRunLauncher
from pipelines.settings import INSTANCE_CONFIG, dagster_home, prepare_process_environment
from warehouse.connection import Warehouse

NOW = datetime(2026, 11, 21, 1, 0)
KEY = dg.AssetKey("things")


@dg.asset(key=KEY, check_specs=[dg.AssetCheckSpec("whole", asset=KEY)])
def things():
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="whole")])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")  # put back afterwards
    return prepare_process_environment(tmp_path)


def test_a_finished_run_leaves_no_write_ahead_log_behind(home):
    with dg.DagsterInstance.get() as instance:
        run_id = dg.materialize([things], instance=instance).run_id
    files = {path.name for path in (home / "history" / "runs").iterdir()}
    assert f"{run_id}.db" in files and [name for name in files if name.endswith(("-wal", "-shm"))] == []


def test_files_of_more_runs_than_stay_open_can_all_be_read(home, monkeypatch):
    monkeypatch.setattr("pipelines.run_storage.OPEN_FILES", 2)
    with dg.DagsterInstance.get() as instance:
        runs = [dg.materialize([things], instance=instance).run_id for _ in range(3)]
        assert len(instance.event_log_storage._engines) <= 2
        assert all(instance.all_logs(run_id) for run_id in runs)


def test_runs_of_before_go_with_their_files_the_oldest_first_and_the_newest_stay(home):
    with dg.DagsterInstance.get() as instance:
        runs = [dg.materialize([things], instance=instance).run_id for _ in range(3)]
        made = [instance.get_run_record_by_id(run_id).create_timestamp.replace(tzinfo=None) for run_id in runs]
        assert forget_runs(instance, made[0]) == 0
        assert forget_runs(instance, made[2], most=1) == 1
        assert [run.run_id for run in instance.get_runs()] == [runs[2], runs[1]]
        assert forget_runs(instance, made[2]) == 1
        assert [run.run_id for run in instance.get_runs()] == [runs[2]]
        check = dg.AssetCheckKey(KEY, "whole")
        history = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
        assert [record.run_id for record in history] == [runs[2]]
        assert instance.get_latest_materialization_event(KEY).run_id == runs[2]
    left = {path.stem for path in (home / "history" / "runs").iterdir()} - {"index"}
    assert left == {runs[2]}
    assert {path.name for path in (home / "storage").iterdir()} & set(runs) <= {runs[2]}


def test_a_run_that_goes_on_is_not_forgotten(home):
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(
            dg.define_asset_job("all").resolve(asset_graph=dg.Definitions(assets=[things]).resolve_asset_graph()),
            status=dg.DagsterRunStatus.STARTED,
        )
        assert forget_runs(instance, NOW + timedelta(days=36_500)) == 0
        assert instance.has_run(run.run_id)


def test_dbt_folders_go_after_success_and_of_failed_runs_the_newest_stay(tmp_path):
    def folder(name, age):
        path = tmp_path / name
        path.mkdir()
        (path / "manifest.json").write_text("{}")
        stamp = (NOW - age - datetime(1970, 1, 1)).total_seconds()
        os.utime(path, (stamp, stamp))

    folder("marts-1234567-a", timedelta(0))
    for day in range(2, 10):
        folder(f"marts-{day:07d}-f", timedelta(days=day))
    folder("marts-0000000-young", timedelta(hours=2))
    folder("compiled", timedelta(days=99))
    assert remove_dbt_targets("1234567-and-more", NOW, tmp_path) == 1 + 9 - FAILED_TARGETS_KEPT
    assert {path.name for path in tmp_path.iterdir()} == {
        "compiled", "marts-0000000-young", *(f"marts-{day:07d}-f" for day in range(2, 6)),
    }  # fmt: skip
    assert remove_dbt_targets("1234567-and-more", NOW, tmp_path / "nowhere") == 0


def test_logs_go_when_they_are_old(tmp_path):
    for name, age in (("old.log", 91), ("young.log", 89), ("old.txt", 91)):
        (tmp_path / name).write_text("x")
        stamp = (NOW - timedelta(days=age) - datetime(1970, 1, 1)).total_seconds()
        os.utime(tmp_path / name, (stamp, stamp))
    assert remove_old_logs(tmp_path, NOW - timedelta(days=90)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"young.log", "old.txt"}


def test_every_part_of_the_disk_is_counted_once(tmp_path):
    for name in ("build.duckdb", "build.duckdb.wal", "releases/1.duckdb", "dagster/history/runs.db", "target/x/y"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10_000)
    used = disk_use(tmp_path, tmp_path / "dagster", tmp_path / "target")
    assert used["build"] >= 20_000 and used["releases"] >= 10_000 and used["dbt_target"] >= 10_000
    assert 10_000 <= used["dagster"] < 30_000 and (used["reports"], used["logs"]) == (0, 0)


def test_a_run_is_dead_when_nobody_holds_the_write_lock_look_after_look(tmp_path):
    launcher, warehouse = WatchedRunLauncher(), Warehouse(tmp_path)
    resources = {"warehouse": {"config": {"directory": str(tmp_path)}}}
    run = dg.DagsterRun("nightly", run_config={"resources": resources}, status=dg.DagsterRunStatus.STARTED)

    def looks(times):
        return [launcher.check_run_worker_health(run).status for _ in range(times)]

    alive = [WorkerStatus.RUNNING] * (LOOKS_BEFORE_DEAD - 1)
    assert looks(LOOKS_BEFORE_DEAD - 1) == alive
    with warehouse.write_lock("somebody: it may be waiting"):
        assert looks(9) == [WorkerStatus.RUNNING] * 9
    assert looks(LOOKS_BEFORE_DEAD) == [*alive, WorkerStatus.FAILED]


def test_the_home_lies_in_the_warehouse_unless_somebody_chose_another(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr("pipelines.settings.OLD_DAGSTER_HOME", tmp_path / "old")
    assert dagster_home(tmp_path / "w") == tmp_path / "w" / "dagster"
    (tmp_path / "old" / "history").mkdir(parents=True)
    assert dagster_home(tmp_path / "w") == tmp_path / "old"  # schedules that were on stay on
    (tmp_path / "w" / "dagster").mkdir(parents=True)
    assert dagster_home(tmp_path / "w") == tmp_path / "w" / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    assert dagster_home(tmp_path / "w") == tmp_path / "mine"


def test_a_changed_dagster_yaml_takes_effect_and_somebodys_own_stays(home, tmp_path):
    placed, ours = home / "dagster.yaml", INSTANCE_CONFIG.read_text(encoding="utf-8")
    assert placed.read_text(encoding="utf-8") == ours
    placed.write_text("# Dagster's home of this project: as an older version wrote it\ntelemetry: {enabled: false}\n")
    prepare_process_environment(tmp_path)
    assert placed.read_text(encoding="utf-8") == ours
    placed.write_text("telemetry: {enabled: false}\n")
    prepare_process_environment(tmp_path)
    assert placed.read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]
