"""The two worked examples as made-up market data that goes the whole way: HTTP, ccxt, raw, marts, signals, decision."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.examples import EXAMPLES
from warehouse.connection import Warehouse


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs the command of an example, once: `told(name)` gives its exit code, its report and the warehouse it keeps."""
    done: dict[str, tuple[int, dict[str, Any], Path]] = {}

    def tell(name: str) -> tuple[int, dict[str, Any], Path]:
        if name not in done:
            directory = tmp_path_factory.mktemp(f"example_{name}")
            program = str(Path(sys.executable).with_name("rotation"))
            command = [program, "example", name, "--format", "json", "--warehouse", str(directory)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            done[name] = ended.returncode, json.loads(ended.stdout), directory
        return done[name]

    return tell


@pytest.fixture(scope="module")
def decided(told: Any) -> Any:
    """`decided(name)` gives the directory of an example's warehouse."""
    return lambda name: told(name)[2]


def _read(directory: Path, sql: str) -> list[dict[str, Any]]:
    with Warehouse(directory).open_release() as connection:
        return connection.execute(sql).pl().to_dicts()


def _signals(directory: Path) -> dict[str, dict[str, Any]]:
    return {row["sector"]: row for row in _read(directory, "from portfolio.sector_signals")}


@pytest.mark.parametrize("name", EXAMPLES)
def test_release_of_an_example_says_that_it_is_made_up(decided, name):
    (info,) = _read(decided(name), "from quality.release_info")
    assert (info["source"], info["is_simulated"]) == ("example", True)
    (decision,) = _read(decided(name), "from portfolio.decisions")
    assert decision["source"] == "example"
    kept = Warehouse(decided(name))
    with kept.open_build("test") as connection:
        assert connection.execute("select source, detail from quality.warehouse_origin").fetchall() == [
            ("example", f"example-{name}")
        ]
        assert connection.execute("select distinct source from raw.funding_rates").fetchall() == [("example",)]


def test_made_up_market_gives_the_three_signals_on_complete_data(decided):
    signals = _signals(decided("rotation"))
    assert {name: (row["state"], row["action"]) for name, row in signals.items() if row["leader_count"]} == {
        "L1": ("LOSING_MOMENTUM", "REDUCE"),
        "DEFI": ("ACCUMULATION", "INCREASE"),
        "HIGH_BETA": ("UNSTABLE", "TRIM"),
        "STORE_OF_VALUE": ("NEUTRAL", "HOLD"),
    }
    for sector in ("L1", "DEFI", "HIGH_BETA", "STORE_OF_VALUE"):
        row = signals[sector]
        assert (row["coverage_frac"], row["is_fresh"]) == (1.0, True)
        assert row["raw_state"] == row["latched_state"] == row["previous_state"] == row["state"]
        assert row["reason_codes"] == []
    assert [signals[sector]["leader_count"] for sector in ("L1", "DEFI", "HIGH_BETA")] == [3, 3, 3]


def test_metrics_lie_well_inside_their_limits(decided):
    signals = _signals(decided("rotation"))
    l1, defi, high_beta = (signals[sector] for sector in ("L1", "DEFI", "HIGH_BETA"))
    assert -0.12 < l1["open_interest_change_7d_frac"] < -0.07  # at most -5%
    assert l1["funding_peak_28d_bps"] > 4.5 and 1.2 < l1["funding_3d_bps"] < 0.4 * l1["funding_peak_28d_bps"]
    assert 0.4 < defi["funding_3d_bps"] < 0.9 and defi["funding_stdev_14d_bps"] < 0.2  # at most 1.5 and 1
    assert defi["volume_ratio_7d_28d"] > 1.4 and defi["momentum_14d_frac"] > 0.05  # at least 1.25, above 0
    assert high_beta["volatility_pctl_90d"] > 0.9  # at least 0.8
    assert high_beta["funding_stdev_14d_bps"] > 2 and high_beta["funding_sign_flips_14d"] >= 4
    assert abs(high_beta["open_interest_change_7d_frac"]) < 0.02
    assert all(z < 1.0 for z in json.loads(defi["spread_z"]).values())  # 1.5 is a veto


def test_no_single_small_move_would_change_one_of_the_three_states(decided):
    signals = _signals(decided("rotation"))
    flips = {sector: json.loads(signals[sector]["distance_to_flip"])[0] for sector in ("L1", "DEFI", "HIGH_BETA")}
    nearest = {sector: (flip["moves"][0]["metric"], flip["becomes"]) for sector, flip in flips.items()}
    assert nearest == {
        "L1": ("funding_3d_bps", "NEUTRAL"),
        "DEFI": ("momentum_14d_frac", "NEUTRAL"),
        "HIGH_BETA": ("volatility_pctl_90d", "NEUTRAL"),
    }
    # L1: 1.4 bp would have to double; DEFI: 7.5% of momentum to vanish; HIGH_BETA: a third of all ranks to go
    assert flips["L1"]["distance"] > 0.4
    assert flips["DEFI"]["distance"] > 0.05
    assert flips["HIGH_BETA"]["distance"] > 0.4


@pytest.mark.parametrize("name", EXAMPLES)
def test_marts_hold_the_scripted_closes_to_the_last_digit(decided, name):
    last = EXAMPLES[name].last_day
    closes = _read(
        decided(name),
        f"select asset, date, perp_close_usd, spot_close_usd, funding_8h_bps from marts.asset_futures_daily "
        f"where date between '{last - timedelta(days=30)}' and '{last}' order by date",
    )
    by_asset = pl.DataFrame(closes).partition_by("asset", as_dict=True)
    coins = EXAMPLES[name].market()
    assert len(by_asset) == len(coins)
    for coin in coins:
        rows = by_asset[(coin.asset,)]
        assert rows["spot_close_usd"].to_list() == coin.spot_close_usd[-31:].tolist()
        assert rows["perp_close_usd"].to_list() == coin.perp_close_usd[-31:].tolist()
        assert rows["funding_8h_bps"].to_list() == pytest.approx(coin.funding_8h_bps[-31:], abs=1e-6)


def test_bitcoin_is_overbought_on_the_last_day_and_no_sector_is_sold(decided):
    signals = _signals(decided("overbought"))
    assert {name: (row["state"], row["action"]) for name, row in signals.items() if row["leader_count"]} == {
        "STORE_OF_VALUE": ("NEUTRAL", "HOLD"),
        "L1": ("NEUTRAL", "HOLD"),
        "DEFI": ("NEUTRAL", "HOLD"),
    }
    # the state behind the same figures waits for a second day
    assert signals["STORE_OF_VALUE"]["raw_state"] == "OVERLEVERAGED"
    (bitcoin,) = _read(
        decided("overbought"),
        f"from marts.asset_futures_daily where asset = 'BTC' and date = '{EXAMPLES['overbought'].last_day}'",
    )
    assert bitcoin["spot_close_usd"] == bitcoin["perp_close_usd"] == 50_000.0
    assert bitcoin["funding_3d_bps"] > 3.2 and bitcoin["funding_pctl_90d"] == 1.0
    assert bitcoin["open_interest_z_90d"] > 1.5


def test_overbought_bitcoin_worth_20000_is_hedged_by_a_short_of_exactly_a_tenth(decided):
    (hedge,) = _read(decided("overbought"), "from portfolio.hedges")
    expected = {
        "asset": "BTC", "side": "short", "trigger": "OVERBOUGHT", "status": "open", "mark_price_usd": 50_000.0,
        "exposure_usd": 20_000.0, "quantity_base": 0.04, "notional_usd": 2_000.0, "margin_usd": 2_000.0,
        "leverage": 1.0, "offset_frac": 0.1, "ratio_for_80pct_offset_frac": 0.8,
    }  # fmt: skip
    assert {name: hedge[name] for name in expected} == expected
    (fall,) = _read(
        decided("overbought"),
        "from portfolio.hedge_scenarios where hedge_id <> 'PLAN' and shock_frac = -0.1 and horizon_days = 7 "
        "and funding_path = 'persist'",
    )
    assert (fall["spot_pnl_usd"], fall["hedge_price_pnl_usd"], fall["offset_price_only_frac"]) == (-2_000, 200, 0.1)
    assert "largely" not in hedge["explanation"].lower()


@pytest.mark.parametrize("name", EXAMPLES)
def test_command_finds_every_figure_exactly_as_told(told, name):
    code, report, _ = told(name)
    assert [figure for figure in report["figures"] if not figure["matches"]] == []
    assert (code, report["label"], report["is_made_up"]) == (0, "example: made-up market data", True)
    if name == "rotation":
        weights = {row["sector"]: row["target_weight_exact"] for row in report["target_allocations"]}
        assert {sector: weight for sector, weight in weights.items() if weight != "0"} == {
            "L1": "3/10", "DEFI": "9/20", "HIGH_BETA": "1/4",
        }  # fmt: skip
        assert {row["side"] for row in report["rebalance_trades"] if row["sector"] in ("L1", "HIGH_BETA")} == {"sell"}
        assert {row["side"] for row in report["rebalance_trades"] if row["sector"] == "DEFI"} == {"buy"}
    else:
        assert report["rebalance_trades"] == []
