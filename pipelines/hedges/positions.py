"""Positions of the futures sleeve and the book that carries them from one night to the next."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, Self

from pipelines.hedges.instruments import (
    SIGN,
    Side,
    inverse_contracts,
    inverse_pnl_usd,
    linear_pnl_usd,
    linear_quantity,
    liquidation_price,
)
from pipelines.money import to_cent

Role = Literal["hedge", "liquidity", "tactical"]
ROLES: tuple[Role, ...] = ("hedge", "liquidity", "tactical")


class HedgeError(ValueError):
    """Inputs of the futures sleeve cannot be used; the message says which and what to do."""


@dataclass(frozen=True)
class Position:
    """One open futures position.

    Attributes:
        sector: Sector of a liquidity or tactical position, null for a hedge.
        size: Coins of a linear contract; number of contracts of an inverse one.
        margin_usd: Isolated margin as set when opened or last resized.
        margined_at_usd: Price at which the margin was set: notional there = margin x leverage.
        entry_price_usd: Mean price of what is open, by the marks of the decisions; the fills come later.
        contract_size_usd: USD per contract of an inverse instrument, null for a linear one.
        triggers: Live trigger to the day since when, for a hedge.
        stop_price_usd: Price at or below which a tactical long is closed.
    """

    hedge_id: str
    role: Role
    asset: str
    exchange: str
    symbol: str
    side: Side
    opened: dt.date
    size: Fraction
    margin_usd: Fraction
    margined_at_usd: Fraction
    entry_price_usd: Fraction
    leverage: Fraction = Fraction(1)
    contract_size_usd: Fraction | None = None
    sector: str | None = None
    triggers: Mapping[str, dt.date] = field(default_factory=dict)
    stop_price_usd: Fraction | None = None

    def __post_init__(self) -> None:
        side = "long" if self.role == "tactical" else "short"
        if self.role not in ROLES or self.side != side:
            raise HedgeError(f"{self.hedge_id}: a {self.side} of role {self.role}; a {self.role} is a {side}")
        if (self.sector is None) != (self.role == "hedge"):
            raise HedgeError(f"{self.hedge_id}: name a sector for liquidity and tactical positions, and only there")
        if self.role == "hedge" and not self.triggers:
            raise HedgeError(f"{self.hedge_id}: a hedge without a trigger never ends; name OVERBOUGHT or MARKET")

    @property
    def is_inverse(self) -> bool:
        return self.contract_size_usd is not None

    @property
    def sign(self) -> int:
        """1 for a long, -1 for a short."""
        return SIGN[self.side]

    def notional_usd(self, mark: Fraction) -> Fraction:
        """Value at a price; that of an inverse contract does not depend on it."""
        return self.size * (mark if self.contract_size_usd is None else self.contract_size_usd)

    def coins(self, mark: Fraction) -> Fraction:
        """Size in coins; an inverse contract is fewer coins the higher the price."""
        return self.size if self.contract_size_usd is None else self.size * self.contract_size_usd / mark

    def pnl_usd(self, since: Fraction, mark: Fraction) -> Fraction:
        """Profit in USD from one price to another."""
        if self.contract_size_usd is None:
            return linear_pnl_usd(self.side, self.size, since, mark)
        return inverse_pnl_usd(self.side, self.size, self.contract_size_usd, since, mark)

    def liquidation_move(self, mark: Fraction, mmr: Fraction) -> Fraction | None:
        """Move from `mark` that uses up the margin: at or above 0 for a short, at or below for a long.

        None is never. A short has passed it when it is not positive, a long when it is not negative.
        """
        price = liquidation_price(self.side, self.is_inverse, self.leverage, self.margined_at_usd, mmr)
        return None if price is None else price / mark - 1

    def is_liquidated(self, mark: Fraction, mmr: Fraction) -> bool:
        """Whether the price has passed the level at which the margin is used up."""
        move = self.liquidation_move(mark, mmr)
        return move is not None and self.sign * move >= 0

    def equity_usd(self, mark: Fraction) -> Fraction:
        """What is left of the margin at a price; that of an inverse contract is coins, valued there."""
        posted = self.margin_usd if self.contract_size_usd is None else self.margin_usd * mark / self.margined_at_usd
        return posted + self.pnl_usd(self.margined_at_usd, mark)

    def rounded_size(self, notional_usd: Fraction, mark: Fraction, lot_step: Fraction | None) -> Fraction | None:
        """Size worth at most `notional_usd`; None when the lot step is unknown."""
        if self.contract_size_usd is not None:
            return Fraction(inverse_contracts(notional_usd, self.contract_size_usd))
        return None if lot_step is None else linear_quantity(notional_usd, mark, lot_step)

    def resized(self, size: Fraction, mark: Fraction) -> Self:
        """Another size, fully margined at `mark`; what is added enters at the mark."""
        added, entry = size - self.size, self.entry_price_usd
        if self.size == 0:
            entry = mark
        elif added > 0 and self.is_inverse:
            entry = size / (self.size / entry + added / mark)
        elif added > 0:
            entry = (self.size * entry + added * mark) / size
        changed = replace(self, size=size, margined_at_usd=mark, entry_price_usd=entry)
        return replace(changed, margin_usd=to_cent(changed.notional_usd(mark) / self.leverage))

    def shrunk(self, size: Fraction) -> Self:
        """A part of the position with its part of the margin, rounded down; nothing is margined anew."""
        kept = self.margin_usd * size / self.size
        return replace(self, size=size, margin_usd=Fraction(int(kept * 100), 100))


@dataclass(frozen=True)
class SleeveBook:
    """What the sleeve remembers. Nothing else is carried from one night to the next.

    Attributes:
        positions: By `hedge_id`. One hedge per asset.
        closed: Asset to the day on which its last hedge closed.
        ended: Asset to trigger to the day on which that trigger last ended.
        spent: (role, sector) whose liquidity short or tactical long has ended while the state that called for
            it still lasts: no second one before that state has ended.
    """

    positions: Mapping[str, Position] = field(default_factory=dict)
    closed: Mapping[str, dt.date] = field(default_factory=dict)
    ended: Mapping[str, Mapping[str, dt.date]] = field(default_factory=dict)
    spent: frozenset[tuple[str, str]] = frozenset()

    def __post_init__(self) -> None:
        hedged = [one.asset for one in self.positions.values() if one.role == "hedge"]
        for asset in sorted(set(hedged)):
            if hedged.count(asset) > 1:
                raise HedgeError(f"{asset} has {hedged.count(asset)} hedges; state them as one position")

    def of_role(self, role: Role) -> list[Position]:
        """The open positions of a role, in the order of their names."""
        return [self.positions[name] for name in sorted(self.positions) if self.positions[name].role == role]

    def reverted(self, hedge_id: str, before: Self) -> Self:
        """This book with one position as it was before, for an order that was never filled."""
        positions = {name: one for name, one in self.positions.items() if name != hedge_id}
        closed, ended = dict(self.closed), dict(self.ended)
        earlier = before.positions.get(hedge_id)
        if earlier is not None:
            positions[hedge_id] = earlier
            for now, then in ((closed, before.closed), (ended, before.ended)):
                now.pop(earlier.asset, None)
                now.update({asset: value for asset, value in then.items() if asset == earlier.asset})
        return replace(self, positions=positions, closed=closed, ended=ended)

    def lost(self, hedge_id: str, day: dt.date) -> Self:
        """This book without a position that was liquidated on a day on which nothing was decided."""
        gone = self.positions[hedge_id]
        positions = {name: one for name, one in self.positions.items() if name != hedge_id}
        if gone.role == "hedge":
            return replace(self, positions=positions, closed={**self.closed, gone.asset: day})
        return replace(self, positions=positions, spent=self.spent | {(gone.role, gone.sector)})

    def to_json(self) -> str:
        """The book as JSON with sorted keys and no spaces: the same book gives the same bytes."""
        record = {
            "positions": {name: _to_plain(one) for name, one in self.positions.items()},
            "closed": {asset: day.isoformat() for asset, day in self.closed.items()},
            "ended": {asset: _days_text(days) for asset, days in self.ended.items()},
            "spent": sorted(list(pair) for pair in self.spent),
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The book that `to_json` wrote.

        Raises:
            HedgeError: the text is no book; continue from the stored book of an earlier night.
        """
        try:
            record = json.loads(text)
            return cls(
                {name: _from_plain(name, plain) for name, plain in record["positions"].items()},
                _days(record["closed"]),
                {asset: _days(days) for asset, days in record["ended"].items()},
                frozenset((role, sector) for role, sector in record["spent"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
            raise HedgeError(
                f"the stored book of the futures sleeve cannot be read ({error}); "
                "continue from the book of an earlier night"
            ) from None


_EXACT = ("size", "margin_usd", "margined_at_usd", "entry_price_usd", "leverage", "contract_size_usd", "stop_price_usd")
_PLAIN = ("role", "asset", "exchange", "symbol", "side", "sector")


def _to_plain(position: Position) -> dict[str, Any]:
    amounts = {name: getattr(position, name) for name in _EXACT}
    return {
        **{name: getattr(position, name) for name in _PLAIN},
        **{name: None if amount is None else str(amount) for name, amount in amounts.items()},
        "opened": position.opened.isoformat(),
        "triggers": _days_text(position.triggers),
    }


def _from_plain(hedge_id: str, plain: Mapping[str, Any]) -> Position:
    return Position(
        hedge_id=hedge_id,
        **{name: plain[name] for name in _PLAIN},
        **{name: None if plain[name] is None else Fraction(plain[name]) for name in _EXACT},
        opened=dt.date.fromisoformat(plain["opened"]),
        triggers=_days(plain["triggers"]),
    )


def _days_text(days: Mapping[str, dt.date]) -> dict[str, str]:
    return {name: day.isoformat() for name, day in days.items()}


def _days(texts: Mapping[str, str]) -> dict[str, dt.date]:
    return {name: dt.date.fromisoformat(text) for name, text in texts.items()}
