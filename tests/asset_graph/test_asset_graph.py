"""What the definitions promise about the graph: its shape, its layers, what people see of it and when it runs."""

import difflib
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.freshness import NIGHTLY
from pipelines.raw.assets import SNAPSHOT_KEY, exchange_key
from pipelines.settings import SUPPORTED_EXCHANGES

GRAPH = Path(__file__).with_name("graph.txt")
THE_WAY = ("raw", "seeds", "staging", "intermediate", "marts", "signals", "allocations", "hedges", "ledger", "publish")
READS = {
    "raw": {"raw"},
    "seeds": set(),
    "staging": {"raw"},
    "intermediate": {"seeds", "staging", "intermediate"},
    "marts": {"intermediate"},
    "signals": {"marts"},
    "allocations": {"marts", "signals", "allocations"},
    "hedges": {"marts", "allocations", "hedges"},
    "ledger": {"allocations", "hedges", "ledger"},
    "publish": {"marts", "ledger", "publish"},
}


def _text(graph) -> str:
    """One line per asset, group by group in the order of the data's way: `key <- what it reads`."""
    lines = []
    for group in THE_WAY:
        lines.append(group)
        nodes = sorted((node for node in graph.asset_nodes if node.group_name == group), key=lambda node: node.key.path)
        for node in nodes:
            parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
            lines.append(f"  {node.key.to_user_string()}" + (f" <- {parents}" if parents else ""))
    return "\n".join(lines) + "\n"


def test_the_graph_is_the_reviewed_one(graph, tmp_path):
    actual, reviewed = _text(graph), GRAPH.read_text(encoding="utf-8")
    (tmp_path / "graph.txt").write_text(actual, encoding="utf-8")
    difference = "\n".join(difflib.unified_diff(reviewed.splitlines(), actual.splitlines(), "reviewed", "now", n=0))
    assert actual == reviewed, f"{difference}\nIf this is meant: cp {tmp_path / 'graph.txt'} {GRAPH}"


def test_every_asset_belongs_to_a_stage_of_the_datas_way(graph):
    assert {node.group_name for node in graph.asset_nodes} == set(THE_WAY)


@pytest.mark.parametrize("group", THE_WAY)
def test_a_layer_reads_only_what_it_may(graph, group):
    read = {
        graph.get(parent).group_name
        for node in graph.asset_nodes
        if node.group_name == group
        for parent in node.parent_keys
    }
    assert read <= READS[group]


def test_every_asset_says_what_it_is_whose_it_is_and_what_it_is_made_with(graph):
    silent = [
        node.key.to_user_string()
        for node in graph.asset_nodes
        if not (node.description or "").strip() or not node.owners or not node.kinds
    ]
    assert silent == []


def test_partitioned_assets_are_daily_in_utc_and_a_range_of_them_is_one_run(graph):
    partitioned = [node for node in graph.asset_nodes if node.partitions_def is not None]
    assert {node.key.to_user_string() for node in partitioned} == {
        "raw/binance", "raw/bybit", "raw/bingx", "raw/weex", "raw/mexc", "raw/bitget", "raw/okx",
        "portfolio/sector_signals", "portfolio/target_allocations", "portfolio/rebalance_trades", "portfolio/hedges",
        "portfolio/ledger", "portfolio/allocation_snapshots",
    }  # fmt: skip
    for node in partitioned:
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
        assert node.partitions_def.timezone == "UTC"
        assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_both_gates_have_checks_that_block_and_checks_that_warn(graph):
    checks = [graph.get(key) for key in graph.asset_check_keys]
    for gate in ("raw", "publish"):
        effects = {check.blocking for check in checks if check.key.asset_key.path[0] == gate}
        assert effects == {True, False}


def test_two_schedules_run_the_snapshot_and_a_quarter_past_midnight_all_the_rest():
    times = {schedule.job_name: (schedule.cron_schedule, schedule.execution_timezone) for schedule in defs.schedules}
    assert times == {"nightly": ("15 0 * * *", "UTC"), "open_interest_snapshot": ("2 0 * * *", "UTC")}
    executable = {name: defs.resolve_job_def(name).asset_layer.executable_asset_keys for name in times}
    assert executable["open_interest_snapshot"] == {SNAPSHOT_KEY}
    assert executable["nightly"] == set(defs.resolve_asset_graph().executable_asset_keys) - {SNAPSHOT_KEY}


def test_every_asset_of_a_night_has_a_freshness_policy(graph):
    without = {node.key for node in graph.asset_nodes if node.freshness_policy is None}
    assert without == {SNAPSHOT_KEY, *(exchange_key(name) for name in SUPPORTED_EXCHANGES)}
    assert all(node.freshness_policy == NIGHTLY for node in graph.asset_nodes if node.key not in without)


def test_every_asset_that_writes_is_under_the_write_lock(graph):
    unlocked = [
        node.op.name
        for node in {graph.get(key).assets_def for key in graph.executable_asset_keys}
        if "warehouse" not in node.required_resource_keys
    ]
    assert unlocked == []


def test_three_sensors_look_for_news_and_start_no_job():
    assert {sensor.name for sensor in defs.sensors} == {"failed_run_alerts", "release_alerts", "stale_release_alerts"}
    assert all(not sensor.targets for sensor in defs.sensors)
    assert all(sensor.description for sensor in defs.sensors)


def test_the_schedule_decides_the_day_that_has_just_ended():
    schedule = next(schedule for schedule in defs.schedules if schedule.job_name == "nightly")
    tick = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 22, 0, 15, tzinfo=UTC), repository_def=defs.get_repository_def()
    )
    (request,) = schedule.evaluate_tick(tick).run_requests
    assert request.partition_key == "2026-11-21"
