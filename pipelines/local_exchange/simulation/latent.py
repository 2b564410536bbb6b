"""The hidden hourly paths behind everything that the exchanges show: the market, its sectors, its coins.

Element h of every array belongs to the instant (h + 1) hours after the origin. Arrays are whole blocks long;
every element depends on earlier draws only, so it does not matter how much of the future is computed.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipelines.local_exchange.simulation.calendar import Episode, crashes, episodes
from pipelines.local_exchange.simulation.catalogue import Coin
from pipelines.local_exchange.simulation.noise import (
    Floats,
    decay,
    fat_tailed,
    mean_reverting,
    path,
    stream,
    wobble,
)

BLOCK_HOURS = 1536  # arrays grow in blocks of this length
DAY = 24.0
INTEREST_BPS = 1.0  # the resting part of funding, bp per 8 h
SWING_HOURS = 28.0  # half a swing of unstable funding


@dataclass(frozen=True)
class Paths:
    """Hourly paths. A coin's are sums of the market's, its sector's and its own.

    Attributes:
        log_price: Log of price against the usual price.
        funding_bps: Funding, bp per 8 h: the interest part plus the premium.
        log_open_interest: Log of open interest in coins against the usual level.
        log_volume: Log of traded coins against the usual level.
        sigma: Standard deviation of the hourly return.
    """

    log_price: Floats
    funding_bps: Floats
    log_open_interest: Floats
    log_volume: Floats
    sigma: Floats


def block_of(hours: int) -> int:
    """The shortest whole number of blocks that holds `hours`."""
    return -(-hours // BLOCK_HOURS) * BLOCK_HOURS


class LatentMarket:
    """All hidden paths of one seed over `hours` (whole blocks) since the origin, made when asked for."""

    def __init__(self, seed: int, hours: int) -> None:
        self.seed, self.hours = seed, hours
        self.clock = np.arange(1, hours + 1, dtype=np.float64)
        self.market = lru_cache(1)(self._market)
        self.sector = lru_cache(16)(self._sector)
        self.coin = lru_cache(64)(self._coin)

    def _market(self) -> Paths:
        """What all coins share: a slow drift, daily noise, and crashes that take leverage with them."""
        price = wobble(stream(self.seed, "market", "slow"), self.hours, 250 * DAY, 0.12)
        funding, leverage = np.zeros(self.hours), np.zeros(self.hours)
        volume = wobble(stream(self.seed, "market", "volume"), self.hours, 3 * DAY, 0.08)
        stress = np.ones(self.hours)
        for hour in crashes(self.hours):
            since = self.clock - hour
            fall = np.clip(since / 3, 0, 1)  # it takes three hours
            size = stream(self.seed, "crash", hour).uniform(0.9, 1.2)
            price -= 0.16 * size * fall * (0.35 * decay(since, 6 * DAY) + 0.65 * decay(since, 60 * DAY))
            leverage -= 0.20 * size * fall * decay(since, 40 * DAY)
            funding -= 3.0 * size * fall * decay(since, 0.7 * DAY)
            volume += 1.6 * size * fall * decay(since, 1.5 * DAY)
            stress += 2.0 * decay(since, 1.5 * DAY)
        sigma = 0.011 / DAY**0.5 * stress
        price += mean_reverting(sigma * fat_tailed(stream(self.seed, "market"), self.hours), 12 * DAY)
        return Paths(price, funding, leverage, volume, sigma)

    def _sector(self, sector: str) -> Paths:
        """The sector's regimes, with noise around them."""
        calendar = episodes(self.seed, sector, self.hours)
        rng = stream(self.seed, "sector", sector)
        sigma = path(self.clock, _steps(calendar, 2 * DAY)) / DAY**0.5
        drift = np.concatenate([[0.0], np.cumsum([e.stage.drift * e.strength for e in calendar])])
        starts = [calendar[0].start_hour, *(e.end_hour for e in calendar)]
        price = path(self.clock, list(zip(starts, drift - drift[0], strict=True)))
        price += mean_reverting(sigma * fat_tailed(rng, self.hours), 6 * DAY)
        return Paths(
            price,
            path(self.clock, _funding_knots(calendar)),
            path(self.clock, [(e.end_hour, e.stage.log_open_interest * e.strength) for e in calendar]),
            path(self.clock, [(e.end_hour, e.stage.log_volume) for e in calendar]),
            sigma,
        )

    def _coin(self, coin: Coin) -> Paths:
        """The coin's own paths with its market's and sector's in them."""
        market, sector = self.market(), self.sector(coin.sector)
        rng = stream(self.seed, "coin", coin.asset)
        beta, leverage = rng.uniform(0.9, 1.1, 2)
        own_sigma = coin.idio_sigma / DAY**0.5

        def own(name: str, half_life_days: float, size: float) -> Floats:
            return wobble(stream(self.seed, "coin", coin.asset, name), self.hours, half_life_days * DAY, size)

        noise = mean_reverting(own_sigma * fat_tailed(rng, self.hours), 20 * DAY)
        return Paths(
            beta * sector.log_price + coin.market_beta * market.log_price + noise,
            INTEREST_BPS
            + leverage * (sector.funding_bps - INTEREST_BPS)
            + market.funding_bps
            + own("funding", 0.3, 0.25),
            leverage * sector.log_open_interest + market.log_open_interest + own("leverage", 15, 0.03),
            sector.log_volume + market.log_volume + own("volume", 2, 0.12),
            np.sqrt((beta * sector.sigma) ** 2 + (coin.market_beta * market.sigma) ** 2 + own_sigma**2),
        )


def _steps(calendar: list[Episode], ramp_hours: float) -> list[tuple[float, float]]:
    """Each stage's sigma, reached `ramp_hours` after its start."""
    return [
        knot for e in calendar for knot in ((e.start_hour + ramp_hours, e.stage.sigma), (e.end_hour, e.stage.sigma))
    ]


def _funding_knots(calendar: list[Episode]) -> list[tuple[float, float]]:
    """Each stage's level, or swings around it that change funding's sign every day or so."""
    knots = []
    for e in calendar:
        level = INTEREST_BPS + e.strength * (e.stage.funding_bps - INTEREST_BPS)
        if e.stage.swing_bps:
            turns = np.arange(e.start_hour + SWING_HOURS, e.end_hour, SWING_HOURS)
            signs = np.where(np.arange(len(turns)) % 2, -1.0, 1.0)
            knots += zip(turns, level + signs * e.strength * e.stage.swing_bps, strict=True)
            continue
        arrival = e.start_hour + e.stage.funding_ramp_frac * (e.end_hour - e.start_hour)
        knots += [(arrival, level)] if arrival >= e.end_hour else [(arrival, level), (e.end_hour, level)]
    return knots
