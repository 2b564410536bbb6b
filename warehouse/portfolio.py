"""Writes and reads what was decided: tables keyed by `as_of_date`, and snapshots that are never changed."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from warehouse.connection import Connection, transaction
from warehouse.contracts import Table
from warehouse.errors import WarehouseError
from warehouse.frames import conform, insert, registered


def replace_days(con: Connection, table: Table, frame: pl.DataFrame, first_day: date, last_day: date) -> int:
    """Put a frame in the place of everything a table holds for some days, in one transaction.

    Args:
        con: The build file.
        table: A table with `as_of_date`.
        frame: All columns of the table; may be empty, which clears the days.
        first_day: First day, inclusive.
        last_day: Last day, inclusive.

    Returns:
        How many rows the days hold now.

    Raises:
        WarehouseError: a row lies outside the days, or two rows have one key. Nothing is changed then.
        SchemaMismatch: the frame does not have the table's columns.
    """
    rows = conform(table, frame)
    _check_key(table, rows)
    outside = rows.filter(~pl.col("as_of_date").is_between(first_day, last_day))
    if not outside.is_empty():
        raise WarehouseError(
            f"{table.qualified_name}: {outside.height} rows lie outside {first_day}..{last_day}, the first on "
            f"{outside['as_of_date'][0]}. Widen the days or filter the rows."
        )
    with transaction(con):
        con.execute(
            f"delete from {table.qualified_name} where as_of_date between $first and $last",
            {"first": first_day, "last": last_day},
        )
        insert(con, table, rows)
    return rows.height


def append(con: Connection, table: Table, frame: pl.DataFrame) -> int:
    """Add the rows whose key is not there yet; a stored row is never changed.

    Returns:
        How many rows were added: 0 when everything was there already.

    Raises:
        WarehouseError: two rows of the frame have one key.
        SchemaMismatch: the frame does not have the table's columns.
    """
    rows = conform(table, frame)
    _check_key(table, rows)
    with transaction(con), registered(con, rows) as incoming:
        added = con.execute(
            f"insert into {table.qualified_name} by name "
            f"select * from {incoming} anti join {table.qualified_name} using ({', '.join(table.key)})"
        ).fetchall()
    return int(added[0][0])


def read(con: Connection, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> pl.DataFrame:
    """The rows of a query as a Polars frame; timestamps are UTC without a zone."""
    return con.execute(sql, parameters).pl()


def _check_key(table: Table, rows: pl.DataFrame) -> None:
    key = list(table.key)
    unknown = rows.filter(pl.any_horizontal(pl.col(key).is_null()))
    twice = rows.filter(rows.select(key).is_duplicated())
    for problem, found in (("a key that is not known", unknown), ("a key that another row has too", twice)):
        if not found.is_empty():
            raise WarehouseError(
                f"{table.qualified_name}: {found.height} rows have {problem}, for example "
                f"{found.select(key).row(0, named=True)}. Correct the rows; the key is {', '.join(key)}."
            )
