"""Servers that take alerts, events and rows to make them of, and small releases that are published for real."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.alerts.channels import Patience
from pipelines.alerts.events import DayRows, Event, ReleaseRows
from pipelines.policy import Policy
from tests.alerts.receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver, write_certificate
from warehouse.connection import Warehouse
from warehouse.contracts import DECISIONS, FUTURES_SLEEVE, HEDGES, LEDGER, POLICIES, SECTOR_SIGNALS, Table
from warehouse.frames import frame_schema, insert
from warehouse.release import Release, publish
from warehouse.schema import create_tables

PROJECT = Path(__file__).parents[2]
FIRST, SECOND, THIRD = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21)
SECRETS = {
    "ROTATION_ALERTS__WEBHOOK_URL": "{http}/hook/PATH-SECRET",
    "ROTATION_ALERTS__SLACK_URL": "{http}/services/SLACK-SECRET",
    "ROTATION_ALERTS__TELEGRAM_URL": "{http}",
    "ROTATION_ALERTS__TELEGRAM_TOKEN": "123:TELEGRAM-SECRET",
    "ROTATION_ALERTS__TELEGRAM_CHAT": "-100200",
}


@pytest.fixture(autouse=True)
def no_alerts_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ROTATION_"):
            monkeypatch.delenv(name)


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    """An HTTP server that takes alerts."""
    with http_receiver() as received:
        yield received


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def smtp(certificate: Path) -> Iterator[Callable[[str], SmtpReceiver]]:
    """Starts a mail server: `smtp("starttls")`."""
    with ExitStack() as servers:
        yield lambda security: servers.enter_context(smtp_receiver(certificate, security))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, http: HttpReceiver) -> Path:
    """A warehouse's folder, a Dagster home, and a webhook that the local server takes; gives the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster").mkdir()
    shutil.copy(PROJECT / "dagster.yaml", tmp_path / "dagster")
    monkeypatch.setenv("WAREHOUSE_DIR", str(tmp_path / "warehouse"))
    monkeypatch.setenv("ROTATION_ALERTS__WEBHOOK_URL", SECRETS["ROTATION_ALERTS__WEBHOOK_URL"].format(http=http.url))
    monkeypatch.setattr("pipelines.alerts.channels.Patience", partial(Patience, first_wait_s=0.0))
    return tmp_path / "warehouse"


@pytest.fixture
def event() -> Callable[..., Event]:
    """An event; `changed` says what is not usual."""

    def make(**changed: Any) -> Event:
        usual = {
            "event_id": "state_change:2026-11-21:DEFI:NEUTRAL>OVERLEVERAGED", "kind": "state_change",
            "severity": "warning", "title": "DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)", "text": "Funding is high.",
            "source": "live", "day": "2026-11-21", "release_id": "000003-20261121", "run_id": None,
        }  # fmt: skip
        return Event(**(usual | changed))

    return make


def signal(sector: str, state: str, action: str = "HOLD") -> dict[str, Any]:
    return {"sector": sector, "state": state, "action": action, "explanation": f"{sector}: {state}. Because."}


def position(hedge_id: str, status: str = "hold", **changed: Any) -> dict[str, Any]:
    row = {
        "hedge_id": hedge_id, "role": "hedge", "exchange": "binance", "symbol": "BTC/USDT:USDT", "asset": "BTC",
        "side": "short", "quantity_base": 0.04, "notional_usd": 2_000.0, "liquidation_move_frac": 0.99,
        "status": status, "reason": None, "explanation": f"{hedge_id}: {status}.",
    }  # fmt: skip
    return row | changed


def sleeve(**changed: Any) -> dict[str, Any]:
    """$20,000 of collateral, of which $2,000 are used."""
    row = {
        "collateral_usd": 20_000.0, "used_margin_usd": 2_000.0, "free_margin_usd": 18_000.0, "is_concentrated": False,
        "concentration_role": None, "notes": [], "explanation": "The futures sleeve.",
    }  # fmt: skip
    return row | changed


