"""What the futures sleeve looks at on one night: assets with their contracts, sectors, betas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from pipelines.hedges.positions import HedgeError, Position
from pipelines.money import ZERO, exact
from pipelines.policy import Policy


@dataclass(frozen=True)
class HedgeMarket:
    """One asset and the instrument that is traded for it, at the end of a day. Null is unknown.

    Attributes:
        exposure_usd: Spot value of the asset after the day's decision, over all sectors.
        funding_3d_bps: Funding of the asset, mean of 3 days, basis points per 8 h.
        funding_pctl_90d: Its percent rank, 0..1.
        open_interest_z_90d: z of open interest in coins.
        open_interest_usd_z_90d: z of open interest in USD: it contains the price.
        mark_price_usd: Close of the instrument, else of the asset.
        last_settlements: Settled funding rates of the instrument, oldest first, known at the decision.
        lot_step_base: Coins; of no use for an inverse instrument.
        min_notional_usd: Null falls back to the policy's smallest trade.
        contract_size_usd: USD per contract of an inverse instrument, null for a linear one.
    """

    asset: str
    exchange: str
    symbol: str
    exposure_usd: Fraction
    funding_3d_bps: float | None = None
    funding_pctl_90d: float | None = None
    open_interest_z_90d: float | None = None
    open_interest_usd_z_90d: float | None = None
    mark_price_usd: float | None = None
    last_settlements: tuple[float, ...] = ()
    lot_step_base: float | None = None
    min_notional_usd: float | None = None
    contract_size_usd: float | None = None

    @property
    def mark(self) -> Fraction | None:
        """The mark as an exact number; None when there is no price.

        Raises:
            HedgeError: the price is not positive.
        """
        if self.mark_price_usd is None:
            return None
        if not self.mark_price_usd > 0:
            raise HedgeError(f"the price of {self.symbol} is {self.mark_price_usd}; check its candles")
        return exact(self.mark_price_usd)

    @property
    def is_sizeable(self) -> bool:
        """Whether a position can be opened: it has a price and a lot size."""
        return self.mark_price_usd is not None and not (self.lot_step_base is None and self.contract_size_usd is None)

    def smallest_usd(self, policy: Policy) -> Fraction:
        """Notional of the smallest order."""
        return exact(policy.limits.min_trade_usd if self.min_notional_usd is None else self.min_notional_usd)


@dataclass(frozen=True)
class Beta:
    """Least squares of an asset's daily returns on a hedge asset's.

    Attributes:
        beta_raw: Slope, before shrinking.
        r2: Share of the asset's variance that the hedge asset explains, 0..1.
        residual_daily_vol: Standard deviation of what is left, decimal per day.
        n: Days with both returns.
    """

    beta_raw: float | None
    r2: float | None
    residual_daily_vol: float | None
    n: int


@dataclass(frozen=True)
class SectorView:
    """One sector on the night. Null is unknown.

    Attributes:
        state: Confirmed state.
        action: After vetoes.
        leaders_open_interest_usd: Sum of the leaders' 30-day median open interest.
        volume_ratio: Mean futures volume of the last 7 days over that of the 28 before.
        spread_z: Largest known z of the 14-day change of the sector's spread against a reference sector.
        target_usd: Spot value of the sector after the night's decision.
        holdings_usd: Asset to spot value held in this sector, before the decision.
        asset_targets_usd: Asset to spot value in this sector after the decision.
        reduction_usd: What tonight's cut leaves to a futures short instead of a sale; 0 on all other nights.
        leaders: Asset to weight.
        leader_daily_vol: Volatility of the leader with the largest weight (ties by name), decimal per day.
    """

    state: str | None = None
    action: str | None = None
    funding_3d_bps: float | None = None
    funding_pctl_90d: float | None = None
    leaders_open_interest_usd: float | None = None
    volume_ratio: float | None = None
    momentum_14d_frac: float | None = None
    spread_z: float | None = None
    target_usd: Fraction = ZERO
    holdings_usd: Mapping[str, Fraction] = field(default_factory=dict)
    asset_targets_usd: Mapping[str, Fraction] = field(default_factory=dict)
    reduction_usd: Fraction = ZERO
    leaders: Mapping[str, float] = field(default_factory=dict)
    leader_daily_vol: float | None = None

    @property
    def first_leader(self) -> str | None:
        """The leader with the largest weight, ties by name."""
        return min(self.leaders, key=lambda asset: (-self.leaders[asset], asset), default=None)


@dataclass(frozen=True)
class SleeveMarket:
    """Everything that the futures sleeve reads on one night.

    Attributes:
        markets: Asset to its contract: every hedge asset, leader that may get a leg, and asset of a position.
        sectors: Sector to its view.
        betas: (asset, hedge asset) to their regression; read for the net beta, and for sizes in beta mode.
        opened: Position to its own contract, where that is another one than its asset's in `markets`.
        is_spot_frozen: The spot plan may not trade tonight (halted, or no decision day): no liquidity short
            opens, and none ends, as ending one means selling spot.
    """

    markets: Mapping[str, HedgeMarket]
    sectors: Mapping[str, SectorView] = field(default_factory=dict)
    betas: Mapping[tuple[str, str], Beta] = field(default_factory=dict)
    opened: Mapping[str, HedgeMarket] = field(default_factory=dict)
    is_spot_frozen: bool = False

    def of(self, position: Position) -> HedgeMarket:
        """The market of the contract that a position was opened on.

        Raises:
            HedgeError: it is not given.
        """
        market = self.opened.get(position.hedge_id, self.markets.get(position.asset))
        if market is None or (market.exchange, market.symbol) != (position.exchange, position.symbol):
            wanted = f"{position.symbol} on {position.exchange}"
            raise HedgeError(f"the open {position.role} of {position.asset} is {wanted}; give the market of it")
        return market


def at_least(value: float | None, limit: float, policy: Policy) -> bool:
    """Whether a metric reaches a limit, after rounding; unknown does not."""
    return value is not None and round(value, policy.metrics.round_decimals) >= limit


def at_most(value: float | None, limit: float, policy: Policy) -> bool:
    """Whether a metric is down to a limit, after rounding; unknown is not."""
    return value is not None and round(value, policy.metrics.round_decimals) <= limit
