"""The simulated market as the local exchange asks for it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np

from pipelines.local_exchange.market import (
    HOUR_MS,
    TIMEFRAME_MS,
    Candles,
    Listing,
    OpenInterest,
    Settlements,
)
from pipelines.local_exchange.simulation.calendar import ORIGIN, ORIGIN_MS
from pipelines.local_exchange.simulation.catalogue import (
    EXCHANGES,
    Instrument,
    instruments,
)
from pipelines.local_exchange.simulation.forming import coarser, with_forming_hour
from pipelines.local_exchange.simulation.latent import (
    BLOCK_HOURS,
    LatentMarket,
    block_of,
)
from pipelines.local_exchange.simulation.series import SeriesBuilder

_PRICE_TYPES = ("last", "mark", "index")
_CANDLE = ("opened_ms", "open", "high", "low", "close", "volume_base", "volume_quote")
_SETTLEMENT = ("settled_ms", "funding_rate", "mark_price")
_OPEN_INTEREST = ("observed_ms", "base", "usd", "contracts")
_BLOCK_MS = BLOCK_HOURS * HOUR_MS
_CACHED_BLOCKS = 2048  # of candles: 86 KB each


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
            `start`. The message says what to give instead. Queries raise it for instruments that the exchange
            never listed, and for price types and timeframes that no exchange has.
    """

    is_simulated = True

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
        self._build = SeriesBuilder(LatentMarket(seed, block_of((now_ms - ORIGIN_MS) // HOUR_MS + 1)))
        self._instruments = {name: instruments(name, now_ms) for name in EXCHANGES}
        self._candles_of = lru_cache(_CACHED_BLOCKS)(self._build.candles)
        self._settlements_of = lru_cache(_CACHED_BLOCKS)(self._build.settlements)
        self._open_interest_of = lru_cache(_CACHED_BLOCKS)(self._build.open_interest)
        self._coarser = lru_cache(256)(self._make_coarser)

    def listings(self, exchange: str) -> list[Listing]:
        """What the exchange lists, also what was delisted or renamed; delivered contracts are off the list.

        Delivered contracts can still be asked for by their symbol. Unknown exchanges list nothing.
        """
        items = self._instruments.get(exchange, {}).values()
        return [
            self._listing(item) for item in items if item.expiry_ms is None or item.expiry_ms > self.now_ms
        ]

    def candles(
        self, exchange: str, symbol: str, price_type: str, timeframe: str, start_ms: int, end_ms: int
    ) -> Candles:
        """Candles with `start_ms <= opened <= end_ms`; spot has no mark and index price, so none of those.

        A candle of which an hour is missing (outage, before the listing, after the delisting) is missing.
        """
        item = self._find(exchange, symbol)
        if price_type not in _PRICE_TYPES:
            raise ValueError(f"{price_type!r} is not a price type; use one of {', '.join(_PRICE_TYPES)}")
        if timeframe not in TIMEFRAME_MS:
            raise ValueError(f"{timeframe!r} is not a timeframe; use one of {', '.join(TIMEFRAME_MS)}")
        if item.market_type == "spot" and price_type != "last":
            return Candles(*_joined([], _CANDLE, start_ms, end_ms))
        if timeframe == "1h":
            return self._hourly(item, price_type, start_ms, end_ms)
        return Candles(*_joined([self._coarser(item, price_type, timeframe)], _CANDLE, start_ms, end_ms))

    def settlements(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> Settlements:
        """Funding settlements with `start_ms <= settled <= end_ms`; none for anything but perpetuals."""
        item = self._find(exchange, symbol)
        blocks = self._blocks(item, start_ms, end_ms) if item.market_type == "perpetual" else []
        made = [self._settlements_of(item, block) for block in blocks]
        return Settlements(*_joined(made, _SETTLEMENT, *self._shown_stamps(start_ms, end_ms)))

    def predicted_funding(self, exchange: str, symbol: str) -> tuple[float, int]:
        """What the hours since the last settlement would settle at, and when the next settlement is.

        Raises:
            ValueError: The instrument has no next settlement: it is no perpetual, or it has ended.
        """
        item = self._find(exchange, symbol)
        if item.market_type != "perpetual" or self._ended_ms(item) is not None:
            raise ValueError(f"{exchange} {symbol} has no next settlement; ask for perpetuals that trade")
        return self._build.predicted_funding(item, self.now_ms)

    def open_interest(
        self, exchange: str, symbol: str, period: str, start_ms: int, end_ms: int
    ) -> OpenInterest:
        """Snapshots on the period's grid with `start_ms <= observed <= end_ms`; none for spot."""
        item = self._find(exchange, symbol)
        if period not in TIMEFRAME_MS:
            raise ValueError(f"{period!r} is not a period; use one of {', '.join(TIMEFRAME_MS)}")
        blocks = self._blocks(item, start_ms, end_ms) if item.market_type != "spot" else []
        made = [self._open_interest_of(item, block) for block in blocks]
        columns = _joined(made, _OPEN_INTEREST, *self._shown_stamps(start_ms, end_ms))
        on_grid = columns[0] % TIMEFRAME_MS[period] == 0
        return OpenInterest(*(column[on_grid] for column in columns))

    def _find(self, exchange: str, symbol: str) -> Instrument:
        item = self._instruments.get(exchange, {}).get(symbol)
        if item is None:
            raise ValueError(f"{exchange} has not listed {symbol}; `listings` says what there is")
        return item

    def _ended_ms(self, item: Instrument) -> int | None:
        """When trading ended; None while nobody can know."""
        return item.last_ms if item.last_ms is not None and item.last_ms <= self.now_ms else None

    def _listing(self, item: Instrument) -> Listing:
        next_interval = item.interval_hours(np.array([self.now_ms + 1]))
        return Listing(
            symbol=item.symbol,
            market_type=item.market_type,
            base=item.base,
            quote=item.quote,
            settle=item.settle,
            is_linear=None if item.market_type == "spot" else not item.is_inverse,
            contract_size=item.contract_size,
            listed_ms=item.first_ms,
            delisted_ms=self._ended_ms(item),
            expiry_ms=item.expiry_ms,
            funding_interval_hours=int(next_interval[0]) if item.market_type == "perpetual" else None,
            lot_step=item.lot_step,
            tick_size=item.tick_size,
            min_notional_usd=item.min_notional_usd,
        )

    def _blocks(self, item: Instrument, start_ms: int, end_ms: int) -> range:
        """Blocks with what happens from `start_ms` to `end_ms`, as far as it is shown."""
        first = (max(start_ms, self._start_ms, item.first_ms) - ORIGIN_MS) // _BLOCK_MS
        last = (min(end_ms, self.now_ms, item.last_ms or self.now_ms) - ORIGIN_MS) // _BLOCK_MS
        # What is stamped at the first instant of a block belongs to the hour before.
        return range(max(first - 1, 0), last + 1)

    def _shown_stamps(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The part of a window in which ends of hours are shown."""
        return max(start_ms, self._start_ms + 1), min(end_ms, self.now_ms)

    def _hourly(self, item: Instrument, price_type: str, start_ms: int, end_ms: int) -> Candles:
        """Closed hours, and the one that is forming."""
        made = [self._candles_of(item, price_type, block) for block in self._blocks(item, start_ms, end_ms)]
        # At the very instant at which an hour begins nothing has happened of it yet.
        first_ms, last_ms = max(start_ms, self._start_ms), min(end_ms, self.now_ms - 1)
        hours = Candles(*_joined(made, _CANDLE, first_ms, last_ms))
        if len(hours.opened_ms) and hours.opened_ms[-1] + HOUR_MS > self.now_ms:
            return with_forming_hour(hours, (self.now_ms - hours.opened_ms[-1]) / HOUR_MS, item)
        return hours

    def _make_coarser(self, item: Instrument, price_type: str, timeframe: str) -> Candles:
        hours = self._hourly(item, price_type, self._start_ms, self.now_ms)
        return coarser(hours, TIMEFRAME_MS[timeframe], self.now_ms, item)


def _joined(blocks: Sequence[object], names: Sequence[str], start_ms: int, end_ms: int) -> list[np.ndarray]:
    """The blocks' columns in one, where the first column is in `start_ms` to `end_ms`, both included."""
    if not blocks:
        return [np.empty(0, np.int64), *(np.empty(0) for _ in names[1:])]
    columns = [np.concatenate([getattr(block, name) for block in blocks]) for name in names]
    rows = slice(*np.searchsorted(columns[0], [start_ms, end_ms + 1]))
    return [column[rows] for column in columns]
