"""What counts as decided: only what the current release says.

A night that a gate stopped, or that was killed, leaves decisions in the build file that nobody has seen; a rollback
withdraws decisions that somebody has. Neither may be continued. So a run that is about to decide first puts the
portfolio tables back to the current release, unless they stand there already: that costs something only after a
night that went wrong.
"""

from datetime import date

from warehouse.connection import Connection, Warehouse, transaction
from warehouse.contracts import PORTFOLIO, PORTFOLIO_BASIS
from warehouse.errors import WarehouseError
from warehouse.release import Release, current_release

_BASIS = PORTFOLIO_BASIS.qualified_name


def begin_deciding(con: Connection, warehouse: Warehouse, run_id: str, last_day: date) -> None:
    """Before a run's first write to the portfolio tables: let them say what the current release says.

    Args:
        con: The build file.
        warehouse: Where the releases are.
        run_id: The run; its later steps go on from what its first step has written.
        last_day: Last day that the run decides.

    Raises:
        WarehouseError: later days are released already, and they rest on the days that would be decided again.
    """
    released = current_release(warehouse)
    if released is not None and last_day < released.as_of_date:
        raise WarehouseError(
            f"days up to {released.as_of_date} are released, and each rests on the one before: deciding {last_day} "
            f"again needs a range that reaches {released.as_of_date}, or a rollback to an earlier release"
        )
    basis = con.execute(f"select release_id, run_id from {_BASIS}").fetchone()
    if basis == (None, run_id):
        return
    if basis != (released.release_id if released else None, None):
        _restore(con, released)
    _set_basis(con, None, run_id)


def released_as(con: Connection, release_id: str) -> None:
    """After a publication: the portfolio tables are what this release says."""
    _set_basis(con, release_id, None)


def _set_basis(con: Connection, release_id: str | None, run_id: str | None) -> None:
    with transaction(con):
        con.execute(f"delete from {_BASIS}")
        con.execute(f"insert into {_BASIS} values ($1, $2)", [release_id, run_id])


def _restore(con: Connection, released: Release | None) -> None:
    if released is not None:
        con.execute("attach '{}' as released (read_only)".format(str(released.path).replace("'", "''")))
    try:
        with transaction(con):
            for table in PORTFOLIO:
                con.execute(f"delete from {table.qualified_name}")
                if released is not None and _is_in_release(con, table.name):
                    con.execute(
                        f"insert into {table.qualified_name} by name select * from released.{table.qualified_name}"
                    )
    finally:
        if released is not None:
            con.execute("detach released")


def _is_in_release(con: Connection, table: str) -> bool:
    found = con.execute(
        "select count(*) from information_schema.tables "
        "where table_catalog = 'released' and table_schema = 'portfolio' and table_name = $name",
        {"name": table},
    ).fetchone()
    return bool(found and found[0])
