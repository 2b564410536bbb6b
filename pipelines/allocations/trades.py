"""Orders, what they cost, and what becomes of them at the prices of the next open."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeVar

from pipelines.allocations.tilts import TiltBook
from pipelines.money import CENT, ZERO, floor_to_cent, floor_to_step, to_cent

Side = Literal["sell", "buy"]
FillStatus = Literal["filled", "scaled", "lapsed"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Order:
    """One spot order at its reference price; amounts are exact to the cent, the quantity to the lot.

    Attributes:
        price_usd: The exchange's own price, else the asset's, without slippage.
        notional_usd: Quantity at the reference price.
        minimum_usd: The smallest notional that may be traded there.
        tilt_id: The tilt that the order opens or closes; None for an order of the sector targets.
    """

    sector: str
    asset: str
    exchange: str
    symbol: str
    side: Side
    quantity_base: Fraction
    price_usd: Fraction
    notional_usd: Fraction
    fee_usd: Fraction
    slippage_usd: Fraction
    reason_codes: tuple[str, ...]
    fee_frac: Fraction
    slippage_frac: Fraction
    lot_step_base: Fraction
    minimum_usd: Fraction
    tilt_id: str | None = None

    @property
    def cash_change_usd(self) -> Fraction:
        """Cash received (positive) or paid, after costs."""
        return _cash_change(self.side, self.notional_usd, self.fee_usd, self.slippage_usd)


@dataclass(frozen=True)
class Fill:
    """What became of an order; amounts as on the order, at the fill's reference price.

    Attributes:
        price_usd: The reference price, without slippage; None: there is none, the order lapsed.
        status: `filled` whole, `scaled` down to the cash there was, or `lapsed`: nothing was traded.
    """

    order: Order
    quantity_base: Fraction
    price_usd: Fraction | None
    notional_usd: Fraction
    fee_usd: Fraction
    slippage_usd: Fraction
    status: FillStatus

    @property
    def cash_change_usd(self) -> Fraction:
        """Cash received (positive) or paid, after costs."""
        return _cash_change(self.order.side, self.notional_usd, self.fee_usd, self.slippage_usd)


def priced(
    side: Side, quantity_base: Fraction, price_usd: Fraction, fee_frac: Fraction, slippage_frac: Fraction
) -> tuple[Fraction, Fraction, Fraction]:
    """Notional, fee and slippage of a trade in USD, each a whole number of cents.

    With the notional `n = quantity * price`, a sale brings in `n * (1 - slippage) * (1 - fee)` and a purchase takes
    `n * (1 + slippage) * (1 + fee)`. The notional, the amount after slippage and the amount after the fee are each
    rounded to the cent, halves up; slippage and fee are the differences, so that the three sum to the cash that
    moves. A purchase whose exact cost stays within whole cents is never rounded above them.
    """
    sign = -1 if side == "sell" else 1
    notional = quantity_base * price_usd
    slipped = notional * (1 + sign * slippage_frac)
    cents = to_cent(notional), to_cent(slipped), to_cent(slipped * (1 + sign * fee_frac))
    return cents[0], sign * (cents[2] - cents[1]), sign * (cents[1] - cents[0])


def cost_factor(fee_frac: Fraction, slippage_frac: Fraction) -> Fraction:
    """USD that a purchase of one dollar takes."""
    return (1 + slippage_frac) * (1 + fee_frac)


def budgets(needs_usd: Mapping[Key, Fraction], cash_usd: Fraction) -> dict[Key, Fraction]:
    """What each purchase may take: all its need, or `k` times it in whole cents, `k = min(1, cash / sum of needs)`.

    One factor for all, so the order of the purchases does not matter and the sum never exceeds the cash.
    """
    if sum((to_cent(need) for need in needs_usd.values()), ZERO) <= cash_usd:
        return dict(needs_usd)
    k = min(Fraction(1), cash_usd / sum(needs_usd.values(), ZERO))
    return {key: floor_to_cent(k * need) for key, need in needs_usd.items()}


def fill_orders(
    orders: Sequence[Order], prices_usd: Mapping[tuple[str, str], Fraction | None], cash_usd: Fraction
) -> tuple[Fill, ...]:
    """Fill orders at the prices of the next open, sells whole, purchases as far as the cash goes.

    Purchases are scaled by the same factor as in the plan. An order without a price lapses, and so does a purchase
    that scaling leaves below its minimum. The proceeds of a sale that begins a tilt pay for no purchase.

    Args:
        orders: As planned.
        prices_usd: Exchange and symbol to the reference price; absent, None or 0: unknown.
        cash_usd: Cash before the fills, in whole cents, without what is tagged for live tilts.

    Returns:
        One fill per order, in the same order.
    """
    known = {place: price for place, price in prices_usd.items() if price}
    priced_orders = {at: order for at, order in enumerate(orders) if (order.exchange, order.symbol) in known}
    fills = {}
    for at, order in priced_orders.items():
        if order.side == "sell":
            fills[at] = _filled(order, order.quantity_base, known[order.exchange, order.symbol])
    proceeds_usd = sum((fill.cash_change_usd for fill in fills.values() if fill.order.tilt_id is None), ZERO)
    buys = {at: order for at, order in priced_orders.items() if order.side == "buy"}
    needs_usd = {
        at: one.quantity_base * known[one.exchange, one.symbol] * cost_factor(one.fee_frac, one.slippage_frac)
        for at, one in buys.items()
    }
    granted_usd = budgets(needs_usd, cash_usd + proceeds_usd)
    for at, order in buys.items():
        price_usd, quantity_base = known[order.exchange, order.symbol], order.quantity_base
        if granted_usd[at] < needs_usd[at]:
            affordable_base = quantity_base * granted_usd[at] / needs_usd[at]
            quantity_base = floor_to_step(affordable_base, order.lot_step_base)
            if quantity_base * price_usd < max(order.minimum_usd, CENT):
                quantity_base = ZERO
        fills[at] = _filled(order, quantity_base, price_usd)
    return tuple(
        fills.get(at) or Fill(order, ZERO, None, ZERO, ZERO, ZERO, "lapsed") for at, order in enumerate(orders)
    )


def _filled(order: Order, quantity_base: Fraction, price_usd: Fraction) -> Fill:
    amounts = priced(order.side, quantity_base, price_usd, order.fee_frac, order.slippage_frac)
    status = "filled" if quantity_base == order.quantity_base else "scaled" if quantity_base else "lapsed"
    return Fill(order, quantity_base, price_usd, *amounts, status)


def settle_tilts(tilts: TiltBook, fills: Sequence[Fill]) -> TiltBook:
    """Tag the proceeds of the sales that begin tilts; a tilt of which nothing was sold is none."""
    live = []
    for tilt in tilts.tilts:
        sales = [fill for fill in fills if fill.order.tilt_id == tilt.tilt_id]
        sold_cents = tilt.sold_cents + int(sum((fill.notional_usd for fill in sales), ZERO) / CENT)
        cash_cents = tilt.cash_cents + int(sum((fill.cash_change_usd for fill in sales), ZERO) / CENT)
        if cash_cents > 0:
            live.append(replace(tilt, sold_cents=sold_cents, cash_cents=cash_cents))
    return replace(tilts, tilts=tuple(live))


def _cash_change(side: Side, notional_usd: Fraction, fee_usd: Fraction, slippage_usd: Fraction) -> Fraction:
    return (notional_usd if side == "sell" else -notional_usd) - fee_usd - slippage_usd
