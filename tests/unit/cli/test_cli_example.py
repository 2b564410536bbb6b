"""`rotation example`: what it prints and how it ends; the runs themselves are in the end-to-end tests."""

import json
from datetime import date
from types import SimpleNamespace

import pytest

from pipelines.cli import example as command
from pipelines.examples import EXAMPLES
from pipelines.examples.figures import Found
from pipelines.examples.rotation import TABLE
from pipelines.local_exchange.recorded_files import read_recording

_RELEASE = {"release_id": "000001-20250629", "source": "example", "is_simulated": True}
_DECISION = {"portfolio_value_usd": 100_000.0, "spot_sleeve_usd": 80_000.0}


def _told() -> Found:
    """What a release must say for the first example to be as told."""
    signals = [
        {"sector": told.sector, "state": told.state, "action": told.action, "coverage_frac": 1.0,
         "explanation": f"{told.sector}: {told.state}. Words."}
        for told in TABLE
    ]  # fmt: skip
    targets = [
        {"sector": told.sector, "current_weight_exact": told.weight_before, "current_usd": told.usd_before,
         "target_weight_exact": told.weight_after, "target_usd": told.usd_after,
         "reason_codes": ["TILT_CAP"] if told.sector == "DEFI" else []}
        for told in TABLE
    ]  # fmt: skip
    cash = {"sector": "CASH", "target_usd": 0.0, "reason_codes": []}
    trades = [
        _trade("L1", "ETH", "sell", 8_000.0), _trade("HIGH_BETA", "FET", "sell", 4_000.0),
        _trade("DEFI", "UNI", "buy", 11_964.05),
    ]  # fmt: skip
    return Found(dict(_RELEASE), _DECISION, signals, [*targets, cash], trades)


def _trade(sector, asset, side, usd):
    return {"sector": sector, "asset": asset, "side": side, "quantity_base": 1.0, "price_usd": usd,
            "notional_usd": usd, "fee_usd": usd * 0.001, "slippage_usd": usd * 0.0005}  # fmt: skip


def _hedged() -> Found:
    """What a release must say for the second example to be as told."""
    hedge = {
        "hedge_id": "h", "trigger": "OVERBOUGHT", "side": "short", "symbol": "BTC/USDT:USDT", "asset": "BTC",
        "exchange": "binance", "status": "open", "mark_price_usd": 50_000.0, "quantity_base": 0.04,
        "notional_usd": 2_000.0, "margin_usd": 2_000.0, "leverage": 1.0, "exposure_usd": 20_000.0,
        "offset_frac": 0.1, "ratio_for_80pct_offset_frac": 0.8, "explanation": "Words.",
    }  # fmt: skip
    fall = {
        "hedge_id": "h", "shock_frac": -0.1, "horizon_days": 7, "funding_path": "persist", "spot_pnl_usd": -2_000.0,
        "hedge_price_pnl_usd": 200.0, "offset_price_only_frac": 0.1, "funding_pnl_usd": 14.0, "cost_usd": 2.8,
        "net_pnl_usd": -1_788.8,
    }  # fmt: skip
    signal = {"sector": "STORE_OF_VALUE", "coverage_frac": 1.0}
    target = {"sector": "STORE_OF_VALUE", "current_usd": 20_000.0, "target_usd": 20_000.0}
    return Found(dict(_RELEASE), _DECISION, [signal], [target], [], [hedge], [fall])


@pytest.fixture
def found(monkeypatch):
    """Lets `run_example` give what the test puts in here instead of running anything."""
    given = SimpleNamespace(found=None)
    monkeypatch.setattr(command, "run_example", lambda example, directory: given.found)
    return given


def test_figures_as_told_end_with_0_and_the_table_says_that_the_data_are_made_up(rotation, found):
    found.found = _told()
    answer = rotation("example", "rotation")
    assert answer.code == 0, answer.out
    assert "example: made-up market data" in answer.out and "EXAMPLE" in answer.out
    assert "RECORDED" not in answer.out
    for text in ("24,000.00", "36,000.00", "20,000.00", "11,964.05", "35.95", "Emerging Narratives", "exactly as told"):
        assert text in answer.out


