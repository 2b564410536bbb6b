"""The command `rotation alerts`: tell what is new, show what would be told, or try the channels."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.formats import safe
from pipelines.cli.options import RunFormat, RunFormatOption, WarehouseOption, examples

if TYPE_CHECKING:
    from pipelines.alerts.check import Telling
    from pipelines.alerts.events import Event

CONFIGURATION, UNREACHABLE = 2, 4


class Task(StrEnum):
    """What is to be done."""

    CHECK = "check"
    TEST = "test"


def alerts(
    task: Annotated[
        Task, typer.Argument(help="check tells what is new; test sends one message to every channel.")
    ] = Task.CHECK,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent; send and keep nothing.")
    ] = False,
    form: RunFormatOption = RunFormat.TABLE,
    warehouse: WarehouseOption = None,
) -> None:
    """Tell what is new: a failed run, a blocked gate, a stale release, changed states, positions, alarms.

    Where to is set by the ROTATION_ALERTS__ variables. Each event is told once. Only releases and the history of runs
    are read, so this works while a run is going on.
    """
    from pipelines.alert_settings import load_alert_settings
    from pipelines.alerts.channels import open_channels
    from pipelines.alerts.check import all_news, keep, send_once, tell
    from pipelines.alerts.told import Told
    from pipelines.clock import utc_now
    from pipelines.settings import SettingsError, load_settings, prepare_process_environment

    settings, alert_settings = load_settings(warehouse_dir=warehouse), load_alert_settings()
    channels = open_channels(alert_settings)
    for gap in alert_settings.gaps:
        typer.echo(f"warning: {gap}", err=True)
    if not channels and not dry_run:
        raise SettingsError(
            "no channel is configured: set ROTATION_ALERTS__WEBHOOK_URL, _SLACK_URL, _TELEGRAM_TOKEN with "
            "_TELEGRAM_CHAT, or _SMTP_HOST with _SMTP_FROM and _SMTP_TO; --dry-run shows what would be sent"
        )
    told, now = Told(settings.warehouse_dir), utc_now()
    tellings: list[Telling] = []
    if task is Task.TEST:
        events = [_test_event(settings.source, now)]
        tellings = [] if dry_run else send_once(channels, events[0])
    else:
        prepare_process_environment(settings.warehouse_dir)
        found = all_news(settings, told, now, alert_settings.stale_hours)
        known = told.known([event.event_id for event in found.events])
        events = [event for event in found.events if event.event_id not in known]
        if not dry_run:
            keep(found, told, channels, now)
            tellings = tell(told, channels, now, again=True)
    _write(events, tellings, [channel.name for channel in channels], dry_run, form)
    problems = [one for one in tellings if one.problem]
    for one in problems:
        typer.echo(f"warning: {one.channel}: {one.problem}", err=True)
    if any(one.is_refused for one in problems):
        raise typer.Exit(CONFIGURATION)
    if problems:
        raise typer.Exit(UNREACHABLE)


EPILOG = examples("rotation alerts", "rotation alerts --dry-run", "rotation alerts test")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=EPILOG)(alerts)


def _test_event(source: str, now: datetime) -> "Event":
    from pipelines.alerts.events import Event

    text = f"If you read this, the channel works. Sent {now:%Y-%m-%d %H:%M:%S} UTC by `rotation alerts test`."
    return Event(f"test:{now.isoformat()}", "test", "info", "A test message", text, source)


def _write(
    events: "Sequence[Event]", tellings: "Sequence[Telling]", channels: Sequence[str], dry_run: bool, form: RunFormat
) -> None:
    from pipelines.alerts import messages

    if form is RunFormat.JSON:
        outcome = {
            "dry_run": dry_run,
            "channels": channels,
            "events": [event.as_dict() | {"title": event.labelled_title} for event in events],
            "tellings": [asdict(one) for one in tellings],
        }
        print(json.dumps(outcome, ensure_ascii=False, indent=1))
    elif dry_run:
        for bundle in messages.bundles(events):
            print(safe(messages.plain(bundle)), end="\n\n")
        to = f"to {', '.join(channels)}" if channels else "nowhere: no channel is configured"
        print(f"{len(events)} new; would be sent {to}" if events else "nothing new")
    else:
        for one in tellings:
            print(f"{one.channel}: told {one.told}")
