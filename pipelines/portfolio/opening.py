"""How the books begin: all in cash, or with what the user says is held."""

import datetime as dt
from dataclasses import replace
from fractions import Fraction

from pipelines.allocations.book import to_cents as split_cents
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.holdings.portfolio import OpenPosition, PortfolioError, SpotHolding
from pipelines.ledger.opening import OpeningHolding, OpeningPosition, OpeningStatement, open_from_holdings
from pipelines.ledger.posting import Entry, Posting
from pipelines.money import CENT, exact, to_cent
from pipelines.policy import Policy
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.world import World


def needs_opening(book: NightBook, world: World) -> bool:
    """Whether the books must be opened: for the first time, or because the user states other holdings than before."""
    return not book.is_open or (world.opening is not None and world.opening.digest != book.statement)


def open_books(book: NightBook, day: dt.date, world: World, policy: Policy) -> tuple[NightBook, tuple[Entry, ...]]:
    """The books as they stand at the close of a day by the user's statement, or all in cash without one.

    On live books the difference is booked as transfers; tilts, orders and the memory of hedges begin anew, while
    cuts and the first decision stay.

    Raises:
        PortfolioError: a holding is given by its worth and has no price that day; names it.
    """
    at = Posting(day, dt.datetime.combine(day + dt.timedelta(days=1), dt.time()), None)
    stated = world.opening
    if stated is None:
        sleeves = split_cents({"futures": policy.split.futures, "spot": policy.split.spot}, world.value_cents)
        statement = OpeningStatement(cash_cents=sleeves["spot"], collateral_cents=sleeves["futures"])
        ledger, entries = open_from_holdings(book.ledger, statement, at)
        return NightBook(day, ledger), entries
    contracts = [(one, _coins(one, day, world)) for one in stated.positions]
    statement = OpeningStatement(
        spot=[_holding(one, day, world) for one in stated.holdings],
        futures=[_position(one, coins, day, world) for one, coins in contracts],
        cash_cents=stated.cash_cents,
        collateral_cents=stated.collateral_cents,
    )
    ledger, entries = open_from_holdings(book.ledger, statement, at)
    sleeve = SleeveBook({one.hedge_id: one for one in (_decided(*pair, day, world) for pair in contracts)})
    opened = replace(book, as_of=day, ledger=ledger, sleeve=sleeve, statement=stated.digest)
    return replace(opened, tilts=NightBook().tilts, pending=NightBook().pending), entries


def _holding(one: SpotHolding, day: dt.date, world: World) -> OpeningHolding:
    price = world.spot.prices(day).get(one.asset)
    quantity = one.quantity
    if quantity is None:
        assert one.value_cents is not None
        if price is None:
            raise PortfolioError(
                f"holdings: {one.asset} on {one.exchange} is given by its worth, and has no price on {day}; give its "
                "quantity"
            )
        quantity = one.value_cents * CENT / price
    return OpeningHolding(one.exchange, one.asset, quantity, price)


def _coins(one: OpenPosition, day: dt.date, world: World) -> tuple[Fraction, Fraction | None, Fraction]:
    """Size as the ledger counts it, USD per contract of an inverse contract, and today's price."""
    name = one.exchange, one.symbol
    price = world.futures.closes(day).get(name, one.entry_price_usd)
    size, is_inverse = world.futures.contract_size(name)
    if is_inverse:
        usd = exact(size or 1)
        contracts = one.contracts if one.contracts is not None else (one.quantity_base or 0) * price / usd
        return Fraction(contracts), usd, price
    coins = one.quantity_base if one.quantity_base is not None else (one.contracts or 0) * exact(size or 1)
    return Fraction(coins), None, price


def _position_id(one: OpenPosition, asset: str, day: dt.date) -> str:
    return f"{one.role}-{asset}-{one.exchange}-{day}"


def _position(
    one: OpenPosition, sized: tuple[Fraction, Fraction | None, Fraction], day: dt.date, world: World
) -> OpeningPosition:
    size, contract_size_usd, price = sized
    asset = world.futures.asset(one.exchange, one.symbol)
    return OpeningPosition(
        _position_id(one, asset, day),
        one.role,
        one.exchange,
        one.symbol,
        asset,
        size if one.side == "long" else -size,
        one.entry_price_usd,
        price,
        one.margin_cents,
        contract_size_usd,
    )


def _decided(
    one: OpenPosition, sized: tuple[Fraction, Fraction | None, Fraction], day: dt.date, world: World
) -> Position:
    size, contract_size_usd, _ = sized
    asset = world.futures.asset(one.exchange, one.symbol)
    margin = one.margin_cents * CENT
    notional = size * (contract_size_usd or one.entry_price_usd)
    return Position(
        hedge_id=_position_id(one, asset, day),
        role=one.role,
        asset=asset,
        exchange=one.exchange,
        symbol=one.symbol,
        side=one.side,
        opened=day,
        size=size,
        margin_usd=to_cent(margin),
        margined_at_usd=one.entry_price_usd,
        entry_price_usd=one.entry_price_usd,
        leverage=max(Fraction(1), notional / margin) if margin else Fraction(1),
        contract_size_usd=contract_size_usd,
        sector=None if one.role == "hedge" else world.spot.sector(asset, day),
        triggers={"OVERBOUGHT": day} if one.role == "hedge" else {},
    )
