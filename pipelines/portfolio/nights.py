"""Night after night: every day from where the books stand to the last one that is asked for."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace

from pipelines.allocations.book import BookError
from pipelines.policy import Policy
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.night import Night, decide_night
from pipelines.portfolio.opening import needs_opening, open_books
from pipelines.portfolio.settling import Settled, settle
from pipelines.portfolio.world import World

ONE_DAY = dt.timedelta(days=1)


def decide_nights(
    book: NightBook,
    world: World,
    policy: Policy,
    first: dt.date,
    last: dt.date,
    name_decision: Callable[[dt.date, NightBook], str],
) -> Iterator[Night]:
    """Decide every day from `first` to `last`; days between the books and `first` are only settled.

    Nothing is given for days before the first decision, when too much of the strategic weight has no data; the
    books are opened with the first decision, not before.

    Args:
        book: The books after an earlier night; the empty one before the first.
        world: The market of the days.
        policy: The resolved policy.
        first: First day decided.
        last: Last day decided, included.
        name_decision: Gives a decision's id from its day and the books it is made upon.

    Raises:
        BookError: the books are not from before `first`.
    """
    if book.as_of is not None and book.as_of >= first:
        raise BookError(f"the book is of {book.as_of}, not before {first}; continue from an earlier decision")
    settled = Settled(book)
    day = first if book.as_of is None else book.as_of + ONE_DAY
    while day <= last:
        if settled.book.is_open:
            passed = settle(settled.book, day, max(day, first), world, policy)
            settled = Settled(passed.book, settled.entries + passed.entries, settled.notes + passed.notes)
        if day >= first:
            night = _night(settled, day, world, policy, name_decision)
            if night is not None:
                settled = Settled(night.book)
                yield night
        day += ONE_DAY


def _night(
    settled: Settled,
    day: dt.date,
    world: World,
    policy: Policy,
    name_decision: Callable[[dt.date, NightBook], str],
) -> Night | None:
    current = settled
    if needs_opening(settled.book, world):
        opened, entries = open_books(settled.book, day, world, policy)
        current = Settled(replace(opened, as_of=day), [*settled.entries, *entries], settled.notes)
    return decide_night(current, world, policy, lambda book: name_decision(day, book))
