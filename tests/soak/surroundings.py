"""What a night happens in: the exchange, the daemon with all that it starts, and what is read of them from outside."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import dagster as dg
import psutil
from dagster._core.definitions.run_request import InstigatorType

from tests.soak.clock import SettableClock

PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SENSORS = ("failed_run_alerts", "release_alerts", "stale_release_alerts")


class Stuck(RuntimeError):
    """Something that had to happen did not within its time; the message says what."""


def wait_for(what: str, seconds: float, look: Callable[[], Any]) -> Any:
    """Look again and again until something truthy is there, and give that.

    Raises:
        Stuck: after `seconds`.
    """
    until = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > until:
            raise Stuck(f"{what}: not within {seconds:g} s")
        time.sleep(0.5)
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Exchange:
    """The local exchange, started anew for every night: its market's present does not move while it runs."""

    def __init__(self, folder: Path, environment: Mapping[str, str], market_seed: int) -> None:
        self._folder, self._environment, self._seed = folder, dict(environment), market_seed
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, now: datetime, rules: list[dict[str, Any]]) -> None:
        """Serve the market of `now`, with these faults, on the same port as ever."""
        self.stop()
        faults = self._folder / "faults.json"
        faults.write_text(json.dumps({"faults": rules}))
        command = [sys.executable, "-m", "pipelines.local_exchange", "serve", "--exit-with-stdin"]
        command += ["--seed", str(self._seed), "--now", now.isoformat(), "--port", str(self._port)]
        command += ["--faults", str(faults)]
        with (self._folder / "exchange.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a ctrl-c in the terminal is for the test alone
            )
        if not self._process.stdout.readline():
            raise Stuck("the local exchange did not start: see exchange.log")

    def spoilt(self) -> int:
        """How many answers of this night were spoilt."""
        with urlopen(f"{self.url}/_control/faults", timeout=30) as response:
            return sum(rule["spoilt"] for rule in json.load(response)["faults"])

    def stop(self) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()
            self._process = None


