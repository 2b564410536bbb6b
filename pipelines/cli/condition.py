"""What `rotation doctor` says of the data's age and of the disk."""

from datetime import datetime, timedelta
from typing import Any

from expectations.ages import ages_sql
from pipelines.clock import decision_instant
from warehouse.connection import Connection
from warehouse.query import QueryError, query

_DAYS = 40  # what is older counts as not there
_LAST_LOADS = "run_id = (select arg_max(run_id, started_at) from raw.load_batches)"


class Bytes(int):
    """A size, which is a number for programs and has a unit for people."""

    def __str__(self) -> str:
        return f"{self / 1e6:,.1f} MB"


def data_ages(
    release: Connection, source: str, as_of_date: Any, limit_hours: float, now: datetime
) -> tuple[datetime, list[dict[str, Any]] | None]:
    """How old the newest row of each exchange and kind is that the last run asked for.

    Args:
        release: An open release.
        source: What its data are from. Recorded markets have their own present: the decision's instant.
        as_of_date: The last day it decided.
        limit_hours: From which age on a row is too old.
        now: UTC.

    Returns:
        The instant that counts as the present, UTC; and by exchange and kind `newest_at` (None: there is none),
        `age_hours` (None likewise), `limit_hours` and `verdict` (`fresh` or `STALE`). None instead of rows: the release
        holds no raw facts.
    """
    at = now if source in ("live", "simulated") else decision_instant(as_of_date)
    try:
        sql = f"{ages_sql(_LAST_LOADS, at - timedelta(days=_DAYS), at)} order by exchange, kind"
        found = query(release, sql).dicts()
    except QueryError:
        return at, None
    rows = []
    for row in found:
        newest = row["newest_at"]
        age_hours = None if newest is None else round((at - newest).total_seconds() / 3600, 1)
        verdict = "fresh" if age_hours is not None and age_hours <= limit_hours else "STALE"
        rows.append(
            {"exchange": row["exchange"], "kind": row["kind"], "newest_at": newest, "age_hours": age_hours,
             "limit_hours": limit_hours, "verdict": verdict}
        )  # fmt: skip
    return at, rows
