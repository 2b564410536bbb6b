"""`dbt/columns.json`, which the Dagster UI shows, says what the models really are."""

import difflib

from tests.dbt.column_table import COLUMNS, as_text, column_table


def test_the_columns_that_the_interface_shows_are_those_of_the_models(dbt_build):
    kept, now = COLUMNS.read_text(encoding="utf-8"), as_text(column_table(dbt_build("columns")))
    difference = "\n".join(difflib.unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", n=0))
    assert now == kept, f"{difference}\nwrite it again with: python -m tests.dbt.column_table"
