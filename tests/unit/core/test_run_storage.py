"""Dagster's storage with its connections kept open is still Dagster's storage."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from pipelines.run_storage import PooledEventLogStorage, PooledSqliteStorage

DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01")
KEY = dg.AssetKey("things")


@dg.asset(key=KEY, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def things() -> None:
    pass


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "storage: {custom: {module: pipelines.run_storage, class: PooledSqliteStorage, "
        "config: {base_dir: {env: DAGSTER_HOME}}}}\n"
    )


def test_runs_and_events_survive_the_process_and_can_be_read_by_the_plain_storage():
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, PooledEventLogStorage)
        assert dg.materialize([things], instance=instance, partition_key="2024-01-02").success
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(KEY) == {"2024-01-02"}
        plain = SqliteEventLogStorage(instance.event_log_storage._base_dir)
        plain.register_instance(instance)
        assert plain.get_materialized_partitions(KEY) == {"2024-01-02"}


def test_of_a_batch_of_days_the_last_one_is_the_assets_newest(monkeypatch):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    days = {"dagster/asset_partition_range_start": "2024-01-02", "dagster/asset_partition_range_end": "2024-01-05"}
    with dg.DagsterInstance.get() as instance:
        run = dg.materialize([things], instance=instance, tags=days)
        (asset,) = instance.get_asset_records([KEY])
        assert instance.get_materialized_partitions(KEY) == {f"2024-01-0{day}" for day in (2, 3, 4, 5)}
        newest = instance.get_latest_materialization_event(KEY)
        assert newest.dagster_event.partition == "2024-01-05"
    assert asset.asset_entry.last_materialization == newest
    assert asset.asset_entry.last_run_id == run.run_id


def test_programs_that_meet_in_a_new_home_all_find_it_ready(tmp_path):
    home = str(tmp_path / "new")
    with ThreadPoolExecutor(8) as pool:
        storages = list(pool.map(lambda _: PooledSqliteStorage(home), range(8)))
    assert [storage.run_storage.get_runs_count() for storage in storages] == [0] * 8
