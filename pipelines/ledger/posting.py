"""How anything comes into the book: transactions of entries that sum to 0, with ids that a rerun gives again."""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from pipelines.ledger.book import MEASURES, ROLES, FuturesHolding, Holding, LedgerBook, LedgerError, RoleTotals, usd

Kind = Literal["fill", "fee", "slippage", "funding", "transfer", "mark"]
Sleeve = Literal["spot", "tilt", "collateral"]
EQUITY = "equity:opening"
_BOOKS = {"spot": "spot", "futures": "futures", "cash": "cash", "equity": "cash"}


@dataclass(frozen=True)
class Posting:
    """What stands on every entry of one step of a night.

    Attributes:
        as_of_date: The night that books it.
        booked_at: When it happened in the world, UTC without a zone; a funding settlement brings its own time.
        decision_id: The decision that caused it; None for the opening, which comes before every decision.
    """

    as_of_date: dt.date
    booked_at: dt.datetime
    decision_id: str | None


class Entry(NamedTuple):
    """One entry: a row of `portfolio.ledger` in exact numbers. Positive amounts add to what is owned."""

    entry_id: str
    transaction_id: str
    as_of_date: dt.date
    decision_id: str | None
    booked_at: dt.datetime
    book: str
    account: str
    role: str | None
    asset: str | None
    exchange: str | None
    quantity_base: Fraction | None
    price_usd: Fraction | None
    amount_cents: int
    kind: Kind
    reason: str | None


class Line(NamedTuple):
    """One entry before it has an id."""

    account: str
    amount_cents: int
    kind: Kind
    role: str | None = None
    asset: str | None = None
    exchange: str | None = None
    quantity_base: Fraction | None = None
    price_usd: Fraction | None = None


def cash(sleeve: Sleeve) -> str:
    """Account of a sleeve's cash."""
    return f"cash:{sleeve}"


def pnl(role: str, measure: str) -> str:
    """Account of what a role earned or cost; a profit is negative there."""
    return f"pnl:{role}:{measure}"


class Draft:
    """A book in change. Cash, totals and opening follow the entries; coins and positions are set beside them."""

    def __init__(self, book: LedgerBook, at: Posting) -> None:
        self.spot: dict[tuple[str, str], Holding] = dict(book.spot)
        self.futures: dict[str, FuturesHolding] = dict(book.futures)
        self.cash = {"spot": book.cash_cents, "tilt": book.tilt_cash_cents, "collateral": book.collateral_cents}
        self._profit = {
            (role, measure): getattr(book.role_totals(role), f"{measure}_cents")
            for role in ROLES
            for measure in MEASURES
        }
        self._opening_cents = book.opening_cents
        self._sequence = book.sequence
        self._at = at
        self._entries: list[Entry] = []

    def book(
        self, lines: Iterable[Line], what: str, reason: str | None = None, booked_at: dt.datetime | None = None
    ) -> None:
        """Book one transaction; lines that move neither money nor coins are left out.

        Args:
            lines: They must sum to 0 cents.
            what: What is booked, for an error message, for example `the sale of 2 ETH on binance`.
            reason: A reason code.
            booked_at: When it happened, where that is not the posting's time.

        Raises:
            LedgerError: cash would become negative, or the lines do not sum to 0.
        """
        kept = [line for line in lines if line.amount_cents or line.quantity_base is not None]
        if not kept:
            return
        off = sum(line.amount_cents for line in kept)
        if off:
            raise LedgerError(f"{what}: the entries sum to {usd(off)} instead of 0; nothing may be booked like that")
        before = dict(self.cash)
        for line in kept:
            self._follow(line)
        for sleeve, cents in self.cash.items():
            if cents < 0:
                raise LedgerError(
                    f"{what} needs {usd(before[sleeve] - cents)} of {sleeve} cash, but there is {usd(before[sleeve])}: "
                    "make it smaller, or free cash first"
                )
        self._write(kept, reason, booked_at or self._at.booked_at)

    def finish(self) -> tuple[LedgerBook, tuple[Entry, ...]]:
        """The book after all transactions, and their entries in order."""
        totals = {role: RoleTotals(*(self._profit[role, measure] for measure in MEASURES)) for role in ROLES}
        book = LedgerBook(
            spot=self.spot,
            futures=self.futures,
            cash_cents=self.cash["spot"],
            tilt_cash_cents=self.cash["tilt"],
            collateral_cents=self.cash["collateral"],
            opening_cents=self._opening_cents,
            totals={role: total for role, total in totals.items() if total != RoleTotals()},
            sequence=self._sequence,
        )
        return book, tuple(self._entries)

    def closing_lines(self) -> list[Line]:
        """What brings every account of profit back to 0."""
        return [
            Line(pnl(role, measure), cents if measure in ("realised", "unrealised", "funding") else -cents,
                 "transfer", role)
            for (role, measure), cents in self._profit.items()
        ]  # fmt: skip

    def _follow(self, line: Line) -> None:
        owner, _, rest = line.account.partition(":")
        if owner == "cash":
            self.cash[rest] += line.amount_cents
        elif owner == "equity":
            self._opening_cents -= line.amount_cents
        elif owner == "pnl":
            role, _, measure = rest.partition(":")
            is_cost = measure in ("fee", "slippage")
            self._profit[role, measure] += line.amount_cents if is_cost else -line.amount_cents

    def _write(self, lines: list[Line], reason: str | None, booked_at: dt.datetime) -> None:
        at = self._at
        content = repr((str(at.as_of_date), at.decision_id, str(booked_at), reason, [_texts(line) for line in lines]))
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        transaction_id = f"{at.as_of_date:%Y%m%d}-{self._sequence:06d}-{digest}"
        self._sequence += 1
        for number, line in enumerate(lines):
            owner, _, rest = line.account.partition(":")
            is_futures_profit = owner == "pnl" and not rest.startswith("spot:")
            self._entries.append(
                Entry(
                    f"{transaction_id}-{number:03d}",
                    transaction_id,
                    at.as_of_date,
                    at.decision_id,
                    booked_at,
                    "futures" if is_futures_profit else _BOOKS.get(owner, "spot"),
                    line.account,
                    line.role,
                    line.asset,
                    line.exchange,
                    line.quantity_base,
                    line.price_usd,
                    line.amount_cents,
                    line.kind,
                    reason,
                )
            )


def _texts(line: Line) -> tuple[str, ...]:
    return tuple(map(str, line))
