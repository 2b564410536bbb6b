"""Claims about which coin is in which sector: the seeds."""

import csv
from collections import defaultdict
from pathlib import Path

SEEDS = Path(__file__).parents[2] / "dbt" / "seeds"


def rows(name):
    with (SEEDS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def members():
    found = defaultdict(set)
    for row in rows("asset_sectors.csv"):
        found[row["sector"]].add(row["asset"])
    return found


def test_s27_the_named_platforms_are_in_l1_with_a_first_day():
    assert {"ETH", "SOL", "AVAX"} <= members()["L1"]
    assert all(row["valid_from"] for row in rows("asset_sectors.csv"))


def test_s28_the_named_exchange_and_lending_coins_are_in_defi():
    assert {"UNI", "AAVE"} <= members()["DEFI"]


def test_s29_the_named_oracle_and_the_renamed_render_are_infrastructure():
    assert {"LINK", "RENDER"} <= members()["INFRASTRUCTURE"]
    renamed = {row["base"]: (row["asset"], row["ratio"]) for row in rows("asset_symbols.csv")}
    assert [renamed[base] for base in ("RNDR", "MATIC", "FTM", "MKR")] == [
        ("RENDER", "1"), ("POL", "1"), ("S", "1"), ("SKY", "24000"),
    ]  # fmt: skip


def test_s30_every_coin_of_high_beta_says_why_it_is_there():
    chosen = {row["asset"]: row["reason"] for row in rows("asset_sectors.csv") if row["sector"] == "HIGH_BETA"}
    assert len(chosen) >= 3 and all(chosen.values())
    assert any("Gaming" in reason for reason in chosen.values())
    assert any("AI" in reason or "intelligence" in reason for reason in chosen.values())


def test_s31_bitcoin_has_a_sector_of_its_own():
    assert members()["STORE_OF_VALUE"] == {"BTC"}
