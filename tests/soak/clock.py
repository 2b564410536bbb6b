"""A wall clock that the soak test sets and that a whole tree of processes goes by."""

import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


class NoCompiler(RuntimeError):
    """The clock is a small C library, and there is nothing to compile it with."""


class SettableClock:
    """The time of every process that is started with `environment`; it goes on at its usual pace and can be set.

    Only the wall clock is changed: sleeps, timeouts and intervals take as long as ever. That is why this is not
    libfaketime, whose `time.sleep` or `Event.wait` fail under Python 3.11, with and without a faked monotonic clock.

    Args:
        folder: Where the compiled library and the offset go.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise NoCompiler("no C compiler: install one, on Debian with apt-get install gcc libc6-dev")
        self._offset = folder / "clock.offset"
        library = folder / "clock.so"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True)
        self._move(timedelta())
        self.environment = {"LD_PRELOAD": str(library), "SOAK_CLOCK": str(self._offset)}

    @property
    def now(self) -> datetime:
        """The present there, naive UTC."""
        return datetime.now(UTC).replace(tzinfo=None) + self._by

    def set(self, moment: datetime) -> None:
        """Make it `moment`, naive UTC, at once and for every process."""
        self._move(moment - datetime.now(UTC).replace(tzinfo=None))

    def _move(self, by: timedelta) -> None:
        self._by = by
        microseconds = by // timedelta(microseconds=1)
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("=q", microseconds * 1000))  # eight bytes in place: mapped by every process
