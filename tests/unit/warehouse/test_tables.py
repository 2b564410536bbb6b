from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from warehouse.connection import Connection
from warehouse.contracts import (
    ASSET_TARGETS,
    DECISIONS,
    FUNDING_RATES,
    FUTURES_SLEEVE,
    HEDGES,
    LEDGER,
    NAV_DAILY,
    PORTFOLIO,
    REBALANCE_TRADES,
    TABLES,
)
from warehouse.errors import SchemaMismatch
from warehouse.frames import conform, empty_frame, insert
from warehouse.quality import record_checks
from warehouse.schema import create_tables

COLUMNS = "select column_name, data_type from duckdb_columns() where schema_name || '.' || table_name = ?"


def test_every_table_is_created_with_the_columns_of_its_contract(con: Connection) -> None:
    for table in TABLES:
        assert dict(con.execute(COLUMNS, [table.qualified_name]).fetchall()) == table.columns, table.name


def test_creating_twice_keeps_the_rows(con: Connection) -> None:
    con.execute("insert into portfolio.hedges (as_of_date, hedge_id) values ('2026-01-01', 'h')")
    create_tables(con)
    assert con.execute("select hedge_id from portfolio.hedges").fetchall() == [("h",)]


def test_column_of_a_newer_version_is_added_as_unknown(con: Connection) -> None:
    con.execute("insert into portfolio.hedges (as_of_date, hedge_id) values ('2026-01-01', 'h')")
    newer = replace(HEDGES, columns=HEDGES.columns | {"gamma": "DOUBLE"})
    create_tables(con, [newer])
    assert con.execute("select hedge_id, gamma from portfolio.hedges").fetchall() == [("h", None)]


def test_build_file_from_before_the_whole_portfolio_gets_its_columns_and_tables(con: Connection) -> None:
    added = (
        (DECISIONS, ("tilt_cash_usd", "explanation", "portfolio_hash")),
        (HEDGES, ("sector", "entry_price_usd", "beta", "beta_r2_frac", "residual_risk_annualised", "expires_date")),
    )
    for table, columns in added:
        for column in columns:
            con.execute(f"alter table {table.qualified_name} drop column {column}")
    for table in (ASSET_TARGETS, REBALANCE_TRADES, FUTURES_SLEEVE, LEDGER, NAV_DAILY):
        con.execute(f"drop table {table.qualified_name}")
    con.execute("insert into portfolio.decisions (decision_id) values ('d')")
    create_tables(con)
    for table in PORTFOLIO:
        assert dict(con.execute(COLUMNS, [table.qualified_name]).fetchall()) == table.columns, table.name
    assert con.execute("select decision_id, portfolio_hash from portfolio.decisions").fetchall() == [("d", None)]


def test_column_of_another_type_is_refused_by_name(con: Connection) -> None:
    other = replace(HEDGES, columns=HEDGES.columns | {"side": "DOUBLE"})
    with pytest.raises(SchemaMismatch, match=r"portfolio\.hedges\.side: stored as VARCHAR, expected DOUBLE"):
        create_tables(con, [other])


def test_frame_is_brought_into_order_type_and_null(con: Connection) -> None:
    row = dict.fromkeys(FUNDING_RATES.columns) | {"funding_rate": float("nan"), "interval_hours": 8}
    frame = pl.DataFrame([row | {"settled_at": datetime(2026, 1, 1)}]).select(reversed(list(row)))
    conformed = conform(FUNDING_RATES, frame)
    assert conformed.columns == list(FUNDING_RATES.columns)
    assert conformed["funding_rate"].to_list() == [None]
    assert conformed["interval_hours"].to_list() == [8.0]
    insert(con, FUNDING_RATES, frame)
    assert con.execute("select funding_rate, interval_hours from raw.funding_rates").fetchall() == [(None, 8.0)]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (empty_frame(FUNDING_RATES).drop("settled_at"), r"lacks \['settled_at'\]"),
        (empty_frame(FUNDING_RATES).with_columns(x=pl.lit(1)), r"unknown columns \['x'\]"),
        (empty_frame(FUNDING_RATES).clear(1).with_columns(funding_rate=pl.lit("a lot")), "does not fit its contract"),
    ],
)
def test_frame_that_is_not_the_contract_is_refused(frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"raw.funding_rates: .*{said}"):
        conform(FUNDING_RATES, frame)


class Outcome:
    """A check result as the expectations package makes it."""

    def __init__(self, name: str, passed: bool) -> None:
        self.name, self.asset_key, self.passed = name, "raw.funding_rates", passed
        self.severity, self.is_blocking, self.evaluated = "error", True, 3
        self.failed_rows, self.details = (0, "") if passed else (1, "1 of 3 rows.")


def test_check_that_is_run_again_replaces_its_result_of_the_same_run_only(con: Connection) -> None:
    at = datetime(2026, 1, 1)
    record_checks(con, "run 1", [Outcome("a", False), Outcome("b", True)], at)
    record_checks(con, "run 2", [Outcome("a", False)], at)
    record_checks(con, "run 1", [Outcome("a", True)], at)
    record_checks(con, "run 1", [], at)
    stored = con.execute("select run_id, check_name, passed, failed_rows from quality.check_results order by all")
    assert stored.fetchall() == [("run 1", "a", True, 0), ("run 1", "b", True, 0), ("run 2", "a", False, 1)]
