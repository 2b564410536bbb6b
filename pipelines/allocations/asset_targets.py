"""From sector targets to assets: what every asset of a sector gives or receives, in exact numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property

from pipelines.money import CENT, ZERO

DEFAULT_LOT_STEP = Fraction(1, 10**8)


@dataclass(frozen=True)
class SpotVenue:
    """One spot instrument of an asset at the end of a day.

    Attributes:
        price_usd: Its own close of the day; None: unknown, the asset's price stands in for it.
        lot_step_base: Coins per step of quantity; None: unknown, a hundred-millionth of a coin.
        min_notional_usd: Smallest order the exchange takes; None: unknown, no minimum of the exchange.
        fee_frac: Taker fee, a fraction of the traded amount.
        slippage_frac: Distance of the fill from the reference price, a fraction of it.
        volume_usd: Recent mean volume a day; None counts as the smallest.
        is_tradable: Listed, active and not delisted.
        is_buyable: No delisting is announced there: what is about to leave may be sold, and is not bought.
    """

    exchange: str
    symbol: str
    asset: str
    price_usd: Fraction | None
    lot_step_base: Fraction | None
    min_notional_usd: Fraction | None
    fee_frac: Fraction
    slippage_frac: Fraction
    volume_usd: float | None
    is_tradable: bool
    is_buyable: bool = True

    @property
    def lot_step(self) -> Fraction:
        """Coins per step of quantity, the default where it is unknown."""
        return self.lot_step_base or DEFAULT_LOT_STEP

    @cached_property
    def cost_frac(self) -> Fraction:
        """Fee and slippage of one side, the measure by which exchanges are compared."""
        return _sum(self.fee_frac, self.slippage_frac)


@cache
def _sum(fee_frac: Fraction, slippage_frac: Fraction) -> Fraction:
    # A few pairs, asked for of every instrument on every night.
    return fee_frac + slippage_frac


@dataclass(frozen=True)
class AssetStanding:
    """One asset on the morning of a decision.

    Attributes:
        price_usd: Median spot close of the day, or the last known one; None: never known, the asset counts as
            worth nothing and is not traded.
        is_stale_price: The price is not of the day.
        is_buyable: Listed long enough and not stale.
        holdings: Exchange to coins held there.
        venues: Exchange to the asset's spot instrument there.
    """

    asset: str
    sector: str
    price_usd: Fraction | None
    is_stale_price: bool
    is_buyable: bool
    holdings: Mapping[str, Fraction]
    venues: Mapping[str, SpotVenue]

    @cached_property
    def quantity_base(self) -> Fraction:
        """Coins on all exchanges."""
        return sum(self.holdings.values(), ZERO)

    @cached_property
    def value_usd(self) -> Fraction:
        """Coins at the asset's price, not rounded."""
        return self.quantity_base * self.price_usd if self.price_usd else ZERO

    @cached_property
    def tradable_venues(self) -> tuple[SpotVenue, ...]:
        """The instruments that can be traded, cheapest first; equal costs by name of the exchange."""
        if not self.price_usd:
            return ()
        tradable = [venue for venue in self.venues.values() if venue.is_tradable]
        return tuple(sorted(tradable, key=lambda venue: (venue.cost_frac, venue.exchange)))

    @cached_property
    def sellable_base(self) -> Fraction:
        """Coins on exchanges where the asset can be traded; the others are illiquid."""
        return sum((self.holdings.get(venue.exchange, ZERO) for venue in self.tradable_venues), ZERO)

    @property
    def is_sellable(self) -> bool:
        """Some of its coins can be sold; where none are held, that it can be traded at all."""
        return self.sellable_base > 0 or (self.quantity_base == 0 and bool(self.tradable_venues))

    @property
    def is_eligible(self) -> bool:
        """It may be bought today."""
        return self.is_buyable and not self.is_stale_price and bool(self.buyable_venues)

    @cached_property
    def buyable_venues(self) -> tuple[SpotVenue, ...]:
        """The tradable instruments that may be bought, cheapest first."""
        return tuple(venue for venue in self.tradable_venues if venue.is_buyable)

    @cached_property
    def best_venue(self) -> SpotVenue:
        """Where to buy: lowest cost, then where most coins are held, then the largest volume, then by name.

        Only for an asset with a venue where it may be bought.
        """
        lowest = self.buyable_venues[0].cost_frac
        # The venues are in order of name, and of equal ones `max` takes the first.
        return max(
            (venue for venue in self.buyable_venues if venue.cost_frac == lowest),
            key=lambda venue: (self.holdings.get(venue.exchange, ZERO), venue.volume_usd or 0.0),
        )

    def price_at(self, venue: SpotVenue) -> Fraction:
        """The reference price of an order: the venue's own, else the asset's."""
        return venue.price_usd or self.price_usd


