"""Creates the tables of `contracts` in a build file, and adds the columns that newer versions brought."""

from collections.abc import Iterable

from warehouse.connection import Connection
from warehouse.contracts import TABLES, Table
from warehouse.errors import SchemaMismatch


def create_tables(con: Connection, tables: Iterable[Table] = TABLES) -> None:
    """Create every missing table and column; doing it twice changes nothing.

    An added column is NULL (unknown) in the rows that are there already.

    Raises:
        SchemaMismatch: a stored column has another type than its contract.
    """
    tables = tuple(tables)
    stored: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in con.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database()"
    ).fetchall():
        stored.setdefault((schema, table), {})[column] = kind
    for schema in dict.fromkeys(table.schema for table in tables):
        con.execute(f"create schema if not exists {schema}")
    for table in tables:
        present = stored.get((table.schema, table.name))
        if present is None:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())
            con.execute(f"create table if not exists {table.qualified_name} ({columns})")
            continue
        for name, kind in table.columns.items():
            if name not in present:
                con.execute(f'alter table {table.qualified_name} add column "{name}" {kind}')
            elif present[name] != kind:
                raise SchemaMismatch(
                    f"{table.qualified_name}.{name}: stored as {present[name]}, expected {kind}. This build file was "
                    "made by another version: move it away and let the next run build a new one."
                )