@pytest.mark.parametrize(
    ("rows", "column", "value", "name", "shown"),
    [
        ("targets", "target_usd", 24_000.01, "L1 new USD", "24000.01"),
        ("signals", "state", "NEUTRAL", "L1 state", "NEUTRAL"),
        ("trades", "notional_usd", 7_999.99, "sold USD, before costs", "11999.99"),
    ],
)
def test_a_figure_that_differs_ends_with_1_and_is_named(rotation, found, rows, column, value, name, shown):
    found.found = _told()
    getattr(found.found, rows)[0][column] = value
    answer = rotation("example", "rotation")
    assert answer.code == 1
    assert name in answer.out and shown in answer.out and "exactly as told" not in answer.out


def test_a_release_that_would_pass_for_recorded_is_a_wrong_one(rotation, found):
    found.found = _told()
    found.found.release.update(source="recorded", is_simulated=False)
    answer = rotation("example", "rotation")
    assert answer.code == 1 and "labelled" in answer.out


def test_overbought_prints_the_short_and_its_true_offset(rotation, found):
    found.found = _hedged()
    answer = rotation("example", "overbought")
    assert answer.code == 0, answer.out
    text = " ".join(answer.out.split())
    for part in ("short 0.040 BTC", "notional 2,000.00", "margin 2,000.00", "1x", "offsets 10.00% of a loss",
                 "Spot orders in BTC: none", "spot -2,000.00, hedge +200.00: 10.00% of the loss"):  # fmt: skip
        assert part in text
    assert "largely" not in text.lower()


def test_an_order_in_bitcoin_spot_makes_the_overbought_example_differ(rotation, found):
    found.found = _hedged()
    found.found.trades.append(_trade("STORE_OF_VALUE", "BTC", "sell", 5_000.0))
    answer = rotation("example", "overbought")
    assert answer.code == 1 and "spot orders in BTC" in answer.out


def test_json_has_every_figure_and_says_that_it_is_made_up(rotation, found):
    found.found = _told()
    answer = rotation("example", "rotation", "--format", "json")
    report = json.loads(answer.out)
    assert answer.code == 0
    assert (report["label"], report["is_made_up"], report["matches"]) == ("example: made-up market data", True, True)
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert figures["DEFI new USD"] == {
        "name": "DEFI new USD", "expected": 36_000.0, "found": 36_000.0, "matches": True,
    }  # fmt: skip


@pytest.fixture
def night(monkeypatch):
    """Takes the place of the run: keeps the settings it was given, and ends as the test says."""
    calls = SimpleNamespace(settings=None, day=None, exit_code=0)

    def load_settings(**given):
        calls.settings = given
        return SimpleNamespace(exchange_url=None)

    def run(settings, day):
        calls.day = day
        return SimpleNamespace(exit_code=calls.exit_code, message="a gate said no")

    monkeypatch.setattr("pipelines.settings.load_settings", load_settings)
    monkeypatch.setattr("pipelines.nightly.run", run)
    monkeypatch.setattr(command, "read_found", lambda directory, day: _told())
    return calls


def test_the_run_gets_the_examples_own_market_portfolio_and_policy_under_the_examples_label(rotation, night, tmp_path):
    answer = rotation("example", "rotation", "--warehouse", tmp_path / "kept")
    assert answer.code == 0, answer.err
    assert (night.settings["source"], night.settings["exchanges"], night.day) == (
        "example", "binance", date(2025, 6, 29),
    )  # fmt: skip
    assert set(read_recording(night.settings["data"]).frames) == {
        "spot",
        "perp",
        "funding",
        "open_interest",
        "instruments",
    }
    assert night.settings["portfolio"].read_text() == EXAMPLES["rotation"].portfolio
    assert night.settings["policy"].read_text() == EXAMPLES["rotation"].policy
    assert "example: made-up market data" in answer.err


def test_a_run_that_stops_hands_on_its_exit_code_and_leaves_nothing_behind(rotation, night):
    night.exit_code = 3
    answer = rotation("example", "overbought")
    assert answer.code == 3 and "a gate said no" in answer.err and answer.out == ""
    assert not night.settings["data"].exists()
