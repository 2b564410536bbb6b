"""A small release, published for real, and the command line in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli.commands import main
from warehouse.connection import Warehouse
from warehouse.contracts import (
    ASSET_TARGETS,
    CHECK_RESULTS,
    DECISIONS,
    FUTURES_SLEEVE,
    HEDGE_SCENARIOS,
    HEDGES,
    NAV_DAILY,
    REBALANCE_TRADES,
    SECTOR_SIGNALS,
    TARGET_ALLOCATIONS,
    Table,
)
from warehouse.frames import frame_schema, insert
from warehouse.release import publish
from warehouse.schema import create_tables

FIRST_DAY, LAST_DAY = date(2026, 11, 19), date(2026, 11, 20)


@dataclass(frozen=True)
class Answer:
    """What a command line gave."""

    code: int
    out: str
    err: str


@pytest.fixture
def rotation(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs `rotation ARGUMENTS` in this process, in a directory and an environment of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("WAREHOUSE_DIR", str(tmp_path / "warehouse"))
    monkeypatch.setattr("pipelines.cli.commands.ERROR_LOG", tmp_path / "logs" / "rotation.log")

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return Answer(int(ended.value.code or 0), written.out, written.err)

    return call


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with one simulated release of two days; a hedge on the second one only."""
    directory = tmp_path_factory.mktemp("released")
    publish_small(directory)
    return directory


@pytest.fixture
def publish_release() -> Callable[..., str]:
    """Publishes one more small release into a directory; gives its id."""
    return publish_small


def publish_small(directory: Path, source: str = "simulated", as_of_date: date = LAST_DAY) -> str:
    warehouse = Warehouse(directory)
    with warehouse.open_build("test") as con:
        create_tables(con)
        if not con.execute("from duckdb_schemas() where schema_name = 'marts'").fetchall():
            _fill(con)
    release = publish(
        warehouse, as_of_date=as_of_date, source=source, git_sha="abc", policy_hash="p", input_hash="i",
        checks_passed=3, keep=3, published_at=datetime(2026, 11, 21, 0, 20),
    )  # fmt: skip
    return release.release_id


def _fill(con) -> None:
    con.execute("create schema marts")
    con.execute(
        "create table marts.data_health_daily as select date '2026-11-20' as date, 'L1' as sector, "
        "0.75::double as coverage_frac, timestamp '2026-11-20 23:00:00' as newest_row_at, true as is_fresh, "
        "false as is_complete, 'partial: [red]75%' as reason, ['mexc: newest row too old (ETH)'] as exchanges_left_out"
    )
    for day in (FIRST_DAY, LAST_DAY):
        _write(con, DECISIONS, [_decision(day)])
        _write(con, SECTOR_SIGNALS, [_signal(day)])
        _write(con, TARGET_ALLOCATIONS, [_target(day, "CASH", 0.0, 0.1), _target(day, "L1", 0.4, 0.3)])
        _write(con, ASSET_TARGETS, [_asset(day, "ETH", 12.0, 9.0), _asset(day, "NEAR", 0.0, 0.0)])
        _write(con, NAV_DAILY, [{"as_of_date": day, "decision_id": f"d-{day}", **_VALUE}])
        _write(con, FUTURES_SLEEVE, [{"as_of_date": day, "decision_id": f"d-{day}", **_SLEEVE}])
    _write(con, REBALANCE_TRADES, [_ORDER])
    _write(con, HEDGES, [_HEDGE])
    _write(con, HEDGE_SCENARIOS, [_SCENARIO])
    _write(con, CHECK_RESULTS, [_check("run-1", passed=False), _check("run-0", passed=False)])


def _write(con, table: Table, rows: list[dict]) -> None:
    full = [dict.fromkeys(table.columns) | row for row in rows]
    insert(con, table, pl.DataFrame(full, schema=frame_schema(table)))


def _decision(day: date) -> dict:
    return {
        "decision_id": f"d-{day}", "as_of_date": day, "decided_at": datetime(2026, 11, 21, 0, 15),
        "portfolio_value_usd": 100_000.0, "spot_sleeve_usd": 80_000.0, "futures_sleeve_usd": 20_000.0,
        "status": "decided" if day == LAST_DAY else "no_trade", "reason": "NOT_A_DECISION_DAY",
        "turnover_frac": 0.1, "book_json": "{}", "explanation": f"{day}: sell $7,500.00 of ETH.",
    }  # fmt: skip


