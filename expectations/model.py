"""What a check is: a question to the warehouse, what its answer means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from expectations.limits import DEFAULT_LIMITS, Limits

# The remedy of a check that no data can break.
REPORT_IT = "Nothing was published. Report it with this line: the calculation must not do this."
MAX_FAILING_ROWS = 20


@dataclass(frozen=True)
class Parameters:
    """What the suites need to know about the run they judge. Times are UTC.

    Attributes:
        as_of_date: The newest decision day T.
        since: Rows ingested and decisions made from then on are judged. Give the run's start, or the publication of
            the current release where that is earlier: what a stopped run left behind is then judged again.
        now: The moment of checking.
        run_id: The run in `raw.load_batches`.
        source: `live`, `recorded` or `simulated`: what the release will be labelled.
        last_row_counts: Rows per table of the current release; empty before the first one.
        limits: Thresholds.
        hedge_ratio_frac: A hedge's notional over the exposure it protects, at most.
        hedge_resize_frac: How far a held hedge may drift from its target before it is resized.
        min_trade_usd: Smallest spot order.
    """

    as_of_date: date
    since: datetime
    now: datetime
    run_id: str
    source: str
    last_row_counts: Mapping[str, int] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    hedge_ratio_frac: float = 0.10
    hedge_resize_frac: float = 0.20
    min_trade_usd: float = 25.0

    @property
    def decision_at(self) -> datetime:
        """The instant of the newest decision: T+1 00:15 UTC."""
        return datetime.combine(self.as_of_date, datetime.min.time()) + timedelta(days=1, minutes=15)


@dataclass(frozen=True)
class Check:
    """One thing that must be true.

    Attributes:
        name: Unique within its asset.
        meaning: What it means when the check fails, for people.
        remedy: What to do then.
        is_blocking: True when a failure stops the run, so that nothing is published.
        minimum, maximum: Bounds of the column of the same name, inclusive. Without bounds the column says whether
            the row is in order: 1 or 0. NULL means that the question does not arise for the row.
        mostly: Share of the rows that must be in order.
        must_evaluate: True when it is a failure that there was no row to judge.
    """

    name: str
    meaning: str
    remedy: str
    is_blocking: bool = True
    minimum: float | None = None
    maximum: float | None = None
    mostly: float = 1.0
    must_evaluate: bool = False

    @property
    def severity(self) -> str:
        return "error" if self.is_blocking else "warning"


@dataclass(frozen=True)
class Question:
    """One query whose rows are judged by one or more checks.

    Attributes:
        asset_key: The table that is judged, for example `raw.funding_rates`.
        sql: Gives the columns of `key` and one column per check, named like it.
        key: Columns that name a row in a report.
        checks: What must hold for the rows.
        tables: Tables that must exist before the query can be asked.
    """

    asset_key: str
    sql: str
    key: tuple[str, ...]
    checks: tuple[Check, ...]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name, asset_key, severity, is_blocking: See `Check`.
        passed: True when enough rows are in order.
        evaluated: Rows that were judged.
        failed_rows: Rows that are not in order.
        details: One or two sentences: how many, an example, what to do. Empty when everything is in order.
        failing: The first rows that are not in order, at most `MAX_FAILING_ROWS`: the key's columns and the judged one.
    """

    name: str
    asset_key: str
    severity: str
    is_blocking: bool
    passed: bool
    evaluated: int
    failed_rows: int
    details: str
    failing: tuple[Mapping[str, Any], ...] = ()


def timestamp_sql(moment: datetime) -> str:
    """A UTC instant as an SQL literal."""
    naive = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return f"timestamp '{naive.isoformat(sep=' ')}'"


def text_sql(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
