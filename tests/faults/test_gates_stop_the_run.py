"""Real runs whose gates say no or whose exchanges are out of reach: what stops, what stays, what is said."""

import functools
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pipelines.settings import DEFAULT_EXCHANGES, SUPPORTED_EXCHANGES
from tests.alerts.receivers import http_receiver
from warehouse.connection import Warehouse
from warehouse.release import current_release

READING = [*sorted(f"raw__{name}" for name in SUPPORTED_EXCHANGES), "raw_tables"]
DECIDING = ["marts", "portfolio__sector_signals", "portfolio"]
PUBLISHING = ["audit", "portfolio__allocation_snapshots", "publish__release", "publish__report", "publish__upkeep"]
DONE, GATE_SAID_NO, UNREACHABLE = 0, 3, 4


@pytest.fixture
def out_of_reach(monkeypatch, tmp_path):
    """Puts exchanges out of reach for every run of the test: `out_of_reach(kind, exchange, ...)`."""
    from pipelines.raw import session

    def out_of_reach(kind: str, *exchanges: str) -> None:
        faults = tmp_path / "faults.json"
        faults.write_text(json.dumps({"faults": [{"kind": kind, "exchange": name} for name in exchanges]}))
        server = functools.partial(session.LocalExchangeProcess, faults=faults)
        monkeypatch.setattr(session, "LocalExchangeProcess", server)
        monkeypatch.setenv("ROTATION_INGEST__RETRY_SECONDS", "0")

    return out_of_reach


def test_a_run_without_fresh_funding_stops_at_the_border_and_yesterdays_release_stays(
    run_nights, write_market, market_days, yesterday, tmp_path
):
    _, last_day = market_days
    market = _end_earlier(write_market(tmp_path / "small"), "funding", days=3)
    before = _release(yesterday)
    night = run_nights(market, yesterday, last_day, last_day)
    assert night.outcome.exit_code == GATE_SAID_NO
    assert "some_exchange_is_fresh" in night.outcome.message
    assert "funding rates" in night.outcome.message
    assert night.steps == READING
    assert ("raw__load_batches__some_exchange_is_fresh", False) in night.checks
    assert _release(yesterday) == before
    assert _decided_days(yesterday)[-1] == last_day - timedelta(days=2)


def test_a_run_whose_audit_fails_publishes_nothing_and_yesterdays_release_stays(
    run_nights, small_market, market_days, yesterday
):
    day = market_days[1] - timedelta(days=1)
    before = _release(yesterday)
    with Warehouse(yesterday).open_build() as connection:
        connection.execute(
            "update raw.funding_rates set source = 'live' where settled_at = "
            "(select min(settled_at) from raw.funding_rates)"
        )
    stopped = run_nights(small_market, yesterday, day, day)
    assert stopped.outcome.exit_code == GATE_SAID_NO
    assert "source_is_label" in stopped.outcome.message
    assert stopped.steps == [*READING, *DECIDING, "audit"]
    assert _release(yesterday) == before

    with Warehouse(yesterday).open_build() as connection:
        connection.execute("update raw.funding_rates set source = 'recorded'")
    repaired = run_nights(small_market, yesterday, day, day)
    assert repaired.outcome.exit_code == DONE, repaired.outcome.message
    assert repaired.steps == [*READING, *DECIDING, *PUBLISHING]
    assert _release(yesterday) != before


def test_a_blocked_gate_and_silent_exchanges_are_told_once_each_and_told_apart(
    run_nights, small_market, market_days, yesterday, out_of_reach, dagster_home, monkeypatch
):
    from pipelines.definitions import defs

    sensors = {one.name: one for one in defs.sensors}
    day = market_days[1] - timedelta(days=1)
    with Warehouse(yesterday).open_build() as connection:
        connection.execute("update raw.funding_rates set source = 'live' where settled_at = "
                           "(select min(settled_at) from raw.funding_rates)")  # fmt: skip
    blocked = run_nights(small_market, yesterday, day, day).outcome
    out_of_reach("geo_blocked", *DEFAULT_EXCHANGES)
    silent = run_nights(small_market, yesterday, day, day).outcome
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    monkeypatch.setenv("WAREHOUSE_DIR", str(yesterday))
    with http_receiver() as received, dg.DagsterInstance.get() as instance:
        monkeypatch.setenv("ROTATION_ALERTS__WEBHOOK_URL", received.url)
        context = dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def())
        told = [sensors["failed_run_alerts"].evaluate_tick(context).skip_message for _ in range(2)]
        assert told == ["webhook: told 2", "nothing new"]
        sensors["release_alerts"].evaluate_tick(context)
    changes = {event["event_id"] for body in received.bodies for event in body["events"] if event["release_id"]}
    assert {one for one in changes if one.startswith("state_change")} == _changed_states(yesterday)
    events = {event["run_id"]: event for body in received.bodies for event in body["events"]}
    assert events[blocked.run_id]["kind"] == "gate_blocked"
    assert events[blocked.run_id]["title"] == f"[RECORDED] A gate said no: nothing was published (job nightly, {day})"
    assert "source_is_label" in events[blocked.run_id]["text"]
    assert events[silent.run_id]["kind"] == "exchanges_unreachable"
    assert "binance instruments: " in events[silent.run_id]["text"]


