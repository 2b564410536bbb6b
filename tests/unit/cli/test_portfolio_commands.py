"""`rotation portfolio init, import, show, check`, and what a run is given of the file."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from pipelines.policy import Policy

CSV = "exchange,asset,quantity\nbinance,BTC,0.5\nokx,PAXG,1\nokx,USDT,100\nbinance,BTC,0.25\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "portfolio.yml"


@pytest.mark.parametrize("preset", ["conservative", "balanced", "custom"])
def test_a_file_to_begin_with_can_be_used_and_is_never_written_over(rotation, file, preset):
    assert rotation("portfolio", "init", "--preset", preset, "--to", file).code == 0
    checked = rotation("portfolio", "check", file)
    assert checked.code == 0 and "can be used, portfolio_hash" in checked.out
    before = file.read_text()
    again = rotation("portfolio", "init", "--to", file)
    assert again.code == 2 and "exists already" in again.err and file.read_text() == before


def test_an_import_says_what_it_summed_left_out_and_changed(rotation, file, tmp_path):
    rotation("portfolio", "init", "--to", file)
    (tmp_path / "holdings.csv").write_text(CSV)
    before = file.read_text()
    dry = rotation("portfolio", "import", tmp_path / "holdings.csv", "--to", file, "--dry-run")
    assert dry.code == 0 and file.read_text() == before and "would be changed (--dry-run)" in dry.out
    answer = rotation("portfolio", "import", tmp_path / "holdings.csv", "--to", file)
    assert answer.code == 0
    for words in (
        "BTC on binance: lines 2, 5 summed to 0.75", "1 PAXG on okx (line 3): no sector has it",
        "binance BTC: none -> 0.75", "value_usd: 100000 -> none", "the futures sleeve is empty", "changed",
    ):  # fmt: skip
        assert words in answer.out
    assert "preset: conservative  # 80% spot" in file.read_text() and "quantity: 0.75" in file.read_text()
    assert "nothing changed" in rotation("portfolio", "import", tmp_path / "holdings.csv", "--to", file).out


def test_a_wrong_csv_file_ends_with_2_and_its_line_and_leaves_the_portfolio_alone(rotation, file, tmp_path):
    (tmp_path / "holdings.csv").write_text(CSV + "okx,ETH,-1\n")
    answer = rotation("portfolio", "import", tmp_path / "holdings.csv", "--to", file)
    assert answer.code == 2 and not file.exists()
    assert "holdings.csv: line 6, column quantity: -1 is negative" in answer.err and "Traceback" not in answer.err


def test_the_file_of_the_environment_is_the_one_that_is_filled(rotation, file, tmp_path, monkeypatch):
    monkeypatch.setenv("ROTATION_PORTFOLIO", str(file))
    (tmp_path / "holdings.csv").write_text(CSV)
    assert rotation("portfolio", "import", tmp_path / "holdings.csv").code == 0
    assert "0.75" in rotation("portfolio", "show").out


WHOLE = """\
as_of: 2026-11-22
preset: balanced
holdings: [{exchange: binance, asset: BTC, quantity: 0.5}, {exchange: okx, asset: ETH, value_usd: 1500}]
cash_usd: 100
futures:
  collateral_usd: 20000
  positions:
    - {exchange: binance, symbol: BTC/USDT:USDT, side: short, quantity_base: 0.04, entry_price_usd: 50000,
       role: hedge, margin_usd: 2000}
strategic_weights: {L1: "2/5", DEFI: "3/5"}
limits: {sector_cap: "3/5"}
sectors: {L1: {bullish_expression: both}}
fees: {binance: {spot_frac: 0.00075}}
"""


def test_what_is_understood_is_shown_for_people_and_for_programs(rotation, file):
    file.write_text(WHOLE)
    table = rotation("portfolio", "show", file)
    for words in (
        "spot 60%, futures 40% (may drift from 35% to 45%)", "binance    BTC", "1,500.00", "100.00 USD",
        "20,000.00 USD; idle collateral yields 0", "short BTC/USDT:USDT", "limits.sector_cap: 3/5",
        "L1: bullish_expression both", "fees on binance: spot 0.075%, perpetual 0.05%", "40%",
    ):  # fmt: skip
        assert words in table.out, words
    shown = json.loads(rotation("portfolio", "show", file, "--format", "json").out)
    assert shown["opening"]["holdings"] == [
        {"exchange": "binance", "asset": "BTC", "quantity": "0.5", "value_cents": None},
        {"exchange": "okx", "asset": "ETH", "quantity": None, "value_cents": 150_000},
    ]
    assert shown["opening"]["positions"][0]["quantity_base"] == "0.04"
    assert (shown["split"]["futures"], shown["limits"]["sector_cap"]) == ("2/5", "3/5")
    assert shown["fees"] == {"binance": {"spot_frac": "0.00075", "perp_frac": "0.0005"}}
    assert shown["portfolio"]["strategic_weights"] == {"L1": "2/5", "DEFI": "3/5"}
    assert shown["policy_hash"] != Policy().canonical_hash()
    assert f"policy_hash {shown['policy_hash']}" in rotation("portfolio", "check", file).out


def test_a_wrong_file_ends_with_2_and_the_reason(rotation, file):
    file.write_text("strategic_weights: {GAMING: 1}")
    answer = rotation("portfolio", "check", file)
    assert (answer.code, answer.out) == (2, "")
    assert "portfolio.yml: strategic_weights: no sector is called GAMING" in answer.err


def test_the_policy_that_a_run_takes_is_shown_as_the_portfolio_changes_it(rotation, file, monkeypatch):
    file.write_text('limits: {sector_cap: "3/5"}')
    monkeypatch.setenv("ROTATION_PORTFOLIO", str(file))
    shown = rotation("policy", "show").out
    assert "sector_cap: 3/5" in shown and f"changed by {file}" in shown


@pytest.fixture
def night(monkeypatch):
    """Stands in for `pipelines.nightly`; keeps the settings it is called with."""
    module = ModuleType("pipelines.nightly")
    module.calls = []

    def run(settings, *days):
        module.calls.append(settings)
        return SimpleNamespace(exit_code=3, message="a gate said no", run_id="r")

    module.run = run
    monkeypatch.setitem(sys.modules, "pipelines.nightly", module)
    monkeypatch.setattr(sys.modules["pipelines"], "nightly", module, raising=False)
    return module


def test_a_run_takes_the_file_of_its_option(rotation, night, file):
    file.write_text(WHOLE)
    rotation("run", "--portfolio", file)
    assert night.calls[0].portfolio_path == file


@pytest.mark.parametrize(
    ("text", "says"),
    [("preset: daring", "preset: 'daring'"), ("strategic_weights: {GAMING: 1}", "no sector is called")],
)
def test_a_run_with_a_wrong_file_ends_with_2_before_anything_is_started(rotation, night, file, text, says):
    file.write_text(text)
    answer = rotation("run", "--portfolio", file)
    assert answer.code == 2 and says in answer.err and night.calls == []


def test_the_file_of_the_settings_reaches_the_steps_of_the_run(file, monkeypatch):
    from pipelines.nightly import _overrides
    from pipelines.resources import RunSettings
    from pipelines.settings import load_settings

    file.write_text(WHOLE)
    given = _overrides(load_settings(portfolio=file))
    effective = RunSettings(**given).load_effective()
    assert effective.policy == RunSettings(**given).load_policy() != Policy()
    assert set(effective.strategic_weights) == {"L1", "DEFI"}
