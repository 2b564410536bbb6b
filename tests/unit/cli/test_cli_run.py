"""`rotation run`: what is asked of the night, what is shown of it, how it ends. The night itself is a stand-in."""

import json
import sys
from datetime import date
from types import ModuleType, SimpleNamespace

import pytest

from pipelines.progress import report
from pipelines.settings import DEFAULT_EXCHANGES


@pytest.fixture
def night(monkeypatch, released):
    """Stands in for `pipelines.nightly`; `calls` has the arguments, `outcome` and `during` can be changed."""
    module = ModuleType("pipelines.nightly")
    module.calls, module.during = [], lambda: None
    module.outcome = SimpleNamespace(
        exit_code=0, run_id="run-1", message="released 000001-20261120", release_id="000001-20261120",
        first_day=date(2026, 11, 20), last_day=date(2026, 11, 20),
    )  # fmt: skip

    def run(settings, day, first_day, last_day):
        module.calls.append((settings, day, first_day, last_day))
        module.during()
        return module.outcome

    module.run = run
    monkeypatch.setitem(sys.modules, "pipelines.nightly", module)
    monkeypatch.setattr(sys.modules["pipelines"], "nightly", module, raising=False)
    return module


def test_a_released_night_is_shown_with_label_tables_failed_checks_and_whereabouts(rotation, night, released):
    answer = rotation("run", "--warehouse", released)
    assert answer.code == 0
    for text in (
        "as of 2026-11-20", "*** SIMULATED ***", "Allocations", "24,000.00", "Signals", "LOSING_MOMENTUM", "Hedges",
        "short BTC/USDT:USDT", "freshness_run-1", "000001-20261120.duckdb", "paper only: proposals, no orders",
    ):  # fmt: skip
        assert text in answer.out, text
    assert "freshness_run-0" not in answer.out  # another run's


def test_json_alone_stands_on_stdout_whatever_the_run_prints(rotation, night, released):
    def during():
        report("exchanges", "binance", 1, 2)
        print("noise of a tool")

    night.during = during
    answer = rotation("run", "--format", "json", "--warehouse", released)
    result = json.loads(answer.out)
    assert result["as_of_date"] == "2026-11-20"
    assert result["release"]["source"] == "simulated"
    assert [row["target_usd"] for row in result["allocations"]] == [24_000.0, 8_000.0]
    assert [check["check_name"] for check in result["failed_checks"]] == ["freshness_run-1"]
    assert result["hedges"][0]["offset_frac"] == 0.1
    assert "noise of a tool" in answer.err and "exchanges: binance 1 of 2" in answer.err


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_a_night_that_released_nothing_gives_its_message_and_its_code(rotation, night, released, code):
    night.outcome = SimpleNamespace(**vars(night.outcome) | {"exit_code": code, "message": "a gate said no: x"})
    answer = rotation("run", "--warehouse", released)
    assert (answer.code, answer.out) == (code, "")
    assert "a gate said no: x" in answer.err and "run stopped" in answer.err


def test_options_reach_the_night_as_settings_and_days(rotation, night, released):
    rotation(
        "run", "--exchanges", "bybit", "--seed", 3, "--portfolio-value", 5000, "--from", "2026-11-19",
        "--to", "2026-11-20", "--warehouse", released,
    )  # fmt: skip
    settings, day, first_day, last_day = night.calls[0]
    assert (settings.exchanges, settings.seed, settings.portfolio_value_usd) == (("bybit",), 3, 5000.0)
    assert (settings.source, settings.warehouse_dir) == ("simulated", released)
    assert (day, first_day, last_day) == (None, date(2026, 11, 19), date(2026, 11, 20))


def test_the_help_names_the_exchanges_that_are_read_by_default(rotation):
    said = "".join(rotation("run", "--help").out.replace("│", "").split())
    assert f"default{','.join(DEFAULT_EXCHANGES)}." in said


def test_one_day_reaches_the_night_as_one_day(rotation, night, released):
    rotation("run", "--date", "2026-11-20", "--warehouse", released)
    assert night.calls[0][1:] == (date(2026, 11, 20), None, None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--date", "yesterday"], "is no day"),
        (["--date", "2026-11-20", "--from", "2026-11-19"], "--date is one day"),
        (["--from", "2026-11-19"], "belong together"),
        (["--from", "2026-11-20", "--to", "2026-11-19"], "swap them"),
        (["--source", "recorded"], "--data DIR"),
        (["--data", "."], "--source recorded"),
        (["--exchanges", "kraken"], "choose from binance, bybit"),
        (["--portfolio-value", "-5"], "greater than 0"),
        (["--policy", "nowhere.yml"], "check the path"),
        (["--source", "invented"], "simulated"),
    ],
)
def test_wrong_options_end_with_2_before_anything_is_started(rotation, night, options, says):
    answer = rotation("run", *options)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err and "Traceback" not in answer.err
    assert night.calls == []


def test_ctrl_c_ends_with_130_and_says_what_readers_have(rotation, night, released):
    def during():
        raise KeyboardInterrupt

    night.during = during
    answer = rotation("run", "--warehouse", released)
    assert answer.code == 130
    assert "readers keep the last release" in answer.err


def test_the_warehouse_being_written_ends_with_2_and_the_reason(rotation, night, released):
    from warehouse.errors import WarehouseLocked

    def during():
        raise WarehouseLocked("process 7 writes; wait")

    night.during = during
    answer = rotation("run", "--warehouse", released)
    assert answer.code == 2 and "error: process 7 writes; wait" in answer.err
