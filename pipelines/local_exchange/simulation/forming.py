"""Candles that are made of hours: longer ones, and those that are still forming at the present."""

from dataclasses import replace

import numpy as np

from pipelines.local_exchange.market import HOUR_MS, Candles
from pipelines.local_exchange.simulation.catalogue import Instrument


def with_forming_hour(hours: Candles, passed_frac: float, item: Instrument) -> Candles:
    """The hours with the last one replaced by what has happened of it after `passed_frac` of the hour.

    Within an hour the price goes straight from the open to the low, to the high and to the close, a third of
    the hour each. Volume grows evenly.
    """
    open_, high, low, close = (float(getattr(hours, name)[-1]) for name in ("open", "high", "low", "close"))
    turns = [open_, low, high, close]
    at = [0.0, 1 / 3, 2 / 3, 1.0]
    present = round(float(np.interp(passed_frac, at, turns)), item.price_decimals)
    seen = [value for when, value in zip(at, turns, strict=True) if when <= passed_frac] + [present]
    traded = round(float(hours.volume_base[-1]) * passed_frac, item.lot_decimals)
    so_far = {
        "high": max(seen),
        "low": min(seen),
        "close": present,
        "volume_base": traded,
        "volume_quote": round(traded * (open_ + max(seen) + min(seen) + present) / 4, 2),
    }
    return replace(hours, **{name: np.append(getattr(hours, name)[:-1], so_far[name]) for name in so_far})


def coarser(hours: Candles, length_ms: int, now_ms: int, item: Instrument) -> Candles:
    """Candles of `length_ms` (a divisor of the day) out of hours, the last of which may be forming.

    Open first, high max, low min, close last, volumes summed. A candle of which an hour is missing is left
    out; the last one may be forming.
    """
    if not len(hours.opened_ms):
        return hours
    opened = hours.opened_ms // length_ms * length_ms
    first = np.flatnonzero(np.diff(opened, prepend=-1))
    last = np.append(first[1:], len(opened)) - 1
    begun_until_ms = -(-now_ms // HOUR_MS) * HOUR_MS  # the end of the forming hour
    ends = np.minimum(opened[first] + length_ms, begun_until_ms)
    whole = (last - first + 1) * HOUR_MS == ends - opened[first]
    columns = (
        opened[first],
        hours.open[first],
        np.maximum.reduceat(hours.high, first),
        np.minimum.reduceat(hours.low, first),
        hours.close[last],
        np.round(np.add.reduceat(hours.volume_base, first), item.lot_decimals),
        np.round(np.add.reduceat(hours.volume_quote, first), 2),
    )
    return Candles(*(column[whole] for column in columns))
