"""What a waiting person sees of a run, on standard error: a live list of stages, or plain lines."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipelines.progress import TURN, Progress, listening

STAGES = ("exchanges", "checks", "marts", "signals", "portfolio", "audit", "release", "report")
PLAIN_LINE_EVERY_S = 10.0


@dataclass
class _Stage:
    """Where one stage stands; `seconds` it took so far while another stage was not yet reporting."""

    note: str = ""
    seconds: float = 0.0
    is_done: bool = False


class RunDisplay:
    """Turns a run's reports into a picture of its stages; safe to be told from any thread.

    Args:
        write_line: Where plain lines go; None draws nothing by itself (`render` gives the live picture).
        seconds: A clock that only ever goes forward.
    """

    def __init__(self, write_line: Callable[[str], None] | None, seconds: Callable[[], float] = time.monotonic) -> None:
        self._write_line, self._seconds = write_line, seconds
        self._lock = threading.Lock()
        self._stages = {name: _Stage() for name in STAGES}
        self._current: str | None = None
        self._started = self._resumed = self._last_line = seconds()
        self._spinner = Spinner("line")
        self._say("starting")

    def __call__(self, progress: Progress) -> None:
        """Take one report: the stage it names is the current one from now on."""
        how_far = f"{progress.done:,} of {progress.total:,}" if progress.total else f"{progress.done or ''}"
        note = " ".join(part for part in (progress.note, how_far) if part)
        with self._lock:
            is_new = progress.stage != self._current
            if progress.stage == TURN and TURN not in self._stages:
                self._stages = {TURN: _Stage(), **self._stages}  # most runs never wait, and do not show it
            if is_new:
                self._end_current(is_done=True)
                self._current = progress.stage
                self._stages.setdefault(progress.stage, _Stage()).is_done = False
            self._stages[progress.stage].note = note or self._stages[progress.stage].note
            if is_new or self._seconds() - self._last_line >= PLAIN_LINE_EVERY_S:
                self._say(f"{progress.stage}: {note or 'started'}")

    def finish(self, is_done: bool) -> None:
        """The run has ended; `is_done` False: in the middle of the current stage."""
        with self._lock:
            stopped_in = self._current
            self._end_current(is_done)
            self._current = None
            took = f"{self._seconds() - self._started:.1f} s"
            self._say(
                f"run finished in {took}" if is_done else f"run stopped after {took} in {stopped_in or 'its start'}"
            )

    def render(self) -> RenderableType:
        """The picture of this moment."""
        picture = Table.grid(padding=(0, 2))
        picture.add_column(width=1)
        picture.add_column()
        picture.add_column(justify="right")
        picture.add_column()
        with self._lock:
            now = self._seconds()
            for name, stage in self._stages.items():
                is_current = name == self._current
                seconds = stage.seconds + (now - self._resumed if is_current else 0.0)
                mark: RenderableType = self._spinner if is_current else Text("+" if stage.is_done else "")
                style = "bold" if is_current else "" if seconds else "dim"
                elapsed = f"{seconds:.1f} s" if seconds else ""
                picture.add_row(mark, Text(name, style), Text(elapsed, style), Text(stage.note, "dim"))
            total = "starting" if self._current is None and not self._has_begun() else "total"
            picture.add_row("", Text(total, "dim"), Text(f"{now - self._started:.1f} s", "dim"), "")
        return picture

    def _has_begun(self) -> bool:
        return any(stage.is_done or stage.seconds for stage in self._stages.values())

    def _end_current(self, is_done: bool) -> None:
        now = self._seconds()
        if self._current is not None:
            stage = self._stages[self._current]
            stage.seconds += now - self._resumed
            stage.is_done = is_done
            if is_done:
                self._say(f"{self._current}: done in {stage.seconds:.1f} s")
        self._resumed = now

    def _say(self, text: str) -> None:
        self._last_line = self._seconds()
        if self._write_line:
            self._write_line(f"[{self._last_line - self._started:6.1f} s] {text}")


@contextmanager
def run_display() -> Iterator[RunDisplay]:
    """Show the run that goes on inside the block. What it prints by itself goes to standard error too, for
    standard output belongs to the result."""
    with _own_stderr() as stderr:
        console = Console(file=stderr)
        if not console.is_terminal:
            display = RunDisplay(lambda line: print(line, file=stderr, flush=True))
            with redirect_stdout(sys.stderr), listening(display):
                yield display
            return
        display = RunDisplay(None)
        with (
            redirect_stdout(sys.stderr),
            listening(display),
            Live(get_renderable=display.render, console=console, refresh_per_second=8),
        ):
            yield display


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    """A copy of standard error: Dagster sends the process's own one through a log file while a step runs."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, io.UnsupportedOperation):  # somebody's stand-in without a descriptor
        yield sys.stderr
        return
    with os.fdopen(descriptor, "w", encoding=sys.stderr.encoding, errors="replace") as copy:
        yield copy
