"""Living through the nights: what is done to the product from outside, and what is seen of it."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.clock import decision_instant
from tests.alerts.receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver, write_certificate
from tests.soak.clock import SettableClock
from tests.soak.expected import Decided, read_release
from tests.soak.figures import disk_mb
from tests.soak.plan import EXCHANGES, Night
from tests.soak.surroundings import PROJECT, Daemon, Exchange, Stuck, Watch, wait_for

SCHEDULE = "nightly_schedule"
MARKET_SEED = 7
BEFORE_THE_NIGHT = timedelta(seconds=-5)
NEWS = timedelta(hours=2, minutes=45)  # late enough for a release that was not followed by one to be too old
LATER = (timedelta(hours=12), timedelta(hours=21))  # after the decision: somebody has looked by then
RUN_SECONDS = 900.0
KILLED_AFTER_S = 0.5  # into the step
HISTORY_DAYS = 10  # shorter than usual, so that the history reaches its bound within fifty nights
_DOWN = 100_000
DBT_TARGET = PROJECT / "dbt" / "target"


@dataclass
class Soak:
    """Everything that is running, and what was seen so far.

    Attributes:
        rows: The figures, night by night.
        releases: What every release said, in the order of publication.
        runs: Dagster's id of every run to its status; Dagster itself forgets old ones.
        violations: What should not have been, a sentence each.
    """

    clock: SettableClock
    exchange: Exchange
    daemon: Daemon
    watch: Watch
    http: HttpReceiver
    smtp: SmtpReceiver
    warehouse: Path
    home: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    releases: list[Decided] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.time)

    @property
    def told(self) -> list[dict[str, Any]]:
        """Every event that the webhook's receiver has taken."""
        return [event for body in list(self.http.taken) for event in body["events"]]

    @property
    def mailed(self) -> Counter[str]:
        """Titles of the events in the mails."""
        lines = [line for _, mail in list(self.smtp.mails) for line in mail.get_content().splitlines()]
        return Counter(line[2:] for line in lines if line[:2] in ("\u203c ", "\u26a0 ", "\u2022 "))

    def live_through(self, night: Night) -> None:
        """One night, from just before the decision until the next noon at the latest."""
        at = decision_instant(night.day)
        before = len(self.told)
        self.exchange.start(at - timedelta(days=night.is_stale_market), list(night.rules))
        if night.daemon_restarted:
            self.daemon.stop()
            self.daemon.start()
        self.daemon.set_clock(at + BEFORE_THE_NIGHT)
        self._receivers(webhook_down=night.webhook_down, mail_down=night.mail_down)
        self.watch.take()
        run_id = wait_for(f"a run for {night.day}", 300, lambda: self._run_of(night.day)).run_id
        seconds = self._follow(night, run_id)
        memory = self.watch.take()
        spoilt = self.exchange.spoilt()
        self._look(at + NEWS)
        if not self._status(run_id).is_finished:  # its process is gone without a word: that has to be noticed
            for later in LATER:
                self._look(at + later)
            wait_for(f"that the end of run {run_id} is noticed", 180, lambda: self._status(run_id).is_finished)
            self._look(self.clock.now + timedelta(hours=1))
        self._receivers()
        if night.webhook_down or night.mail_down:
            self._look(self.clock.now + timedelta(hours=1))
        self._see(night, run_id, seconds, memory, spoilt, len(self.told) - before)

    def _follow(self, night: Night, run_id: str) -> float:
        """Be with the run to its end, or end it as planned; gives the seconds that it took."""
        wait_for(f"the start of run {run_id}", 300, self._begun(run_id))
        began = time.monotonic()
        if night.killed_in is not None:
            wait_for(
                f"step {night.killed_in} of run {run_id}", RUN_SECONDS, lambda: self._is_in(night.killed_in, run_id)
            )
            time.sleep(KILLED_AFTER_S)
            if night.power_cut:
                self.daemon.cut_power()
                self.daemon.start()
                return time.monotonic() - began
            self.daemon.kill_run()
        wait_for(f"the end of run {run_id}", RUN_SECONDS, lambda: self._status(run_id).is_finished)
        return time.monotonic() - began

    def _is_in(self, step: str, run_id: str) -> bool:
        """Whether the step has begun, or the run has ended before it."""
        return step in self.daemon.steps_begun(run_id) or self._status(run_id).is_finished

    def _begun(self, run_id: str) -> Any:
        return lambda: self._status(run_id).status.value not in ("QUEUED", "NOT_STARTED", "STARTING")

    def _look(self, moment: datetime) -> None:
        """Let it be `moment`, and let every sensor look."""
        self.daemon.set_clock(moment)
        self.daemon.wait_for_ticks(moment)

    def _receivers(self, webhook_down: bool = False, mail_down: bool = False) -> None:
        self.http.answers.clear()
        self.http.answers.extend([503] * _DOWN if webhook_down else [])
        self.smtp.answers.clear()
        if mail_down:
            self.smtp.answers["MAIL"] = type(self.http.answers)(["451 try again later"] * _DOWN)

    def _run_of(self, day: date) -> Any:
        for record in self.daemon.runs():
            if record.dagster_run.tags.get("dagster/partition") == day.isoformat():
                return record.dagster_run
        return None

    def _status(self, run_id: str) -> Any:
        return next(one.dagster_run for one in self.daemon.runs() if one.dagster_run.run_id == run_id)

    def _see(self, night: Night, run_id: str, seconds: float, memory: dict, spoilt: int, alerts: int) -> None:
        run = self._status(run_id)
        self.runs |= {one.dagster_run.run_id: one.dagster_run.status.value for one in self.daemon.runs()}
        link = self.warehouse / "warehouse.duckdb"
        release = read_release(link.resolve()) if link.exists() else None
        is_new = release is not None and (not self.releases or release.release_id != self.releases[-1].release_id)
        if is_new:
            self.releases.append(release)
        reason = next((event["text"] for event in self.told if event["run_id"] == run_id), "")
        status = run.status.value
        if is_new and release.day != night.day:
            self.violations.append(f"{night.day}: the new release {release.release_id} is about another day")
        if not run.is_finished:
            self.violations.append(f"{night.day}: run {run_id} is {status} for ever")
        if (status == "SUCCESS") != is_new and night.killed_in is None:
            self.violations.append(f"{night.day}: run {status}, and {'a' if is_new else 'no'} new release")
        if not is_new and not reason:
            self.violations.append(f"{night.day}: no release, and no reason was told")
        if night.is_clean and not is_new:
            self.violations.append(f"{night.day}: nothing was wrong, yet no release: {reason}")
        kept = release.release_id if release else "nothing"
        self._stamp_files()
        row = {
            "night": night.number,
            "day": night.day.isoformat(),
            "faults": night.words,
            "answers_spoilt": spoilt,
            "run": status,
            "ends_with": release.release_id if is_new else f"{kept} kept",
            "reason": reason,
            "alerts": alerts,
            "run_seconds": round(seconds, 1),
            "daemon_started": self.daemon.started,
            "memory_mb": memory,
            "disk_mb": disk_mb(self.warehouse, self.home, DBT_TARGET),
        }
        self.rows.append(row)
        print(
            f"night {night.number:3} {night.day}  {night.words}: {row['ends_with']}, {alerts} alerts, {seconds:.0f} s  "
            f"{reason[:110]}",
            flush=True,
        )

    def _stamp_files(self) -> None:
        """The kernel stamps files with the machine's time: what dbt left gets the time of the night."""
        for path in DBT_TARGET.glob("marts-*"):
            if path.stat().st_mtime > self._began:
                moment = self.clock.now.replace(tzinfo=UTC).timestamp()
                os.utime(path, (moment, moment))


