"""What an example is: a market, a portfolio, a policy, and the figures that must come out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.examples.figures import Figure, Found
from pipelines.examples.market import write_market
from pipelines.examples.script import CoinSeries

MADE_UP = "example: made-up market data"


@dataclass(frozen=True)
class Example:
    """One worked example.

    Attributes:
        name: As on the command line.
        title: What it shows.
        last_day: The UTC day that is decided.
        market: Makes every coin's series up to that day.
        portfolio: Text of its `portfolio.yml`.
        policy: Text of its policy file: the defaults but for what it says.
        figures: Holds what a release says against what must come out.
        notes: What a reader should know, in the order in which it is printed.
    """

    name: str
    title: str
    last_day: date
    market: Callable[[], list[CoinSeries]]
    portfolio: str
    policy: str
    figures: Callable[[Found], list[Figure]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """Where an example's files are: the folder of its market, its portfolio, its policy."""

    market: Path
    portfolio: Path
    policy: Path


def write_files(example: Example, directory: Path) -> Files:
    """Write what a run of the example reads into `directory`; what an earlier call wrote is replaced."""
    files = Files(
        directory / f"example-{example.name}", directory / "example-portfolio.yml", directory / "example-policy.yml"
    )
    write_market(example.market(), example.last_day, files.market)
    files.portfolio.write_text(example.portfolio, encoding="utf-8")
    files.policy.write_text(example.policy, encoding="utf-8")
    return files
