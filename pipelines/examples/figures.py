"""What an example must come to, held against what a release says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One figure of the example; USD are floats of whole cents, weights exact fractions as text.

    Attributes:
        name: What it is the figure of.
        expected: What the source of the example says, or what follows from it.
        found: What the pipeline computed; None when it computed none.
    """

    name: str
    expected: object
    found: object

    @property
    def matches(self) -> bool:
        """Whether the two are the same, to the last digit."""
        return self.expected == self.found


@dataclass(frozen=True)
class Found:
    """What a release says about the example's day: the rows of its tables, by column name."""

    release: Row = field(default_factory=dict)
    decision: Row | None = None
    signals: Sequence[Row] = ()
    targets: Sequence[Row] = ()
    trades: Sequence[Row] = ()
    hedges: Sequence[Row] = ()
    scenarios: Sequence[Row] = ()

    def signal(self, sector: str) -> Row:
        """The sector's signal; empty when there is none."""
        return next((row for row in self.signals if row["sector"] == sector), {})

    def target(self, sector: str) -> Row:
        """The sector's target; empty when there is none."""
        return next((row for row in self.targets if row["sector"] == sector), {})

    def traded_usd(self, side: str) -> float:
        """Notional of all orders of one side, at their reference prices."""
        return to_cents(sum(row["notional_usd"] for row in self.trades if row["side"] == side))

    def costs_usd(self, column: str) -> float:
        """Sum of a cost over all orders: `fee_usd` or `slippage_usd`."""
        return to_cents(sum(row[column] for row in self.trades))


def label_figures(found: Found) -> list[Figure]:
    """Made-up data must say that it is: a release that passes for recorded is a wrong one."""
    return [
        Figure("release is labelled as an example", "example", found.release.get("source")),
        Figure("release is labelled as made up", True, found.release.get("is_simulated")),
    ]


def to_cents(amount_usd: float) -> float:
    """USD rounded to the cent, without a negative zero."""
    return round(amount_usd, 2) + 0.0
