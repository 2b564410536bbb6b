"""Which raw rows a metric is made from: the dataset, how many days of it, and whose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.policy import Policy
from pipelines.settings import SEEDS_DIRECTORY
from warehouse.connection import Connection
from warehouse.contracts import FUNDING_RATES, FUTURES_OHLCV, OPEN_INTEREST, Table
from warehouse.errors import WarehouseError
from warehouse.figures import rows_behind
from warehouse.portfolio import read


class NoSuchMetric(WarehouseError):
    """The metric is not made from raw rows, or there is none of that name."""


@dataclass(frozen=True)
class Source:
    """Where a metric comes from.

    Attributes:
        table: The raw table that it is a statistic of.
        days: Days up to the decided one whose rows enter it.
        of_every_sector: The leaders of all sectors enter it, not only the sector's own.
    """

    table: Table
    days: int
    of_every_sector: bool = False


@dataclass(frozen=True)
class Figure:
    """A metric of a sector with the raw rows behind it.

    Attributes:
        metric, sector, day: What the figure is.
        value: The figure.
        source: Where it comes from.
        first_day: The first day whose rows enter it.
        rows: The raw rows with the leader's weight, by day, asset, exchange and time.
        held_from: The earliest `available_at` in the file that was read; rows before are missing here.
    """

    metric: str
    sector: str
    day: date
    value: Any
    source: Source
    first_day: date
    rows: list[dict[str, Any]]
    held_from: datetime | None

    @property
    def is_complete(self) -> bool:
        """The file that was read holds the whole window."""
        begins = datetime.combine(self.first_day + timedelta(days=1), datetime.min.time())
        return self.held_from is not None and self.held_from <= begins


def sources(policy: Policy) -> Mapping[str, Source]:
    """Metric to what it is made from, with the policy's windows."""
    windows = policy.windows
    recent = windows.funding_mean
    volatile = windows.funding_vol
    return {
        "funding_3d_bps": Source(FUNDING_RATES, recent),
        "funding_pctl_90d": Source(FUNDING_RATES, windows.baseline + recent),
        "market_excess_bps": Source(FUNDING_RATES, recent, of_every_sector=True),
        "funding_peak_28d_bps": Source(FUNDING_RATES, windows.peak + recent - 1),
        "funding_stdev_14d_bps": Source(FUNDING_RATES, volatile),
        "funding_stdev_median_90d_bps": Source(FUNDING_RATES, windows.baseline + volatile),
        "funding_sign_flips_14d": Source(FUNDING_RATES, volatile),
        "volatility_pctl_90d": Source(FUTURES_OHLCV, windows.baseline + volatile + 1),
        "open_interest_z_90d": Source(OPEN_INTEREST, windows.baseline + 1),
        "open_interest_usd_z_90d": Source(OPEN_INTEREST, windows.baseline + 1),
        "open_interest_change_7d_frac": Source(OPEN_INTEREST, windows.oi_change + 1),
        "volume_ratio_7d_28d": Source(FUTURES_OHLCV, windows.vol_recent + windows.vol_prior),
        "momentum_14d_frac": Source(FUTURES_OHLCV, windows.momentum + 1),
        "momentum_14d_peak_28d_frac": Source(FUTURES_OHLCV, windows.peak + windows.momentum),
        "coverage_frac": Source(OPEN_INTEREST, 1),
    }


def figure(
    release: Connection,
    raw: Connection,
    day: date,
    sector: str,
    metric: str,
    policy: Policy,
    asset: str | None = None,
) -> Figure:
    """A metric of a sector with the raw rows behind it, as the day's decision knew them.

    Args:
        release: The release that is explained.
        raw: Where raw rows are read: the release itself, which may hold a few days of them, or the build file.
        day: The decided day.
        sector: Its sector.
        metric: A column of `portfolio.sector_signals`.
        policy: Gives the windows.
        asset: Only this leader's rows.

    Raises:
        NoSuchMetric: there is no such metric; names those that there are.
    """
    known = sources(policy)
    if metric not in known:
        raise NoSuchMetric(f"{metric}: no metric of that name has raw rows behind it; choose from {', '.join(known)}")
    source = known[metric]
    first_day = day - timedelta(days=source.days - 1)
    signal = read(
        release,
        f"select {metric} as value, decided_at from portfolio.sector_signals "
        "where as_of_date = $day and sector = $sector",
        {"day": day, "sector": sector},
    )
    if signal.is_empty():
        raise NoSuchMetric(f"{sector}: no signal of this sector on {day}; see: rotation show signals --date {day}")
    value, known_until = signal.row(0)
    leaders = _leaders(release, first_day, day, None if source.of_every_sector else sector)
    if asset is not None:
        leaders = leaders.filter(pl.col("asset") == asset)
    wanted = _bases(leaders["asset"].unique().sort().to_list())
    found = rows_behind(raw, source.table, first_day, day, known_until, wanted, policy.data.oi_window_min[1])
    weights = {(when, name): (of, weight) for when, of, name, weight in leaders.iter_rows()}
    rows = [
        dict(zip(("leader_of", "leader_weight"), weights[row["date"], row["asset"]], strict=True)) | row
        for row in found.rows
        if (row["date"], row["asset"]) in weights and row.get("price_type") in (None, "last")
    ]
    return Figure(metric, sector, day, value, source, first_day, rows, found.held_from)


def _leaders(release: Connection, first_day: date, last_day: date, sector: str | None) -> pl.DataFrame:
    """date, sector, asset, leader_weight: the leaders change from day to day."""
    return read(
        release,
        "select date, sector, unnest(leaders) as asset, unnest(leader_weights) as weight "
        "from marts.sector_funding_daily "
        "where date between $first_day and $last_day and ($sector is null or sector = $sector) order by all",
        {"first_day": first_day, "last_day": last_day, "sector": sector},
    )


def _bases(assets: Sequence[str]) -> list[tuple[str, str]]:
    """(base of a symbol, asset): a coin may be traded under other names, or in thousands."""
    renamed = pl.read_csv(SEEDS_DIRECTORY / "asset_symbols.csv", columns=["base", "asset"], infer_schema=False)
    pairs = {(base, asset) for base, asset in renamed.iter_rows() if asset in assets}
    return sorted(pairs | {(asset, asset) for asset in assets})
