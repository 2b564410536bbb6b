"""What was told and what is still to be told: one small SQLite file in the warehouse's folder.

It is no table of the warehouse: the build file belongs to a run, and a release is never changed. An event goes into
the file before it is sent, so that one which a channel could not take waits for the next look instead of being lost.
Whoever sends an event has claimed it first, so that two processes never send the same one.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.alerts.events import Event

FILE_NAME = "alerts.sqlite"
GIVEN_UP_AFTER = timedelta(hours=48)
FORGOTTEN_AFTER = timedelta(days=400)
# Longer than all attempts of a channel take; a claim that is older was left behind by a process that died.
CLAIM_LASTS = timedelta(minutes=10)
_RELEASE = "release_looked_at"
_WAIT_SECONDS = 30.0
_TABLES = """
create table if not exists events (event_id text primary key, event text not null, found_at text not null);
create table if not exists deliveries (
    event_id text not null references events on delete cascade,
    channel text not null,
    state text not null check (state in ('waiting', 'told', 'refused', 'given up')),
    claimed_at text,
    changed_at text not null,
    said text not null default '',
    primary key (event_id, channel)
);
create table if not exists marks (name text primary key, value text not null);
"""


class AlertError(RuntimeError):
    """Alerts cannot be sent; the message says what to do."""


@dataclass(frozen=True)
class ChannelState:
    """How one channel stands.

    Attributes:
        told: Events that it took.
        waiting: Events that it is still to take.
        refused: Events that it refused, or that were given up.
        last_told_at: When it took one last, UTC as text; None for never.
        problem: What it said to the event that it did not take last; empty when it took a later one.
    """

    told: int
    waiting: int
    refused: int
    last_told_at: str | None
    problem: str


class Told:
    """The file of one warehouse; created by the first event, not by a look at it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def add(self, events: Sequence[Event], channels: Collection[str], now: datetime) -> int:
        """Put down events for some channels; gives how many were new. One that is there already is left as it is."""
        added = 0
        with self._open(write=True) as con:
            for event in events:
                row = (event.event_id, json.dumps(event.as_dict(), sort_keys=True), _text(now))
                if con.execute("insert into events values (?, ?, ?) on conflict do nothing", row).rowcount:
                    added += 1
                    con.executemany(
                        "insert into deliveries (event_id, channel, state, changed_at) values (?, ?, 'waiting', ?)",
                        [(event.event_id, channel, _text(now)) for channel in channels],
                    )
            con.execute("delete from events where found_at < ?", [_text(now - FORGOTTEN_AFTER)])
        return added

    def claim(self, channel: str, now: datetime, again: bool = False) -> list[Event]:
        """Take the events that a channel is still to be told; nobody else gets them until they are recorded.

        Args:
            channel: Its name.
            now: The present, UTC.
            again: Also those that it refused.
        """
        with self._open(write=True) as con:
            con.execute(
                "update deliveries set state = 'given up', changed_at = ? where state = 'waiting' and channel = ? "
                "and event_id in (select event_id from events where found_at < ?)",
                (_text(now), channel, _text(now - GIVEN_UP_AFTER)),
            )
            rows = con.execute(
                "select event_id, event from deliveries join events using (event_id) where channel = ? and "
                f"{_OPEN[again]} and found_at >= ? and (claimed_at is null or claimed_at < ?) "
                "order by events.rowid",
                (channel, _text(now - GIVEN_UP_AFTER), _text(now - CLAIM_LASTS)),
            ).fetchall()
            con.executemany(
                "update deliveries set claimed_at = ? where event_id = ? and channel = ?",
                [(_text(now), event_id, channel) for event_id, _ in rows],
            )
        return [Event(**json.loads(event)) for _, event in rows]

    def record(self, channel: str, events: Sequence[Event], state: str, now: datetime, said: str = "") -> None:
        """What became of claimed events: `told`, `refused`, or `waiting` for the next look."""
        with self._open(write=True) as con:
            con.executemany(
                "update deliveries set state = ?, claimed_at = null, changed_at = ?, said = ? "
                "where event_id = ? and channel = ?",
                [(state, _text(now), said, event.event_id, channel) for event in events],
            )

    def forget(self, event_ids: Collection[str]) -> None:
        """Take events out, so that they are told anew should they come true again."""
        with self._open(write=True) as con:
            con.executemany("delete from events where event_id = ?", [(name,) for name in event_ids])

    def known(self, event_ids: Collection[str]) -> set[str]:
        """Those of the ids that are in the file."""
        with self._open() as con:
            return {
                name
                for name in event_ids
                if con is not None and con.execute("select 1 from events where event_id = ?", [name]).fetchone()
            }

    def release_looked_at(self) -> str | None:
        """The release whose events are in the file; None before the first."""
        with self._open() as con:
            row = con and con.execute("select value from marks where name = ?", [_RELEASE]).fetchone()
        return row[0] if row else None

    def mark_release(self, release_id: str) -> None:
        """Note that a release's events are in the file."""
        with self._open(write=True) as con:
            con.execute(
                "insert into marks values (?, ?) on conflict (name) do update set value = excluded.value",
                (_RELEASE, release_id),
            )

    def has_waiting(self) -> bool:
        """Whether some channel is still to be told something."""
        with self._open() as con:
            return bool(con and con.execute("select 1 from deliveries where state = 'waiting' limit 1").fetchone())

    def channels(self) -> dict[str, ChannelState]:
        """By channel that was ever told something: how it stands."""
        with self._open() as con:
            if con is None:
                return {}
            rows = con.execute(
                "select channel, count(*) filter (where state = 'told'), count(*) filter (where state = 'waiting'), "
                "count(*) filter (where state in ('refused', 'given up')), "
                "max(changed_at) filter (where state = 'told'), "
                "max(changed_at) filter (where state <> 'told' and said <> '') from deliveries group by 1 order by 1"
            ).fetchall()
            problems = {}
            for channel, _, _, _, told_at, failed_at in rows:
                if failed_at is not None and (told_at is None or failed_at >= told_at):
                    problems[channel] = con.execute(
                        "select said from deliveries where channel = ? and changed_at = ? and said <> ''",
                        (channel, failed_at),
                    ).fetchone()[0]
        return {row[0]: ChannelState(*row[1:5], problems.get(row[0], "")) for row in rows}

    @contextmanager
    def _open(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction. For a look at a file that is not there: None."""
        if not write and not self.path.exists():
            yield None  # type: ignore[misc]
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)) as con:
                con.execute("pragma foreign_keys = on")
                if write:
                    con.execute("begin immediate")
                    for statement in _TABLES.split(";")[:-1]:
                        con.execute(statement)
                yield con
                if write:
                    con.execute("commit")
        except (sqlite3.Error, OSError) as error:
            raise AlertError(
                f"{self.path}: what was told cannot be kept ({error}), so nothing is sent. Check the folder and the "
                "disk; if the file is damaged, remove it: then events of the newest release are told once more"
            ) from None


_OPEN = {False: "state = 'waiting'", True: "state in ('waiting', 'refused')"}


def _text(moment: datetime) -> str:
    return moment.isoformat(" ", "microseconds")
