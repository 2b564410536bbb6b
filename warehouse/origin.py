"""Where a warehouse's facts come from: one source for life, because a mixture would be the history of no market."""

from datetime import datetime

from warehouse.connection import Connection, transaction
from warehouse.contracts import WAREHOUSE_ORIGIN
from warehouse.errors import WarehouseError


def claim_origin(con: Connection, source: str, detail: str, now: datetime) -> None:
    """Say what this warehouse is filled from; the first run decides, every later one must agree.

    Args:
        con: The build file.
        source: `simulated`, `example`, `recorded` or `live`.
        detail: What tells two sources of one kind apart: a seed, a folder's name; empty for live.
        now: When, UTC.

    Raises:
        WarehouseError: the warehouse is filled from something else.
    """
    table = WAREHOUSE_ORIGIN.qualified_name
    with transaction(con):
        known = con.execute(f"select source, detail from {table}").fetchone()
        if known is None:
            con.execute(f"insert into {table} values ($1, $2, $3)", [source, detail, now])
            return
    if known != (source, detail):
        raise WarehouseError(
            f"this warehouse is filled from {_name(*known)}, not from {_name(source, detail)}; decisions on a mixture "
            "would be about neither. Use another --warehouse DIR (or WAREHOUSE_DIR)."
        )


def _name(source: str, detail: str) -> str:
    return f"{source} data ({detail})" if detail else f"{source} data"
