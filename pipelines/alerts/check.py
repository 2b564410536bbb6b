"""Looking for what is new, and telling it: the same for the sensors and for the command."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from pipelines.alerts import messages
from pipelines.alerts.channels import Channel, Refused, Unreachable
from pipelines.alerts.events import (
    Event,
    ReleaseRows,
    decision_events,
    run_event,
    run_event_id,
    stale_event,
    withdrawn_event,
)
from pipelines.alerts.rows import read_release
from pipelines.alerts.told import GIVEN_UP_AFTER, Told
from pipelines.settings import Settings
from warehouse.connection import Warehouse
from warehouse.errors import NoRelease
from warehouse.release import Release, list_releases


@dataclass(frozen=True)
class News:
    """What a release says that was not said before.

    Attributes:
        events: The most severe first.
        withdrawn: Ids of events told before that hold no longer.
        release_id: The release that was looked at; None where none was.
    """

    events: tuple[Event, ...] = ()
    withdrawn: tuple[str, ...] = ()
    release_id: str | None = None


@dataclass(frozen=True)
class Telling:
    """What became of the events of one channel.

    Attributes:
        told: How many it took.
        problem: Why it did not take the others; empty when it took all.
        is_refused: True when trying again is of no use.
    """

    channel: str
    told: int
    problem: str = ""
    is_refused: bool = False


def release_news(warehouse: Warehouse, told: Told) -> News:
    """What the current release says that the one looked at before did not.

    The first look of all compares with the release before, or within the release with the decided day before.

    Raises:
        WarehouseError: nothing is published, or a release cannot be read.
    """
    current_id = warehouse.resolve_release().stem
    looked_at = told.release_looked_at()
    if current_id == looked_at:
        return News(release_id=current_id)
    before = _release_before(list_releases(warehouse), current_id, looked_at)
    if before is None:
        with warehouse.open_release(current_id) as con:
            now = read_release(con, lambda days: _day_before(days, days[-1]))
        return News(tuple(decision_events(now, now.day_before(now.as_of), now.as_of)), (), current_id)
    with warehouse.open_release(current_id) as con:
        now = read_release(con, lambda days: _day_before(days, min(before.as_of_date, days[-1])))
    is_rollback = now.as_of < before.as_of_date
    with warehouse.open_release(before.release_id) as con:
        then = read_release(con, lambda days: now.as_of if is_rollback else _day_before(days, before.as_of_date))
    base = before.as_of_date if now.as_of > before.as_of_date else now.day_before(now.as_of)
    news = [] if is_rollback else decision_events(now, base, now.as_of)
    withdrawal, gone = _withdrawn(then, now, told, is_rollback)
    return News((*([withdrawal] if withdrawal else []), *news), gone, current_id)


def stale_news(warehouse: Warehouse, now: datetime, hours: float) -> News:
    """That the current release is too old, if it is.

    Raises:
        WarehouseError: nothing is published, or the release cannot be read.
    """
    with warehouse.open_release() as con:
        release = read_release(con, lambda days: days[-1])
    found = stale_event(release, now, hours)
    return News((found,) if found else ())


def failed_run_news(settings: Settings, told: Told, now: datetime, instance: Any = None) -> News:
    """The warehouse's failed runs of the last two days that were not put down yet.

    Args:
        settings: Which warehouse; its source is that of a run which names none.
        told: What was put down.
        now: The present, UTC.
        instance: Where Dagster keeps the runs; None: the one in `DAGSTER_HOME`.
    """
    from pipelines.failures import recent_failures

    def known(run_ids: list[str]) -> set[str]:
        events = told.known([run_event_id(run_id) for run_id in run_ids])
        return {run_id for run_id in run_ids if run_event_id(run_id) in events}

    runs = recent_failures(now - GIVEN_UP_AFTER, settings.warehouse_dir, settings.source, known, instance)
    return News(tuple(run_event(run) for run in runs))


def all_news(settings: Settings, told: Told, now: datetime, stale_hours: float) -> News:
    """Failed runs, the current release's age, and what it says that is new; without a release only the first.

    Raises:
        WarehouseError: the release cannot be read.
    """
    warehouse = Warehouse(settings.warehouse_dir)
    failed = failed_run_news(settings, told, now)
    try:
        news, stale = release_news(warehouse, told), stale_news(warehouse, now, stale_hours)
    except NoRelease:
        return failed
    return replace(news, events=(*failed.events, *stale.events, *news.events))


def keep(news: News, told: Told, channels: Sequence[Channel], now: datetime) -> None:
    """Put news down for all channels, so that nothing of it is lost or put down a second time."""
    if news.events:
        told.add(news.events, [channel.name for channel in channels], now)
    if news.withdrawn:
        told.forget(news.withdrawn)
    if news.release_id is not None and news.release_id != told.release_looked_at():
        told.mark_release(news.release_id)


def tell(told: Told, channels: Sequence[Channel], now: datetime, again: bool = False) -> list[Telling]:
    """Send every channel what it is still to be told; one that fails keeps no other from it.

    Args:
        told: What was put down.
        channels: Where to.
        now: The present, UTC.
        again: Also what a channel has refused.

    Raises:
        AlertError: what was told cannot be kept.
    """

    async def all_channels() -> list[Telling]:
        return await asyncio.gather(*(_tell(told, channel, now, again) for channel in channels))

    return asyncio.run(all_channels())


def send_once(channels: Sequence[Channel], event: Event) -> list[Telling]:
    """Send one event to every channel and keep nothing of it: a test."""

    async def one(channel: Channel) -> Telling:
        try:
            return Telling(channel.name, 1, await channel.send([event]))
        except (Refused, Unreachable) as error:
            return Telling(channel.name, 0, str(error), isinstance(error, Refused))

    async def all_channels() -> list[Telling]:
        return await asyncio.gather(*map(one, channels))

    return asyncio.run(all_channels())


async def _tell(told: Told, channel: Channel, now: datetime, again: bool) -> Telling:
    claimed = told.claim(channel.name, now, again)
    bundles = list(messages.bundles(claimed))
    count, problem, is_refused = 0, "", False
    for number, bundle in enumerate(bundles):
        try:
            problem = await channel.send(bundle) or problem
        except Refused as error:
            told.record(channel.name, bundle, "refused", now, str(error))
            problem, is_refused = str(error), True
        except Unreachable as error:
            left = [event for one in bundles[number:] for event in one]
            told.record(channel.name, left, "waiting", now, str(error))
            return Telling(channel.name, count, str(error))
        else:
            told.record(channel.name, bundle, "told", now)
            count += len(bundle)
    return Telling(channel.name, count, problem, is_refused)


def _withdrawn(
    then: ReleaseRows, now: ReleaseRows, told: Told, is_rollback: bool
) -> tuple[Event | None, tuple[str, ...]]:
    """What was told of the last release's newest day, or of the days that are rolled back, and holds no longer."""
    base = now.as_of if is_rollback else then.day_before(then.as_of)
    before = decision_events(then, base, then.as_of)
    known = told.known([event.event_id for event in before])
    is_decided = not is_rollback and then.as_of in now.rows and (base is None or base in now.rows)
    same_days = decision_events(now, base, then.as_of) if is_decided else []
    still_true = {event.event_id for event in same_days}
    event = withdrawn_event(now, [event for event in before if event.event_id in known], still_true)
    return event, tuple(sorted(known - still_true))


def _release_before(releases: Sequence[Release], current_id: str, looked_at: str | None) -> Release | None:
    """The release that was looked at last, while it is kept; else the newest kept one before the current."""
    kept = {release.release_id: release for release in releases if release.is_kept}
    if looked_at in kept:
        return kept[looked_at]
    return max(
        (one for one in kept.values() if one.release_id < current_id), key=lambda one: one.release_id, default=None
    )


def _day_before(days: Sequence[date], day: date) -> date | None:
    return max((other for other in days if other < day), default=None)
