"""The seeds as the Python side reads them: which assets have a sector, and under which names exchanges list them."""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.settings import SEEDS_DIRECTORY


class SeedError(ValueError):
    """A seed file cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Assets:
    """The assets that have a sector, and the names under which exchanges list them.

    Attributes:
        names: Every asset of `dbt/seeds/asset_sectors.csv`.
        aliases: base, asset, multiplier, ratio, valid_from, valid_to (half-open; null: open-ended) of
            `asset_symbols.csv`.
    """

    names: frozenset[str]
    aliases: pl.DataFrame

    def units(self, day: date) -> pl.DataFrame:
        """base, coins_per_unit of the names in use on a day whose unit is not one coin (1000PEPE, MKR)."""
        used = self.aliases.filter(
            (pl.col("valid_from").is_null() | (pl.col("valid_from") <= day))
            & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))
        )
        return used.select("base", coins_per_unit=pl.col("multiplier") * pl.col("ratio"))

    def by_base(self, start: date, end: date) -> dict[str, str]:
        """Base to asset, for every name that was in use on some day of `start <= day < end`."""
        used = self.aliases.filter(
            (pl.col("valid_from").is_null() | (pl.col("valid_from") < end))
            & (pl.col("valid_to").is_null() | (pl.col("valid_to") > start))
        )
        return {name: name for name in sorted(self.names)} | dict(used.select("base", "asset").iter_rows())


def read_assets(seeds: Path) -> Assets:
    """Read the assets from the folder of dbt's seeds.

    Raises:
        SeedError: a file is missing or lacks a column, or a name stands for an asset without a sector.
    """
    sectors = _read(seeds / "asset_sectors.csv", ("asset",))
    aliases = _read(seeds / "asset_symbols.csv", ("base", "asset", "multiplier", "ratio", "valid_from", "valid_to"))
    names = frozenset(sectors["asset"])
    homeless = sorted(set(aliases["asset"]) - names)
    if homeless:
        raise SeedError(f"asset_symbols.csv: {', '.join(homeless)} has no sector; add it to asset_sectors.csv")
    days = pl.col("valid_from", "valid_to").str.to_date(strict=False)
    units = pl.col("multiplier", "ratio").cast(pl.Float64, strict=False)
    return Assets(names, aliases.select("base", "asset", units, days))


def _read(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SeedError(f"{path}: cannot be read ({str(error).splitlines()[0]}); restore the file") from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise SeedError(f"{path}: lacks the columns {', '.join(missing)}; restore the header")
    return frame


TAXONOMY_FILES = ("asset_sectors.csv", "asset_symbols.csv", "sectors.csv")


def taxonomy_hash(seeds: Path = SEEDS_DIRECTORY) -> str:
    """SHA-256 over the seed files: which asset is in which sector under which names, and the strategic weights."""
    digest = hashlib.sha256()
    for name in TAXONOMY_FILES:
        digest.update((seeds / name).read_bytes())
    return digest.hexdigest()
