"""Telling a waiting person what a run is doing. Without a listener the reports go nowhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from warehouse.lock import LockHolder, writer

TURN = "turn"


@dataclass(frozen=True)
class Progress:
    """One report: `stage` in the order of the data's way, and how far it is (`total` None: not known)."""

    stage: str
    note: str = ""
    done: int = 0
    total: int | None = None


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


def report(stage: str, note: str = "", done: int = 0, total: int | None = None) -> None:
    """Tell every listener how far a stage is; safe to call from any thread."""
    for listener in _listeners:
        listener(Progress(stage, note, done, total))


def report_waiting(who: LockHolder | None, waited_s: float) -> None:
    """Tell every listener for whom the turn to write the warehouse is awaited; asked for again and again meanwhile."""
    report(TURN, f"waiting for {writer(who)}")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the reports of a `with` block to `listener`."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
