"""Keeps what the checks found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import polars as pl

from warehouse.connection import Connection, transaction
from warehouse.contracts import CHECK_RESULTS
from warehouse.frames import conform, frame_schema, insert, registered


class CheckOutcome(Protocol):
    """What a check has to say; `expectations.runner.CheckResult` is one."""

    @property
    def name(self) -> str: ...
    @property
    def asset_key(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def is_blocking(self) -> bool: ...
    @property
    def passed(self) -> bool: ...
    @property
    def evaluated(self) -> int: ...
    @property
    def failed_rows(self) -> int: ...
    @property
    def details(self) -> str: ...


def record_checks(con: Connection, run_id: str, results: Sequence[CheckOutcome], checked_at: datetime) -> None:
    """Write the results of a run to `quality.check_results`; a check that is run again replaces its result.

    Args:
        con: The build file.
        run_id: The run that was checked.
        results: One per check.
        checked_at: When, UTC.
    """
    rows = [
        {
            "run_id": run_id,
            "check_name": result.name,
            "asset_key": result.asset_key,
            "severity": result.severity,
            "is_blocking": result.is_blocking,
            "passed": result.passed,
            "evaluated": result.evaluated,
            "failed_rows": result.failed_rows,
            "details": result.details,
            "checked_at": checked_at,
        }
        for result in results
    ]
    frame = conform(CHECK_RESULTS, pl.DataFrame(rows, schema=frame_schema(CHECK_RESULTS)))
    with transaction(con):
        with registered(con, frame) as incoming:
            con.execute(
                f"delete from quality.check_results as old using {incoming} as new "
                "where old.run_id = new.run_id and old.check_name = new.check_name "
                "and old.asset_key = new.asset_key"
            )
        insert(con, CHECK_RESULTS, frame)
