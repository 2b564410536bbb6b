"""Queries for people: rows out of a release, and a readable error where DuckDB refuses.

A query that somebody pasted is run with DuckDB's doors shut: the release is open read-only, no other file and
no network can be reached, and no setting can be changed back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from warehouse.connection import Connection
from warehouse.errors import WarehouseError

_READING = ("SELECT", "EXPLAIN")  # DuckDB counts from, with, values, show, describe and summarize as SELECT
_SHUT = ("enable_external_access = false", "python_enable_replacements = false", "lock_configuration = true")


class QueryError(WarehouseError):
    """A query cannot be run; the message is DuckDB's own, or says what to write instead."""


@dataclass(frozen=True)
class Rows:
    """What a query gives; the rows are read while the connection is open.

    Attributes:
        columns: Names, made unique (`a`, `a_1`) where a query gives one name twice.
        types: DuckDB's types, for example `DOUBLE`.
        rows: One tuple per row; can be gone through once.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """All rows, each by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def query(
    con: Connection, sql: str, parameters: Sequence[Any] = (), variables: Mapping[str, Any] | None = None
) -> Rows:
    """The rows of the program's own query.

    Args:
        con: Where.
        sql: One statement.
        parameters: Values of its question marks.
        variables: Values that it reads with `getvariable`, by name; this query alone sees them.

    Raises:
        QueryError: DuckDB refuses it, as when a release of another version has other tables.
    """
    cursor = con.cursor()  # one of its own: the next query must not end it
    try:
        for name, value in (variables or {}).items():
            cursor.execute(f'set variable "{name}" = $value', {"value": value})
        result = cursor.execute(sql, list(parameters))
    except duckdb.Error as error:
        raise QueryError(f"the query failed: {error}") from None
    described = result.description or []
    return Rows(
        columns=_unique([column[0] for column in described]),
        types=tuple(str(column[1]) for column in described),
        rows=_fetched(result),
    )


def query_pasted(con: Connection, sql: str) -> Rows:
    """The rows of one reading statement that a person wrote. The connection can do nothing else afterwards.

    Raises:
        QueryError: no statement, several statements, one that does not read, or one that DuckDB refuses.
    """
    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"the query failed: {error}") from None
    if len(statements) != 1:
        raise QueryError(
            f"{len(statements)} statements: give exactly one query, for example: from marts.sector_weights"
        )
    if statements[0].type.name not in _READING:
        raise QueryError(
            f"a {statements[0].type.name} statement: only queries are run here (select, from, with, show, "
            "describe, summarize, explain); a release is never changed"
        )
    for setting in _SHUT:
        con.execute(f"set {setting}")
    return query(con, sql)


def _unique(names: list[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for name in names:
        number, candidate = 0, name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.append(candidate)
    return tuple(taken)


def _fetched(result: Connection) -> Iterator[tuple[Any, ...]]:
    try:
        while chunk := result.fetchmany(10_000):
            yield from chunk
    except duckdb.Error as error:
        raise QueryError(f"the query failed: {error}") from None
