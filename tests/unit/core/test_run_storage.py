"""Dagster's storage with its connections kept open is still Dagster's storage."""

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

from pipelines.run_storage import PooledEventLogStorage

DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01")
KEY = dg.AssetKey("things")


@dg.asset(key=KEY, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def things() -> None:
    pass


def test_runs_and_events_survive_the_process_and_can_be_read_by_the_plain_storage(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "storage: {custom: {module: pipelines.run_storage, class: PooledSqliteStorage, "
        "config: {base_dir: {env: DAGSTER_HOME}}}}\n"
    )
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, PooledEventLogStorage)
        assert dg.materialize([things], instance=instance, partition_key="2024-01-02").success
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(KEY) == {"2024-01-02"}
        plain = SqliteEventLogStorage(instance.event_log_storage._base_dir)
        plain.register_instance(instance)
        assert plain.get_materialized_partitions(KEY) == {"2024-01-02"}
