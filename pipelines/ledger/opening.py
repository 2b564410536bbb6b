"""What comes into the book without a trade: the opening, transfers between the sleeves, a coin's new name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.ledger.book import FuturesHolding, Holding, LedgerBook, LedgerError, Role, usd
from pipelines.ledger.posting import EQUITY, Draft, Entry, Line, Posting, Sleeve, cash
from pipelines.money import ZERO, to_cents

OPENING, SLEEVE_TRANSFER, RENAME = "OPENING", "SLEEVE_TRANSFER", "RENAME"


@dataclass(frozen=True)
class OpeningHolding:
    """Coins that are brought in.

    Attributes:
        quantity_base: Coins, above 0.
        price_usd: Today's price; None where it is unknown: they count as 0 until there is one.
    """

    exchange: str
    asset: str
    quantity_base: Fraction
    price_usd: Fraction | None


@dataclass(frozen=True)
class OpeningPosition:
    """A futures position that is brought in; units as in `FuturesHolding`.

    Attributes:
        entry_price_usd: Price at which it was opened.
        price_usd: Today's price; its profit until now belongs to what is brought in.
    """

    position_id: str
    role: Role
    exchange: str
    symbol: str
    asset: str
    quantity: Fraction
    entry_price_usd: Fraction
    price_usd: Fraction
    margin_cents: int
    contract_size_usd: Fraction | None = None


@dataclass(frozen=True)
class OpeningStatement:
    """All that is owned when a book is opened. Collateral is cash, without the positions' unrealised profit."""

    spot: Sequence[OpeningHolding] = ()
    futures: Sequence[OpeningPosition] = ()
    cash_cents: int = 0
    tilt_cash_cents: int = 0
    collateral_cents: int = 0


