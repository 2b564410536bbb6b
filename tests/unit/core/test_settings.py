"""Settings come from the environment, are checked at once, and a caller's values win."""

from pathlib import Path

import pytest

from pipelines.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("ROTATION_SOURCE", "ROTATION_SEED", "ROTATION_EXCHANGES", "WAREHOUSE_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_is_read_and_an_option_wins_over_it(monkeypatch):
    monkeypatch.setenv("WAREHOUSE_DIR", "/somewhere")
    monkeypatch.setenv("ROTATION_SEED", "11")
    settings = load_settings(seed=12)
    assert (settings.warehouse_dir, settings.seed) == (Path("/somewhere"), 12)
    assert load_settings(seed=None).seed == 11


def test_nested_settings_have_two_underscores(monkeypatch):
    monkeypatch.setenv("ROTATION_INGEST__RATE_LIMIT", "on")
    monkeypatch.setenv("ROTATION_PUBLISH__INCLUDE_RAW", "all")
    settings = load_settings()
    assert (settings.rate_limit, settings.publish.include_raw) == (True, "all")


def test_the_rate_limiter_is_on_for_live_exchanges_and_off_for_the_local_one():
    assert load_settings(source="live").rate_limit
    assert not load_settings(source="simulated").rate_limit


def test_exchanges_are_a_list_with_commas_in_their_order_and_once_each(monkeypatch):
    monkeypatch.setenv("ROTATION_EXCHANGES", "bybit, binance,bybit")
    assert load_settings().exchanges == ("bybit", "binance")


def test_an_exchange_that_is_supported_need_not_be_read_by_default(monkeypatch):
    assert load_settings().exchanges == ("binance", "bybit", "bingx", "weex", "mexc")
    monkeypatch.setenv("ROTATION_EXCHANGES", "okx")
    assert load_settings().exchanges == ("okx",)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ROTATION_SEEED", "1", "ROTATION_SEEED: no such setting"),
        ("ROTATION_SEED", "minus one", r"^seed: .*integer"),
        ("ROTATION_EXCHANGES", "binance,kraken", "kraken: choose from binance, bybit, bingx, weex, mexc, bitget, okx"),
        ("ROTATION_INGEST__BACKFILL_DAYS", "0", r"^ingest\.backfill_days: "),
        ("ROTATION_SOURCE", "paper", r"^source: "),
    ],
)
def test_a_wrong_variable_is_named_with_what_to_write(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_recorded_data_needs_a_folder():
    with pytest.raises(SettingsError, match="--data DIR"):
        load_settings(source="recorded")


def test_no_setting_can_hold_a_secret():
    assert not [name for name in Settings.model_fields if "key" in name or "secret" in name or "token" in name]


def test_exchanges_of_mark_and_index_prices_are_names_with_commas_between_or_none(monkeypatch):
    read = {}
    for text in ("bybit, binance", ""):
        monkeypatch.setenv("ROTATION_INGEST__MARK_AND_INDEX", text)
        read[text] = load_settings().ingest.mark_and_index
    assert read == {"bybit, binance": ("bybit", "binance"), "": ()}
    monkeypatch.setenv("ROTATION_INGEST__MARK_AND_INDEX", "kraken")
    with pytest.raises(SettingsError, match="mark_and_index.*kraken: choose from"):
        load_settings()
