"""Futures fills: opening, resizing, closing and turning a position, and losing it in a liquidation."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from pipelines.ledger.book import FuturesHolding, LedgerBook, LedgerError, Role, coins
from pipelines.ledger.posting import Draft, Entry, Line, Posting, cash, pnl
from pipelines.money import to_cents

LIQUIDATION = "LIQUIDATION"
# Averaging over many fills would let the digits of an exact entry price grow without end.
_ENTRY_DIGITS = 10**18


@dataclass(frozen=True)
class FuturesFill:
    """One filled order of a futures position.

    Attributes:
        position_id: Names the position from opening to closing.
        quantity: Coins of a linear contract, contracts of an inverse one; positive buys, negative sells.
        price_usd: Reference price, before slippage.
        margin_cents: Isolated margin of the position after the fill; of no meaning when it closes.
        fee_cents, slippage_cents: Costs, 0 or more, paid from the collateral.
        contract_size_usd: USD per contract of an inverse instrument; None for a linear one.
        reason: A reason code.
    """

    position_id: str
    role: Role
    exchange: str
    symbol: str
    asset: str
    quantity: Fraction
    price_usd: Fraction
    margin_cents: int
    fee_cents: int = 0
    slippage_cents: int = 0
    contract_size_usd: Fraction | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return f"the fill of {float(self.quantity):+g} {self.symbol} on {self.exchange} for {self.position_id}"


def fill_futures(book: LedgerBook, fills: Iterable[FuturesFill], at: Posting) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Book futures fills in the order given.

    A fill in the position's direction averages the entry price (by coins, for an inverse position by contracts);
    one against it realises the profit of the part that it closes; what goes beyond opens the other direction at
    the fill's price.

    Raises:
        LedgerError: the fill belongs to another instrument or role than the position, collateral does not suffice,
            or the numbers cannot be.
    """
    draft = Draft(book, at)
    for fill in fills:
        if fill.quantity == 0 or fill.price_usd <= 0 or min(fill.margin_cents, fill.fee_cents, fill.slippage_cents) < 0:
            raise LedgerError(
                f"{fill}: it needs a quantity, a price above 0, margin and costs of 0 or more; correct it"
            )
        held = draft.futures.get(fill.position_id)
        if held is not None and _instrument(held) != _instrument(fill):
            raise LedgerError(
                f"{fill}: the position is {held.role} in {held.symbol} on {held.exchange}; give the fill another id"
            )
        position, lines = _filled(fill, held)
        if position is None:
            draft.futures.pop(fill.position_id)
        else:
            draft.futures[fill.position_id] = position
        draft.book([*lines, *_costs(fill)], str(fill), fill.reason)
    return draft.finish()


def liquidate(
    book: LedgerBook, position_id: str, price_usd: Fraction, at: Posting
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Lose a position with exactly its isolated margin, whatever the price has done beyond.

    Raises:
        LedgerError: there is no such position, or the collateral is less than its margin.
    """
    what = f"the liquidation of {position_id}"
    held = book.futures.get(position_id)
    if held is None or price_usd <= 0:
        raise LedgerError(f"{what}: it needs a position that is open and a price above 0")
    draft = Draft(book, at)
    del draft.futures[position_id]
    moved = -coins(held.quantity, price_usd, held.contract_size_usd)
    draft.book(
        _closing(position_id, held, held.unrealised_cents, held.basis_cents, -held.margin_cents, moved, price_usd),
        what,
        LIQUIDATION,
    )
    return draft.finish()


def _filled(fill: FuturesFill, held: FuturesHolding | None) -> tuple[FuturesHolding | None, list[Line]]:
    """The position after a fill, None when it is closed, and the lines without costs."""
    moved = coins(fill.quantity, fill.price_usd, fill.contract_size_usd)
    of = (fill.role, fill.asset, fill.exchange)
    entered = [Line(f"futures:{fill.position_id}", 0, "fill", *of, moved, fill.price_usd)]
    if held is None:
        return _opened(fill, fill.quantity), entered
    quantity = held.quantity + fill.quantity
    if held.quantity * fill.quantity > 0:
        entry = _mean_entry(held, fill, quantity)
        return replace(held, quantity=quantity, entry_price_usd=entry, margin_cents=fill.margin_cents), entered
    part = min(Fraction(1), -fill.quantity / held.quantity)
    unrealised, basis = (to_cents(part * cents / 100) for cents in (held.unrealised_cents, held.basis_cents))
    realised = replace(held, quantity=held.quantity * part).profit_cents(fill.price_usd)
    lines = _closing(fill.position_id, held, unrealised, basis, realised, moved, fill.price_usd)
    if quantity == 0:
        return None, lines
    if part == 1:
        return _opened(fill, quantity), lines
    left = replace(
        held,
        quantity=quantity,
        unrealised_cents=held.unrealised_cents - unrealised,
        basis_cents=held.basis_cents - basis,
        margin_cents=fill.margin_cents,
    )
    return left, lines


def _opened(fill: FuturesFill, quantity: Fraction) -> FuturesHolding:
    return FuturesHolding(
        fill.role, fill.exchange, fill.symbol, fill.asset, quantity, fill.price_usd, fill.price_usd, 0,
        fill.margin_cents, fill.contract_size_usd,
    )  # fmt: skip


def _mean_entry(held: FuturesHolding, fill: FuturesFill, quantity: Fraction) -> Fraction:
    if held.is_inverse:
        exact = quantity / (held.quantity / held.entry_price_usd + fill.quantity / fill.price_usd)
    else:
        exact = (held.quantity * held.entry_price_usd + fill.quantity * fill.price_usd) / quantity
    return Fraction(round(exact * _ENTRY_DIGITS), _ENTRY_DIGITS)


def _closing(
    position_id: str,
    held: FuturesHolding,
    unrealised: int,
    basis: int,
    realised: int,
    moved_base: Fraction,
    price_usd: Fraction,
) -> list[Line]:
    """Unrealised profit leaves the position, realised profit comes into the collateral; the basis is no profit."""
    of = (held.role, held.asset, held.exchange)
    return [
        Line(f"futures:{position_id}", -unrealised, "fill", *of, moved_base, price_usd),
        Line(cash("collateral"), realised, "fill", *of),
        Line(pnl(held.role, "realised"), basis - realised, "fill", *of),
        Line(pnl(held.role, "unrealised"), unrealised - basis, "fill", *of),
    ]


def _costs(fill: FuturesFill) -> list[Line]:
    of = (fill.role, fill.asset, fill.exchange)
    costs: tuple[tuple[Literal["fee", "slippage"], int], ...] = (
        ("fee", fill.fee_cents),
        ("slippage", fill.slippage_cents),
    )
    return [
        line
        for kind, cents in costs
        for line in (Line(cash("collateral"), -cents, kind, *of), Line(pnl(fill.role, kind), cents, kind, *of))
    ]


def _instrument(thing: FuturesHolding | FuturesFill) -> tuple[object, ...]:
    return thing.role, thing.exchange, thing.symbol, thing.asset, thing.contract_size_usd
