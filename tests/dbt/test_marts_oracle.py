"""The marts of a random market against the same numbers computed in plain Python."""

from typing import Any

import pytest
from marts_oracle import DAY, SECTOR_OF, Oracle, chain, logs, mean, metrics_of, pctl, rounded, window, z


@pytest.fixture(scope="module")
def market(market_build: Any) -> tuple[Any, Oracle]:
    days = [row["date"] for row in market_build.build.query("select date from intermediate.int_calendar order by 1")]
    return market_build.build, Oracle(market_build.history, days)


def same(value: float | None, expected: float | None) -> bool:
    if value is None or expected is None:
        return value is expected
    return value == pytest.approx(expected, rel=1e-9, abs=1.001e-9)


def test_sector_metrics_equal_the_formulas(market: tuple[Any, Oracle]) -> None:
    build, oracle = market
    rows = build.by_key(
        "marts.sector_funding_daily join marts.sector_open_interest_daily using (date, sector)", "date", "sector"
    )
    for sector in sorted({*SECTOR_OF.values()}):
        for name, series in metrics_of(oracle.sector_series(sector), oracle.days).items():
            got = {day: rows[day, sector][name] for day in oracle.days}
            wrong = {day: (got[day], series[day]) for day in oracle.days if not same(got[day], series[day])}
            assert not wrong, (sector, name, len(wrong), list(wrong.items())[:3])
            assert name in SPARSE or sum(x is not None for x in got.values()) > 25, (sector, name)


SPARSE = {"funding_stdev_median_90d_bps", "market_excess_bps", "volatility_pctl_90d"}


def test_spreads_equal_the_formulas(market: tuple[Any, Oracle]) -> None:
    build, oracle = market
    rows = build.by_key("marts.sector_spreads_daily", "date", "sector", "reference_sector")
    levels = {sector: logs(oracle.sector_series(sector)["F"]) for sector in ("L1", "DEFI")}
    spread = {
        d: None if None in (levels["L1"][d], levels["DEFI"][d]) else levels["L1"][d] - levels["DEFI"][d]
        for d in oracle.days
    }
    moved = {
        d: None if None in (spread[d], spread.get(d - 14 * DAY)) else spread[d] - spread[d - 14 * DAY]
        for d in oracle.days
    }
    for day in oracle.days:
        row = rows[day, "DEFI", "L1"]
        assert same(row["spread_futures_log"], spread[day]), day
        assert same(row["spread_z_90d"], rounded(z(moved, day, 0.005))), day


def test_asset_metrics_equal_the_formulas(market: tuple[Any, Oracle]) -> None:
    build, oracle = market
    rows = build.by_key("marts.asset_futures_daily", "date", "asset")
    for asset in oracle.assets:
        days = [day for day in oracle.days if (day, asset) in rows]
        data = oracle.data[asset]
        steps = {
            part: {d: x[0] / x[1] - 1 if (x := data[d][part]) is not None else None for d in days}
            for part in ("step", "step_usd")
        }
        f = {d: rounded(window({k: v["f8"] for k, v in data.items()}, d, 3, mean)) for d in days}
        for day in days:
            expected = {
                "sector": oracle.sector(asset, day),
                "funding_8h_bps": rounded(data[day]["f8"]),
                "open_interest_usd": data[day]["oi"],
                "perp_close_usd": data[day]["price"],
                "spot_close_usd": data[day]["spot"],
                "perp_volume_usd": data[day]["volume"],
                "funding_3d_bps": f[day],
                "funding_pctl_90d": rounded(pctl(f, day)),
                "open_interest_z_90d": rounded(z(logs(chain(steps["step"], days)), day, 0.01)),
                "open_interest_usd_z_90d": rounded(z(logs(chain(steps["step_usd"], days)), day, 0.01)),
            }
            for name, value in expected.items():
                assert rows[day, asset][name] == value or same(rows[day, asset][name], value), (day, asset, name)


def test_random_market_has_every_difficulty(market: tuple[Any, Oracle]) -> None:
    # Otherwise the comparison above would prove less than it says.
    build, oracle = market
    kinds = {row["funding_weighting"] for row in build.query("select funding_weighting from marts.asset_futures_daily")}
    assert {"oi", "volume"} <= kinds
    assert oracle.departed and oracle.carried
    assert build.query("select 1 from intermediate.int_open_interest_jumps limit 1")
