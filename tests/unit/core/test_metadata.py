"""Previews in the UI."""

from datetime import date, datetime

import polars as pl

from pipelines.metadata import preview, rows_per_day, size_and_age, table_metadata
from warehouse.contracts import HEDGES


def test_a_preview_is_a_markdown_table_that_survives_pipes_and_nulls():
    frame = pl.DataFrame({"sector": ["L1|x", None], "usd": [1234.5, 0.1], "codes": [["A", "B"], []]})
    assert preview(frame).value.splitlines() == [
        "| sector | usd | codes |",
        "| --- | --- | --- |",
        "| L1\\|x | 1,234.5 | A, B |",
        "|  | 0.1 |  |",
    ]


def test_a_long_frame_says_how_much_is_left_out():
    assert preview(pl.DataFrame({"n": range(25)})).value.endswith("5 more rows")


def test_a_table_shows_its_columns_its_types_and_its_grain():
    metadata = table_metadata(HEDGES)
    schema = metadata["dagster/column_schema"]
    assert metadata["dagster/table_name"] == "portfolio.hedges"
    assert {column.name: column.type for column in schema.columns}["notional_usd"] == "double"
    assert [column.name for column in schema.columns if not column.constraints.nullable] == list(HEDGES.key)
    assert schema.constraints.other == ["one row per (as_of_date, hedge_id)"]
    assert "columns" in table_metadata(HEDGES, folded=True)


def test_the_age_of_data_is_counted_to_the_decision_and_left_out_where_it_is_unknown():
    decided_at = datetime(2026, 11, 22, 0, 15)
    assert size_and_age(3, datetime(2026, 11, 21, 23, 0), decided_at) == {
        "dagster/row_count": 3,
        "data_age_hours": 1.25,
    }
    assert size_and_age(0, None, decided_at) == {"dagster/row_count": 0}


def test_a_day_without_rows_counts_as_none_and_not_as_unknown():
    frame = pl.DataFrame({"as_of_date": [date(2026, 11, 20), date(2026, 11, 20), date(2026, 11, 22)]})
    counted = rows_per_day(frame, date(2026, 11, 20), date(2026, 11, 22))
    assert [rows["dagster/row_count"] for rows in counted.values()] == [2, 0, 1]
