"""The dbt project's own rules, read from its manifest: layers, keys, contracts, one model with one yml."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DBT_DIRECTORY = Path(__file__).parents[2] / "dbt"
MAY_READ = {
    "staging": {"source"},
    "intermediate": {"staging", "seeds", "intermediate"},
    "marts": {"intermediate"},
}
PUBLIC_COLUMNS = {
    "asset_futures_daily": """date asset sector funding_8h_bps funding_annualised open_interest_usd
        open_interest_base funding_weighting perp_close_usd spot_close_usd perp_volume_usd spot_volume_usd basis_frac
        basis_kind open_interest_is_carried exchanges funding_3d_bps funding_pctl_90d open_interest_z_90d
        open_interest_usd_z_90d""",
    "sector_funding_daily": """date sector funding_8h_bps funding_3d_bps funding_pctl_90d funding_z_90d
        funding_peak_28d_bps market_excess_bps funding_stdev_14d_bps funding_stdev_median_90d_bps
        funding_sign_flips_14d funding_annualised leaders leader_weights leader_count coverage_frac""",
    "sector_open_interest_daily": """date sector open_interest_usd open_interest_index
        open_interest_change_7d_frac open_interest_change_7d_usd open_interest_z_90d open_interest_usd_z_90d
        perp_volume_usd volume_ratio_7d_28d futures_price_index momentum_7d_frac momentum_14d_frac momentum_28d_frac
        momentum_14d_peak_28d_frac open_interest_usd_index spot_price_index spot_return_1d_frac
        volatility_14d_annualised volatility_pctl_90d""",
    "sector_spreads_daily": """date sector reference_sector spread_futures_log spread_spot_log spread_basis_log
        spread_change_14d_log spread_z_90d""",
    "calendar_spreads_daily": """date exchange asset spot_price_usd front_symbol far_symbol front_days far_days
        front_basis_annualised far_basis_annualised slope_annualised forward_annualised shape is_front_rich""",
    "sector_membership": "asset valid_from sector valid_to reason",
    "sector_weights": "sector strategic_weight_exact strategic_weight_frac",
    "data_health_daily": "date sector coverage_frac newest_row_at is_fresh is_complete reason exchanges_left_out",
}
KEYS = {
    "asset_futures_daily": ["date", "asset"],
    "sector_funding_daily": ["date", "sector"],
    "sector_open_interest_daily": ["date", "sector"],
    "sector_spreads_daily": ["date", "sector", "reference_sector"],
    "calendar_spreads_daily": ["date", "exchange", "asset"],
    "sector_membership": ["asset", "valid_from"],
    "sector_weights": ["sector"],
    "data_health_daily": ["date", "sector"],
}


@pytest.fixture(scope="module")
def manifest(dbt_build: Callable[[str], Any]) -> dict[str, Any]:
    """What dbt read of the project."""
    build = dbt_build("layout")
    build.dbt("parse")
    return json.loads(build.manifest.read_text())


def _models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def _layer(manifest: dict[str, Any], unique_id: str) -> str:
    return "source" if unique_id.startswith("source.") else manifest["nodes"][unique_id]["schema"]


def test_every_model_reads_only_the_layer_before_it(manifest: dict[str, Any]) -> None:
    models = _models(manifest)
    assert {model["schema"] for model in models.values()} == MAY_READ.keys()
    for name, model in models.items():
        for parent in model["depends_on"]["nodes"]:
            assert _layer(manifest, parent) in MAY_READ[model["schema"]], (name, parent)


def test_every_model_stands_beside_one_yml_that_says_what_a_row_is(manifest: dict[str, Any]) -> None:
    for name, model in _models(manifest).items():
        beside = model["original_file_path"].replace(".sql", ".yml")
        assert model["patch_path"] == f"rotation://{beside}", name
        assert re.match("One row per ", model["description"]), name


def test_no_second_version_of_the_truth_is_kept_in_a_snapshot(manifest: dict[str, Any]) -> None:
    assert not [node for node in manifest["nodes"].values() if node["resource_type"] == "snapshot"]


def test_every_raw_source_names_the_asset_that_fills_it(manifest: dict[str, Any]) -> None:
    keys = {s["name"]: s["config"]["meta"]["dagster"]["asset_key"] for s in manifest["sources"].values()}
    assert keys == {name: ["raw", name] for name in keys}
    assert keys.keys() == {"instruments", "spot_ohlcv", "futures_ohlcv", "funding_rates", "open_interest"}


@pytest.mark.parametrize("mart", PUBLIC_COLUMNS)
def test_mart_promises_its_columns_with_types_and_words(manifest: dict[str, Any], mart: str) -> None:
    model = _models(manifest)[mart]
    assert model["config"]["contract"]["enforced"]
    assert PUBLIC_COLUMNS[mart].split() == [c for c in model["columns"] if c in PUBLIC_COLUMNS[mart].split()]
    for name, column in model["columns"].items():
        assert column["data_type"] and column["description"], name


@pytest.mark.parametrize("mart", KEYS)
def test_mart_has_a_tested_key_without_nulls(manifest: dict[str, Any], mart: str) -> None:
    model = _models(manifest)[mart]
    tests = [
        node["test_metadata"]["kwargs"]["columns"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and node["attached_node"] == model["unique_id"]
        and node["test_metadata"]["name"] == "unique_key"
    ]
    assert tests == [KEYS[mart]]
    for column in KEYS[mart]:
        assert [c["type"] for c in model["columns"][column]["constraints"]] == ["not_null"]


def test_marts_are_exactly_the_public_ones(manifest: dict[str, Any]) -> None:
    assert {n for n, m in _models(manifest).items() if m["schema"] == "marts"} == PUBLIC_COLUMNS.keys() == KEYS.keys()


def test_words_of_one_engine_stay_in_the_engine_macros() -> None:
    own = re.compile(
        r"\b(arg_max\w*|arg_min\w*|unnest|generate_series|range\(|epoch\w*|to_minutes|to_days|quantile\w*|median\("
        r"|list\w*\(|exclude|replace \(|try_cast|product\()",
        re.IGNORECASE,
    )
    for path in sorted((DBT_DIRECTORY / "models").rglob("*.sql")):
        code = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|--[^\n]*", "", path.read_text(), flags=re.DOTALL)
        assert not own.search(code), (path.name, own.search(code))
