"""A quiet sector: every metric known, nothing near a limit. Tests change single metrics of it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipelines.policy import Policy
from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import Rules, build_rules

QUIET = SectorMetrics(
    funding_3d_bps=1.0,
    funding_pctl_90d=0.5,
    market_excess_bps=0.0,
    funding_peak_28d_bps=1.2,
    funding_stdev_14d_bps=0.3,
    funding_stdev_median_90d_bps=0.3,
    funding_sign_flips_14d=0,
    volatility_pctl_90d=0.5,
    open_interest_z_90d=0.0,
    open_interest_usd_z_90d=0.0,
    open_interest_change_7d_frac=0.0,
    volume_ratio_7d_28d=1.0,
    momentum_14d_frac=0.0,
    momentum_14d_peak_28d_frac=0.05,
    coverage_frac=1.0,
    is_fresh=True,
)
SHORT = {
    "f": "funding_3d_bps",
    "f_pct": "funding_pctl_90d",
    "ex": "market_excess_bps",
    "f_peak28": "funding_peak_28d_bps",
    "fvol14": "funding_stdev_14d_bps",
    "fvol_med": "funding_stdev_median_90d_bps",
    "flips": "funding_sign_flips_14d",
    "rv_pct": "volatility_pctl_90d",
    "oi_z": "open_interest_z_90d",
    "oi_usd_z": "open_interest_usd_z_90d",
    "oi_chg7": "open_interest_change_7d_frac",
    "vr": "volume_ratio_7d_28d",
    "mom14": "momentum_14d_frac",
    "mom14_peak28": "momentum_14d_peak_28d_frac",
    "coverage": "coverage_frac",
    "is_fresh": "is_fresh",
}
FIRST_DAY = dt.date(2024, 2, 27)  # the days that follow cross a leap day


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy()


@pytest.fixture(scope="session")
def rules(policy: Policy) -> Rules:
    return build_rules(policy)


@pytest.fixture(scope="session")
def sector() -> Callable[..., SectorMetrics]:
    """A quiet sector's metrics with some changed, by short names: `sector(f=3.0, oi_z=1.0)`."""

    def build(**changes: object) -> SectorMetrics:
        return replace(QUIET, **{SHORT[name]: value for name, value in changes.items()})

    return build


@pytest.fixture(scope="session")
def days_of() -> Callable[..., dict[dt.date, SectorMetrics]]:
    """Consecutive days from metrics; None leaves a calendar day without a row."""

    def build(*metrics: SectorMetrics | None) -> dict[dt.date, SectorMetrics]:
        dated = {FIRST_DAY + dt.timedelta(days=offset): day for offset, day in enumerate(metrics)}
        return {date: day for date, day in dated.items() if day is not None}

    return build
