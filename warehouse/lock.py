"""The writer's lock: one process writes the warehouse at a time.

The lock is an `flock` on `build.lock`, so the kernel gives it back when its holder dies, however it dies. The
file's text only says who the holder is. It is separate from the database connection because a run keeps the
lock while another program (dbt) has the database open.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from warehouse.errors import WarehouseError, WarehouseLocked

_held_by_this_process: set[Path] = set()


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


def is_held_here(path: Path) -> bool:
    """True when this process already holds the lock."""
    return path.resolve() in _held_by_this_process


@contextmanager
def hold(path: Path, command: str) -> Iterator[LockHolder]:
    """Hold the lock on `path` for the length of the block; a dead holder's lock is taken over.

    Raises:
        WarehouseLocked: somebody alive holds it (this process too: two runs never share a lock).
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
        if not _acquire(file):
            raise WarehouseLocked(locked_message(path.parent, _read(path)))
        holder = _sign(file, command)
        _held_by_this_process.add(path.resolve())
        try:
            yield holder
        finally:
            _held_by_this_process.discard(path.resolve())
            file.truncate(0)  # closing the file gives the lock back


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


def locked_message(directory: Path, who: LockHolder | None) -> str:
    """The sentence for a second writer: who holds the warehouse since when, and what to do."""
    if who is None:
        return f"{directory}: another process is writing this warehouse. Wait until it has finished and try again."
    return (
        f"{directory}: process {who.pid} on {who.host} has been writing this warehouse since {who.started_at} "
        f"({who.command}). Wait until it has finished and try again, or stop it on {who.host} with: kill {who.pid}. "
        "Readers of the last release are not affected."
    )


def _acquire(file: TextIO) -> bool:
    for attempt in range(3):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A look at a dead holder's lock holds it for a moment; only a writer holds it longer.
            if attempt < 2:
                time.sleep(0.05)
        else:
            return True
    return False


def _sign(file: TextIO, command: str) -> LockHolder:
    file.truncate(0)
    file.write("{}")
    file.flush()
    since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).isoformat(timespec="seconds")
    who = LockHolder(os.getpid(), socket.gethostname(), since, command)
    file.truncate(0)
    file.write(json.dumps(asdict(who)))
    file.flush()
    return who


def _read(path: Path) -> LockHolder | None:
    try:
        return LockHolder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
