"""The local exchange as a process of its own, for as long as a `with` block lasts."""

import json
import subprocess
import sys
import tempfile
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_PROJECT = Path(__file__).resolve().parents[2]
_STDERR_TAIL = 2000


class LocalExchangeFailed(RuntimeError):
    """The server did not start or ended by itself; the message has the end of its error output."""


class LocalExchangeProcess:
    """Runs `python -m pipelines.local_exchange serve` on a free loopback port.

    The server ends with the block, and also when this process dies without leaving it.

    Args:
        source: A simulated market, or the one in `data`: recorded, or made up for an example.
        data: Folder of recorded data; not with `simulated`.
        seed: Seed of the simulated market.
        now: The market's present, naive UTC; None: the current time.
        faults: JSON file of faults to put in force.
        oi_history_limit: Whether Binance refuses open interest older than 30 days; None: if `simulated`.
        start_timeout_s: Seconds to wait for the server.

    Attributes:
        url: Where it listens, without a slash at the end; set inside the block.
        now: The market's present, naive UTC; set inside the block.
    """

    def __init__(
        self,
        source: Literal["simulated", "example", "recorded"] = "simulated",
        data: Path | None = None,
        seed: int = 0,
        now: datetime | None = None,
        faults: Path | None = None,
        oi_history_limit: bool | None = None,
        start_timeout_s: float = 60.0,
    ) -> None:
        command = [sys.executable, "-m", "pipelines.local_exchange", "serve", "--exit-with-stdin"]
        command += ["--source", source, "--seed", str(seed)]
        for option, value in (("--data", data), ("--faults", faults)):
            command += [option, str(Path(value).resolve())] if value is not None else []
        command += ["--now", now.isoformat()] if now is not None else []
        if oi_history_limit is not None:
            command.append("--oi-history-limit" if oi_history_limit else "--no-oi-history-limit")
        self._command, self._start_timeout_s = command, start_timeout_s
        self.url: str | None = None
        self.now: datetime | None = None

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command, cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
        )
        try:
            ready = self._ready()
        except BaseException:
            self._stop()
            raise
        self.url, self.now = ready["url"], datetime.fromisoformat(ready["now"])
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _ready(self) -> dict:
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            self._process.kill()

        timer = threading.Timer(self._start_timeout_s, give_up)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if line and not timed_out.is_set():
            return json.loads(line)
        code = self._process.wait()
        what = f"was not ready after {self._start_timeout_s:g} s" if timed_out.is_set() else f"ended with code {code}"
        raise LocalExchangeFailed(f"the local exchange {what}; its error output ends with:\n{self._error_output()}")

    def _error_output(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-_STDERR_TAIL:].strip() or "(nothing)"

    def _stop(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._stderr.close()

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        """Put these faults in force in the place of the earlier ones; an empty list puts none in force.

        Raises:
            ValueError: A rule cannot be used; the message says why.
        """
        self._control("faults", json.dumps({"faults": rules}).encode())

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, each with `met` and `spoilt`: how many requests it matched and changed."""
        return self._control("faults")["faults"]

    def request_counts(self) -> dict[str, int]:
        """Requests so far, by host and path."""
        return self._control("log")

    def row_counts(self) -> dict[str, int]:
        """Rows sent so far in unspoilt replies, by host and path."""
        return self._control("rows")

    def _control(self, name: str, body: bytes | None = None) -> dict:
        try:
            with urlopen(Request(f"{self.url}/_control/{name}", data=body), timeout=10) as response:
                return json.load(response)
        except HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error
        except OSError as error:
            if self._process.poll() is None:
                raise
            raise LocalExchangeFailed(
                f"the local exchange ended with code {self._process.returncode}; "
                f"its error output ends with:\n{self._error_output()}"
            ) from error