def test_one_exchange_out_of_reach_does_not_stop_the_night_and_is_named(
    run_nights, small_market, market_days, yesterday, out_of_reach
):
    day = market_days[1] - timedelta(days=1)
    out_of_reach("geo_blocked", "binance")
    night = run_nights(small_market, yesterday, day, day)
    assert night.outcome.exit_code == DONE, night.outcome.message
    assert night.steps == [*READING, *DECIDING, *PUBLISHING]
    with Warehouse(yesterday).open_release() as connection:
        told = connection.execute(
            "select details from quality.check_results where not passed and check_name = 'series_filled_frac' "
            "and run_id = $1",
            [night.outcome.run_id],
        ).fetchone()
        states = dict(
            connection.execute(
                "select sector, state from portfolio.sector_signals where as_of_date = $1", [day]
            ).fetchall()
        )
    assert "exchange=binance" in told[0]
    assert states["DEFI"] == "ACCUMULATION"  # one exchange is enough to know it


@pytest.mark.parametrize("kind", ["geo_blocked", "connection_reset"])
def test_all_exchanges_out_of_reach_is_told_apart_from_bad_data(
    run_nights, small_market, market_days, yesterday, out_of_reach, kind
):
    day = market_days[1] - timedelta(days=1)
    before = _release(yesterday)
    out_of_reach(kind, *DEFAULT_EXCHANGES)
    night = run_nights(small_market, yesterday, day, day)
    assert night.outcome.exit_code == UNREACHABLE
    assert {night.outcome.message.count(f"{name} instruments: ") for name in DEFAULT_EXCHANGES} == {1}
    assert night.steps == READING
    assert _release(yesterday) == before
    with Warehouse(yesterday).open_build() as connection:
        log = connection.execute(
            "select exchange, status, error from raw.load_batches where run_id = $1", [night.outcome.run_id]
        ).fetchall()
    assert {(exchange, status) for exchange, status, _ in log} == {(name, "failed") for name in DEFAULT_EXCHANGES}
    assert all(error for _, _, error in log)


def _changed_states(directory: Path) -> set[str]:
    """Ids of the changes of the release's last day, as its own two days say."""
    sql = (
        "select 'state_change:' || n.as_of_date || ':' || sector || ':' || b.state || '>' || n.state "
        "from portfolio.sector_signals n join portfolio.sector_signals b using (sector) where n.state <> b.state "
        "and n.as_of_date = (select max(as_of_date) from portfolio.decisions) and b.as_of_date = n.as_of_date - 1"
    )
    with Warehouse(directory).open_release() as connection:
        return {name for (name,) in connection.execute(sql).fetchall()}


def _end_earlier(market: Path, table: str, days: int) -> Path:
    """Take the last days of one kind of rows out of a recorded market."""
    path = market / f"{table}.parquet"
    frame = pl.read_parquet(path)
    frame.filter(pl.col("ts") <= frame["ts"].max() - timedelta(days=days)).write_parquet(path)
    return market


def _release(directory: Path) -> tuple[str, str]:
    """Id of the release that readers get, and the digest of the bytes they read."""
    warehouse = Warehouse(directory)
    release = current_release(warehouse)
    assert release is not None
    return release.release_id, hashlib.sha256(warehouse.release_path.read_bytes()).hexdigest()


def _decided_days(directory: Path) -> list:
    with Warehouse(directory).open_build() as connection:
        return [
            day for (day,) in connection.execute("select as_of_date from portfolio.decisions order by 1").fetchall()
        ]
