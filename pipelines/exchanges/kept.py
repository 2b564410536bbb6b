"""Series that an exchange keeps for a while only: the part that it no longer serves is named as absent."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from pipelines.exchanges.client import count_requests
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.port import Absence, Fetched
from pipelines.exchanges.series import absent

Read = Callable[[datetime, datetime], Awaitable[Fetched]]

_MARGIN = timedelta(hours=1)  # the limit moves on while a run is asking
_LONG_AGO = timedelta(days=30)
_NO_WONDER = timedelta(days=2)  # a series may begin that much later than asked for without anything being absent


class RefusedHistory:
    """A series of which an exchange refuses what is older than some days.

    It is asked for everything until it refuses once: a server that replays history may have it all.

    Args:
        days: How far back it says to reach.
        reason: Why the rest is absent.
        columns: The series' columns, for a window that is absent as a whole.
    """

    def __init__(self, days: int, reason: str, columns: dict[str, pl.DataType]) -> None:
        self._kept, self._reason, self._columns = timedelta(days=days), reason, columns
        self._has_refused = False

    async def read(self, start: datetime, end: datetime, now: datetime, read: Read) -> Fetched:
        """What `read` gives of the window, as far as the exchange serves it; the older part as an absence."""
        with count_requests() as counted:
            if not self._has_refused:
                try:
                    return await read(start, end)
                except ExchangeFailure as failure:
                    if failure.kind != "history_refused":
                        raise
                    self._has_refused = True
            kept_from = now - self._kept + _MARGIN
            got = await read_since(kept_from, start, end, self._reason, self._columns, read)
        return replace(got, requests=counted.requests)


async def read_since(
    kept_from: datetime, start: datetime, end: datetime, reason: str, columns: dict[str, pl.DataType], read: Read
) -> Fetched:
    """What `read` gives of the window from `kept_from` on; the older part as an absence."""
    if start >= kept_from:
        return await read(start, end)
    if end <= kept_from:
        return absent(columns, start, end, reason)
    return replace(await read(kept_from, end), absences=(Absence(start, kept_from, reason),))


def without_the_dropped(
    read: Fetched, column: str, window: tuple[datetime, datetime], now: datetime, kept: timedelta | None, words: str
) -> Fetched:
    """The series, with what an exchange has dropped of it named as absent.

    For exchanges that refuse nothing: their answer just ends, so how far they reach is seen in what came.

    Args:
        read: The series.
        column: Its column of times.
        window: What was asked for, `start <= time < end`.
        now: The exchange's present.
        kept: How far back it says to reach; None: it does not say.
        words: What it says, for the reason.
    """
    start, end = window
    first = read.frame[column].min()
    if first is None:
        first = start if kept is None else min(end, now - kept)
    if start > now - _LONG_AGO or first - start <= _NO_WONDER:
        return read
    return replace(read, absences=(Absence(start, first, f"nothing of it is served before {first}: {words}"),))
