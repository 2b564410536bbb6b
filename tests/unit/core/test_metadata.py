"""Previews in the UI."""

import polars as pl

from pipelines.metadata import preview


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
