"""Every gate, with a warehouse that is in order and with one in which just its own question has a bad answer."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from expectations.gates import all_questions
from expectations.model import CheckResult, Parameters
from expectations.release import DAILY_MARTS
from expectations.rules import row_rules
from expectations.runner import run_suites
from expectations.suites import SUITES
from warehouse import contracts
from warehouse.contracts import FACTS, Table
from warehouse.frames import frame_schema, insert
from warehouse.schema import create_tables

T = date(2026, 3, 10)
MIDNIGHT = datetime(2026, 3, 11)  # the end of T
LOADED = MIDNIGHT + timedelta(minutes=6)
RUN = Parameters(
    as_of_date=T,
    since=MIDNIGHT + timedelta(minutes=5),
    now=MIDNIGHT + timedelta(minutes=10),
    run_id="run",
    source="simulated",
    last_row_counts={"marts.asset_futures_daily": 100, "portfolio.decisions": 100},
)
MARTS = f"""
    create schema marts;
    create table marts.sector_weights as
    select * from (values ('DEFI', '3/10', 0.3e0), ('INFRA', '3/10', 0.3e0), ('L1', '2/5', 0.4e0))
        as t (sector, strategic_weight_exact, strategic_weight_frac);
    create table marts.sector_membership as
    select * from (values
        ('ETH', date '2020-01-01', 'L1', date '2026-01-01'), ('ETH', date '2026-01-01', 'INFRA', null),
        ('UNI', date '2020-01-01', 'DEFI', null)) as t (asset, valid_from, sector, valid_to);
    create table marts.asset_futures_daily as
    select date '{T}' - cast(d as integer) as date, 'ASSET' || a as asset, 100e0 as perp_close_usd
    from range(10) t (d), range(10) u (a);
    create table marts.sector_funding_daily as
    select date '{T}' - cast(d as integer) as date, sector, 1e0 as funding_8h_bps
    from range(10) t (d), marts.sector_weights;
    create table marts.sector_open_interest_daily as
    select date, sector, 100e0 as futures_price_index from marts.sector_funding_daily;
    create table marts.data_health_daily as
    select date, sector, 0.6e0 as coverage_frac, true as is_fresh, date + interval 1 day as newest_row_at
    from marts.sector_funding_daily;
"""


def rows(table: Table, *given: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table; what is not given is unknown."""
    return pl.DataFrame([dict.fromkeys(table.columns) | row for row in given], schema=frame_schema(table))


def fact(exchange: str, symbol: str, known_at: datetime, **columns: Any) -> dict[str, Any]:
    lineage = {"available_at": known_at, "ingested_at": LOADED, "source": "simulated", "batch_id": "b"}
    return {"exchange": exchange, "symbol": symbol, **lineage, **columns}


