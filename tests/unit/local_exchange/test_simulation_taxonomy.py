"""The seeds of the taxonomy: consistent, and every simulated instrument has its place in them."""

import csv
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.simulation.calendar import RENAMES
from pipelines.local_exchange.simulation.catalogue import COINS, THOUSANDS

SEEDS = Path(__file__).parents[3] / "dbt" / "seeds"
NOW_MS = 1_795_346_220_000  # 2026-11-22 11:17 UTC


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sector_of(asset: str, day: str) -> list[str]:
    """The asset's sectors on a day; intervals are half-open and an empty end is open."""
    return [
        row["sector"]
        for row in seed("asset_sectors")
        if row["asset"] == asset and row["valid_from"] <= day and (not row["valid_to"] or day < row["valid_to"])
    ]


def test_strategic_weights_are_rationals_that_sum_to_one():
    weights = {row["sector"]: Fraction(row["strategic_weight_exact"]) for row in seed("sectors")}
    assert sum(weights.values()) == 1
    assert weights["L1"] == Fraction(3, 10)
    assert weights["PRIVACY"] == 0


def test_each_asset_is_in_one_sector_on_each_day():
    intervals = defaultdict(list)
    for row in seed("asset_sectors"):
        intervals[row["asset"]].append((row["valid_from"], row["valid_to"] or "9999-12-31"))
    assert len(intervals) >= 40
    for parts in intervals.values():
        parts.sort()
        assert all(start < end for start, end in parts)
        assert all(one[1] <= other[0] for one, other in pairwise(parts))


def test_a_reclassified_asset_changes_sector_on_its_day():
    assert sector_of("CELO", "2025-03-25") == ["L1"]
    assert sector_of("CELO", "2025-03-26") == ["L2"]


def test_every_sector_is_known_and_has_three_assets_but_the_store_of_value():
    members = defaultdict(set)
    for row in seed("asset_sectors"):
        members[row["sector"]].add(row["asset"])
    assert set(members) == {row["sector"] for row in seed("sectors")}
    assert members.pop("STORE_OF_VALUE") == {"BTC"}
    assert all(len(assets) >= 3 for assets in members.values())
    assert {"ETH", "SOL", "AVAX"} <= members["L1"]
    assert {"UNI", "AAVE"} <= members["DEFI"]
    assert {"LINK", "RENDER"} <= members["INFRASTRUCTURE"]


def test_symbols_name_known_assets_and_only_where_something_differs():
    assets = {row["asset"] for row in seed("asset_sectors")}
    rows = seed("asset_symbols")
    assert len({(row["base"], row["valid_from"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["asset"] in assets
        assert row["base"] != row["asset"] or (row["multiplier"], row["ratio"]) != ("1", "1")
        assert row["reason"]


def test_every_simulated_instrument_leads_to_its_coin_with_the_right_number_of_coins():
    by_base = {row["base"]: row for row in seed("asset_symbols")}
    bases = set()
    market = SimulatedMarket(7, NOW_MS)
    for exchange in ("binance", "bybit"):
        for listing in market.listings(exchange):
            row = by_base.get(listing.base, {"asset": listing.base, "multiplier": "1", "ratio": "1"})
            assert sector_of(row["asset"], "2026-11-22") == [COINS[row["asset"]].sector]
            bases.add(listing.base)
            if listing.kind == "spot":
                assert row["multiplier"] == "1"
    assert {"1000PEPE", "SHIB1000", "MKR", "SKY", "KAS", "TON"} <= bases
    for rename in RENAMES:
        assert (by_base[rename.old]["asset"], float(by_base[rename.old]["ratio"])) == (
            rename.new,
            rename.ratio,
        )
    for asset in THOUSANDS:
        assert by_base[f"1000{asset}"]["multiplier"] == "1000"
