"""Reading a window page by page until every part of it has been answered.

One loop serves every exchange, because it trusts no exchange's order: after a page it asks again for
whatever lies between the page's rows and the edges of the window. Knowing the order saves those requests
that cannot bring anything: an exchange that serves the oldest rows first has nothing before its first row,
one that serves the newest first nothing after its last.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import polars as pl

from pipelines.exchanges.parse import TIME, Parsed, UnreadableReply

Order = Literal["oldest_first", "newest_first", "either"]


@dataclass(frozen=True)
class Page:
    """One reply, and the end of the part of the window it was asked for (milliseconds, excluded)."""

    rows: Parsed
    asked_until: int


@dataclass
class Pages:
    """All replies of a window."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    rejected: dict[str, None] = field(default_factory=dict)  # a dict keeps the order and drops repetitions
    is_complete: bool = True
    """False when no row of a reply was readable: nobody knows then how much of the window that reply answered."""


@dataclass(frozen=True)
class NumberedPage:
    """One reply of an exchange that numbers its pages; `is_last`: it says that none comes after."""

    rows: Parsed
    is_last: bool


async def read_window(
    read: Callable[[int, int], Awaitable[Page]], start: int, end: int, *, step: int, order: Order
) -> Pages:
    """Read `start <= time < end` completely.

    Args:
        read: Asks for a window, or for as much from its start on as one reply may hold.
        start: First time wanted, milliseconds.
        end: First time not wanted, milliseconds.
        step: The least distance between two rows: an edge nearer than that to a row can hold nothing more.
        order: Which rows the exchange keeps when the window holds more than fit into one reply.

    Raises:
        UnreadableReply: the answer has rows outside the part asked for, so asking on would never end.
    """
    pages, todo = Pages(), [(start, end)]
    while todo:
        low, high = todo.pop()
        if low >= high:
            continue
        page = await read(low, high)
        pages.rejected.update(dict.fromkeys(page.rows.rejected))
        if page.asked_until < high:
            todo.append((page.asked_until, high))
        span = page.rows.span
        if span is None:
            pages.is_complete &= not page.rows.rejected
            continue
        pages.frames.append(page.rows.frame)
        todo.extend(_unanswered(page, low, span, step, order))
    return pages


async def read_numbered_pages(read: Callable[[int], Awaitable[NumberedPage]], start: int) -> Pages:
    """Read pages 1, 2, 3 ... of a list that begins with the newest row, until nothing at or after `start` is left.

    A row that is added meanwhile pushes the others back: one of them then stands on two pages, and none is missed.

    Args:
        read: Asks for the page of that number, counted from 1.
        start: First time wanted, milliseconds.

    Raises:
        UnreadableReply: a page brings nothing older than the one before, so asking on would never end.
    """
    pages, oldest = Pages(), None
    for number in count(1):
        page = await read(number)
        pages.rejected.update(dict.fromkeys(page.rows.rejected))
        span = page.rows.span
        if span is None:
            pages.is_complete = not page.rows.rejected
            break
        if oldest is not None and span[0] >= oldest:
            raise UnreadableReply(f"page {number} holds nothing older than the page before it")
        oldest = span[0]
        pages.frames.append(page.rows.frame)
        if oldest <= start or page.is_last:
            break
    return pages


def _unanswered(page: Page, low: int, span: tuple[int, int], step: int, order: Order) -> list[tuple[int, int]]:
    (first, last), high = span, page.asked_until
    if first >= low and last < high:
        before, after = (low, first), (last + 1, high)
    else:
        # Rows beyond the edge that an exchange reads towards are how it says "nothing more in your window".
        times = page.rows.frame[TIME]
        inside = times.filter((times >= low) & (times < high))
        if inside.is_empty():
            ended = (order == "oldest_first" and first >= high) or (order == "newest_first" and last < low)
            if not ended:
                raise UnreadableReply("the exchange answers with rows outside the time asked for")
            return []
        before = (low, int(inside.min())) if first >= low else (low, low)
        after = (int(inside.max()) + 1, high) if last < high else (high, high)
    parts = []
    if order != "oldest_first" and before[1] - step >= before[0]:
        parts.append(before)
    if order != "newest_first" and after[0] - 1 + step < after[1]:
        parts.append(after)
    return parts