def _signal(day: date) -> dict:
    return {
        "as_of_date": day, "sector": "L1", "state": "LOSING_MOMENTUM", "previous_state": "NEUTRAL",
        "action": "REDUCE", "reason_codes": [], "funding_3d_bps": 1.5, "spread_z": '{"DEFI": null}',
        "explanation": "L1: LOSING_MOMENTUM. Open interest -9.3% in 7 days (limit -5%); funding 1.50 bp/8h, down "
        "from a 28-day peak of 4.76 bp/8h (limit 60% of peak).",
    }  # fmt: skip


def _target(day: date, sector: str, current: float, target: float) -> dict:
    return {
        "as_of_date": day, "sector": sector, "state": "LOSING_MOMENTUM" if sector == "L1" else None,
        "action": "REDUCE" if sector == "L1" else None, "current_weight_frac": current,
        "active_weight_frac": None if sector == "CASH" else target - 0.4,
        "target_weight_frac": target, "delta_weight_frac": target - current, "current_usd": current * 80_000,
        "target_usd": target * 80_000, "delta_usd": (target - current) * 80_000,
        "current_weight_exact": "2/5", "target_weight_exact": "3/10",
        "reason_codes": ["TURNOVER_CAP", "STEP_CAP"] if sector == "L1" else [], "decision_id": f"d-{day}",
    }  # fmt: skip


def _asset(day: date, asset: str, current: float, target: float) -> dict:
    return {
        "as_of_date": day, "sector": "L1", "asset": asset, "price_usd": 2500.0, "is_stale_price": True,
        "is_buyable": True, "is_sellable": False, "current_quantity_base": current, "target_quantity_base": target,
        "current_usd": current * 2500, "target_usd": target * 2500, "reason_codes": ["CALENDAR_TILT"],
        "decision_id": f"d-{day}",
    }  # fmt: skip


def _check(run_id: str, passed: bool) -> dict:
    return {
        "run_id": run_id, "check_name": f"freshness_{run_id}", "asset_key": "raw/funding_rates",
        "severity": "WARN", "is_blocking": False, "passed": passed, "failed_rows": 2, "details": "2 rows are old",
    }  # fmt: skip


_ORDER = {
    "as_of_date": LAST_DAY, "trade_id": "t1", "exchange": "binance", "symbol": "ETH/USDT", "sector": "L1",
    "asset": "ETH", "side": "sell", "quantity_base": 3.0, "price_usd": 2500.0, "notional_usd": 7500.0,
    "fee_usd": 7.5, "slippage_usd": 3.75, "reason_codes": [],
}  # fmt: skip
_VALUE = {
    "nav_usd": 100_000.0, "spot_usd": 72_000.0, "spot_cash_usd": 7_000.0, "tilt_cash_usd": 1_000.0,
    "futures_equity_usd": 20_000.0, "fees_usd": 80.25, "hedge_pnl_usd": -12.5,
}  # fmt: skip
_SLEEVE = {
    "collateral_usd": 20_000.0, "used_margin_usd": 6_000.0, "used_margin_hedge_usd": 6_000.0, "net_beta_usd": 74_000.0,
    "is_concentrated": True, "concentration_role": "hedge", "share_of_nav_frac": 0.2,
    "role_correlations": '{"spot-hedge":{"correlation":-0.91,"n":75},"spot-tactical":{"correlation":null,"n":4}}',
    "notes": ["ETH: the order lapsed, [there] was no price."],
    "explanation": "The futures sleeve of $20,000.00 has $6,000.00 in use. Idle collateral yields 0.",
}  # fmt: skip
_HEDGE = {
    "as_of_date": LAST_DAY, "hedge_id": "BTC-1", "role": "hedge", "exchange": "binance",
    "symbol": "BTC/USDT:USDT", "asset": "BTC", "side": "short", "quantity_base": 0.04, "notional_usd": 2000.0,
    "leverage": 1.0, "margin_usd": 2000.0, "exposure_usd": 20_000.0, "offset_frac": 0.1, "status": "open",
    "explanation": "BTC: Opened a short of 0.04 BTC on binance at 1x ($2,000.00). Spot is not sold.",
}  # fmt: skip
_SCENARIO = {
    "as_of_date": LAST_DAY, "hedge_id": "BTC-1", "shock_frac": -0.1, "horizon_days": 7, "funding_path": "flat",
    "spot_pnl_usd": -2000.0, "hedge_price_pnl_usd": 200.0, "funding_pnl_usd": 0.0, "cost_usd": 1.0,
    "net_pnl_usd": -1801.0, "offset_frac": 0.1, "is_liquidated": False,
}  # fmt: skip
