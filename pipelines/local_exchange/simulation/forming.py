"""What an hour that is still forming shows at the present."""

from dataclasses import replace

import numpy as np

from pipelines.local_exchange.market import Candles
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
    traded = round(float(hours.volume_base[-1]) * passed_frac, item.volume_decimals)
    so_far = {
        "high": max(seen),
        "low": min(seen),
        "close": present,
        "volume_base": traded,
        "volume_quote": round(traded * (open_ + max(seen) + min(seen) + present) / 4, 2),
    }
    return replace(hours, **{name: np.append(getattr(hours, name)[:-1], so_far[name]) for name in so_far})
