"""What happened since the last decision, booked: funding, fills at the next open, transfers, marks, liquidations."""

import datetime as dt
from dataclasses import dataclass, field, replace
from fractions import Fraction

from pipelines.allocations.trades import Fill, fill_orders, settle_tilts
from pipelines.hedges.rows import SleeveOrder
from pipelines.ledger.book import LedgerBook
from pipelines.ledger.futures import FuturesFill, fill_futures, liquidate
from pipelines.ledger.marks import FundingSettlement, mark_to_market, settle_funding
from pipelines.ledger.opening import transfer
from pipelines.ledger.posting import Entry, Posting
from pipelines.ledger.spot import SpotFill, fill_spot
from pipelines.money import CENT, exact, to_cents
from pipelines.policy import Policy
from pipelines.portfolio.book import NightBook, Pending
from pipelines.portfolio.world import World


@dataclass
class Settled:
    """A book in the course of one day, with the entries made and what did not go as planned."""

    book: NightBook
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, booked: tuple[LedgerBook, tuple[Entry, ...]]) -> None:
        """Go on from what a step of the ledger gave."""
        ledger, entries = booked
        self.book = replace(self.book, ledger=ledger)
        self.entries += entries


def settle(book: NightBook, day: dt.date, booked_by: dt.date, world: World, policy: Policy) -> Settled:
    """Bring a book from the morning of a day to its close.

    Orders of the last decision are filled at the day's close: with daily candles that is the next open after the
    decision, which is made fifteen minutes into the day. Funding of the day belongs to what was held before.

    Args:
        book: The book after the day before.
        day: The day that has passed.
        booked_by: The night whose rows the entries belong to: the day itself, unless nights were missed.
        world: Prices, settlements and contracts.
        policy: Costs and the maintenance margin.
    """
    closes_at = dt.datetime.combine(day + dt.timedelta(days=1), dt.time())
    at = Posting(booked_by, closes_at, book.pending.decision_id)
    settled = Settled(replace(book, as_of=day))
    settled.keep(settle_funding(book.ledger, _settlements(book.ledger, day, world), at))
    _liquidate(settled, day, at, world, policy)
    _fill_spot(settled, day, at, world)
    _fill_futures(settled, day, at, world, policy)
    _transfer(settled, at)
    prices, closes = world.spot.prices(day), world.futures.closes(day)
    settled.keep(mark_to_market(settled.book.ledger, prices, closes, at))
    settled.book = replace(settled.book, pending=Pending(book.pending.decision_id))
    return settled


def _settlements(ledger: LedgerBook, day: dt.date, world: World) -> list[FundingSettlement]:
    closes, found = world.futures.closes(day), []
    for name, held in ledger.futures.items():
        contract = held.exchange, held.symbol
        for one in world.futures.settlements(contract, day):
            mark = closes.get(contract, held.last_price_usd) if one.mark_price is None else exact(one.mark_price)
            found.append(FundingSettlement(name, one.settled_at, exact(one.funding_rate), mark))
    return found


def _liquidate(settled: Settled, day: dt.date, at: Posting, world: World, policy: Policy) -> None:
    """Lose what the day's close has liquidated, before any order of it is filled.

    A night that is decided closes the position in its plan, for everybody to see. In a night that was missed nobody
    does: there it leaves the futures sleeve at once.
    """
    closes, before = world.futures.closes(day), settled.book.pending.sleeve_before
    for name, held in sorted(settled.book.ledger.futures.items()):
        sleeve, ledger = settled.book.sleeve, settled.book.ledger
        # What was held during the day is what the last decision found: its own changes are not filled yet.
        position = before.positions.get(name) or sleeve.positions.get(name)
        mark = closes.get((held.exchange, held.symbol))
        if position is None or mark is None or not position.is_liquidated(mark, exact(policy.scenarios.mmr)):
            continue
        # What was lost before the margin was set anew is gone as well; what is not there cannot be lost.
        lost_cents = held.margin_cents - held.profit_cents(position.margined_at_usd)
        posted = replace(held, margin_cents=max(0, min(lost_cents, ledger.collateral_cents)))
        settled.keep(liquidate(replace(ledger, futures={**ledger.futures, name: posted}), name, mark, at))
        settled.notes.append(f"{name}: liquidated at {float(mark):,.2f}, its margin is lost.")
        if name in sleeve.positions:
            is_decided = at.as_of_date == day
            sleeve = sleeve.reverted(name, before) if name in before.positions else sleeve
            settled.book = replace(settled.book, sleeve=sleeve if is_decided else sleeve.lost(name, day))


