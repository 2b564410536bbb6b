"""Which sectors and coins there are, and under which other names a person may give them."""

import csv
import re
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

from pipelines.money import exact
from pipelines.seeds import SeedError, read_assets
from pipelines.settings import SEEDS_DIRECTORY

CASH_ASSETS = ("USDT", "USDC", "USD")
"""Held like a coin and counted as cash, a dollar each."""

# The names of the article that the strategy is from, and their common spellings.
_ALIASES = {
    "l1": "L1", "layer 1": "L1", "layer 1s": "L1", "l1 competitors": "L1", "l1 protocols": "L1",
    "l2": "L2", "layer 2": "L2", "layer 2s": "L2",
    "defi": "DEFI", "defi primitives": "DEFI", "decentralized finance": "DEFI", "decentralised finance": "DEFI",
    "infrastructure oracles": "INFRASTRUCTURE", "infrastructure and oracles": "INFRASTRUCTURE",
    "oracles": "INFRASTRUCTURE",
    "emerging narratives": "HIGH_BETA", "high beta growth": "HIGH_BETA", "high beta growth gaming ai": "HIGH_BETA",
    "gaming ai": "HIGH_BETA",
    "meme coins": "MEMES",
}  # fmt: skip


def sector_name(given: str) -> str:
    """The sector that a person means: `Emerging Narratives` is HIGH_BETA, `defi` is DEFI. Others stay as they are."""
    return _ALIASES.get(" ".join(re.findall(r"[a-z0-9]+", given.casefold())), given)


@dataclass(frozen=True)
class Taxonomy:
    """The sectors and coins of the seeds on a day.

    Attributes:
        sectors: Every sector with the seed's strategic weight.
        coins: Every name of a coin, older names and contract codes included, with the coin it stands for and how
            many of that coin one unit is: RNDR is 1 RENDER, MKR is 24000 SKY.
    """

    sectors: dict[str, Fraction]
    coins: dict[str, tuple[str, Fraction]]

    def counted(self, name: str, quantity: Fraction) -> tuple[str, Fraction] | None:
        """A holding as the coin it stands for and how many of it; cash as it is, None for what no sector has."""
        if name in CASH_ASSETS:
            return name, quantity
        if name not in self.coins:
            return None
        asset, units = self.coins[name]
        return asset, quantity * units


def read_taxonomy(day: date, seeds: Path = SEEDS_DIRECTORY) -> Taxonomy:
    """Sectors and coins as of a day.

    Raises:
        SeedError: a seed file cannot be used.
    """
    path = seeds / "sectors.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            sectors = {row["sector"]: Fraction(row["strategic_weight_exact"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, ZeroDivisionError) as error:
        raise SeedError(f"{path}: cannot be used ({error}); restore the file") from None
    assets = read_assets(seeds)
    coins = {name: (name, Fraction(1)) for name in assets.names}
    names = assets.by_base(day, day + timedelta(days=1))
    for base, coins_per_unit in assets.units(day).iter_rows():
        coins[base] = (names[base], exact(coins_per_unit))
    return Taxonomy(sectors, coins)
