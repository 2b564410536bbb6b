"""What one instrument of one exchange shows, a block of hours at a time: candles, funding, open interest."""

import numpy as np
import numpy.typing as npt

from pipelines.local_exchange.market import Candles, OpenInterest, Settlements
from pipelines.local_exchange.simulation.calendar import ORIGIN_MS, outages
from pipelines.local_exchange.simulation.catalogue import EXCHANGES, Instrument
from pipelines.local_exchange.simulation.latent import (
    BLOCK_HOURS,
    INTEREST_BPS,
    LatentMarket,
)
from pipelines.local_exchange.simulation.noise import Floats, stream, value_noise
from pipelines.local_exchange.timeframes import HOUR_MS

YEAR_MS = 365 * 24 * HOUR_MS
FUNDING_CAP = 0.0075  # exchanges clamp what one settlement can be (decimal)
DAILY_TURNOVER = {"spot": 0.8, "perp": 2.5, "dated": 1.0}  # traded coins of a day against open interest
INVERSE_SHARE, DATED_SHARE = 0.12, 0.05  # of the coin's open interest
_SEASON = 1 + 0.35 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24)  # volume by hour of the day, UTC


class SeriesBuilder:
    """Makes blocks of instruments' series from the hidden paths; it does not know the present.

    A block is `BLOCK_HOURS` hours long, counted from the origin. Hours in which the exchange shows nothing of
    the instrument (before its listing, after its end, in an outage) are left out.
    """

    def __init__(self, latent: LatentMarket) -> None:
        self.latent = latent

    def candles(self, item: Instrument, price_type: str, block: int) -> Candles:
        """Hourly candles; each opens at the close of the hour before.

        Prices are quote per base unit; volumes are in base and quote units, 0 for mark and index prices.
        """
        first, paths = block * BLOCK_HOURS, self.latent.coin(item.coin)
        before = max(first - 1, 0)  # the very first hour opens where it closes
        prices = self._price(item, price_type, before, first + BLOCK_HOURS - before)
        close = prices[-BLOCK_HOURS:]
        open_ = np.concatenate([prices[:1], close[:-1]])
        # Wicks reach about as far as a random path within the hour would, less for the smoothed prices.
        reach = paths.sigma[first : first + BLOCK_HOURS] * (0.5 if price_type == "last" else 0.2)
        draws = self._stream(item, price_type, block).standard_normal((BLOCK_HOURS, 3))
        up, down = np.abs(draws[:, 0]) * reach, np.minimum(np.abs(draws[:, 1]) * reach, 0.5)
        high = np.round(np.maximum(open_, close) * (1 + up), item.price_decimals)
        low = np.round(np.minimum(open_, close) * (1 - down), item.price_decimals)
        base = np.zeros(BLOCK_HOURS)
        if price_type == "last":
            usual = self._usual_coins(item) / item.coins_per_unit * DAILY_TURNOVER[item.kind] / 24
            activity = np.exp(paths.log_volume[first : first + BLOCK_HOURS] + 0.3 * draws[:, 2])
            base = np.round(usual * activity * np.tile(_SEASON, BLOCK_HOURS // 24), item.volume_decimals)
        quote = np.round(base * (open_ + high + low + close) / 4, 2)
        shown = self._shown(item, block)
        columns = (open_ms(block), open_, high, low, close, base, quote)
        return Candles(*(column[shown] for column in columns))

    def settlements(self, item: Instrument, block: int) -> Settlements:
        """Funding of a perpetual, decimal per settlement.

        The rate is the mean of hourly funding over the interval, clamped as exchanges do. A block holds whole
        intervals of every length that divides 8 hours.
        """
        settled_ms = open_ms(block) + HOUR_MS
        interval = item.interval_hours(settled_ms)
        hourly_bps = self._funding_bps(item, block * BLOCK_HOURS, BLOCK_HOURS)
        sums = np.concatenate([[0.0], np.cumsum(hourly_bps)])
        hour = np.arange(1, BLOCK_HOURS + 1)
        mean_bps = (sums[1:] - sums[np.maximum(hour - interval, 0)]) / interval
        due = (settled_ms // HOUR_MS % interval == 0) & self._shown(item, block)
        return Settlements(settled_ms[due], settled_rate(mean_bps, interval)[due])

    def open_interest(self, item: Instrument, block: int) -> OpenInterest:
        """Open interest at the end of every hour, in base units and in USD at the mark price.

        Each contract counts once; a coin-margined contract's is a whole number of contracts.
        """
        first = block * BLOCK_HOURS
        mark = self._price(item, "mark", first, BLOCK_HOURS)
        level = self.latent.coin(item.coin).log_open_interest[first : first + BLOCK_HOURS]
        coins = self._usual_coins(item) * np.exp(
            level + self._noise(item, "open_interest", first, BLOCK_HOURS, 240, 0.02)
        )
        if item.is_inverse:
            usd = np.round(coins * mark / item.contract_size) * item.contract_size
            base = usd / mark
        else:
            base = np.round(coins / item.coins_per_unit, item.volume_decimals)
            usd = base * mark
        shown = self._shown(item, block)
        return OpenInterest((open_ms(block) + HOUR_MS)[shown], base[shown], usd[shown])

    def _stream(self, item: Instrument, *names: object) -> np.random.Generator:
        return stream(self.latent.seed, item.exchange, item.symbol, *names)

    def _noise(self, item: Instrument, name: str, first: int, count: int, spacing_hours: int, size: float) -> Floats:
        names = (item.exchange, item.symbol, name)
        return value_noise(self.latent.seed, names, first, count, spacing_hours, size)

    def _usual_coins(self, item: Instrument) -> float:
        """The instrument's part of the coin's usual open interest, in today's coins."""
        coin = item.coin
        part = INVERSE_SHARE if item.is_inverse else DATED_SHARE if item.kind == "dated" else 1.0
        return part * EXCHANGES[item.exchange].share * coin.open_interest_usd / coin.price_usd

    def _shown(self, item: Instrument, block: int) -> npt.NDArray[np.bool_]:
        """Hours in which the exchange delivers data of the instrument."""
        opens = open_ms(block)
        shown = opens >= item.first_ms
        if item.last_ms is not None:
            shown &= opens < item.last_ms
        if item.kind == "perp":
            hours = block * BLOCK_HOURS + np.arange(BLOCK_HOURS)
            for start, end in outages(item.coin.sector, (block + 1) * BLOCK_HOURS):
                shown &= (hours < start) | (hours >= end)
        return shown

    def _funding_bps(self, item: Instrument, first: int, count: int) -> Floats:
        size = EXCHANGES[item.exchange].funding_noise_bps
        common = self.latent.coin(item.coin).funding_bps[first : first + count]
        return common + self._noise(item, "funding", first, count, 12, size)

    def _price(self, item: Instrument, price_type: str, first: int, count: int) -> Floats:
        """Price at the end of every hour, rounded to the tick."""
        coin = item.coin
        log_price = self.latent.coin(coin).log_price[first : first + count]
        price = coin.price_usd * item.coins_per_unit * np.exp(log_price)
        if price_type != "index":
            if item.kind == "perp":
                premium = (self._funding_bps(item, first, count) - INTEREST_BPS) * 1e-4
                price *= 1 + np.clip(premium, -0.02, 0.02)
            elif item.kind == "dated":
                price *= 1 + self._dated_basis(item, first, count)
        if price_type == "last":
            size = EXCHANGES[item.exchange].price_noise
            price *= 1 + self._noise(item, "price", first, count, 3, size)
        return np.round(price, item.price_decimals)

    def _dated_basis(self, item: Instrument, first: int, count: int) -> Floats:
        """Basis (fraction) from a term structure that follows leverage.

        The annualised basis is a level for all tenors plus a part that fades with the time to expiry.
        Leverage lifts the near end most (the front gets rich); short leverage pulls the curve below spot.
        """
        premium_bps = self.latent.coin(item.coin).funding_bps[first : first + count] - INTEREST_BPS
        ends_ms = ORIGIN_MS + HOUR_MS * (first + 1 + np.arange(count))
        left_ms = np.maximum(item.expiry_ms - ends_ms, 0)
        level = 0.07 + 0.010 * np.maximum(premium_bps, 0) + 0.035 * np.minimum(premium_bps, 0)
        near = 0.14 * np.maximum(premium_bps, 0) + 0.040 * np.minimum(premium_bps, 0)
        annualised = level + near * np.exp(-left_ms / (50 * 24 * HOUR_MS))
        return annualised * left_ms / YEAR_MS


def open_ms(block: int) -> npt.NDArray[np.int64]:
    """Opening times of a block's hours, UTC milliseconds."""
    return ORIGIN_MS + HOUR_MS * np.arange(block * BLOCK_HOURS, (block + 1) * BLOCK_HOURS, dtype=np.int64)


def settled_rate(mean_bps: Floats, interval_hours: npt.NDArray[np.int64]) -> Floats:
    """Decimal rate of a settlement over `interval_hours` from funding in bp per 8 h, clamped to the cap."""
    return np.round(np.clip(mean_bps * 1e-4 * interval_hours / 8, -FUNDING_CAP, FUNDING_CAP), 8)
