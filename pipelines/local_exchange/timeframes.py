"""Candle lengths: their names, their lengths and the grid of opening times, all in UTC milliseconds."""

import numpy as np

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday: weekly candles open on Mondays

FIXED_MS = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}
"""Milliseconds of every candle length that does not depend on the calendar."""

NAMES = (*FIXED_MS, "1M")


def open_times(instants_ms: np.ndarray, timeframe: str) -> np.ndarray:
    """Opening times (int64 ms) of the candles of `timeframe` that contain the instants."""
    if timeframe == "1M":
        return instants_ms.astype("datetime64[ms]").astype("datetime64[M]").astype("datetime64[ms]").astype("int64")
    offset = _MONDAY_MS if timeframe == "1w" else 0
    return (instants_ms - offset) // FIXED_MS[timeframe] * FIXED_MS[timeframe] + offset


def next_open_times(opens_ms: np.ndarray, timeframe: str) -> np.ndarray:
    """Opening times (int64 ms) of the candles that follow those which open at `opens_ms`."""
    if timeframe == "1M":
        months = opens_ms.astype("datetime64[ms]").astype("datetime64[M]") + 1
        return months.astype("datetime64[ms]").astype("int64")
    return opens_ms + FIXED_MS[timeframe]