@contextmanager
def surroundings(work: Path, first_day: date) -> Iterator[Soak]:
    """Everything started, an hour before the first decision, with the nightly schedule switched on.

    Args:
        work: An empty folder for warehouse, Dagster home and logs.
        first_day: The first day that will be decided.
    """
    clock = SettableClock(work)
    clock.set(decision_instant(first_day) - timedelta(hours=1))
    warehouse = work / "warehouse"
    home = warehouse / "dagster"
    with http_receiver() as http, smtp_receiver(write_certificate(work), "none") as smtp:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
        plain = inherited | {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
        exchange = Exchange(work, plain, MARKET_SEED)
        environment = plain | {
            "DAGSTER_HOME": str(home),
            "DAGSTER_EVENT_BATCH_SIZE": "1000",
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "GX_ANALYTICS_ENABLED": "false",
            "WAREHOUSE_DIR": str(warehouse),
            "ROTATION_SOURCE": "simulated",
            "ROTATION_SEED": str(MARKET_SEED),
            "ROTATION_EXCHANGES": ",".join(EXCHANGES),
            "ROTATION_EXCHANGE_URL": exchange.url,
            "ROTATION_INGEST__TIMEOUT_SECONDS": "3",
            "ROTATION_INGEST__RETRY_SECONDS": "4",
            "ROTATION_RETENTION__HISTORY_DAYS": str(HISTORY_DAYS),
            "ROTATION_ALERTS__WEBHOOK_URL": f"{http.url}/alerts",
            "ROTATION_ALERTS__SMTP_HOST": "127.0.0.1",
            "ROTATION_ALERTS__SMTP_PORT": str(smtp.port),
            "ROTATION_ALERTS__SMTP_SECURITY": "none",
            "ROTATION_ALERTS__SMTP_FROM": "rotation@example.com",
            "ROTATION_ALERTS__SMTP_TO": "somebody@example.com",
        }
        daemon = Daemon(work, home, environment, clock)
        watch = Watch(daemon)
        try:
            daemon.switch_schedule_on(SCHEDULE)
            daemon.start()
            watch.start()
            yield Soak(clock, exchange, daemon, watch, http, smtp, warehouse, home)
        finally:
            with _said():
                watch.end()
            with _said():
                daemon.stop()
            exchange.stop()


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong at the end is said and stops nothing of the rest."""
    try:
        yield
    except (Stuck, OSError, RuntimeError) as error:
        print(f"at the end: {error}", file=sys.stderr)