def _fill_spot(settled: Settled, day: dt.date, at: Posting, world: World) -> None:
    book = settled.book
    if not book.pending.spot:
        return
    wanted = {(one.exchange, one.symbol) for one in book.pending.spot}
    closes, prices = world.spot.closes(day, wanted), world.spot.prices(day)
    known = {
        (one.exchange, one.symbol): closes.get((one.exchange, one.symbol), prices.get(one.asset))
        for one in book.pending.spot
    }
    fills = fill_orders(book.pending.spot, known, book.ledger.cash_cents * CENT)
    settled.notes += [_lapsed(fill) for fill in fills if fill.status != "filled"]
    settled.keep(fill_spot(book.ledger, [_spot_fill(fill) for fill in fills if fill.quantity_base], at))
    settled.book = replace(settled.book, tilts=settle_tilts(book.tilts, fills))
    sync_tilt_cash(settled, at)


def _spot_fill(fill: Fill) -> SpotFill:
    order = fill.order
    assert fill.price_usd is not None
    return SpotFill(
        exchange=order.exchange,
        asset=order.asset,
        side=order.side,
        quantity_base=fill.quantity_base,
        price_usd=fill.price_usd,
        fee_cents=int(fill.fee_usd / CENT),
        slippage_cents=int(fill.slippage_usd / CENT),
        sleeve="tilt" if order.tilt_id is not None and order.side == "sell" else "spot",
        reason=order.reason_codes[0] if order.reason_codes else None,
    )


def _lapsed(fill: Fill) -> str:
    order = fill.order
    what = f"{order.asset}: the order to {order.side} {float(order.quantity_base):g} on {order.exchange}"
    if fill.price_usd is None:
        return f"{what} lapsed, there was no price."
    if fill.status == "lapsed":
        return f"{what} lapsed, the cash did not suffice."
    return f"{what} was filled with {float(fill.quantity_base):g}: the cash did not suffice for more."


def sync_tilt_cash(settled: Settled, at: Posting) -> None:
    """Keep as much cash apart in the ledger as the live tilts have tagged, or all there is of it.

    A purchase that a tilt withholds may be paid by a sale of the same night: its cash is there with the sale's fill.
    """
    ledger = settled.book.ledger
    missing = min(settled.book.tilts.cash_cents - ledger.tilt_cash_cents, ledger.cash_cents)
    if missing > 0:
        settled.keep(transfer(ledger, "spot", "tilt", missing, at, "CALENDAR_TILT"))
    elif missing < 0:
        settled.keep(transfer(ledger, "tilt", "spot", -missing, at, "CALENDAR_TILT"))


def _fill_futures(settled: Settled, day: dt.date, at: Posting, world: World, policy: Policy) -> None:
    closes, fills = world.futures.closes(day), []
    for order in settled.book.pending.futures:
        price = closes.get((order.exchange, order.symbol))
        held = settled.book.ledger.futures.get(order.hedge_id)
        if order.status != "open" and held is None:
            continue  # lost in a liquidation: there is nothing left to trade
        if price is None:
            settled.notes.append(f"{order.hedge_id}: its order lapsed, {order.symbol} had no price.")
            sleeve = settled.book.sleeve.reverted(order.hedge_id, settled.book.pending.sleeve_before)
            settled.book = replace(settled.book, sleeve=sleeve)
            continue
        fills.append(_futures_fill(order, price, settled.book, world, policy))
    settled.keep(fill_futures(settled.book.ledger, fills, at))


def _futures_fill(order: SleeveOrder, price: Fraction, book: NightBook, world: World, policy: Policy) -> FuturesFill:
    quantity = order.contracts_change if order.contracts_change is not None else order.quantity_change_base
    held = book.ledger.futures.get(order.hedge_id)
    if order.status == "close" and held is not None:
        quantity = -held.quantity
    position = book.sleeve.positions.get(order.hedge_id)
    size = quantity * order.contract_size_usd if order.contract_size_usd else quantity * price
    costs = policy.costs
    return FuturesFill(
        position_id=order.hedge_id,
        role=order.role,
        exchange=order.exchange,
        symbol=order.symbol,
        asset=order.asset,
        quantity=quantity,
        price_usd=price,
        margin_cents=0 if position is None else to_cents(position.margin_usd),
        fee_cents=to_cents(abs(size) * world.perp_fee_frac(order.exchange)),
        slippage_cents=to_cents(abs(size) * exact(costs.perp_slip)),
        contract_size_usd=order.contract_size_usd,
        reason=order.reason,
    )


def _transfer(settled: Settled, at: Posting) -> None:
    """The transfer between the sleeves that the last decision proposed, as far as there is cash for it."""
    ledger, wanted = settled.book.ledger, settled.book.pending.transfer_cents
    margin = sum(held.margin_cents for held in ledger.futures.values())
    if wanted > 0 and (cents := min(wanted, ledger.cash_cents)) > 0:
        settled.keep(transfer(ledger, "spot", "collateral", cents, at))
    elif wanted < 0 and (cents := min(-wanted, ledger.collateral_cents - margin)) > 0:
        settled.keep(transfer(ledger, "collateral", "spot", cents, at))