@pytest.fixture
def rows() -> Callable[..., DayRows]:
    """The rows of a day: `rows(signals=[...], positions=[...], sleeve=...)`; a decided day without anything else."""

    def make(status: str = "decided", **parts: Any) -> DayRows:
        return DayRows({"status": status, "reason": None, "explanation": "Tonight."}, **parts)

    return make


@pytest.fixture
def release(rows) -> Callable[..., ReleaseRows]:
    """A release of consecutive days: `release(rows(...), rows(...))`, the last of them the third day."""

    def make(*days: DayRows, source: str = "live", release_id: str = "000003-20261121") -> ReleaseRows:
        dates = [THIRD - timedelta(days=back) for back in reversed(range(len(days)))]
        at = datetime(2026, 11, 22, 0, 20)
        return ReleaseRows(release_id, at, source, dates, dict(zip(dates, days, strict=True)))

    return make


@pytest.fixture
def publish_days(tmp_path: Path) -> Callable[..., Release]:
    """Publishes a release: `publish_days(directory, {day: rows of tables}, source=..., published_at=...)`.

    The days stand in the release as given, whatever an earlier one said; `rows of tables` is a dict with `signals`,
    `positions`, `sleeve` and `ledger`.
    """

    def publish_days(
        directory: Path,
        days: dict[date, dict[str, Any]],
        source: str = "simulated",
        published_at: datetime = datetime(2026, 11, 22, 0, 20),
        keep: int = 7,
        policy_json: str | None = None,
    ) -> Release:
        warehouse = Warehouse(directory)
        with warehouse.open_build("test") as con:
            create_tables(con)
            con.execute("create schema if not exists marts")
            con.execute("create table if not exists marts.sector_weights (sector varchar)")
            for table in (DECISIONS, SECTOR_SIGNALS, HEDGES, FUTURES_SLEEVE, LEDGER, POLICIES):
                con.execute(f"delete from {table.qualified_name}")
            policy = Policy()
            stored = {"policy_hash": policy.canonical_hash(), "policy_json": policy_json or policy.canonical_json()}
            _write(con, POLICIES, [stored])
            for day, parts in days.items():
                decision = {"decision_id": f"d-{day}", "status": "decided", "policy_hash": policy.canonical_hash()}
                on = {"as_of_date": day}
                _write(con, DECISIONS, [decision | on])
                _write(con, SECTOR_SIGNALS, [row | on for row in parts.get("signals", [])])
                _write(con, HEDGES, [row | on for row in parts.get("positions", [])])
                _write(con, FUTURES_SLEEVE, [parts.get("sleeve", sleeve()) | on])
                _write(con, LEDGER, [row | on for row in parts.get("ledger", [])])
        return publish(
            warehouse, as_of_date=max(days), source=source, git_sha=None, policy_hash="p", input_hash="i",
            checks_passed=1, keep=keep, published_at=published_at,
        )  # fmt: skip

    return publish_days


def _write(con: Any, table: Table, rows: list[dict[str, Any]]) -> None:
    full = [dict.fromkeys(table.columns) | row for row in rows]
    insert(con, table, pl.DataFrame(full, schema=frame_schema(table)))


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, http: HttpReceiver) -> list[str]:
    """Webhook, Slack and Telegram at the local server; gives what must never be seen."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value.format(http=http.url))
    return ["PATH-SECRET", "SLACK-SECRET", "TELEGRAM-SECRET"]


@pytest.fixture
def rotation(capsys: pytest.CaptureFixture[str], environment: Path):
    """Runs `rotation ARGUMENTS` in this process; gives exit code, output and errors."""
    from pipelines.cli.commands import main

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return int(ended.value.code or 0), written.out, written.err

    return call


@pytest.fixture
def answer_json(rotation):
    """The JSON that a command prints, whatever it ends with."""
    return lambda *arguments: json.loads(rotation(*arguments, "--format", "json")[1])
