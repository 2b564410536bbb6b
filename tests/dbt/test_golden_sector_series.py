"""A recorded golden case: 130 days of three sectors' daily series, and the metrics that they must give."""

import csv
import os
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.policy import Policy
from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import build_rules
from pipelines.signals.states import state_of

REAL_DATA = Path(os.environ.get("ROTATION_REAL_DATA", Path(__file__).parents[3] / "shared" / "data" / "real"))
SERIES = REAL_DATA.parent / "golden" / "g0_sector_series.csv"
FIRST = date(2025, 1, 1)
LAST = FIRST + timedelta(days=129)
pytestmark = pytest.mark.skipif(not SERIES.exists(), reason=f"no golden series at {SERIES}: set ROTATION_REAL_DATA")


@pytest.fixture(scope="module")
def golden(market_build: Any, dbt_build: Callable[[str], Any]) -> Any:
    """The three sector marts, computed by dbt from the one intermediate table that holds the series."""
    build = dbt_build("golden")
    shutil.copy(market_build.build.path, build.path)
    with duckdb.connect(str(build.path)) as con:
        con.execute("delete from intermediate.int_sector_daily")
        con.executemany(
            """
            insert into intermediate.int_sector_daily by name
            select
                $day as date, $sector as sector, $funding as funding_8h_bps, $oi as open_interest_index,
                $oi as open_interest_usd_index, $price as futures_price_index, $price as spot_price_index,
                $recent as perp_volume_recent_mean_usd, $prior as perp_volume_prior_mean_usd,
                0 as leader_count, 0.0 as coverage_frac, 0.0 as open_interest_dropped_frac
            """,
            _rows(),
        )
    build.dbt("run", "--select", "sector_funding_daily", "sector_open_interest_daily", "sector_spreads_daily")
    return build


def _rows() -> list[dict[str, Any]]:
    with SERIES.open() as file:
        series = list(csv.DictReader(file))
    volumes = {(row["sector"], int(row["day"])): float(row["perp_quote_volume_usd"]) for row in series}

    def mean(sector: str, first: int, last: int) -> float | None:
        return sum(volumes[sector, d] for d in range(first, last + 1)) / (last - first + 1) if first >= 0 else None

    return [
        {
            "day": FIRST + timedelta(days=int(row["day"])),
            "sector": row["sector"],
            "funding": float(row["funding_8h_bps"]),
            "oi": float(row["open_interest_index"]),
            "price": float(row["futures_price_index"]),
            "recent": mean(row["sector"], int(row["day"]) - 6, int(row["day"])),
            "prior": mean(row["sector"], int(row["day"]) - 34, int(row["day"]) - 7),
        }
        for row in series
    ]


def _metrics(golden: Any) -> dict[str, dict[str, Any]]:
    rows = golden.query(
        f"""
        select * from marts.sector_funding_daily
        join marts.sector_open_interest_daily using (date, sector)
        where date = date '{LAST}'
        """
    )
    return {row["sector"]: row for row in rows}


@pytest.mark.parametrize(
    ("sector", "metric", "value"),
    [
        ("L1", "funding_3d_bps", 1.5000),
        ("L1", "funding_peak_28d_bps", 4.7647),
        ("L1", "open_interest_change_7d_frac", -0.0928),
        ("DEFI", "funding_3d_bps", 0.6333),
        ("DEFI", "funding_stdev_14d_bps", 0.1000),
        ("DEFI", "volume_ratio_7d_28d", 1.5000),
        ("DEFI", "momentum_14d_frac", 0.0797),
        ("EMERGING", "funding_stdev_14d_bps", 3.9590),
        ("EMERGING", "funding_sign_flips_14d", 6),
        ("EMERGING", "volatility_pctl_90d", 0.9667),
    ],
)
def test_golden_series_gives_the_recorded_metric(golden: Any, sector: str, metric: str, value: float) -> None:
    assert round(_metrics(golden)[sector][metric], 4) == value


def test_golden_reference_sector_does_not_run_ahead(golden: Any) -> None:
    # L1 lagged DEFI over the last 14 days: no veto.
    (row,) = golden.query(
        f"""
        select spread_z_90d from marts.sector_spreads_daily
        where date = date '{LAST}' and sector = 'DEFI' and reference_sector = 'L1'
        """
    )
    assert round(row["spread_z_90d"], 2) == -1.30


def test_golden_metrics_give_the_three_states(golden: Any) -> None:
    rules = build_rules(Policy())
    states = {
        sector: state_of(SectorMetrics.from_row(row | {"coverage_frac": 1.0, "is_fresh": True}, 9), rules)
        for sector, row in _metrics(golden).items()
    }
    assert {sector: states[sector] for sector in ("L1", "DEFI", "EMERGING")} == {
        "L1": "LOSING_MOMENTUM",
        "DEFI": "ACCUMULATION",
        "EMERGING": "UNSTABLE",
    }
