"""What an exchange shows about the present: the last 24 hours, the latest funding and open interest.

Everything is taken from rows that the market already shows at its present, so nothing of the future leaks in.
Unknown is None: a value is never made from another one (no mark price from the last price).
"""

from dataclasses import dataclass

from pipelines.local_exchange.market import Candles, Listing, Market
from pipelines.local_exchange.timeframes import DAY_MS, HOUR_MS

_SUMMARY_TIMEFRAMES = ("1h", "8h", "1d")


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of trading: prices in quote units, volumes in base and quote (NaN is unknown)."""

    open_ms: int
    open: float
    high: float
    low: float
    last: float
    volume_base: float
    volume_quote: float

    @property
    def change_frac(self) -> float:
        return self.last / self.open - 1

    @property
    def weighted_average(self) -> float:
        """Volume-weighted price; NaN where a volume is unknown or nothing was traded."""
        return self.volume_quote / self.volume_base if self.volume_base else float("nan")


def _last_day_candles(market: Market, exchange: str, listing: Listing, price: str) -> Candles | None:
    """The candles of the last 24 hours, the finest that are known of 1h, 8h and 1d; None without any."""
    since_ms = market.now_ms - DAY_MS + 1
    for timeframe in _SUMMARY_TIMEFRAMES:
        candles = market.candles(exchange, listing.symbol, timeframe, price, since_ms, market.now_ms)
        if len(candles.open_ms):
            return candles
    return None


def last_day(market: Market, exchange: str, listing: Listing) -> Day | None:
    """The last 24 hours of last prices; None where no candle is known."""
    candles = _last_day_candles(market, exchange, listing, "last")
    if candles is None:
        return None
    return Day(
        int(candles.open_ms[0]),
        float(candles.open[0]),
        float(candles.high.max()),
        float(candles.low.min()),
        float(candles.close[-1]),
        float(candles.volume_base.sum()),
        float(candles.volume_quote.sum()),
    )


def latest_price(market: Market, exchange: str, listing: Listing, price: str) -> float | None:
    """The newest `mark` or `index` price of the last 24 hours; None where none is known."""
    candles = _last_day_candles(market, exchange, listing, price)
    return None if candles is None else float(candles.close[-1])


@dataclass(frozen=True, slots=True)
class Funding:
    """The latest settlement (decimal per settlement) and when the next is due (None: interval unknown).

    Exchanges show an estimate of the next settlement in this place; a market knows settlements only.
    """

    rate: float
    next_ms: int | None


def latest_funding(market: Market, exchange: str, listing: Listing) -> Funding | None:
    """The newest settlement of the last 24 hours; None for dated contracts and where none is known."""
    if listing.kind != "perp":
        return None
    known = market.settlements(exchange, listing.symbol, market.now_ms - DAY_MS, market.now_ms)
    if not len(known.settled_ms):
        return None
    rate = float(known.funding_rate[-1])
    if listing.funding_interval_hours is None:
        return Funding(rate, None)
    interval_ms = listing.funding_interval_hours * HOUR_MS
    return Funding(rate, (market.now_ms // interval_ms + 1) * interval_ms)


def latest_open_interest(market: Market, exchange: str, listing: Listing) -> tuple[float, float] | None:
    """The newest open interest of the last 24 hours: (base coins, USD), NaN where unknown; None without."""
    known = market.open_interest(exchange, listing.symbol, market.now_ms - DAY_MS, market.now_ms)
    if not len(known.stamped_ms):
        return None
    return float(known.base[-1]), float(known.usd[-1])
