"""Writing the script of a made-up market: daily series that are straight between knots and swing around them.

Every series is a formula of the day alone, without random numbers: the same market on every machine and call.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Knots = tuple[tuple[int, float], ...]
"""(day, value), by day; day 0 is the last day of the market, -1 the day before it. Flat outside the knots."""

_WAVES = ((4.4, 0.75), (7.3, 0.35), (17.9, 0.2))  # period in days and height; no period is a multiple of another


@dataclass(frozen=True)
class Line:
    """One daily series of a sector.

    Attributes:
        path: Where it goes.
        swing: How high it swings around that; a constant series would leave every percent rank undefined.
    """

    path: Knots
    swing: Knots

    def values(self, days: npt.NDArray[np.int64], phase: float) -> Floats:
        """Its values on the days."""
        return _between(self.path, days) + _between(self.swing, days) * wave(days, phase)


@dataclass(frozen=True)
class Sector:
    """What a sector does, in the terms of the metrics that are made of it.

    Attributes:
        log_price: Natural logarithm of the price level; its differences are the momentum, its swing the volatility.
        funding_8h_bps: Funding rate of every settlement of the day, basis points per 8 hours.
        log_open_interest: Natural logarithm of the open interest in coins.
        volume: Volume of the perpetuals, as a multiple of the usual.
        phase: Which part of its swing the sector is in.
    """

    log_price: Line
    funding_8h_bps: Line
    log_open_interest: Line
    volume: Line
    phase: float


@dataclass(frozen=True)
class Coin:
    """A coin of a sector.

    Attributes:
        price_usd: Price at the end of the last day, spot and perpetual: exactly this.
        open_interest_usd: Open interest at that price, and volume per day, when both are usual.
    """

    asset: str
    price_usd: float
    open_interest_usd: float


@dataclass(frozen=True)
class CoinSeries:
    """Daily series of a coin, one value per day of the market.

    Attributes:
        spot_close_usd, perp_close_usd: Price at the end of the day.
        funding_8h_bps: Rate of each of the day's three settlements.
        open_interest_base: Coins at the end of the day.
        perp_volume_base, spot_volume_base: Coins traded in the day.
    """

    asset: str
    spot_close_usd: Floats
    perp_close_usd: Floats
    funding_8h_bps: Floats
    open_interest_base: Floats
    perp_volume_base: Floats
    spot_volume_base: Floats


def write_script(sector: Sector, coins: Sequence[Coin], day_count: int) -> list[CoinSeries]:
    """The coins of a sector over `day_count` days: each follows the sector, with a little swing of its own."""
    days = np.arange(1 - day_count, 1)
    return [_series(sector, coin, days, own_phase=1.3 * number) for number, coin in enumerate(coins, 1)]


def wave(days: npt.NDArray[np.int64], phase: float) -> Floats:
    """A bounded swing between about -1.3 and 1.3 that does not repeat within a year."""
    turns = [height * np.sin(2 * np.pi * days / period + phase * n) for n, (period, height) in enumerate(_WAVES, 1)]
    return np.sum(turns, axis=0)


def _series(sector: Sector, coin: Coin, days: npt.NDArray[np.int64], own_phase: float) -> CoinSeries:
    own = wave(days, sector.phase + own_phase)
    log_price = sector.log_price.values(days, sector.phase) + 0.006 * own
    funding = np.round(sector.funding_8h_bps.values(days, sector.phase) + 0.05 * own, 4)
    spot = _rounded(coin.price_usd * np.exp(log_price - log_price[-1]))
    perp = _rounded(spot * (1 + 1e-4 * (funding - funding[-1])))  # dear when longs pay, and at spot in the end
    held = coin.open_interest_usd / coin.price_usd
    open_interest = _rounded(held * np.exp(sector.log_open_interest.values(days, sector.phase) + 0.004 * own))
    traded = _rounded(held * sector.volume.values(days, sector.phase) * (1 + 0.02 * own))
    return CoinSeries(coin.asset, spot, perp, funding, open_interest, traded, _rounded(traded / 3))


def _between(knots: Knots, days: npt.NDArray[np.int64]) -> Floats:
    return np.interp(days, [day for day, _ in knots], [value for _, value in knots])


def _rounded(values: Floats) -> Floats:
    """Nine digits, as an exchange writes them."""
    return np.array([float(f"{value:.9g}") for value in values])
