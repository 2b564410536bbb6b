"""How a result is shown on an asset in the Dagster UI."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from pipelines.partitions import partition_days
from warehouse.contracts import Table

PREVIEW_ROWS = 20
ONE_DAY = timedelta(days=1)
SHOWN_DAYS = timedelta(days=31)


def preview(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows of a frame as a Markdown table; numbers are shortened, the stored ones are not."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in frame.head(PREVIEW_ROWS).iter_rows()]
    if frame.height > PREVIEW_ROWS:
        lines.append(f"\n{frame.height - PREVIEW_ROWS} more rows")
    return dg.MetadataValue.md("\n".join(lines))


def table_metadata(table: Table, folded: bool = False) -> dict[str, Any]:
    """A table's name, columns and grain, for the definition of its asset; units stand in the columns' names.

    Args:
        table: The table.
        folded: Show the columns after a click only, where they would push away what people come to read.
    """
    grain = dg.TableConstraints(other=[f"one row per ({', '.join(table.key)})"])
    columns = [
        dg.TableColumn(name, kind.lower(), constraints=dg.TableColumnConstraints(nullable=name not in table.key))
        for name, kind in table.columns.items()
    ]
    return {
        "dagster/table_name": table.qualified_name,
        "columns" if folded else "dagster/column_schema": dg.TableSchema(columns, constraints=grain),
    }


def size_and_age(rows: int, newest: datetime | None, decided_at: datetime) -> dict[str, Any]:
    """What the UI plots over the nights.

    Args:
        rows: Rows of the table.
        newest: When its newest row could be known, UTC; None for a table without such a time, or without rows.
        decided_at: The instant of the night's decision, UTC.

    Returns:
        `dagster/row_count`, and `data_age_hours` at the decision's instant where there is a newest row.
    """
    age = {} if newest is None else {"data_age_hours": round((decided_at - newest).total_seconds() / 3600, 2)}
    return {"dagster/row_count": rows, **age}


def rows_per_day(frame: pl.DataFrame, first_day: date, last_day: date) -> dict[date, dict[str, Any]]:
    """`dagster/row_count` of every day from the first to the last, both included, in a frame with `as_of_date`."""
    rows = dict(frame.group_by("as_of_date").len().iter_rows())
    days = (first_day + ONE_DAY * passed for passed in range((last_day - first_day).days + 1))
    return {day: {"dagster/row_count": rows.get(day, 0)} for day in days}


def show_per_day(
    context: dg.AssetExecutionContext, key: dg.AssetKey, per_day: Mapping[date, Mapping[str, Any]]
) -> None:
    """Put each day's metadata on that day's partition of an asset.

    Left out are days that are not the run's, and all but the newest `SHOWN_DAYS` of a long run: each of them costs
    Dagster more than the day's decision.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        return
    first_day, last_day = partition_days(context)
    for day, metadata in per_day.items():
        if max(first_day, last_day - SHOWN_DAYS + ONE_DAY) <= day <= last_day:
            context.add_asset_metadata(metadata, key, day.isoformat())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).replace("|", "\\|")
