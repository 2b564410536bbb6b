"""What a role wants of one position tonight, before the budgets are asked."""

from dataclasses import dataclass
from fractions import Fraction

from pipelines.hedges.market import HedgeMarket
from pipelines.hedges.positions import Position
from pipelines.money import ZERO


@dataclass(frozen=True)
class Proxy:
    """How the spot that a hedge stands for moves with the hedged asset.

    Attributes:
        beta: Move of the spot per move of the hedged asset, weighted by value.
        r2: Explained share, weighted by value; null when an asset has no regression.
        residual_annualised: Weighted residual volatility per year: the most that is left if all residuals move
            together; null when an asset has no regression.
    """

    beta: Fraction
    r2: float | None
    residual_annualised: float | None


@dataclass(frozen=True)
class Intent:
    """One position and what its role wants of it.

    Attributes:
        position: Size 0 when it is to be opened.
        target_usd: Wanted notional; null keeps the size that there is.
        exposure_usd: Spot that it stands for.
        reason: Why it opens.
        close: Why it closes, null when it does not.
        proxy: Only of a hedge that beta sizes.
        is_netted: A liquidity short stands for a part of the spot already: DUPLICATE_HEDGE.
    """

    position: Position
    market: HedgeMarket
    target_usd: Fraction | None = None
    exposure_usd: Fraction = ZERO
    reason: str | None = None
    close: str | None = None
    proxy: Proxy | None = None
    is_netted: bool = False

    @property
    def is_new(self) -> bool:
        return self.position.size == 0