def open_from_cash(
    book: LedgerBook, cash_cents: int, collateral_cents: int, at: Posting
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Open a book that is all cash, split into the spot and the futures sleeve; see `open_from_holdings`."""
    return open_from_holdings(book, OpeningStatement(cash_cents=cash_cents, collateral_cents=collateral_cents), at)


def open_from_holdings(
    book: LedgerBook, statement: OpeningStatement, at: Posting
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Open a book with what is owned, or open a live one anew.

    On a live book the differences are booked as transfers and every account of profit is closed into the opening:
    what is earned from here on counts from the new opening. Coins cost what they are worth now.

    Args:
        book: The empty book, or the live one.
        statement: All that is owned; what the live book has beyond it leaves the book.
        at: When; the decision is usually None.

    Raises:
        LedgerError: an amount, quantity or price is not above 0 where it must be, or is given twice.
    """
    spot, futures = _holdings(statement), _positions(statement)
    draft = Draft(book, at)
    lines = draft.closing_lines()
    for key in sorted({*book.spot, *spot}):
        lines.append(_coins_line(key, book.spot.get(key), spot.get(key)))
    for name in sorted({*book.futures, *futures}):
        lines += _position_lines(name, book.futures.get(name), futures.get(name))
    sleeves: tuple[tuple[Sleeve, int], ...] = (
        ("spot", statement.cash_cents),
        ("tilt", statement.tilt_cash_cents),
        ("collateral", statement.collateral_cents),
    )
    lines += [Line(cash(sleeve), cents - draft.cash[sleeve], "transfer") for sleeve, cents in sleeves]
    draft.spot, draft.futures = spot, futures
    draft.book([*lines, *_equity(lines)], "the opening", OPENING)
    return draft.finish()


def transfer(
    book: LedgerBook, source: Sleeve, target: Sleeve, amount_cents: int, at: Posting, reason: str = SLEEVE_TRANSFER
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Move cash from one sleeve to another.

    Raises:
        LedgerError: the amount is not above 0, or the source does not have it.
    """
    what = f"the transfer of {usd(amount_cents)} from {source} to {target}"
    if amount_cents <= 0 or source == target:
        raise LedgerError(f"{what}: give an amount above 0 and two different sleeves")
    draft = Draft(book, at)
    lines = [Line(cash(source), -amount_cents, "transfer"), Line(cash(target), amount_cents, "transfer")]
    draft.book(lines, what, reason)
    return draft.finish()


def rename(
    book: LedgerBook,
    old_asset: str,
    new_asset: str,
    ratio: Fraction,
    at: Posting,
    symbols: Mapping[str, str] | None = None,
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Give a coin its new name or denomination: no trade, no profit, the value stays.

    Args:
        book: The book.
        old_asset: Name until now.
        new_asset: Name from now on; may be the same when only the denomination changes.
        ratio: New coins per old coin.
        at: When.
        symbols: Old symbol to new symbol of the coin's futures; one that is absent stays.

    Raises:
        LedgerError: the ratio is not above 0.
    """
    what = f"the renaming of {old_asset} to {new_asset}"
    if ratio <= 0:
        raise LedgerError(f"{what}: {ratio} new coins per old one; give a ratio above 0")
    draft = Draft(book, at)
    for (exchange, asset), held in sorted(book.spot.items()):
        if asset != old_asset:
            continue
        del draft.spot[exchange, asset]
        price = None if held.last_price_usd is None else held.last_price_usd / ratio
        arrived = replace(held, quantity_base=held.quantity_base * ratio, last_price_usd=price)
        lines = [
            _coins_line((exchange, asset), held, None),
            _coins_line((exchange, new_asset), None, arrived),
        ]
        draft.book(lines, what, RENAME)
        key = exchange, new_asset
        present = draft.spot.get(key)
        draft.spot[key] = arrived if present is None else _merged(draft, key, present, arrived)
    for name, held in sorted(book.futures.items()):
        if held.asset != old_asset:
            continue
        draft.futures[name] = replace(
            held,
            asset=new_asset,
            symbol=(symbols or {}).get(held.symbol, held.symbol),
            quantity=held.quantity if held.is_inverse else held.quantity * ratio,
            entry_price_usd=held.entry_price_usd / ratio,
            last_price_usd=held.last_price_usd / ratio,
        )
        draft.book(
            [*_position_lines(name, held, None), *_position_lines(name, None, draft.futures[name])], what, RENAME
        )
    return draft.finish()


def first_price(draft: Draft, key: tuple[str, str], held: Holding, price_usd: Fraction) -> Holding:
    """Coins that were brought in without a price, with their first one: it is no profit but what they came in with."""
    value = to_cents(held.quantity_base * price_usd)
    exchange, asset = key
    line = Line(f"spot:{exchange}:{asset}", value, "transfer", "spot", asset, exchange, None, price_usd)
    draft.book([line, *_equity([line])], f"the first price of {asset} on {exchange}", OPENING)
    return Holding(held.quantity_base, value, value, price_usd)


def _holdings(statement: OpeningStatement) -> dict[tuple[str, str], Holding]:
    spot: dict[tuple[str, str], Holding] = {}
    for row in statement.spot:
        where = f"the opening holding of {row.asset} on {row.exchange}"
        if (row.exchange, row.asset) in spot:
            raise LedgerError(f"{where} is given twice; add the two up")
        if row.quantity_base <= 0 or (row.price_usd is not None and row.price_usd <= 0):
            raise LedgerError(f"{where}: quantity and price must be above 0; leave it out or correct it")
        value = 0 if row.price_usd is None else to_cents(row.quantity_base * row.price_usd)
        spot[row.exchange, row.asset] = Holding(row.quantity_base, value, value, row.price_usd)
    return spot


def _positions(statement: OpeningStatement) -> dict[str, FuturesHolding]:
    futures: dict[str, FuturesHolding] = {}
    for row in statement.futures:
        where = f"the opening position {row.position_id}"
        if row.position_id in futures:
            raise LedgerError(f"{where} is given twice; keep one of the two")
        if row.quantity == 0 or row.entry_price_usd <= 0 or row.price_usd <= 0 or row.margin_cents < 0:
            raise LedgerError(f"{where}: it needs a quantity, prices above 0 and a margin of 0 or more; correct it")
        fresh = FuturesHolding(
            row.role, row.exchange, row.symbol, row.asset, row.quantity, row.entry_price_usd, row.price_usd,
            0, row.margin_cents, row.contract_size_usd,
        )  # fmt: skip
        profit = fresh.profit_cents(row.price_usd)
        futures[row.position_id] = replace(fresh, unrealised_cents=profit, basis_cents=profit)
    return futures


def _coins_line(key: tuple[str, str], before: Holding | None, after: Holding | None) -> Line:
    exchange, asset = key
    moved = (after.quantity_base if after else ZERO) - (before.quantity_base if before else ZERO)
    cents = (after.value_cents if after else 0) - (before.value_cents if before else 0)
    latest = after or before
    return Line(
        f"spot:{exchange}:{asset}", cents, "transfer", "spot", asset, exchange, moved or None,
        latest.last_price_usd if latest else None,
    )  # fmt: skip


def _position_lines(name: str, before: FuturesHolding | None, after: FuturesHolding | None) -> list[Line]:
    """The old position leaves, the new one comes; one that is the same but for its mark moves money only."""
    if before and after and (before.quantity, before.role) == (after.quantity, after.role):
        return [_position_line(name, after, after.unrealised_cents - before.unrealised_cents, None)]
    lines = []
    if before:
        lines.append(_position_line(name, before, -before.unrealised_cents, -before.quantity_base))
    if after:
        lines.append(_position_line(name, after, after.unrealised_cents, after.quantity_base))
    return lines


def _position_line(name: str, position: FuturesHolding, cents: int, quantity_base: Fraction | None) -> Line:
    of = (position.role, position.asset, position.exchange)
    return Line(f"futures:{name}", cents, "transfer", *of, quantity_base, position.last_price_usd)


def _equity(lines: Sequence[Line]) -> list[Line]:
    brought: dict[str | None, int] = {}
    for line in lines:
        brought[line.role] = brought.get(line.role, 0) - line.amount_cents
    return [Line(EQUITY, cents, "transfer", role) for role, cents in brought.items()]


def _merged(draft: Draft, key: tuple[str, str], one: Holding, other: Holding) -> Holding:
    price = one.last_price_usd or other.last_price_usd
    if price is not None:
        one, other = (h if h.last_price_usd else first_price(draft, key, h, price) for h in (one, other))
    return Holding(
        one.quantity_base + other.quantity_base,
        one.cost_cents + other.cost_cents,
        one.value_cents + other.value_cents,
        price,
    )
