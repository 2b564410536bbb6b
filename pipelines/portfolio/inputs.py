"""What the nights read from the warehouse beside prices: signals, weights, tilts' futures, books, times."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction

from pipelines.allocations.replay import SectorInput
from pipelines.allocations.tilts import FrontRich
from pipelines.holdings.effective import Effective
from pipelines.holdings.portfolio import fees, opening
from pipelines.money import exact
from pipelines.policy import Policy, parse_weights, require_known_sectors
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.futures_market import FuturesMarket
from pipelines.portfolio.spot_market import SpotMarket
from pipelines.portfolio.world import World
from pipelines.settings import Settings
from warehouse.connection import Connection
from warehouse.portfolio import read

_SIGNALS = """
select as_of_date, sector, state, action, reason_codes
from portfolio.sector_signals
where as_of_date between $first_day and $last_day
order by all
"""

_LAST_BOOK = """
select book_json
from portfolio.decisions
where as_of_date < $first_day
order by as_of_date desc
limit 1
"""

_CALENDAR = """
select date, asset, exchange, is_front_rich, front_basis_annualised - far_basis_annualised as excess
from marts.calendar_spreads_daily
where date between $first_day and $last_day
order by date, asset, exchange
"""

# An index of a coin-margined contract is in dollars, a spot close in the stablecoin: one over the other is its price.
_STABLECOIN = """
with indexes as (
    select cast(opened_at as date) as date, exchange, split_part(symbol, '/', 1) as asset,
        arg_max(close, (opened_at, ingested_at)) as index_usd
    from raw.futures_ohlcv
    where price_type = 'index' and symbol like '%/USD:%'
        and opened_at >= $first_day and opened_at < $last_day + interval 1 day
        -- Only the candle that ends with the day: an older one beside the close would tell of bitcoin's last hours.
        and available_at >= date_trunc('day', opened_at) + interval 1 day
        and available_at <= date_trunc('day', opened_at) + interval 1 day + interval 15 minute
    group by all
),

spots as (
    select date, exchange, asset, median(close_usd) as close_usd
    from intermediate.int_instrument_daily
    where market_type = 'spot' and date between $first_day and $last_day and close_usd is not null
    group by all
)

select date, median(index_usd / close_usd) as stablecoin_usd
from indexes
inner join spots using (date, exchange, asset)
group by date
"""


def read_book(connection: Connection, first_day: date) -> NightBook:
    """The books after the newest decision before `first_day`; the empty ones where there is none."""
    stored = read(connection, _LAST_BOOK, {"first_day": first_day})
    return NightBook.from_json(stored["book_json"][0]) if stored.height else NightBook()


def read_world(
    connection: Connection, book: NightBook, settings: Settings, effective: Effective, first_day: date, last_day: date
) -> World:
    """The market of every day from the books' to `last_day`.

    Raises:
        PolicyError: the strategic weights cannot be used, or the policy names a sector that does not exist.
    """
    policy, portfolio = effective.policy, effective.portfolio
    strategic = read_strategic_weights(connection)
    require_known_sectors(policy, strategic)
    begins = first_day if book.as_of is None else min(first_day, book.as_of + timedelta(days=1))
    charged = {name: fees(portfolio, policy, name) for name in portfolio.fees}
    stated = opening(portfolio, policy)
    traded = (*book.ledger.futures.values(), *book.sleeve.positions.values(), *book.pending.futures)
    contracts = {(one.exchange, one.symbol) for one in (*traded, *(stated.positions if stated else ()))}
    return World(
        spot=SpotMarket(connection, begins, last_day, {name: spot for name, (spot, _) in charged.items()}, policy),
        futures=FuturesMarket(connection, begins, last_day, contracts, policy),
        sectors=_sectors(connection, first_day, last_day, policy),
        front_rich=_front_rich(connection, first_day, last_day),
        stablecoin_usd=_stablecoin(connection, first_day, last_day),
        strategic=strategic,
        opening=stated,
        value_cents=round(settings.portfolio_value_usd * 100),
        fees=charged,
        policy=policy,
    )


def _sectors(
    connection: Connection, first_day: date, last_day: date, policy: Policy
) -> dict[date, dict[str, SectorInput]]:
    """Inputs per day and sector, from as far back as re-centring looks."""
    earliest = first_day - timedelta(days=policy.limits.recentre_after_days)
    days: dict[date, dict[str, SectorInput]] = defaultdict(dict)
    for day, sector, state, action, codes in read(
        connection, _SIGNALS, {"first_day": earliest, "last_day": last_day}
    ).iter_rows():
        days[day][sector] = SectorInput(state, action, tuple(codes or ()))
    return dict(days)


def _front_rich(
    connection: Connection, first_day: date, last_day: date
) -> dict[date, dict[str, tuple[FrontRich, ...]]]:
    days: dict[date, dict[str, tuple[FrontRich, ...]]] = defaultdict(dict)
    rows = read(connection, _CALENDAR, {"first_day": first_day, "last_day": last_day})
    for day, asset, exchange, is_rich, excess in rows.iter_rows():
        days[day][asset] = (*days[day].get(asset, ()), FrontRich(exchange, bool(is_rich), excess))
    return dict(days)


def _stablecoin(connection: Connection, first_day: date, last_day: date) -> dict[date, Fraction]:
    """Day to the price of the stablecoin in dollars, rounded to a hundredth of a percent."""
    rows = read(connection, _STABLECOIN, {"first_day": first_day, "last_day": last_day})
    return {day: exact(round(price, 4)) for day, price in rows.iter_rows() if price}


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
