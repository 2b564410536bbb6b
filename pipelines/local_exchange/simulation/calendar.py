"""What happens when in the simulated market: regimes per sector, and events on fixed dates.

The dates of renames, listings and delistings are the simulation's own, not history's.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from pipelines.local_exchange.simulation.noise import stream
from pipelines.local_exchange.timeframes import HOUR_MS

ORIGIN = date(2021, 11, 1)  # the first day of every simulated market; all series start here
ORIGIN_MS = int(datetime(ORIGIN.year, ORIGIN.month, ORIGIN.day, tzinfo=UTC).timestamp()) * 1000
CYCLE_DAYS = 168


@dataclass(frozen=True)
class Stage:
    """One regime of a sector's cycle. Values are reached at its end; `ramp_frac` of it earlier for funding.

    Attributes:
        days: Usual length.
        drift: Log return of the sector over the stage.
        funding_bps: Funding at the end, bp per 8 h.
        funding_ramp_frac: Share of the stage after which funding has arrived there.
        log_open_interest: Open interest in coins at the end, against the start of the cycle.
        log_volume: Volume at the end, against the start of the cycle.
        sigma: Standard deviation of the sector's daily return.
        swing_bps: Height of funding's swings around its path.
    """

    name: str
    days: float
    drift: float
    funding_bps: float
    funding_ramp_frac: float
    log_open_interest: float
    log_volume: float
    sigma: float
    swing_bps: float = 0.0


# Chosen by hand so that every state of the rules occurs; the drifts sum to 0, so prices stay where they are.
STAGES = (
    Stage("calm", 20, 0.00, 0.9, 0.5, 0.00, 0.00, 0.016),
    Stage("accumulation", 26, 0.22, 1.0, 1.0, 0.30, 0.50, 0.015),
    Stage("overleveraged", 26, 0.20, 6.5, 1.0, 0.68, 0.75, 0.019),
    Stage("deleveraging", 20, -0.24, 0.9, 0.4, 0.25, 0.45, 0.021),
    Stage("neutral", 16, 0.00, 0.8, 1.0, 0.22, 0.20, 0.017),
    Stage("unstable", 20, 0.00, 0.2, 0.5, 0.22, 0.50, 0.045, 4.0),
    Stage("quiet", 14, -0.02, 0.4, 1.0, 0.16, 0.05, 0.014),
    Stage("capitulation", 18, -0.22, -5.5, 1.0, -0.06, 0.10, 0.012),
    Stage("recovery", 8, 0.06, 0.7, 0.7, 0.00, 0.00, 0.016),
)

# Day of the cycle's first start after the origin. Spread so that every stage is somewhere at any time;
# L1 follows STORE_OF_VALUE by a few days, so that now and then most of the market is overleveraged at once.
PHASE_DAYS = {
    "STORE_OF_VALUE": 60,
    "L1": 66,
    "L2": 81,
    "DEFI": 102,
    "INFRASTRUCTURE": 123,
    "HIGH_BETA": 144,
    "MEMES": 165,
    "PAYMENTS": 18,
    "PRIVACY": 39,
}


@dataclass(frozen=True)
class Episode:
    """One stage as it happens: hours since the origin, and how strong the cycle is (1 = as in STAGES)."""

    stage: Stage
    start_hour: float
    end_hour: float
    strength: float


def episodes(seed: int, sector: str, until_hour: int) -> list[Episode]:
    """The regimes of a sector from before the origin to after `until_hour`, in order and without gaps."""
    result: list[Episode] = []
    cycle = 0
    while not result or result[-1].end_hour <= until_hour:
        rng = stream(seed, "cycle", sector, cycle)
        usual = np.array([stage.days for stage in STAGES])
        days = usual * rng.uniform(0.9, 1.1, len(STAGES))
        ends = np.cumsum(days) * (CYCLE_DAYS / days.sum()) + PHASE_DAYS[sector] + CYCLE_DAYS * (cycle - 1)
        starts = np.concatenate([[PHASE_DAYS[sector] + CYCLE_DAYS * (cycle - 1)], ends[:-1]])
        strength = float(rng.uniform(0.9, 1.2))
        result += [
            Episode(stage, float(a) * 24, float(b) * 24, strength)
            for stage, a, b in zip(STAGES, starts, ends, strict=True)
        ]
        cycle += 1
    return result


def hours_since_origin(moment: datetime) -> int:
    return int((moment.timestamp() * 1000 - ORIGIN_MS) // HOUR_MS)


def _utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


FIRST_CRASH, CRASH_EVERY_DAYS = _utc(2022, 4, 8, 13), 180  # ... 2026-03-18, 2026-09-14
FIRST_OUTAGE, OUTAGE_EVERY_DAYS, OUTAGE_HOURS = _utc(2021, 11, 29, 18), 45, 72  # ... 2026-09-19, 2026-11-03
OUTAGE_SECTORS = ("PRIVACY", "DEFI", "PAYMENTS", "HIGH_BETA", "INFRASTRUCTURE", "L1", "MEMES", "L2")


@dataclass(frozen=True)
class Rename:
    """An old code stops and a new one starts at the same hour; `ratio` new coins for one old coin."""

    old: str
    new: str
    ratio: float
    at: datetime


RENAMES = (
    Rename("FTM", "S", 1.0, _utc(2022, 8, 15, 8)),
    Rename("RNDR", "RENDER", 1.0, _utc(2023, 6, 12, 8)),
    Rename("EOS", "A", 1.0, _utc(2024, 4, 8, 8)),
    Rename("MATIC", "POL", 1.0, _utc(2025, 2, 3, 8)),
    Rename("KLAY", "KAIA", 1.0, _utc(2025, 11, 17, 8)),
    Rename("MKR", "SKY", 24_000.0, _utc(2026, 9, 28, 8)),
)

LISTINGS = {  # coin -> first hour, when a settlement is due; the others are there from the origin
    "PYTH": _utc(2022, 12, 5, 8),
    "SUI": _utc(2023, 5, 8, 8),
    "STRK": _utc(2024, 2, 26, 8),
    "ONDO": _utc(2025, 1, 20, 8),
    "TAO": _utc(2025, 9, 8, 8),
    "WLD": _utc(2026, 6, 15, 8),
    "WIF": _utc(2026, 10, 5, 8),
}

DELISTINGS = {  # (exchange, coin) -> last hour; None: on all exchanges
    ("bybit", "COMP"): _utc(2022, 10, 10, 6),
    (None, "ENS"): _utc(2023, 9, 4, 6),
    ("bybit", "CRV"): _utc(2024, 8, 5, 6),
    ("bybit", "XLM"): _utc(2025, 6, 16, 6),
    (None, "DASH"): _utc(2026, 8, 17, 6),
}

USUAL_INTERVAL_HOURS = {"FET": 4, "PYTH": 4, "BONK": 4, "WIF": 4, "FLOKI": 1}  # the others: 8
INTERVAL_CHANGES = {  # coin -> (from, to, hours): settled more often for a while, then as usual again
    "AVAX": (_utc(2022, 11, 8), _utc(2022, 12, 6), 4),
    "LINK": (_utc(2023, 10, 23), _utc(2023, 11, 20), 4),
    "DOGE": (_utc(2024, 11, 11), _utc(2024, 12, 9), 4),
    "XRP": (_utc(2025, 12, 1), _utc(2025, 12, 29), 4),
    "SUI": (_utc(2026, 9, 21), _utc(2026, 10, 19), 4),
}


def crashes(until_hour: int) -> list[int]:
    """Hours at which the whole market falls."""
    return list(range(hours_since_origin(FIRST_CRASH), until_hour, CRASH_EVERY_DAYS * 24))


def outages(sector: str, until_hour: int) -> list[tuple[int, int]]:
    """Half-open hours in which no exchange delivers anything for the sector's perpetuals."""
    starts = range(hours_since_origin(FIRST_OUTAGE), until_hour, OUTAGE_EVERY_DAYS * 24)
    return [
        (hour, hour + OUTAGE_HOURS)
        for number, hour in enumerate(starts)
        if OUTAGE_SECTORS[number % len(OUTAGE_SECTORS)] == sector
    ]


def quarterly_expiries(since_ms: int, until_ms: int) -> list[int]:
    """Last Fridays of March, June, September and December, 08:00 UTC, in [since_ms, until_ms], in ms."""
    result = []
    for year in range(datetime.fromtimestamp(since_ms / 1000, UTC).year, 9999):
        for month in (3, 6, 9, 12):
            last = _utc(year + month // 12, month % 12 + 1, 1, 8) - timedelta(days=1)
            expiry = last - timedelta(days=(last.weekday() - 4) % 7)
            expiry_ms = int(expiry.timestamp()) * 1000
            if expiry_ms > until_ms:
                return result
            if expiry_ms >= since_ms:
                result.append(expiry_ms)
    return result
