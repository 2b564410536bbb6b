"""The book: what is owned after a night, what it was brought in with and what it earned since, in whole cents."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal, Self, get_args

from pipelines.money import to_cents

Role = Literal["spot", "hedge", "liquidity", "tactical"]
Measure = Literal["realised", "unrealised", "fee", "slippage", "funding"]
ROLES: tuple[Role, ...] = get_args(Role)
MEASURES: tuple[Measure, ...] = get_args(Measure)


class LedgerError(ValueError):
    """Something cannot be booked, or a book does not balance; the message says what, where and what to do."""


def usd(cents: int) -> str:
    """Cents as text for people, for example -1,234.50 USD."""
    return f"{cents / 100:,.2f} USD"


@dataclass(frozen=True, slots=True)
class Holding:
    """Coins of one asset on one exchange.

    Attributes:
        quantity_base: Coins, above 0.
        cost_cents: What they cost at the reference price of their fills, fees and slippage outside; of coins that
            the book was opened with, their value then.
        value_cents: Value at the last mark, or at the fill where none came since.
        last_price_usd: Price of the last mark or fill; None when there never was one: the value is 0 then.
    """

    quantity_base: Fraction
    cost_cents: int
    value_cents: int
    last_price_usd: Fraction | None


@dataclass(frozen=True, slots=True)
class FuturesHolding:
    """One futures position, isolated margin.

    Attributes:
        role: `hedge`, `liquidity` or `tactical`.
        quantity: Coins of a linear contract, contracts of an inverse one; negative for a short.
        entry_price_usd: Mean price of its fills before slippage.
        last_price_usd: Price of the last mark, or of the opening where none came since.
        unrealised_cents: Profit at the last mark. A fill does not move it but for the part that it closes.
        margin_cents: Collateral that is set aside for it, and that is lost in a liquidation.
        contract_size_usd: USD per contract of an inverse instrument; None for a linear one.
        basis_cents: Unrealised profit that it came into the book with: that part is no profit since the opening.
    """

    role: Role
    exchange: str
    symbol: str
    asset: str
    quantity: Fraction
    entry_price_usd: Fraction
    last_price_usd: Fraction
    unrealised_cents: int
    margin_cents: int
    contract_size_usd: Fraction | None = None
    basis_cents: int = 0

    @property
    def is_inverse(self) -> bool:
        return self.contract_size_usd is not None

    @property
    def quantity_base(self) -> Fraction:
        """Coins at the last price, negative for a short."""
        return coins(self.quantity, self.last_price_usd, self.contract_size_usd)

    def signed_notional_usd(self, price_usd: Fraction) -> Fraction:
        """Value of the position at a price, negative for a short; that of an inverse one is the same at any price."""
        return coins(self.quantity, price_usd, self.contract_size_usd) * price_usd

    def profit_cents(self, price_usd: Fraction) -> int:
        """Profit since the entry at a price.

        Linear: quantity x (price - entry). Inverse: the profit is paid in coins, contracts x size x (1/entry -
        1/price), worth contracts x size x (price/entry - 1): in both cases the coins at entry times the move.
        """
        at_entry = coins(self.quantity, self.entry_price_usd, self.contract_size_usd)
        return to_cents(at_entry * (price_usd - self.entry_price_usd))


def coins(quantity: Fraction, price_usd: Fraction, contract_size_usd: Fraction | None) -> Fraction:
    """Coins of a quantity: inverse contracts are worth `contract_size_usd` each, at any price."""
    return quantity if contract_size_usd is None else quantity * contract_size_usd / price_usd


@dataclass(frozen=True, slots=True)
class RoleTotals:
    """What one role earned and cost since the opening. Fees and slippage are costs: positive lowers the value."""

    realised_cents: int = 0
    unrealised_cents: int = 0
    fee_cents: int = 0
    slippage_cents: int = 0
    funding_cents: int = 0

    @property
    def profit_cents(self) -> int:
        """Profit with costs and funding inside."""
        gains = self.realised_cents + self.unrealised_cents + self.funding_cents
        return gains - self.fee_cents - self.slippage_cents

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class LedgerBook:
    """Everything that is owned. The empty book is the one before the opening.

    Attributes:
        spot: (exchange, asset) to the coins held there.
        futures: Position id to the position.
        cash_cents: Cash of the spot sleeve.
        tilt_cash_cents: Cash from temporary sales, kept apart to buy the same back.
        collateral_cents: Cash of the futures sleeve; margin is a part of it, unrealised profit is not.
        opening_cents: What was brought in at the last opening.
        totals: Role to what it earned since the last opening; a role without any is absent.
        sequence: Number of the next transaction: it keeps ids apart, and the same in a rerun.
    """

    spot: Mapping[tuple[str, str], Holding] = field(default_factory=dict)
    futures: Mapping[str, FuturesHolding] = field(default_factory=dict)
    cash_cents: int = 0
    tilt_cash_cents: int = 0
    collateral_cents: int = 0
    opening_cents: int = 0
    totals: Mapping[str, RoleTotals] = field(default_factory=dict)
    sequence: int = 0

    @property
    def spot_cents(self) -> int:
        """Market value of the coins, without cash."""
        return sum(holding.value_cents for holding in self.spot.values())

    @property
    def futures_equity_cents(self) -> int:
        """Collateral and unrealised profit."""
        return self.collateral_cents + sum(position.unrealised_cents for position in self.futures.values())

    @property
    def nav_cents(self) -> int:
        """Net asset value: coins, both kinds of cash and the futures sleeve."""
        return self.spot_cents + self.cash_cents + self.tilt_cash_cents + self.futures_equity_cents

    def role_totals(self, role: str) -> RoleTotals:
        """What a role earned since the opening; zeros for one that never did anything."""
        return self.totals.get(role, RoleTotals())

    def check(self) -> None:
        """Prove that what is owned is what was brought in plus what was earned, per role and in total.

        Raises:
            LedgerError: the book does not balance, or cash is negative.
        """
        held = dict.fromkeys(ROLES, 0)
        held["spot"] = sum(holding.value_cents - holding.cost_cents for holding in self.spot.values())
        for position in self.futures.values():
            held[position.role] += position.unrealised_cents - position.basis_cents
        off = {role: held[role] - self.role_totals(role).unrealised_cents for role in ROLES}
        off["the whole book"] = (
            self.nav_cents - self.opening_cents - sum(self.role_totals(role).profit_cents for role in ROLES)
        )
        wrong = [f"{name} is off by {usd(cents)}" for name, cents in off.items() if cents]
        cash = {"spot": self.cash_cents, "tilt": self.tilt_cash_cents, "collateral": self.collateral_cents}
        wrong += [f"{name} cash is {usd(cents)}" for name, cents in cash.items() if cents < 0]
        if wrong:
            raise LedgerError(f"the book does not balance: {', '.join(wrong)}. Go on from the book of an earlier day")

    def to_record(self) -> dict[str, Any]:
        """The book as a plain record for JSON, with fractions as exact text."""
        spot: dict[str, dict[str, Any]] = {}
        for (exchange, asset), holding in self.spot.items():
            spot.setdefault(exchange, {})[asset] = _plain(holding)
        return {
            "cash_cents": self.cash_cents,
            "collateral_cents": self.collateral_cents,
            "futures": {name: _plain(position) for name, position in self.futures.items()},
            "opening_cents": self.opening_cents,
            "sequence": self.sequence,
            "spot": spot,
            "tilt_cash_cents": self.tilt_cash_cents,
            "totals": {role: _plain(total) for role, total in self.totals.items() if total != RoleTotals()},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The book that `to_record` wrote.

        Raises:
            LedgerError: the record is no book, or one that does not balance.
        """
        try:
            amounts = {
                name: record[name]
                for name in ("cash_cents", "tilt_cash_cents", "collateral_cents", "opening_cents", "sequence")
            }
            if not all(type(amount) is int for amount in amounts.values()):
                raise TypeError("an amount is not whole cents")
            totals = {role: RoleTotals(**total) for role, total in record["totals"].items()}
            if not set(totals) <= set(ROLES):
                raise ValueError(f"unknown role in {sorted(totals)}")
            book = cls(
                spot={
                    (exchange, asset): Holding(**_parsed(holding))
                    for exchange, assets in record["spot"].items()
                    for asset, holding in assets.items()
                },
                futures={name: FuturesHolding(**_parsed(position)) for name, position in record["futures"].items()},
                totals=totals,
                **amounts,
            )
        except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
            raise LedgerError(
                f"the stored ledger book cannot be read ({error}); go on from the book of an earlier day"
            ) from None
        book.check()
        return book

    def to_json(self) -> str:
        """`to_record` as JSON with sorted keys and no spaces: the same book gives the same bytes."""
        return json.dumps(self.to_record(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The book that `to_json` wrote.

        Raises:
            LedgerError: the text is no book, or one that does not balance.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise LedgerError(
                f"the stored ledger book cannot be read ({error}); go on from the book of an earlier day"
            ) from None
        return cls.from_record(record)

    def digest(self) -> str:
        """SHA-256 of `to_json`, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _plain(thing: Holding | FuturesHolding | RoleTotals) -> dict[str, Any]:
    values = ((f.name, getattr(thing, f.name)) for f in fields(thing))
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values}


def _parsed(record: Mapping[str, Any]) -> dict[str, Any]:
    exact = ("quantity_base", "quantity", "last_price_usd", "entry_price_usd", "contract_size_usd")
    return {name: Fraction(value) if name in exact and value is not None else value for name, value in record.items()}
