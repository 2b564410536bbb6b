"""Everything that the nights of a run read of the market, and what does not change from night to night."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from pipelines.allocations.replay import SectorInput
from pipelines.allocations.tilts import FrontRich
from pipelines.holdings.portfolio import Opening
from pipelines.money import exact
from pipelines.policy import Policy
from pipelines.portfolio.futures_market import FuturesMarket
from pipelines.portfolio.spot_market import SpotMarket


@dataclass(frozen=True)
class World:
    """The market of a run's days, the sectors' signals, and the user's part of it.

    Attributes:
        sectors: Day to sector to what the signals ask for.
        front_rich: Day to asset to its dated futures per exchange.
        stablecoin_usd: Day to the price of the stablecoin in dollars; an absent day is one dollar.
        strategic: Exact strategic weight per sector; they sum to 1.
        opening: What the books begin with; None: all in cash.
        value_cents: Worth of the portfolio where `opening` is None.
        fees: Exchange to its spot and perpetual taker fee; others pay the policy's.
        policy: The resolved policy.
    """

    spot: SpotMarket
    futures: FuturesMarket
    sectors: dict[date, dict[str, SectorInput]]
    front_rich: Mapping[date, Mapping[str, tuple[FrontRich, ...]]]
    stablecoin_usd: Mapping[date, Fraction]
    strategic: Mapping[str, Fraction]
    opening: Opening | None
    value_cents: int
    fees: Mapping[str, tuple[Fraction, Fraction]]
    policy: Policy

    def perp_fee_frac(self, exchange: str) -> Fraction:
        """Taker fee of a perpetual on an exchange."""
        own = self.fees.get(exchange)
        return exact(self.policy.costs.perp_taker) if own is None else own[1]