def raw_facts() -> Iterator[tuple[Table, pl.DataFrame]]:
    hours = [MIDNIGHT - timedelta(hours=n) for n in range(24, 0, -1)]

    def candle(exchange: str, symbol: str, at: datetime, price: float, **more: Any) -> dict[str, Any]:
        prices = {"open": price, "high": price + 1, "low": price - 1, "close": price, "volume_base": 2.0}
        known_at = at + timedelta(minutes=65)
        return fact(exchange, symbol, known_at, timeframe="1h", opened_at=at, **prices, **more)

    spot = [candle("binance", "BTC/USDT", at, 100.0 + n) for n, at in enumerate(hours)]
    futures = [
        candle(exchange, "BTC/USDT:USDT", at, 100.0 + n, market_type="perpetual", price_type=price_type)
        for exchange in ("binance", "bybit")
        for price_type in ("last", "mark", "index")
        for n, at in enumerate(hours)
    ]
    settlements = [MIDNIGHT - timedelta(hours=8 * n) for n in range(21)]
    funding = [
        fact(exchange, "BTC/USDT:USDT", at, settled_at=at, funding_rate=0.0001, interval_hours=8.0, mark_price=100.0)
        for exchange in ("binance", "bybit")
        for at in settlements
    ]
    interest = [
        # The candle that closes at this hour has the close 99 + hour, 123 at midnight.
        fact(
            exchange, "BTC/USDT:USDT", at, observed_at=at, open_interest_base=10.0, open_interest_contracts=10.0,
            open_interest_usd=10.0 * (123.0 - hours_before), source_kind="history",
        )
        for exchange in ("binance", "bybit")
        for hours_before in range(36)
        for at in [MIDNIGHT - timedelta(hours=hours_before, minutes=1 if hours_before == 0 else 0)]
        if hours_before < 23 or hours_before > 24
    ]  # fmt: skip
    listed = [
        fact(
            exchange, f"COIN{n}/USDT:USDT", LOADED, market_type="perpetual", base=f"COIN{n}", quote="USDT",
            contract_size=1.0, contract_multiplier=1.0, lot_step=0.001, tick_size=0.1, min_notional_usd=5.0,
        )
        for exchange in ("binance", "bybit")
        for n in range(5)
    ]  # fmt: skip
    for table, given in (
        (contracts.INSTRUMENTS, listed),
        (contracts.SPOT_OHLCV, spot),
        (contracts.FUTURES_OHLCV, futures),
        (contracts.FUNDING_RATES, funding),
        (contracts.OPEN_INTEREST, interest),
    ):
        yield table, rows(table, *given)


def decided() -> Iterator[tuple[Table, pl.DataFrame]]:
    days = [T - timedelta(days=1), T]
    yield contracts.LOAD_BATCHES, rows(
        contracts.LOAD_BATCHES,
        *(
            {
                "batch_id": f"{exchange} {table.name}", "run_id": "run", "exchange": exchange, "dataset": table.name,
                "status": "ok", "rows_received": 100, "rows_written": 99, "rows_quarantined": 1,
            }
            for exchange in ("binance", "bybit")
            for table in FACTS
        ),
    )  # fmt: skip
    yield contracts.DECISIONS, rows(
        contracts.DECISIONS,
        *(
            {
                "decision_id": f"d{day}", "as_of_date": day, "decided_at": LOADED, "source": "simulated",
                "spot_sleeve_usd": 80000.0, "status": "decided", "portfolio_value_usd": value,
            }
            for day, value in zip(days, (100000.0, 100498.51), strict=True)
        ),
    )  # fmt: skip
    third = {"target_weight_exact": "1/3", "target_weight_frac": 1 / 3}
    plan = {
        "DEFI": third | {"target_usd": 26666.67},
        "INFRA": third | {"target_usd": 26666.67},
        "L1": third | {"target_usd": 26666.66},
        "CASH": {"target_weight_exact": "0", "target_weight_frac": 0.0, "target_usd": 0.0},
    }
    yield contracts.TARGET_ALLOCATIONS, rows(
        contracts.TARGET_ALLOCATIONS,
        *(
            target
            | {
                "as_of_date": day, "sector": sector, "decision_id": f"d{day}",
                "state": None if sector == "CASH" else "NEUTRAL",
            }
            for day in days
            for sector, target in plan.items()
        ),
    )  # fmt: skip
    yield (
        contracts.SECTOR_SIGNALS,
        rows(
            contracts.SECTOR_SIGNALS,
            *(
                {
                    "as_of_date": day,
                    "sector": sector,
                    "state": "NEUTRAL",
                    "action": "HOLD",
                    "explanation": "L1: NEUTRAL.",
                }
                for day in days
                for sector in ("DEFI", "INFRA", "L1")
            ),
        ),
    )
    live = {
        "asset": "BTC", "role": "hedge", "mark_price_usd": 50000.0, "quantity_base": 0.04, "notional_usd": 2000.0,
        "margin_usd": 2000.0, "exposure_usd": 20000.0, "offset_frac": 0.1,
    }  # fmt: skip
    yield (
        contracts.HEDGES,
        rows(
            contracts.HEDGES,
            # On the second day the exposure has fallen to 17,500: 2,000 is held, 14% above its target of 1,750.
            live | {"as_of_date": days[0], "hedge_id": "h", "status": "open"},
            live | {"as_of_date": days[1], "hedge_id": "h", "status": "hold", "exposure_usd": 17500.0},
            live | {"as_of_date": days[1], "hedge_id": "old", "status": "close", "exposure_usd": None},
        ),
    )
    yield (
        contracts.HEDGE_SCENARIOS,
        rows(
            contracts.HEDGE_SCENARIOS,
            {"as_of_date": T, "hedge_id": "h", "shock_frac": -0.1, "horizon_days": 7, "funding_path": "persist"},
        ),
    )
    yield from books(*days)
    coins = {"as_of_date": T, "sector": "L1", "asset": "ETH", "current_quantity_base": 4.0}
    yield contracts.ASSET_TARGETS, rows(contracts.ASSET_TARGETS, coins)
    order = {"as_of_date": T, "trade_id": "t", "asset": "ETH", "side": "sell", "quantity_base": 4.0}
    yield contracts.REBALANCE_TRADES, rows(contracts.REBALANCE_TRADES, order | {"notional_usd": 25.0})
    yield contracts.POLICIES, rows(contracts.POLICIES, {"policy_hash": "p"})
    yield contracts.TAXONOMIES, rows(contracts.TAXONOMIES, {"taxonomy_hash": "t", "file": "sectors.csv"})
    yield contracts.PORTFOLIOS, rows(contracts.PORTFOLIOS, {"portfolio_hash": "p"})
    yield contracts.FUTURES_SLEEVE, rows(contracts.FUTURES_SLEEVE, {"as_of_date": T})
    yield (
        contracts.ALLOCATION_SNAPSHOTS,
        rows(contracts.ALLOCATION_SNAPSHOTS, {"as_of_date": T, "snapshot_id": "s", "decision_id": f"d{T}"}),
    )


