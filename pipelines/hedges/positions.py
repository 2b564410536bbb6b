"""Open hedges as they are carried from one night to the next: read back from the stored rows."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

from pipelines.money import exact


@dataclass(frozen=True)
class Position:
    """One open short.

    Attributes:
        opened: Day of the decision that opened it.
        quantity_base: Coins sold short.
        margin_usd: Isolated margin as set when opened or last resized; at 1x it is the notional of then.
    """

    hedge_id: str
    asset: str
    exchange: str
    symbol: str
    opened: dt.date
    quantity_base: Fraction
    margin_usd: Fraction


@dataclass(frozen=True)
class HedgeBook:
    """Open positions and the day of the last close, both per asset."""

    positions: Mapping[str, Position] = field(default_factory=dict)
    closed: Mapping[str, dt.date] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], before: dt.date) -> Self:
        """The book before a day, from the rows of `portfolio.hedges` (role `hedge`) of earlier days.

        Rows of `before` and later are ignored, so that deciding a day again starts from the same book.
        """
        latest: dict[str, Mapping[str, Any]] = {}
        for row in rows:
            known = latest.get(row["hedge_id"])
            is_newer = known is None or row["as_of_date"] > known["as_of_date"]
            if row["role"] == "hedge" and row["as_of_date"] < before and is_newer:
                latest[row["hedge_id"]] = row
        positions: dict[str, Position] = {}
        closed: dict[str, dt.date] = {}
        for row in latest.values():
            asset = row["asset"]
            if row["status"] == "close":
                closed[asset] = max(closed.get(asset, row["as_of_date"]), row["as_of_date"])
            else:
                positions[asset] = Position(
                    row["hedge_id"],
                    asset,
                    row["exchange"],
                    row["symbol"],
                    row["opened_date"],
                    exact(row["quantity_base"]),
                    exact(row["margin_usd"]),
                )
        return cls(positions, closed)
