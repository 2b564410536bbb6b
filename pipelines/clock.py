"""The only caller of "now". Everything is naive UTC: a day is [00:00, 24:00) UTC and a decision has an instant."""

from datetime import UTC, date, datetime, time, timedelta

SNAPSHOT_TIME = time(0, 2)
DECISION_TIME = time(0, 15)


def utc_now() -> datetime:
    """The present as naive UTC, microsecond precision."""
    return datetime.now(UTC).replace(tzinfo=None)


def decision_instant(as_of_date: date) -> datetime:
    """The moment of the decision about `as_of_date`: 00:15 UTC on the following day."""
    return datetime.combine(as_of_date + timedelta(days=1), DECISION_TIME)


def snapshot_instant(as_of_date: date) -> datetime:
    """When the open interest of `as_of_date` is written down: 00:02 UTC on the following day."""
    return datetime.combine(as_of_date + timedelta(days=1), SNAPSHOT_TIME)


def last_decidable_day(now: datetime) -> date:
    """The newest day whose decision instant has passed at `now`."""
    return (now - timedelta(hours=DECISION_TIME.hour, minutes=DECISION_TIME.minute)).date() - timedelta(days=1)


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC of a naive UTC moment."""
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def from_milliseconds(milliseconds: int) -> datetime:
    """Naive UTC moment of a millisecond stamp."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
