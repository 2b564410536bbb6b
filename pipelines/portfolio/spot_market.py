"""The spot side of the market, day by day: prices of the assets, and the instruments they can be traded on."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from pipelines.allocations.asset_targets import AssetStanding, SpotVenue
from pipelines.clock import decision_instant
from pipelines.money import exact
from pipelines.policy import Policy
from warehouse.connection import Connection
from warehouse.portfolio import read

# A dropped instrument-day has no close here: an exchange that departs from the others is no place to trade at.
_VENUES = """
select date, exchange, symbol, asset, close_usd,
    avg(volume_usd) over (
        partition by exchange, symbol order by date range between interval 6 days preceding and current row
    ) as volume_usd
from intermediate.int_instrument_daily
where market_type = 'spot' and date between $first_day - interval 6 days and $last_day
qualify date >= $first_day
order by date, exchange, symbol
"""

_PRICES = """
select date, asset, median(close_usd) as price_usd
from intermediate.int_instrument_daily
where market_type = 'spot' and date between $first_day and $last_day and close_usd is not null
group by all
order by all
"""

# The first day that the warehouse holds for an exchange says nothing about the age of what was listed by then.
_FIRST_DAYS = """
with listed as (
    select exchange, asset, min(date) as first_date
    from intermediate.int_instrument_daily
    where market_type = 'spot' and close_usd is not null
    group by all
),

held as (
    select exchange, min(first_date) as first_date
    from listed
    group by all
)

select asset, min(case when listed.first_date > held.first_date then listed.first_date end) as first_date,
    bool_or(listed.first_date = held.first_date) as is_old
from listed
inner join held using (exchange)
group by all
"""

_TERMS = """
with revisions as (
    select exchange, symbol, base, lot_step, contract_multiplier, min_notional_usd, is_active, delist_at, ingested_at,
        min(case when delist_at is not null then ingested_at end) over (partition by exchange, symbol) as first_said_at
    from raw.instruments
    where market_type = 'spot'
    qualify row_number() over (partition by exchange, symbol order by ingested_at desc) = 1
)

select exchange, symbol, min_notional_usd, delist_at,
    -- What was announced and taken back does not keep anybody from buying.
    case when delist_at is not null then first_said_at end as announced_at,
    lot_step * coalesce(multiplier * ratio, contract_multiplier, 1) as lot_step_base,
    case when not is_active then ingested_at end as halted_at
