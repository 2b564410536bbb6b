"""What looks for news between the runs and tells it: failed runs, new releases, releases that have become old.

They are on from the start where a channel for alerts is configured, and off where none is. None of them opens the
build file or takes the write lock, and nothing that goes wrong here touches a run.
"""

from collections.abc import Callable
from contextlib import suppress

import dagster as dg

from pipelines.alert_settings import load_alert_settings
from pipelines.alerts.channels import open_channels
from pipelines.alerts.check import News, failed_run_news, keep, release_news, stale_news, tell
from pipelines.alerts.told import Told
from pipelines.clock import utc_now
from pipelines.settings import Settings, SettingsError, load_settings
from warehouse.connection import Warehouse
from warehouse.errors import NoRelease

RUNS_SECONDS, RELEASE_SECONDS, STALE_SECONDS = 60, 60, 600


def _status() -> dg.DefaultSensorStatus:
    try:
        is_configured = bool(load_alert_settings().channel_names)
    except SettingsError:
        is_configured = False  # said by `rotation doctor`
    return dg.DefaultSensorStatus.RUNNING if is_configured else dg.DefaultSensorStatus.STOPPED


@dg.sensor(
    name="failed_run_alerts",
    minimum_interval_seconds=RUNS_SECONDS,
    default_status=_status(),
    description="Tells of a run that failed or that a gate stopped, also of those of the command line.",
)
def failed_run_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Failed runs of the last two days that were not told yet."""
    return _tell_news(context, lambda settings, told, _: failed_run_news(settings, told, utc_now(), context.instance))


@dg.sensor(
    name="release_alerts",
    minimum_interval_seconds=RELEASE_SECONDS,
    default_status=_status(),
    description="Tells what a new release has changed: states, futures positions, alarms.",
)
def release_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """What the current release says that the one before did not; also whatever a channel could not take before."""
    return _tell_news(context, lambda settings, told, _: release_news(Warehouse(settings.warehouse_dir), told))


@dg.sensor(
    name="stale_release_alerts",
    minimum_interval_seconds=STALE_SECONDS,
    default_status=_status(),
    description="Tells once that the release has become older than it should be.",
)
def stale_release_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """The current release, once it is too old."""
    return _tell_news(
        context, lambda settings, _, hours: stale_news(Warehouse(settings.warehouse_dir), utc_now(), hours)
    )


def _tell_news(context: dg.SensorEvaluationContext, look: Callable[[Settings, Told, float], News]) -> dg.SkipReason:
    """Look, put down what is new, and send what waits; gives the sentence that the interface shows of the tick."""
    settings, alerts = load_settings(), load_alert_settings()
    channels = open_channels(alerts)
    if not channels:
        return dg.SkipReason("no channel is configured: set the ROTATION_ALERTS__ variables")
    told, now = Told(settings.warehouse_dir), utc_now()
    with suppress(NoRelease):  # nothing published yet is nothing to tell
        keep(look(settings, told, alerts.stale_hours), told, channels, now)
    if not told.has_waiting():
        return dg.SkipReason("nothing new")
    sentences = []
    for one in tell(told, channels, now):
        if one.problem:
            context.log.warning(f"alerts by {one.channel}: {one.problem}")
        sentences.append(f"{one.channel}: told {one.told}" + (f", {one.problem}" if one.problem else ""))
    return dg.SkipReason("; ".join(sentences))


SENSORS = [failed_run_alerts, release_alerts, stale_release_alerts]
