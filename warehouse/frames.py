"""Polars frames on their way into DuckDB: the columns, types and NULLs that a table's contract asks for."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from warehouse.connection import Connection
from warehouse.contracts import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TEXT_LIST, TIMESTAMP, Table
from warehouse.errors import SchemaMismatch

_DTYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    TEXT: pl.String,
    BIGINT: pl.Int64,
    INTEGER: pl.Int32,
    DOUBLE: pl.Float64,
    BOOLEAN: pl.Boolean,
    TIMESTAMP: pl.Datetime("us"),
    DATE: pl.Date,
    TEXT_LIST: pl.List(pl.String),
}


def frame_schema(table: Table) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Column name to Polars type of a table; timestamps are UTC without a zone."""
    return {name: _DTYPES[kind] for name, kind in table.columns.items()}


def empty_frame(table: Table) -> pl.DataFrame:
    """A frame of no rows with the table's columns."""
    return pl.DataFrame(schema=frame_schema(table))


def conform(table: Table, *frames: pl.DataFrame) -> pl.DataFrame:
    """The frames as one, in the table's column order and types; NaN becomes NULL, for both mean unknown.

    Raises:
        SchemaMismatch: a column is missing, unknown or cannot be read as its type.
    """
    expected = list(table.columns)
    for frame in frames:
        if set(frame.columns) != set(expected):
            missing = [name for name in expected if name not in frame.columns]
            unknown = [name for name in frame.columns if name not in table.columns]
            raise SchemaMismatch(
                f"{table.qualified_name}: the frame lacks {missing or 'nothing'} and has unknown columns "
                f"{unknown or 'none'}. Give exactly the columns of its contract; use nulls where a value is unknown."
            )
    try:
        # One cast over all frames: casting 170 small ones takes longer than the insert itself.
        # One chunk: DuckDB reads 170 chunks half as fast.
        aligned = [f if f.columns == expected else f.select(expected) for f in frames]
        joined = pl.concat(aligned, how="vertical_relaxed", rechunk=True)
        return joined.cast(frame_schema(table)).with_columns(pl.col(pl.Float64).fill_nan(None))  # type: ignore[arg-type]
    except pl.exceptions.PolarsError as error:
        raise SchemaMismatch(
            f"{table.qualified_name}: the frame does not fit its contract ({str(error).splitlines()[0]})."
        ) from None


@contextmanager
def registered(con: Connection, frame: pl.DataFrame, name: str = "incoming") -> Iterator[str]:
    """The frame as a view that SQL on `con` can read for the length of the block; gives the view's name."""
    con.register(name, frame)
    try:
        yield name
    finally:
        con.unregister(name)


def insert(con: Connection, table: Table, frame: pl.DataFrame) -> None:
    """Append a frame to a table in one bulk insert.

    Raises:
        SchemaMismatch: see `conform`.
    """
    with registered(con, conform(table, frame)) as incoming:
        con.execute(f"insert into {table.qualified_name} by name select * from {incoming}")
