"""What the allocation reads: signals, spot returns, strategic weights and the book it continues from."""

import hashlib
from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction

from pipelines.allocations.book import Book
from pipelines.allocations.replay import Days, SectorInput
from pipelines.policy import Policy, parse_weights
from pipelines.settings import SEEDS_DIRECTORY
from warehouse.connection import Connection
from warehouse.portfolio import read

_SIGNALS = """
select signals.as_of_date, signals.sector, state, action, reason_codes, interest.spot_return_1d_frac
from portfolio.sector_signals as signals
left join marts.sector_open_interest_daily as interest
    on interest.date = signals.as_of_date and interest.sector = signals.sector
where signals.as_of_date between $first_day and $last_day
order by all
"""

_LAST_BOOK = """
select book_json
from portfolio.decisions
where as_of_date < $first_day
order by as_of_date desc
limit 1
"""


def read_book(connection: Connection, first_day: date, portfolio_value_usd: float, policy: Policy) -> Book:
    """The book after the newest decision before `first_day`; all cash where there is none."""
    stored = read(connection, _LAST_BOOK, {"first_day": first_day})
    if stored.height:
        return Book.from_json(stored["book_json"][0])
    return Book.new(round(portfolio_value_usd * 100), policy)


def read_days(connection: Connection, book: Book, first_day: date, last_day: date, policy: Policy) -> Days:
    """Inputs per day and sector, from the book's day, or from as far as re-centring looks back, to `last_day`."""
    earliest = first_day - timedelta(days=policy.limits.recentre_after_days)
    rows = read(
        connection,
        _SIGNALS,
        {"first_day": min(earliest, book.as_of or earliest), "last_day": last_day},
    )
    days: dict[date, dict[str, SectorInput]] = defaultdict(dict)
    for day, sector, state, action, codes, spot_return in rows.iter_rows():
        days[day][sector] = SectorInput(state, action, tuple(codes or ()), spot_return)
    return days


def read_strategic_weights(connection: Connection) -> dict[str, Fraction]:
    """Sector to its exact strategic weight.

    Raises:
        PolicyError: a weight cannot be read, or they do not sum to 1.
    """
    rows = read(connection, "select sector, strategic_weight_exact from marts.sector_weights order by sector")
    return parse_weights(dict(rows.iter_rows()))


def read_sentences(connection: Connection, first_day: date, last_day: date) -> dict[date, dict[str, str]]:
    """Day and sector to the explanation of the sector's state."""
    rows = read(
        connection,
        "select as_of_date, sector, explanation from portfolio.sector_signals "
        "where as_of_date between $first_day and $last_day",
        {"first_day": first_day, "last_day": last_day},
    )
    sentences: dict[date, dict[str, str]] = defaultdict(dict)
    for day, sector, explanation in rows.iter_rows():
        sentences[day][sector] = explanation
    return sentences


def read_knowledge_times(connection: Connection, first_day: date, last_day: date) -> dict[date, datetime]:
    """Day to the moment from which nothing newer was read for its signals."""
    rows = read(
        connection,
        "select as_of_date, max(decided_at) from portfolio.sector_signals "
        "where as_of_date between $first_day and $last_day group by all",
        {"first_day": first_day, "last_day": last_day},
    )
    return dict(rows.iter_rows())


def read_stored_times(connection: Connection, first_day: date, last_day: date) -> dict[str, datetime]:
    """Id to moment of the decisions that are stored for the days: the same decision keeps its first moment."""
    rows = read(
        connection,
        "select decision_id, decided_at from portfolio.decisions where as_of_date between $first_day and $last_day",
        {"first_day": first_day, "last_day": last_day},
    )
    return dict(rows.iter_rows())


def taxonomy_hash() -> str:
    """SHA-256 over the seed files: which asset is in which sector under which names, and the strategic weights."""
    digest = hashlib.sha256()
    for name in ("asset_sectors.csv", "asset_symbols.csv", "sectors.csv"):
        digest.update((SEEDS_DIRECTORY / name).read_bytes())
    return digest.hexdigest()