class Daemon:
    """`dagster-daemon run`, as the systemd unit starts it, under the clock.

    Attributes:
        started: How often it was started.
    """

    def __init__(self, folder: Path, home: Path, environment: Mapping[str, str], clock: SettableClock) -> None:
        self._log, self._clock = folder / "daemon.log", clock
        self._environment = dict(environment) | clock.environment
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "dagster.yaml", home)

    def set_clock(self, moment: datetime) -> None:
        """Set the clock, but not while a code server starts: Dagster would take it for one that takes hours."""
        wait_for("no code server that is starting", 240, self._has_settled)
        self._clock.set(moment)

    def _has_settled(self) -> bool:
        """Dagster replaces its code servers once a minute; one is up when its socket is there."""
        servers = 0
        for process in self._family():
            with _gone_is_fine():
                words = process.cmdline()
                if "--socket" in words:
                    servers += 1
                    is_up = Path(words[words.index("--socket") + 1]).exists()
                    if not is_up or time.time() - process.create_time() < 3:
                        return False
        return servers > 0

    def switch_schedule_on(self, name: str) -> None:
        """Once and for ever, as the documentation says."""
        command = [str(BIN / "dagster"), "schedule", "start", name, "-w", "workspace.yaml"]
        subprocess.run(command, cwd=PROJECT, env=self._environment, check=True, capture_output=True, timeout=300)

    def start(self) -> None:
        """Start it and wait until its code server is there."""
        command = [str(BIN / "dagster-daemon"), "run", "-w", "workspace.yaml"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=PROJECT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        self.started += 1
        wait_for("the daemon's code server", 240, self._has_settled)

    def stop(self) -> None:
        """Ask it to end, as systemd does, and see that nothing of it is left."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        family = self._family()
        self._process.wait(120)
        _, alive = psutil.wait_procs(family, timeout=60)
        for process in alive:
            process.kill()
        self._process = None

    def cut_power(self) -> None:
        """All of it is gone at once."""
        for process in (*self._family(), psutil.Process(self._process.pid)):
            with _gone_is_fine():
                process.kill()
        self._process.wait()
        self._process = None

    def kill_run(self) -> bool:
        """Kill the run's process alone; False when there is none."""
        for process in self.run_processes():
            with _gone_is_fine():
                process.kill()
                return True
        return False

    def run_processes(self) -> list[psutil.Process]:
        """The process of a run that is going on; Dagster spawns it from its code server."""
        found = []
        for process in self._family():
            with _gone_is_fine():
                if any("multiprocessing.spawn" in word for word in process.cmdline()):
                    found.append(process)
        return found

    def memory_mb(self) -> dict[str, float]:
        """RSS of the daemon, of its code servers, and of the run's process with what that started."""
        if self._process is None:
            return {}
        sums = {"daemon": 0.0, "code_servers": 0.0, "run": 0.0}
        runs = {one.pid for process in self.run_processes() for one in _with_children(process)}
        for process in _with_children(psutil.Process(self._process.pid)):
            with _gone_is_fine():
                kind = (
                    "daemon" if process.pid == self._process.pid else "run" if process.pid in runs else "code_servers"
                )
                sums[kind] += process.memory_info().rss / 1e6
        return sums

    def runs(self) -> list[Any]:
        """Records of all runs, the newest first."""
        return list(self._instance.get_run_records())

    def steps_begun(self, run_id: str) -> set[str]:
        """Names of the steps of a run that have begun."""
        events = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)
        return {event.dagster_event.step_key for event in events if event.dagster_event}

    def wait_for_ticks(self, since: datetime, seconds: float = 240.0) -> None:
        """Until every alert sensor has looked once, and ended its look, since a moment."""
        for name in SENSORS:
            wait_for(f"a tick of {name} since {since}", seconds, lambda name=name: self._ticked(name, since))

    def schedule_ticks(self, name: str) -> list[tuple[datetime, str]]:
        """Moment and status of every tick of a schedule, the oldest first."""
        return sorted(
            (datetime.fromtimestamp(tick.timestamp, UTC).replace(tzinfo=None), tick.status.value)
            for tick in self._ticks(name, InstigatorType.SCHEDULE)
        )

    def _ticked(self, name: str, since: datetime) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise Stuck(f"the daemon ended by itself with {self._process.returncode}: see daemon.log")
        after = since.replace(tzinfo=UTC).timestamp()
        return any(
            tick.status.value in ("SKIPPED", "SUCCESS")
            for tick in self._ticks(name, InstigatorType.SENSOR, after=after)
        )

    def _ticks(self, name: str, kind: InstigatorType, **which: Any) -> list[Any]:
        for state in self._instance.all_instigator_state(instigator_type=kind):
            if state.instigator_name == name:
                return list(self._instance.get_ticks(state.instigator_origin_id, state.selector_id, **which))
        return []

    @cached_property
    def _instance(self) -> dg.DagsterInstance:
        os.environ["DAGSTER_HOME"] = str(self._home)  # dagster.yaml names the storage's folder by it
        return dg.DagsterInstance.from_config(str(self._home))

    def _family(self) -> list[psutil.Process]:
        with _gone_is_fine():
            return psutil.Process(self._process.pid).children(recursive=True)
        return []


class Watch(threading.Thread):
    """Looks at the memory twice a second; `take` gives the night's figures and begins the next."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self._daemon_process, self._most, self._lock = daemon, {}, threading.Lock()
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.wait(0.5):
            with _gone_is_fine():
                now = self._daemon_process.memory_mb()
                with self._lock:
                    self._most = {name: max(now[name], self._most.get(name, 0.0)) for name in now} or self._most

    def take(self) -> dict[str, float]:
        """The most since the last call, in MB."""
        with self._lock:
            most, self._most = self._most, {}
        return {name: round(value, 1) for name, value in most.items()}

    def end(self) -> None:
        self._ending.set()
        self.join()


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    with _gone_is_fine():
        return [process, *process.children(recursive=True)]
    return []


class _gone_is_fine:  # noqa: N801
    """A process that has ended between two looks is no fault."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, (psutil.NoSuchProcess, psutil.ZombieProcess, AttributeError))
