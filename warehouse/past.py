"""A build file as it was: the raw rows known until an instant, and the decisions made before a day."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import duckdb

from warehouse.connection import Connection, Warehouse, transaction
from warehouse.contracts import FACTS, PORTFOLIO, PORTFOLIO_BASIS, Table
from warehouse.errors import WarehouseError, WarehouseLocked
from warehouse.portfolio import read
from warehouse.schema import create_tables


def fill_raw(past: Warehouse, build_path: Path, known_until: datetime, available_until: datetime | None) -> int:
    """Put what was known at an instant into the raw tables of a warehouse, in place of what they hold.

    The list of instruments has no event of its own and is cut by `known_until` only.

    Args:
        past: The warehouse to fill; not the one that `build_path` belongs to.
        build_path: The build file with all raw rows; nobody may be writing it.
        known_until: Rows ingested later are left out.
        available_until: Rows of events that could be known only later are left out, too; None leaves out none.

    Returns:
        How many rows were copied.
    """
    copied = 0
    with past.open_build("replay") as con:
        create_tables(con)
        with _attached(con, build_path):
            for table in FACTS:
                is_cut = table.event_column is not None and available_until is not None
                readable = "available_at <= $available_until" if is_cut else "true"
                parameters = {"known_until": known_until} | ({"available_until": available_until} if is_cut else {})
                con.execute(f"delete from {table.qualified_name}")
                if not _columns(con, table):
                    continue
                names = ", ".join(_columns(con, table))
                counted = con.execute(
                    f"insert into {table.qualified_name} ({names}) select {names} from origin.{table.qualified_name} "
                    f"where ingested_at <= $known_until and {readable}",
                    parameters,
                ).fetchone()
                copied += int(counted[0]) if counted else 0
    return copied


def restore_decisions(past: Warehouse, release_path: Path, before: date) -> None:
    """Let the portfolio tables say what a release says of the days before `before`, and nothing of later ones.

    They then count as decided: no run is going to put them back to anything else.
    """
    with past.open_build("replay") as con:
        create_tables(con)
        with _attached(con, release_path), transaction(con):
            for table in PORTFOLIO:
                con.execute(f"delete from {table.qualified_name}")
                names = ", ".join(_columns(con, table))
                if names:
                    earlier = "as_of_date < $before" if "as_of_date" in table.columns else "$before is not null"
                    con.execute(
                        f"insert into {table.qualified_name} ({names}) "
                        f"select {names} from origin.{table.qualified_name} where {earlier}",
                        {"before": before},
                    )
            _decided(con)


def keep_decisions(past: Warehouse) -> None:
    """Let what the portfolio tables hold count as decided, as after a publication."""
    with past.open_build("replay") as con:
        _decided(con)


def differing_days(
    past: Warehouse, release_path: Path, first_day: date, last_day: date, leave_out: set[str]
) -> dict[date, tuple[str, str]]:
    """Day to (table, row) of the first row of the portfolio tables that only one of the two files has.

    Args:
        past: The rebuilt warehouse.
        release_path: What it is compared with; columns and tables that only one of the two has are not compared.
        first_day, last_day: Days that are compared, both included.
        leave_out: Names of columns and tables that say when and by what something was decided, not what.
    """
    found: dict[date, tuple[str, str]] = {}
    with past.open_build("replay") as con, _attached(con, release_path):
        for table in PORTFOLIO:
            names = [name for name in _columns(con, table) if name.strip('"') not in leave_out]
            if table.name in leave_out or not names or "as_of_date" not in table.columns:
                continue
            listed = ", ".join(names)
            days = "where as_of_date between $first_day and $last_day"
            here, there = (f"select {listed} from {file}{table.qualified_name} {days}" for file in ("", "origin."))
            rows = read(
                con,
                f"select 'rebuilt' as side, * from ({here} except all {there}) "
                f"union all select 'stored' as side, * from ({there} except all {here}) order by all",
                {"first_day": first_day, "last_day": last_day},
            )
            for row in rows.iter_rows(named=True):
                found.setdefault(row["as_of_date"], (table.qualified_name, str(row)))
    return found


def _decided(con: Connection) -> None:
    con.execute(f"delete from {PORTFOLIO_BASIS.qualified_name}")
    con.execute(f"insert into {PORTFOLIO_BASIS.qualified_name} values (null, null)")


@contextmanager
def _attached(con: Connection, path: Path) -> Iterator[None]:
    """Another file, read-only, as the catalog `origin` of this connection."""
    try:
        con.execute("attach '{}' as origin (read_only)".format(str(path).replace("'", "''")))
    except duckdb.IOException as error:
        if "Could not set lock on file" in str(error):
            raise WarehouseLocked(f"{path}: another program is writing this file; try again when it is done") from None
        raise WarehouseError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    try:
        yield
    finally:
        con.execute("detach origin")


def _columns(con: Connection, table: Table) -> list[str]:
    """The table's columns that the attached file has too, quoted; none where it lacks the table."""
    present = con.execute(
        "select column_name from duckdb_columns() "
        "where database_name = 'origin' and schema_name = $1 and table_name = $2",
        [table.schema, table.name],
    ).fetchall()
    names = {name for (name,) in present}
    return [f'"{name}"' for name in table.columns if name in names]
