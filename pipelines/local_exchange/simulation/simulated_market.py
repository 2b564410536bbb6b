"""The simulated market as the local exchange asks for it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np

from pipelines.local_exchange.market import Candles, Listing, OpenInterest, Settlements
from pipelines.local_exchange.resample import FIELDS, divides, no_candles, resample
from pipelines.local_exchange.simulation.calendar import ORIGIN, ORIGIN_MS
from pipelines.local_exchange.simulation.catalogue import EXCHANGES, Instrument, instruments
from pipelines.local_exchange.simulation.forming import with_forming_hour
from pipelines.local_exchange.simulation.latent import BLOCK_HOURS, LatentMarket, block_of
from pipelines.local_exchange.simulation.series import SeriesBuilder
from pipelines.local_exchange.timeframes import HOUR_MS, NAMES

_PRICES = {"spot": ("last",), "perp": ("last", "mark", "index"), "dated": ("last", "mark", "index")}
_SETTLEMENT = ("settled_ms", "funding_rate")
_OPEN_INTEREST = ("stamped_ms", "base", "usd")
_BLOCK_MS = BLOCK_HOURS * HOUR_MS  # whole days
_HOURLY_BLOCKS = 1024  # 86 KB each
_COARSER_BLOCKS = 16384  # 5 KB each as days: five years of every series


class SimulatedMarket:
    """A market that is the same for the same seed, and whose past never changes.

    What it models and what not is in `docs/simulation.md`. Every value is a function of the seed and its own
    time: a market with a later `now_ms` shows the same past, bit for bit on the same machine, and more.

    Args:
        seed: Any integer of 0 or more.
        now_ms: The market's present, UTC milliseconds. Nothing later is shown; the candle that is still
            forming shows what has happened of it.
        start: First day whose rows are shown (UTC). It changes no value, only how far back history reaches.

    Raises:
        ValueError: The seed is negative, `start` is before the market's first day, or the present is before
            `start`. The message says what to give instead.
    """

    def __init__(self, seed: int, now_ms: int, start: date = ORIGIN) -> None:
        start_ms = int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()) * 1000
        if seed < 0:
            raise ValueError(f"the simulated market's seed is {seed}; give an integer of 0 or more")
        if start < ORIGIN:
            raise ValueError(f"the simulated market begins on {ORIGIN}; `start` is {start}, give a later day")
        if now_ms < start_ms:
            now = datetime.fromtimestamp(now_ms / 1000, UTC)
            raise ValueError(f"the simulated market begins on {start}; {now:%Y-%m-%d %H:%M} is before that")
        self.now_ms, self._start_ms = now_ms, start_ms
        build = SeriesBuilder(LatentMarket(seed, block_of((now_ms - ORIGIN_MS) // HOUR_MS + 1)))
        self._instruments = {name: instruments(name, now_ms) for name in EXCHANGES}
        self._candles_of = lru_cache(_HOURLY_BLOCKS)(build.candles)
        self._settlements_of = lru_cache(2 * _HOURLY_BLOCKS)(build.settlements)
        self._open_interest_of = lru_cache(2 * _HOURLY_BLOCKS)(build.open_interest)
        self._coarser_block = lru_cache(_COARSER_BLOCKS)(self._make_coarser_block)

    def listings(self, exchange: str) -> list[Listing]:
        """Everything the exchange has listed so far, also what is delisted, renamed or delivered since.

        Empty for exchanges that are not simulated.
        """
        return [self._listing(item) for item in self._instruments.get(exchange, {}).values()]

    def candles(self, exchange: str, symbol: str, timeframe: str, price: str, start_ms: int, end_ms: int) -> Candles:
        """Candles with `start_ms <= opening <= end_ms`; none for unknown series and less than an hour.

        A candle of which an hour is missing (outage, before the listing, after the delisting) is missing.

        Raises:
            ValueError: `timeframe` is the name of no candle length.
        """
        item = self._find(exchange, symbol)
        if timeframe not in NAMES:
            raise ValueError(f"{timeframe!r} is not a candle length; use one of {', '.join(NAMES)}")
        if item is None or price not in _PRICES[item.kind]:
            return no_candles()
        if timeframe == "1h":
            return self._hourly(item, price, start_ms, end_ms)
        if not divides("1h", timeframe):
            return no_candles()
        if timeframe == "1d" or divides(timeframe, "1d"):
            blocks = self._blocks(item, start_ms, end_ms)
            made = [self._coarser_block(item, price, timeframe, block) for block in blocks]
        else:  # weeks and months do not fit into blocks
            made = [self._resampled(item, price, timeframe, self._start_ms, self.now_ms)]
        return Candles(*_joined(made, FIELDS, start_ms, end_ms))

    def settlements(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> Settlements:
        """Funding settlements with `start_ms <= settled <= end_ms`; none for anything but perpetuals."""
        item = self._find(exchange, symbol)
        is_perp = item is not None and item.kind == "perp"
        blocks = self._blocks(item, start_ms - HOUR_MS, end_ms) if is_perp else []
        made = [self._settlements_of(item, block) for block in blocks]
        return Settlements(*_joined(made, _SETTLEMENT, *self._shown_stamps(start_ms, end_ms)))

    def open_interest(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> OpenInterest:
        """Open interest on the full hours in `start_ms <= stamp <= end_ms`; none for spot."""
        item = self._find(exchange, symbol)
        is_contract = item is not None and item.kind != "spot"
        blocks = self._blocks(item, start_ms - HOUR_MS, end_ms) if is_contract else []
        made = [self._open_interest_of(item, block) for block in blocks]
        return OpenInterest(*_joined(made, _OPEN_INTEREST, *self._shown_stamps(start_ms, end_ms)))

    def _find(self, exchange: str, symbol: str) -> Instrument | None:
        return self._instruments.get(exchange, {}).get(symbol)

    def _listing(self, item: Instrument) -> Listing:
        ended = item.last_ms is not None and item.last_ms <= self.now_ms  # else nobody can know of it
        next_interval = item.interval_hours(np.array([self.now_ms + 1]))
        return Listing(
            symbol=item.symbol,
            kind=item.kind,
            base=item.base,
            quote=item.quote,
            settle=item.settle,
            contract_size=item.contract_size,
            rules=item.rules,
            listed_ms=item.first_ms,
            delisted_ms=item.last_ms if ended else None,
            expiry_ms=item.expiry_ms,
            funding_interval_hours=int(next_interval[0]) if item.kind == "perp" else None,
        )

    def _blocks(self, item: Instrument, start_ms: int, end_ms: int) -> range:
        """Blocks of the hours that open from `start_ms` to `end_ms`, as far as they are shown."""
        first = (max(start_ms, self._start_ms, item.first_ms) - ORIGIN_MS) // _BLOCK_MS
        last = (min(end_ms, self.now_ms, item.last_ms or self.now_ms) - ORIGIN_MS) // _BLOCK_MS
        return range(first, last + 1)

    def _shown_stamps(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The part of a window in which ends of hours are shown."""
        return max(start_ms, self._start_ms + 1), min(end_ms, self.now_ms)

    def _hourly(self, item: Instrument, price: str, start_ms: int, end_ms: int) -> Candles:
        """Closed hours, and the one that is forming."""
        made = [self._candles_of(item, price, block) for block in self._blocks(item, start_ms, end_ms)]
        # At the very instant at which an hour begins nothing has happened of it yet.
        first_ms, last_ms = max(start_ms, self._start_ms), min(end_ms, self.now_ms - 1)
        hours = Candles(*_joined(made, FIELDS, first_ms, last_ms))
        if len(hours.open_ms) and hours.open_ms[-1] + HOUR_MS > self.now_ms:
            return with_forming_hour(hours, (self.now_ms - hours.open_ms[-1]) / HOUR_MS, item)
        return hours

    def _make_coarser_block(self, item: Instrument, price: str, timeframe: str, block: int) -> Candles:
        first_ms = ORIGIN_MS + block * _BLOCK_MS
        return self._resampled(item, price, timeframe, first_ms, first_ms + _BLOCK_MS - 1)

    def _resampled(self, item: Instrument, price: str, timeframe: str, start_ms: int, end_ms: int) -> Candles:
        hours = self._hourly(item, price, start_ms, end_ms)
        # The forming hour goes in like a closed one, so that the forming candle reaches to the present.
        end_of_hour_ms = -(-self.now_ms // HOUR_MS) * HOUR_MS
        return resample(hours, "1h", timeframe, end_of_hour_ms)


def _joined(blocks: Sequence[object], names: Sequence[str], start_ms: int, end_ms: int) -> list[np.ndarray]:
    """The blocks' columns in one, where the first column is in `start_ms` to `end_ms`, both included."""
    if not blocks:
        return [np.empty(0, np.int64), *(np.empty(0) for _ in names[1:])]
    columns = [np.concatenate([getattr(block, name) for block in blocks]) for name in names]
    rows = slice(*np.searchsorted(columns[0], [start_ms, end_ms + 1]))
    return [column[rows] for column in columns]
