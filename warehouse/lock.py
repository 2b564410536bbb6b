"""The writer's lock: one process writes the warehouse at a time, and the next one waits its turn.

The lock is an `flock` on `build.lock`, so the kernel gives it back when its holder dies, however it dies. The
file's text only says who the holder is. It is separate from the database connection because a run keeps the
lock while another program (dbt) has the database open.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TextIO

from warehouse.errors import WarehouseError, WarehouseLocked

LOOK_EVERY_S = 0.5
_held_by_this_process: dict[Path, TextIO] = {}


@dataclass(frozen=True)
class LockHolder:
    """Who holds the lock.

    Attributes:
        pid: Process id on `host`.
        host: Machine name.
        started_at: Since when, UTC, ISO format.
        command: What the holder is doing, for people.
    """

    pid: int
    host: str
    started_at: str
    command: str


Waiting = Callable[[LockHolder | None, float], None]
"""Told twice a second while somebody waits: for whom (None: the holder does not say), and for how long, in seconds."""


def is_held_here(path: Path) -> bool:
    """True when this process already holds the lock."""
    return path.resolve() in _held_by_this_process


@contextmanager
def hold(path: Path, command: str, wait_s: float = 0.0, waiting: Waiting | None = None) -> Iterator[LockHolder]:
    """Hold the lock on `path` for the length of the block; a dead holder's lock is taken over.

    Args:
        path: The lock file, made when it is not there.
        command: What the holder does, shown to whoever waits.
        wait_s: How long to wait for the turn, in seconds; 0: not at all.
        waiting: Told again and again while waiting.

    Raises:
        WarehouseLocked: somebody alive still holds it after `wait_s`, or this very process does, which would wait
            for itself for ever: two runs never share a lock.
        WarehouseError: the lock file cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WarehouseError(
            f"{path}: the lock file cannot be opened ({error.strerror}). Check that the directory exists and that "
            "this user may write there, or set WAREHOUSE_DIR to another one."
        ) from None
    with file:
        _take(file, path, 0.0 if is_held_here(path) else wait_s, waiting)
        holder = _sign(file, command)
        _held_by_this_process[path.resolve()] = file
        try:
            yield holder
        finally:
            del _held_by_this_process[path.resolve()]
            file.truncate(0)  # closing the file gives the lock back


def describe(path: Path, command: str) -> None:
    """Say anew what this process, which holds the lock, is doing; since when stays as it was."""
    who = _read(path)
    if who:
        _write(_held_by_this_process[path.resolve()], replace(who, command=command))


def holder(path: Path) -> LockHolder | None:
    """Who holds the lock now; None when nobody does, also when the last holder died without saying so."""
    try:
        file = path.open(encoding="utf-8")
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(path) or LockHolder(0, "unknown", "unknown", "unknown")
    return None


def writer(who: LockHolder | None) -> str:
    """The holder in a sentence's middle: process, machine, since when and what."""
    if who is None:
        return "another process"
    return f"process {who.pid} on {who.host}, which has been writing since {who.started_at} ({who.command})"


def locked_message(directory: Path, who: LockHolder | None, waited_s: float = 0.0) -> str:
    """The sentence for a second writer whose turn did not come: who writes since when, and what to do."""
    stop = f", or stop the other one on {who.host} with: kill {who.pid}" if who else ""
    waited = f"; it was waited for {waited_s:,.0f} s" if waited_s else ""
    return (
        f"{directory}: this warehouse is being written by {writer(who)}{waited}. Try again when it has finished{stop}. "
        "Readers of the last release are not affected."
    )


def _take(file: TextIO, path: Path, wait_s: float, waiting: Waiting | None) -> None:
    began = time.monotonic()
    for look in count(1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited_s = time.monotonic() - began
        # A look at a dead holder's lock holds it for a moment; only a writer holds it longer.
        if look < 3:
            time.sleep(0.05)
            continue
        who = _read(path)
        if waited_s >= wait_s:
            raise WarehouseLocked(locked_message(path.parent, who, waited_s if wait_s else 0.0))
        if waiting:
            waiting(who, waited_s)
        time.sleep(min(LOOK_EVERY_S, wait_s - waited_s))


def _sign(file: TextIO, command: str) -> LockHolder:
    file.truncate(0)
    file.write("{}")
    file.flush()
    since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).isoformat(timespec="seconds")
    who = LockHolder(os.getpid(), socket.gethostname(), since, command)
    _write(file, who)
    return who


def _write(file: TextIO, who: LockHolder) -> None:
    file.truncate(0)
    file.write(json.dumps(asdict(who)))
    file.flush()


def _read(path: Path) -> LockHolder | None:
    try:
        return LockHolder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
