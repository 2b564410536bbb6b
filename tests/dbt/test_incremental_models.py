"""A nightly run redoes only what new rows touch, and ends with the very tables that a rebuild gives."""

from typing import Any


def test_incremental_run_with_late_and_revised_rows_equals_a_full_refresh(market_build: Any) -> None:
    assert len(market_build.rebuilt) > 15
    for table, rows in market_build.rebuilt.items():
        assert market_build.nightly[table] == rows, table
