"""A nightly run redoes only what new rows touch, and ends with the very tables that a rebuild gives."""

import shutil
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from raw_history import RawHistory

SYMBOL = "BTC/USDT:USDT"


def test_incremental_run_with_late_and_revised_rows_equals_a_full_refresh(market_build: Any) -> None:
    assert len(market_build.rebuilt) > 15
    for table, rows in market_build.rebuilt.items():
        assert market_build.nightly[table] == rows, table


def test_incremental_run_keeps_days_that_no_new_row_touches(market_build: Any) -> None:
    # Otherwise the equality above would be that of two rebuilds.
    for table, kept in market_build.kept_rows.items():
        assert 0.8 < kept / len(market_build.rebuilt[table]) < 0.99, table


def test_shorter_calendar_forgets_its_days_and_a_longer_one_brings_them_back(
    market_build: Any, dbt_build: Callable[[str], Any]
) -> None:
    build = dbt_build("shorter")
    shutil.copy(market_build.build.path, build.path)
    build.dbt("run", variables={"as_of_date": "2025-05-20"})
    for table in ("intermediate.int_instrument_daily", "marts.asset_futures_daily", "marts.data_health_daily"):
        assert build.query(f"select max(date) as last from {table}") == [{"last": date(2025, 5, 20)}]
    build.dbt("run")
    assert build.tables() == market_build.rebuilt


def test_corrected_terms_of_an_instrument_reach_the_past(market_build: Any, dbt_build: Callable[[str], Any]) -> None:
    build = dbt_build("terms")
    shutil.copy(market_build.build.path, build.path)
    history = RawHistory()
    terms = {"contract_size": 1.0, "listed_at": datetime(2020, 1, 1), "ingested_at": datetime(2025, 6, 4)}
    history.instrument("bybit", "ETH/USDT:USDT", **terms)
    build.load(history)
    build.dbt("run")
    # Twice the contract size, twice the coins, on every day but those whose jump is now another exchange's word.
    change = """
        select median(now.open_interest_base / before.open_interest_base) as times
        from intermediate.int_instrument_daily as now
        join before.intermediate.int_instrument_daily as before using (date, exchange, symbol)
        where exchange = 'bybit' and symbol = 'ETH/USDT:USDT' and now.date < date '2025-03-01'
    """
    assert build.query(change, before=market_build.build.path) == [{"times": 2.0}]


def _settled(rate: float, hour: int, ingested_at: datetime, batch: str) -> RawHistory:
    history = RawHistory()
    history.funding("a", SYMBOL, datetime(2025, 1, 1, hour), rate, 8, ingested_at=ingested_at, batch_id=batch)
    return history


@pytest.fixture(scope="module")
def funding(dbt_build: Callable[[str], Any]) -> Callable[..., float]:
    """`funding(history, **variables)` loads more settlements and gives a number of a day after a nightly run."""
    build = dbt_build("funding")

    def run(history: RawHistory, day: date = date(2025, 1, 1), column: str = "rate_sum", **variables: Any) -> float:
        build.load(history)
        build.dbt("run", "--select", "+int_funding_daily", variables=variables)
        return build.by_key("intermediate.int_funding_daily", "date")[(day,)][column]

    return run


def test_no_row_is_missed_or_read_before_it_was_known(funding: Callable[..., float]) -> None:
    noon = datetime(2025, 1, 2, 12)
    # Binary-exact rates: 1/4 at 08:00, then 1/2 at 16:00 with the very instant of the load before.
    assert funding(_settled(0.25, 8, noon, "one")) == 0.25
    assert funding(_settled(0.5, 16, noon, "two")) == 0.75
    # A clock that was set back stamps a new row behind the newest one that has been read.
    assert funding(_settled(1.0, 12, datetime(2025, 1, 2, 11, 59, 59, 999_999), "three")) == 1.75
    # A correction by a microsecond later; a replay that knows what was known before it reads the first value.
    correction = _settled(2.0, 16, datetime(2025, 1, 2, 12, 0, 0, 1), "four")
    assert funding(correction) == 3.25
    assert funding(RawHistory(), known_at="2025-01-02 12:00:00") == 1.75
    # Under the old variables again, all of it counts again.
    assert funding(RawHistory()) == 3.25


def test_gap_to_the_settlement_of_the_day_before_is_seen_by_a_nightly_run(funding: Callable[..., float]) -> None:
    history = RawHistory()
    history.funding("a", SYMBOL, datetime(2025, 1, 1, 20), 0.5, 8, ingested_at=datetime(2025, 1, 3))
    assert funding(history) == 3.75
    next_day = RawHistory()
    late = datetime(2025, 1, 4)
    next_day.funding("a", SYMBOL, datetime(2025, 1, 2, 0, 30), 0.5, None, ingested_at=late, batch_id="next")
    # 4.5 hours after the settlement before, nearest to 4.
    assert funding(next_day, day=date(2025, 1, 2), column="hours_sum") == 4


def test_changed_macro_makes_the_rows_anew(funding: Callable[..., float]) -> None:
    before = funding(RawHistory(), column="rules_fingerprint")
    assert funding(RawHistory(), column="rules_fingerprint") == before
    assert funding(RawHistory(), column="rules_fingerprint", macros_sha256="another") != before
