"""The metrics of one sector on one day, under the names of the marts they come from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class SectorMetrics:
    """What the state of a sector depends on. None means unknown and is never read as 0.

    Attributes:
        funding_3d_bps: Mean funding of the last 3 days, bp per 8 h; positive when longs pay shorts.
        funding_pctl_90d: Its mid-rank among the 90 days before, 0 to 1.
        market_excess_bps: Funding above that of all other sectors' leaders, bp per 8 h; None with one sector.
        funding_peak_28d_bps: Highest 3-day mean of the last 28 days, bp per 8 h.
        funding_stdev_14d_bps: Standard deviation of the last 14 daily values, bp per 8 h.
        funding_stdev_median_90d_bps: Median of that standard deviation over the 90 days before.
        funding_sign_flips_14d: Sign changes of daily funding in 14 days, small values left out.
        volatility_pctl_90d: Mid-rank of the 14-day futures volatility, 0 to 1.
        open_interest_z_90d: z of open interest in coins (price-neutral).
        open_interest_usd_z_90d: z of open interest in USD; it contains the price.
        open_interest_change_7d_frac: Price-neutral change over 7 days, 0.01 = 1%.
        volume_ratio_7d_28d: Perpetual volume of the last 7 days over that of the 28 days before.
        momentum_14d_frac: Change of the futures price index over 14 days.
        momentum_14d_peak_28d_frac: Highest 14-day change of the last 28 days.
        coverage_frac: Share of the leaders' open interest whose data is complete, 0 to 1.
        is_fresh: Whether funding, open interest and candles have arrived recently.
    """

    funding_3d_bps: float | None = None
    funding_pctl_90d: float | None = None
    market_excess_bps: float | None = None
    funding_peak_28d_bps: float | None = None
    funding_stdev_14d_bps: float | None = None
    funding_stdev_median_90d_bps: float | None = None
    funding_sign_flips_14d: int | None = None
    volatility_pctl_90d: float | None = None
    open_interest_z_90d: float | None = None
    open_interest_usd_z_90d: float | None = None
    open_interest_change_7d_frac: float | None = None
    volume_ratio_7d_28d: float | None = None
    momentum_14d_frac: float | None = None
    momentum_14d_peak_28d_frac: float | None = None
    coverage_frac: float | None = None
    is_fresh: bool | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, object], decimals: int) -> Self:
        """Take the metrics out of a mart row, rounded so that thresholds are met exactly or not at all.

        NaN and infinity (a ratio to nothing) are unknown.
        """
        return cls(**{name: _entered(row[name], decimals) for name in METRIC_NAMES})


METRIC_NAMES = tuple(field.name for field in fields(SectorMetrics))
DATA_HEALTH_NAMES = ("coverage_frac", "is_fresh")
MARKET_METRIC_NAMES = tuple(name for name in METRIC_NAMES if name not in DATA_HEALTH_NAMES)
UNKNOWN = SectorMetrics()


def _entered(value: object, decimals: int) -> object:
    if not isinstance(value, float):
        return value
    return round(value, decimals) + 0.0 if math.isfinite(value) else None  # + 0.0: no negative zero