def books(opened: date, marked: date) -> Iterator[tuple[Table, pl.DataFrame]]:
    """100,000.00 are brought in; the next day the coins rise by 500.01 and a fee of 1.50 is paid."""

    def entry(entry_id: str, day: date, account: str, amount_usd: float, kind: str) -> dict[str, Any]:
        opening = kind == "transfer"
        return {
            "entry_id": entry_id, "transaction_id": entry_id[0], "as_of_date": day, "booked_at": LOADED,
            "decision_id": None if opening else f"d{opened}", "reason": "OPENING" if opening else None,
            "book": "cash", "account": account, "amount_usd": amount_usd, "kind": kind,
        }  # fmt: skip

    yield (
        contracts.LEDGER,
        rows(
            contracts.LEDGER,
            entry("a0", opened, "spot:binance:BTC", 20000.0, "transfer"),
            entry("a1", opened, "cash:spot", 60000.0, "transfer"),
            entry("a2", opened, "cash:collateral", 20000.0, "transfer"),
            entry("a3", opened, "equity:opening", -100000.0, "transfer"),
            entry("b0", marked, "spot:binance:BTC", 500.01, "mark"),
            entry("b1", marked, "pnl:spot:unrealised", -500.01, "mark"),
            entry("c0", marked, "cash:spot", -1.5, "fee"),
            entry("c1", marked, "pnl:spot:fee", 1.5, "fee"),
        ),
    )
    nothing = {name: 0.0 for name, kind in contracts.NAV_DAILY.columns.items() if kind == "DOUBLE"}
    first = {"nav_usd": 100000.0, "spot_usd": 20000.0, "spot_cash_usd": 60000.0, "futures_equity_usd": 20000.0}
    second = first | {
        "nav_usd": 100498.51, "spot_usd": 20500.01, "spot_cash_usd": 59998.5, "unrealised_pnl_usd": 500.01,
        "fees_usd": 1.5, "spot_pnl_usd": 498.51,
    }  # fmt: skip
    yield (
        contracts.NAV_DAILY,
        rows(
            contracts.NAV_DAILY,
            *(
                nothing | {"as_of_date": day, "decision_id": f"d{day}"} | values
                for day, values in ((opened, first), (marked, second))
            ),
        ),
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "build.duckdb"
    with duckdb.connect(path) as con:
        create_tables(con)
        con.execute(MARTS)
        for table, frame in (*raw_facts(), *decided()):
            insert(con, table, frame)
    return path


def ask(path: Path, *suites: str, parameters: Parameters = RUN) -> dict[tuple[str, str], CheckResult]:
    results = run_suites(path, suites or list(SUITES), parameters)
    found = {(result.asset_key, result.name): result for result in results}
    assert len(found) == len(results), "a check's name must be unique within its table"
    return found


def test_every_gate_is_open_for_a_warehouse_in_order(sound: Path) -> None:
    for result in ask(sound).values():
        assert (result.passed, result.failed_rows, result.details) == (True, 0, ""), result
        assert result.evaluated > 0, result
        assert result.severity == ("error" if result.is_blocking else "warning")


ROW = "where rowid = (select {n} + min(rowid) from {table})"
ROW_RULE_BREAKS: dict[str, dict[str, str]] = {
    "raw.instruments": {
        "name_known": "symbol = null",
        "kind_known": "market_type = 'option'",
        "coins_known": "base = null",
        "sizes_positive": "tick_size = 0",
        "expiry_known": "market_type = 'dated'",
    },
    "raw.futures_ohlcv": {"kind_known": "price_type = 'bid'"},
    "raw.funding_rates": {
        "name_known": "symbol = null",
        "timestamp_plausible": "settled_at = null",
        "not_in_future": "settled_at = '2026-03-12'",
        "on_the_hour": "settled_at = settled_at + interval 3 millisecond",
        "funding_known": "funding_rate = null",
        "funding_believable": "funding_rate = -0.05",
        "interval_known": "interval_hours = 5",
        "price_positive": "mark_price = -1",
        "available_after_event": "available_at = available_at - interval 1 second",
    },
    "raw.open_interest": {
        "name_known": "exchange = null",
        "timestamp_plausible": "observed_at = '1970-01-21'",
        "not_in_future": "observed_at = '2026-03-12'",
        "some_unit_known": "open_interest_base = null, open_interest_contracts = null, open_interest_usd = null",
        "open_interest_positive": "open_interest_base = 0",
        "kind_known": "source_kind = null",
        "available_after_event": "available_at = null",
    },
}
_CANDLE_BREAKS = {
    "name_known": "exchange = null",
    "timestamp_plausible": "opened_at = null",
    "not_in_future": "opened_at = '2026-03-12'",
    "timeframe_known": "timeframe = '7h'",
    "on_timeframe_grid": "opened_at = opened_at + interval 1 minute",
    "candle_closed": "opened_at = '2026-03-11'",
    "close_known": "close = null",
    "price_positive": "close = 0",
    "high_is_highest": "high = low",
    "low_is_lowest": "low = high",
    "volume_not_negative": "volume_base = -1",
    "available_after_event": "available_at = opened_at",
}
ROW_RULE_BREAKS["raw.spot_ohlcv"] = _CANDLE_BREAKS
ROW_RULE_BREAKS["raw.futures_ohlcv"] |= _CANDLE_BREAKS


def broken_copy(sound: Path, folder: Path, *statements: str) -> Path:
    path = folder / "build.duckdb"
    shutil.copy(sound, path)
    with duckdb.connect(path) as con:
        for statement in statements:
            con.execute(statement)
    return path


def test_border_blocks_on_every_row_rule(sound: Path, tmp_path: Path) -> None:
    statements = [
        f"update {table} set {change} {ROW.format(n=n, table=table)}"
        for table, changes in ROW_RULE_BREAKS.items()
        for n, change in enumerate(changes.values())
    ]
    results = ask(broken_copy(sound, tmp_path, *statements), "border")
    for table in FACTS:
        assert set(ROW_RULE_BREAKS[table.qualified_name]) == {rule.name for rule in row_rules(table.name)}
        for rule in row_rules(table.name):
            result = results[table.qualified_name, rule.name]
            assert not result.passed and result.is_blocking and result.failed_rows >= 1, result
            assert rule.meaning in result.details


def test_rows_of_earlier_runs_are_not_judged_again(sound: Path, tmp_path: Path) -> None:
    old = "update raw.spot_ohlcv set close = -1, ingested_at = '2026-03-11 00:04:59' where hour(opened_at) = 3"
    result = ask(broken_copy(sound, tmp_path, old), "border")["raw.spot_ohlcv", "price_positive"]
    assert result.passed and result.evaluated == 23


TARGETS, HEDGES = "portfolio.target_allocations", "portfolio.hedges"
LEDGER, NAV, TRADES = "portfolio.ledger", "portfolio.nav_daily", "portfolio.rebalance_trades"
TODAY = f"as_of_date = '{T}'"
CLOSED = f"update raw.futures_ohlcv set close = close * 1.06, high = close * 1.07 where price_type = 'last'"  # noqa: F541
BLOCKING: dict[tuple[str, str], str] = {
    **{
        (table.qualified_name, "repeated_keys"): f"insert into {table.qualified_name} "
        f"from {table.qualified_name} limit 1"
        for table in FACTS
    },
    ("raw.load_batches", "some_exchange_is_fresh"): "update raw.funding_rates "
    "set settled_at = settled_at - interval 27 hour",
    ("raw.load_batches", "not_all_failed"): "update raw.load_batches set status = 'failed' "
    "where dataset = 'open_interest'",
    ("raw.futures_ohlcv", "most_closes_near_mark"): f"{CLOSED} and hour(opened_at) < 2",  # 4 of 48
    ("marts.sector_weights", "strategic_weights_sum_exactly"): "update marts.sector_weights "
    "set strategic_weight_exact = '300000001/1000000000' where sector = 'DEFI'",
    ("marts.sector_weights", "strategic_weight_sum"): "update marts.sector_weights "
    "set strategic_weight_frac = 0.300000001 where sector = 'DEFI'",
    ("marts.sector_membership", "one_sector_at_a_time"): "update marts.sector_membership "
    "set valid_to = '2026-01-02' where valid_to is not null",
    ("marts.asset_futures_daily", "rows_per_asset_and_day"): "insert into marts.asset_futures_daily "
    "from marts.asset_futures_daily limit 1",
    **{
        (mart, "days_behind"): f"update {mart} set {value} = null where date = '{T}'"
        for mart, value in DAILY_MARTS.items()
    },
    ("marts", "rows_kept_frac"): "delete from marts.asset_futures_daily where date < "
    f"date '{T}' - 8 and asset < 'ASSET2'",  # 2 of 100
    ("portfolio.decisions", "decision_days_behind"): f"delete from portfolio.decisions where {TODAY}",
    ("portfolio.decisions", "decision_source_is_label"): "update portfolio.decisions "
    f"set source = 'live' where {TODAY}",
    **{
        (table.qualified_name, "rows_per_key"): f"insert into {table.qualified_name} "
        f"from {table.qualified_name} limit 1"
        for table in contracts.PORTFOLIO
    },
    ("portfolio.sector_signals", "state_is_known"): "update portfolio.sector_signals set state = 'PANIC'",
    ("portfolio.sector_signals", "signal_is_explained"): "update portfolio.sector_signals set explanation = null",
    (TARGETS, "target_is_known"): f"update {TARGETS} set state = null where sector = 'L1' and {TODAY}",
    (TARGETS, "target_not_negative"): f"update {TARGETS} set target_weight_frac = -0.1 where sector = 'CASH'",
    (TARGETS, "target_weight_sum"): f"update {TARGETS} set target_weight_frac = 2e-12 where sector = 'CASH'",
    (TARGETS, "target_weights_sum_exactly"): f"update {TARGETS} "
    "set target_weight_exact = '333333333333333333333333333333/1000000000000000000000000000000' where sector = 'L1'",
    (TARGETS, "cents_off_sleeve"): f"update {TARGETS} set target_usd = target_usd + 0.01 where sector = 'L1'",
    (TARGETS, "sectors_missing"): f"delete from {TARGETS} where sector = 'CASH' and {TODAY}",
    (HEDGES, "hedge_is_complete"): f"update {HEDGES} set offset_frac = null where status = 'hold'",
    (HEDGES, "notional_error_usd"): f"update {HEDGES} set notional_usd = 2000.02 where status = 'hold'",
    (HEDGES, "hedge_excess_usd"): f"update {HEDGES} set exposure_usd = 16000 where status = 'hold'",
    (HEDGES, "live_hedges_per_asset"): f"update {HEDGES} set status = 'open' where status = 'close'",
    (TRADES, "usd_above_minimum"): f"update {TRADES} set notional_usd = 24.99",
    ("portfolio.asset_targets", "coins_oversold"): f"update {TRADES} set quantity_base = 4.000001",
    (LEDGER, "cents_off_zero"): f"update {LEDGER} set amount_usd = -1.49 where entry_id = 'c0'",
    (LEDGER, "entry_names_decision"): f"update {LEDGER} set decision_id = 'another' where entry_id = 'b0'",
    (LEDGER, "entry_is_complete"): f"update {LEDGER} set amount_usd = null where entry_id = 'c1'",
    (NAV, "cents_off_ledger"): f"update {NAV} set nav_usd = 100498.52 where {TODAY}",
    (NAV, "profit_cents_off_ledger"): f"update {NAV} set fees_usd = 1.51 where {TODAY}",
    (NAV, "cents_off_parts"): f"update {NAV} set tilt_cash_usd = 0.01 where {TODAY}",
    (NAV, "lowest_balance_usd"): f"update {NAV} set spot_cash_usd = -0.01 where {TODAY}",
    ("portfolio.decisions", "value_cents_off_ledger"): "update portfolio.decisions "
    f"set portfolio_value_usd = 100498.50 where {TODAY}",
    **{
        (table.qualified_name, "source_is_label"): f"update {table.qualified_name} set source = 'live' "
        f"where rowid = (select min(rowid) from {table.qualified_name})"
        for table in FACTS
    },
}  # fmt: skip
WARNING: dict[tuple[str, str], str] = {
    ("raw.load_batches", "hours_behind"): "update raw.open_interest set observed_at = observed_at - interval 27 hour "
    "where exchange = 'bybit'",
    ("raw.load_batches", "series_filled_frac"): "update raw.load_batches set status = 'failed' "
    "where dataset = 'open_interest' and exchange = 'bybit'",
    ("raw.load_batches", "quarantined_frac"): "update raw.load_batches set rows_quarantined = 2 "
    "where dataset = 'open_interest' and exchange = 'bybit'",
    ("raw.futures_ohlcv", "close_to_mark_frac"): f"{CLOSED} and hour(opened_at) = 2",
    ("raw.futures_ohlcv", "mark_to_index_frac"): "update raw.futures_ohlcv set close = close / 1.06 "
    "where price_type = 'index' and hour(opened_at) = 2",
    ("raw.open_interest", "published_usd_error_frac"): "update raw.open_interest "
    "set open_interest_usd = open_interest_usd * 2 where exchange = 'bybit'",  # both sides counted
    ("raw.open_interest", "open_interest_jump_frac"): "update raw.open_interest "
    f"set open_interest_base = 16.1 where observed_at >= '{T}' and exchange = 'bybit'",
    ("raw.funding_rates", "settlements_off"): "delete from raw.funding_rates "
    f"where exchange = 'bybit' and settled_at in ('{T} 08:00', '{T} 16:00')",
    ("marts.data_health_daily", "coverage_frac"): "update marts.data_health_daily set coverage_frac = 0.59 "
    f"where sector = 'L1' and date = '{T}'",
    ("marts.data_health_daily", "is_fresh"): "update marts.data_health_daily set is_fresh = false "
    f"where sector = 'L1' and date = '{T}'",
}  # fmt: skip


def test_every_check_has_an_input_that_it_refuses() -> None:
    checks = {(q.asset_key, check.name): check.is_blocking for q in all_questions() for check in q.checks}
    rules = {(table.qualified_name, rule.name): True for table in FACTS for rule in row_rules(table.name)}
    assert checks == rules | dict.fromkeys(BLOCKING, True) | dict.fromkeys(WARNING, False)


@pytest.mark.parametrize(
    ("asset_key", "name", "is_blocking", "statement"),
    [(*key, True, sql) for key, sql in BLOCKING.items()] + [(*key, False, sql) for key, sql in WARNING.items()],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_gate_says_no(
    sound: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asset_key: str,
    name: str,
    is_blocking: bool,
    statement: str,
) -> None:
    found = [
        question
        for questions in list(SUITES.values())
        for question in questions(RUN)
        if question.asset_key == asset_key and name in [check.name for check in question.checks]
    ]
    monkeypatch.setitem(SUITES, "one", lambda _: found)
    results = run_suites(broken_copy(sound, tmp_path, statement), ["one"], RUN)
    result = next(result for result in results if result.name == name)
    assert (result.passed, result.is_blocking) == (False, is_blocking), result
    check = next(check for check in found[0].checks if check.name == name)
    assert check.remedy in result.details
    if result.evaluated:
        assert result.failed_rows >= 1 and f"{result.failed_rows} of {result.evaluated} rows." in result.details
        assert name in result.details  # an example shows the bad value


def test_missing_table_closes_the_gate(sound: Path, tmp_path: Path) -> None:
    results = ask(broken_copy(sound, tmp_path, "drop table marts.sector_funding_daily"), "release")
    result = results["marts.sector_funding_daily", "days_behind"]
    assert (result.passed, result.is_blocking, result.evaluated) == (False, True, 0)
    assert result.details.startswith("marts.sector_funding_daily does not exist.")


def test_missing_column_closes_the_gate(sound: Path, tmp_path: Path) -> None:
    results = ask(broken_copy(sound, tmp_path, "alter table marts.data_health_daily drop coverage_frac"), "release")
    result = results["marts.data_health_daily", "coverage_frac"]
    assert not result.passed and "could not be asked" in result.details


@pytest.mark.parametrize(("source", "is_label"), [("simulated", True), ("recorded", False), ("live", False)])
def test_simulated_numbers_never_pass_for_others(sound: Path, source: str, is_label: bool) -> None:
    results = ask(sound, "release", parameters=replace(RUN, source=source))
    assert results["raw.funding_rates", "source_is_label"].passed is is_label
    assert results["portfolio.decisions", "decision_source_is_label"].passed is is_label


def test_first_release_has_no_row_counts_to_keep(sound: Path) -> None:
    result = ask(sound, "release", parameters=replace(RUN, last_row_counts={}))["marts", "rows_kept_frac"]
    assert (result.passed, result.evaluated) == (True, 0)


def test_mart_that_was_released_before_and_is_gone_closes_the_gate(sound: Path) -> None:
    result = ask(sound, "release", parameters=replace(RUN, last_row_counts={"marts.gone": 5}))[
        "marts", "rows_kept_frac"
    ]
    assert not result.passed and result.is_blocking


def test_exchange_that_was_asked_in_vain_is_behind_and_one_that_offers_nothing_is_not(
    sound: Path, tmp_path: Path
) -> None:
    def found(statement: str) -> CheckResult:
        return ask(broken_copy(sound, tmp_path, statement), "border")["raw.load_batches", "hours_behind"]

    gone = "delete from raw.open_interest where exchange = 'bybit'"
    result = found(gone)
    assert (result.passed, result.failed_rows) == (False, 1) and "open interest" in result.details
    absent = "update raw.load_batches set status = 'absent' where exchange = 'bybit' and dataset = 'open_interest'"
    assert found(f"{gone}; {absent}").passed