@dataclass(frozen=True)
class AssetTarget:
    """What is held of an asset and what shall be held once its orders are filled.

    Weights are fractions of the spot sleeve before the decision, without cash tagged for a tilt; USD are exact
    to the cent, coins at the asset's price (None: unknown, then the USD are 0).
    """

    asset: str
    sector: str
    price_usd: Fraction | None
    is_stale_price: bool
    is_buyable: bool
    is_sellable: bool
    current_quantity_base: Fraction
    target_quantity_base: Fraction
    current_weight: Fraction
    target_weight: Fraction
    current_usd: Fraction
    target_usd: Fraction
    reason_codes: tuple[str, ...]


@dataclass
class Moves:
    """What the sector targets ask of each asset, before lots, minima and costs.

    Attributes:
        sold_base: Asset to coins to sell.
        bought_usd: Asset to USD to buy, at the reference price.
        notes: What cannot be done, in words.
    """

    sold_base: dict[str, Fraction] = field(default_factory=dict)
    bought_usd: dict[str, Fraction] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def split_sectors(assets: Mapping[str, AssetStanding], sector_deltas_cents: Mapping[str, int]) -> Moves:
    """Split the change of every sector over its assets.

    A sale is pro rata to the value of what can be sold, so every asset gives the same share of its sellable
    coins; what exceeds all of them is noted. A sector that shall be empty gives all its sellable coins. A purchase
    keeps the mix of the eligible assets that are held; where none is held, all eligible ones get the same.

    Args:
        assets: Standing per asset.
        sector_deltas_cents: Target minus current value per sector, in cents; an absent sector does not change.
    """
    members: dict[str, list[AssetStanding]] = {sector: [] for sector in sorted(sector_deltas_cents)}
    for name in sorted(assets):
        members.setdefault(assets[name].sector, []).append(assets[name])
    moves = Moves()
    for sector, standings in members.items():
        delta_usd = sector_deltas_cents.get(sector, 0) * CENT
        if delta_usd < 0:
            _sell(sector, standings, -delta_usd, moves)
        elif delta_usd > 0:
            _buy(sector, standings, delta_usd, moves)
    return moves


def _sell(sector: str, standings: list[AssetStanding], amount_usd: Fraction, moves: Moves) -> None:
    sellable_usd = sum((one.sellable_base * one.price_usd for one in standings if one.sellable_base), ZERO)
    value_usd = sum((one.value_usd for one in standings), ZERO)
    # Values are whole cents per holding where the targets are made: a cent each may separate the two sums.
    rounding_usd = CENT * sum(len(one.holdings) for one in standings)
    is_whole = amount_usd >= min(sellable_usd, value_usd - rounding_usd)
    for one in standings:
        if one.sellable_base:
            moves.sold_base[one.asset] = one.sellable_base * (1 if is_whole else amount_usd / sellable_usd)
    missing_usd = amount_usd - sellable_usd
    if missing_usd > rounding_usd:
        illiquid = [one.asset for one in standings if one.sellable_base < one.quantity_base]
        why = f"no market today for coins of {', '.join(illiquid)}" if illiquid else "no more is held"
        moves.notes.append(f"{sector}: ${float(missing_usd):,.2f} of the sale is not possible: {why}.")


def _buy(sector: str, standings: list[AssetStanding], amount_usd: Fraction, moves: Moves) -> None:
    eligible = [one for one in standings if one.is_eligible]
    if not eligible:
        moves.notes.append(f"{sector}: ${float(amount_usd):,.2f} stays cash: no asset may be bought today.")
        return
    held_usd = sum((one.value_usd for one in eligible), ZERO)
    for one in eligible:
        share = one.value_usd / held_usd if held_usd else Fraction(1, len(eligible))
        if share:
            moves.bought_usd[one.asset] = amount_usd * share