from revisions
left join seeds.asset_symbols using (base)
"""

_MEMBERSHIP = "select asset, sector, valid_from, valid_to from marts.sector_membership order by asset, valid_from"


@dataclass(frozen=True)
class _Terms:
    """What one instrument asks for; times from which a fact was known, null for never."""

    lot_step_base: Fraction | None
    min_notional_usd: Fraction | None
    delist_at: datetime | None
    announced_at: datetime | None
    halted_at: datetime | None


_UNKNOWN = _Terms(None, None, None, None, None)


class SpotMarket:
    """Standings and prices of all assets on the days of a run.

    Args:
        connection: The build file, with the marts of the run.
        first_day: First day that is asked for.
        last_day: Last day.
        fees_frac: Exchange to its taker fee on spot; others pay the policy's.
        policy: Costs, hedge assets (which slip less) and the age from which an asset is bought.
    """

    def __init__(
        self,
        connection: Connection,
        first_day: date,
        last_day: date,
        fees_frac: Mapping[str, Fraction],
        policy: Policy,
    ) -> None:
        days = {"first_day": first_day, "last_day": last_day}
        self._policy = policy
        self._fees_frac = fees_frac
        self._venues: dict[date, list[tuple[Any, ...]]] = defaultdict(list)
        for day, *venue in read(connection, _VENUES, days).iter_rows():
            self._venues[day].append(tuple(venue))
        self._prices: dict[date, dict[str, Fraction]] = defaultdict(dict)
        for day, asset, price in read(connection, _PRICES, days).iter_rows():
            self._prices[day][asset] = exact(price)
        self._first_days = {
            asset: None if is_old else first for asset, first, is_old in read(connection, _FIRST_DAYS).iter_rows()
        }
        self._terms = {
            (row["exchange"], row["symbol"]): _Terms(
                *(None if row[name] is None else exact(row[name]) for name in ("lot_step_base", "min_notional_usd")),
                row["delist_at"],
                row["announced_at"],
                row["halted_at"],
            )
            for row in read(connection, _TERMS).to_dicts()
        }
        self._membership: dict[str, list[tuple[str, date, date | None]]] = defaultdict(list)
        for asset, *interval in read(connection, _MEMBERSHIP).iter_rows():
            self._membership[asset].append(tuple(interval))
        costs = policy.costs
        self._fee_frac = exact(costs.spot_fee)
        self._slippage_frac = exact(costs.slip_major), exact(costs.slip_alt)

    def prices(self, day: date) -> Mapping[str, Fraction]:
        """Asset to the median of its spot closes; an asset without any is absent."""
        return self._prices.get(day, {})

    def closes(self, day: date, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Fraction]:
        """Exchange and symbol to the instrument's own close, for those that are wanted and have one."""
        return {
            (exchange, symbol): exact(close)
            for exchange, symbol, _, close, _ in self._venues.get(day, ())
            if close and (exchange, symbol) in wanted
        }

    def sector(self, asset: str, day: date) -> str | None:
        """The sector of an asset on a day; after its last interval the last one, None for an unknown asset."""
        known = [sector for sector, valid_from, _ in self._membership.get(asset, ()) if valid_from <= day]
        return known[-1] if known else None

    def standings(
        self, day: date, held: Mapping[str, Mapping[str, Fraction]], last_prices: Mapping[str, Fraction]
    ) -> dict[str, AssetStanding]:
        """Every asset that is held or has a sector and an instrument, on the morning of the day's decision.

        Args:
            day: The day that is decided.
            held: Asset to exchange to coins.
            last_prices: Asset to the price of its last mark, for those without one today.
        """
        venues: dict[str, dict[str, SpotVenue]] = defaultdict(dict)
        decided_at = decision_instant(day)
        for exchange, symbol, asset, close, volume in self._venues.get(day, ()):
            venue = self._venue(decided_at, exchange, symbol, asset, close, volume)
            present = venues[asset].get(exchange)
            if present is None or (venue.is_tradable, venue.is_buyable) > (present.is_tradable, present.is_buyable):
                venues[asset][exchange] = venue
        prices, standings = self.prices(day), {}
        for asset in sorted({*venues, *held}):
            sector = self.sector(asset, day)
            if sector is None:
                continue
            price = prices.get(asset)
            standings[asset] = AssetStanding(
                asset=asset,
                sector=sector,
                price_usd=last_prices.get(asset) if price is None else price,
                is_stale_price=price is None,
                is_buyable=price is not None and self._is_old_enough(asset, day),
                holdings=held.get(asset, {}),
                venues=venues.get(asset, {}),
            )
        return standings

    def _venue(
        self, decided_at: datetime, exchange: str, symbol: str, asset: str, close: float | None, volume: float | None
    ) -> SpotVenue:
        terms = self._terms.get((exchange, symbol), _UNKNOWN)
        # What was learned during the night of the decision counts; a backfilled list tells nothing of the past.
        known_until = decided_at + timedelta(days=1)
        is_gone = terms.delist_at is not None and terms.delist_at <= decided_at
        is_halted = terms.halted_at is not None and terms.halted_at <= known_until
        is_leaving = terms.announced_at is not None and terms.announced_at <= known_until
        is_major = asset in self._policy.hedge.assets
        return SpotVenue(
            exchange=exchange,
            symbol=symbol,
            asset=asset,
            price_usd=None if close is None else exact(close),
            lot_step_base=terms.lot_step_base,
            min_notional_usd=terms.min_notional_usd,
            fee_frac=self._fees_frac.get(exchange, self._fee_frac),
            slippage_frac=self._slippage_frac[0 if is_major else 1],
            volume_usd=volume,
            is_tradable=close is not None and not is_gone and not is_halted,
            is_buyable=not is_leaving,
        )

    def _is_old_enough(self, asset: str, day: date) -> bool:
        first = self._first_days.get(asset)
        return first is None or (day - first).days >= self._policy.data.buyable_after_days


def held_by_asset(holdings: Iterable[tuple[tuple[str, str], Fraction]]) -> dict[str, dict[str, Fraction]]:
    """(exchange, asset) to coins -> asset to exchange to coins."""
    held: dict[str, dict[str, Fraction]] = defaultdict(dict)
    for (exchange, asset), quantity_base in holdings:
        held[asset][exchange] = quantity_base
    return held
