"""Coarser candles from finer ones."""

import numpy as np

from pipelines.local_exchange.market import Candles
from pipelines.local_exchange.timeframes import FIXED_MS, next_open_times, open_times

FIELDS = ("open_ms", "open", "high", "low", "close", "volume_base", "volume_quote")


def no_candles() -> Candles:
    """A series without rows."""
    return Candles(np.empty(0, np.int64), *(np.empty(0) for _ in FIELDS[1:]))


def take(candles: Candles, rows: np.ndarray | slice) -> Candles:
    """The chosen rows of a series."""
    return Candles(*(getattr(candles, name)[rows] for name in FIELDS))


def divides(finer: str, coarser: str) -> bool:
    """Whether every candle of `coarser` is made of whole candles of `finer`."""
    if finer == coarser or finer not in FIXED_MS:
        return False
    if coarser in ("1w", "1M"):
        return FIXED_MS["1d"] % FIXED_MS[finer] == 0
    return FIXED_MS[coarser] % FIXED_MS[finer] == 0


def resample(candles: Candles, finer: str, coarser: str, now_ms: int) -> Candles:
    """Make `coarser` candles out of closed `finer` ones.

    Open first, high max, low min, close last, volumes summed; a volume is NaN where any part of it is. A
    candle stands only when all its finer candles are there. The candle that is still forming at `now_ms`
    stands with the finer candles that have closed by then, as an exchange shows it, when none is missing.

    Args:
        candles: Sorted by opening time, each opening once, all closed by `now_ms`.
        finer: Their timeframe; it divides `coarser`.
        coarser: The timeframe wanted.
        now_ms: The present, UTC milliseconds.
    """
    if not len(candles.open_ms):
        return candles
    opens = open_times(candles.open_ms, coarser)
    first = np.flatnonzero(np.r_[True, np.diff(opens) > 0])
    last = np.r_[first[1:], len(opens)] - 1
    opens = opens[first]
    known_until = now_ms // FIXED_MS[finer] * FIXED_MS[finer]
    ends = np.minimum(next_open_times(opens, coarser), known_until)
    whole = (last - first + 1) * FIXED_MS[finer] == ends - opens
    made = Candles(
        opens,
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.add.reduceat(candles.volume_base, first),
        np.add.reduceat(candles.volume_quote, first),
    )
    return take(made, whole)


def fill(preferred: Candles, other: Candles) -> Candles:
    """`preferred` with the candles of `other` whose opening times it lacks, in order of time."""
    missing = take(other, ~np.isin(other.open_ms, preferred.open_ms))
    both = Candles(*(np.concatenate([getattr(preferred, name), getattr(missing, name)]) for name in FIELDS))
    return take(both, np.argsort(both.open_ms, kind="stable"))
