"""The sensors as Dagster evaluates them, over real releases and real runs, into a real HTTP server."""

import importlib
from datetime import timedelta

import dagster as dg
import pytest

from pipelines import sensors
from pipelines.alerts.told import Told
from pipelines.clock import utc_now
from pipelines.definitions import defs
from tests.alerts.conftest import SECOND, THIRD, position, signal

DAYS = {
    SECOND: {"signals": [signal("DEFI", "NEUTRAL")]},
    THIRD: {"signals": [signal("DEFI", "OVERLEVERAGED", "REDUCE")], "positions": [position("hedge-BTC", "open")]},
}


@pytest.fixture
def tick(environment):
    """One evaluation of a sensor, with the instance of the test's Dagster home; gives the sentence of the tick."""

    def tick(name: str) -> str:
        sensor = next(one for one in defs.sensors if one.name == name)
        with dg.DagsterInstance.get() as instance:
            context = dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def())
            evaluated = sensor.evaluate_tick(context)
        assert evaluated.run_requests == []
        return evaluated.skip_message

    return tick


def test_a_new_release_is_told_once_over_ticks_and_restarts(tick, environment, publish_days, http):
    publish_days(environment, DAYS)
    assert tick("release_alerts") == "webhook: told 2"
    assert http.titles == [
        "[SIMULATED] DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)",
        "[SIMULATED] Hedge opened: short of 0.04 BTC ($2,000.00) on binance",
    ]
    assert tick("release_alerts") == "nothing new"
    importlib.reload(sensors)  # a restart: nothing is remembered but the file
    assert tick("release_alerts") == "nothing new"
    assert len(http.posts) == 1


def test_a_channel_that_fails_is_said_in_the_tick_and_told_by_a_later_one(tick, environment, publish_days, http):
    publish_days(environment, DAYS)
    http.answers.extend([503, 503, 503])
    assert tick("release_alerts") == "webhook: told 0, HTTP 503"
    assert tick("release_alerts") == "webhook: told 2"
    assert len(http.posts) == 4


def test_before_the_first_release_there_is_nothing_to_tell(tick, http):
    for name in ("release_alerts", "stale_release_alerts", "failed_run_alerts"):
        assert tick(name) == "nothing new"
    assert http.posts == []


def test_an_old_release_is_told_once_and_a_fresh_one_is_not(tick, environment, publish_days, http):
    publish_days(environment, DAYS, published_at=utc_now() - timedelta(hours=25))
    assert tick("stale_release_alerts") == "nothing new"
    publish_days(environment, DAYS, published_at=utc_now() - timedelta(hours=27))
    assert tick("stale_release_alerts") == "webhook: told 1"
    assert tick("stale_release_alerts") == "nothing new"
    assert http.titles == ["[SIMULATED] No new release for 26 hours"]


def test_without_a_channel_a_tick_says_so_and_reads_nothing(tick, environment, publish_days, monkeypatch):
    monkeypatch.delenv("ROTATION_ALERTS__WEBHOOK_URL")
    publish_days(environment, DAYS)
    assert "no channel is configured" in tick("release_alerts")
    assert not Told(environment).path.exists()


@pytest.fixture
def fail_a_run(environment):
    """A real run of the nightly job that fails at once, as one of the command line does."""

    def fail_a_run(directory=None) -> str:
        config = {
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "resources": {
                "settings": {"config": {"source": "recorded", "data": ".", "policy": str(environment / "nowhere.yml")}},
                "warehouse": {"config": {"directory": str(directory or environment)}},
            },
        }
        tags = {"dagster/asset_partition_range_start": "2026-11-21", "dagster/asset_partition_range_end": "2026-11-21"}
        with dg.DagsterInstance.get() as instance:
            job = defs.resolve_job_def("nightly")
            result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags, run_config=config)
        assert not result.success
        return result.run_id

    return fail_a_run


def test_a_failed_run_of_the_command_line_is_told_once_and_one_of_another_warehouse_is_not(
    tick, fail_a_run, environment, http, tmp_path, monkeypatch
):
    run_id = fail_a_run()
    fail_a_run(tmp_path / "another")
    with monkeypatch.context() as patch:  # three days later it is too late
        patch.setattr("pipelines.sensors.utc_now", lambda: utc_now() + timedelta(days=3))
        assert tick("failed_run_alerts") == "nothing new"
    assert tick("failed_run_alerts") == "webhook: told 1"
    ((event,),) = (body["events"] for body in http.bodies)
    assert (event["event_id"], event["run_id"], event["kind"]) == (f"run:{run_id}", run_id, "run_failed")
    assert event["title"] == "[RECORDED] A run failed (job nightly, 2026-11-21)"
    assert "nowhere" in event["text"]
    assert tick("failed_run_alerts") == "nothing new"


def test_the_sensors_are_on_from_the_start_where_a_channel_is_configured_and_off_elsewhere(monkeypatch):
    def statuses():
        return {one.default_status for one in importlib.reload(sensors).SENSORS}

    try:
        assert statuses() == {dg.DefaultSensorStatus.STOPPED}
        monkeypatch.setenv("ROTATION_ALERTS__SLACK_URL", "https://hooks.slack.example/x")
        assert statuses() == {dg.DefaultSensorStatus.RUNNING}
        monkeypatch.setenv("ROTATION_ALERTS__SMTP_PORT", "wrong")
        assert statuses() == {dg.DefaultSensorStatus.STOPPED}  # and no error: doctor says it
    finally:
        monkeypatch.undo()
        importlib.reload(sensors)


def test_no_sensor_starts_a_run_or_takes_the_write_lock(tick, environment, publish_days, http):
    from warehouse.connection import Warehouse

    publish_days(environment, DAYS)
    with Warehouse(environment).write_lock("a run that goes on"):
        assert tick("release_alerts") == "webhook: told 2"
        assert tick("stale_release_alerts") in ("nothing new", "webhook: told 1")
