"""What time brings to everything that is held: the night's prices, and the funding of futures positions."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.ledger.book import LedgerBook, LedgerError
from pipelines.ledger.opening import first_price
from pipelines.ledger.posting import Draft, Entry, Line, Posting, cash, pnl
from pipelines.money import ZERO, to_cents


def mark_to_market(
    book: LedgerBook,
    spot_prices_usd: Mapping[str, Fraction],
    futures_prices_usd: Mapping[tuple[str, str], Fraction],
    at: Posting,
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Value everything at the prices of the night, in one transaction.

    Args:
        book: The book.
        spot_prices_usd: Asset to its price; one that is absent keeps its last price.
        futures_prices_usd: (exchange, symbol) to the instrument's close; one that is absent keeps its last price.
        at: When.

    Raises:
        LedgerError: a price is not above 0.
    """
    for name, price in [*spot_prices_usd.items(), *futures_prices_usd.items()]:
        if price <= 0:
            raise LedgerError(f"the price of {name} is {price}: leave out what has no price, the last one stays")
    draft = Draft(book, at)
    lines: list[Line] = []
    gains: dict[str, int] = {}
    for (exchange, asset), holding in sorted(book.spot.items()):
        price = spot_prices_usd.get(asset)
        if price is None:
            continue
        if holding.last_price_usd is None:
            draft.spot[exchange, asset] = first_price(draft, (exchange, asset), holding, price)
            continue
        value = to_cents(holding.quantity_base * price)
        gain = value - holding.value_cents
        draft.spot[exchange, asset] = replace(holding, value_cents=value, last_price_usd=price)
        lines.append(Line(f"spot:{exchange}:{asset}", gain, "mark", "spot", asset, exchange, None, price))
        gains["spot"] = gains.get("spot", 0) + gain
    for name, position in sorted(book.futures.items()):
        price = futures_prices_usd.get((position.exchange, position.symbol))
        if price is None:
            continue
        unrealised = position.profit_cents(price)
        gain = unrealised - position.unrealised_cents
        draft.futures[name] = replace(position, unrealised_cents=unrealised, last_price_usd=price)
        lines.append(
            Line(f"futures:{name}", gain, "mark", position.role, position.asset, position.exchange, None, price)
        )
        gains[position.role] = gains.get(position.role, 0) + gain
    lines += [Line(pnl(role, "unrealised"), -gain, "mark", role) for role, gain in gains.items()]
    draft.book(lines, "the mark")
    return draft.finish()


@dataclass(frozen=True)
class FundingSettlement:
    """One settlement of one position's instrument.

    Attributes:
        settled_at: UTC without a zone.
        funding_rate: Decimal rate of this settlement; positive: longs pay shorts.
        price_usd: Mark price of the settlement, or the close of the day where that is unknown.
    """

    position_id: str
    settled_at: dt.datetime
    funding_rate: Fraction
    price_usd: Fraction


def settle_funding(
    book: LedgerBook, settlements: Iterable[FundingSettlement], at: Posting
) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Pay and receive funding: minus rate times signed notional, in cash of the futures sleeve.

    The notional of an inverse position is its contracts at any price. Cents are rounded along the sum of a
    position's settlements, so that many small ones lose nothing.

    Raises:
        LedgerError: there is no such position, a price is not above 0, or collateral does not suffice.
    """
    draft = Draft(book, at)
    exact: dict[str, Fraction] = {}
    for settlement in sorted(settlements, key=lambda s: (s.settled_at, s.position_id)):
        name, price = settlement.position_id, settlement.price_usd
        what = f"the funding of {name} at {settlement.settled_at}"
        position = book.futures.get(name)
        if position is None or price <= 0:
            raise LedgerError(f"{what}: it needs a position that is open and a price above 0; correct the settlement")
        before = exact.get(name, ZERO)
        exact[name] = before - settlement.funding_rate * position.signed_notional_usd(price)
        cents = to_cents(exact[name]) - to_cents(before)
        of = (position.role, position.asset, position.exchange)
        lines = [
            Line(cash("collateral"), cents, "funding", *of, None, price),
            Line(pnl(position.role, "funding"), -cents, "funding", *of, None, price),
        ]
        draft.book(lines, what, booked_at=settlement.settled_at)
    return draft.finish()
