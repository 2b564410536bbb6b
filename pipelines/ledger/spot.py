"""Spot fills: coins against cash, with fee and slippage told apart from the profit."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from pipelines.ledger.book import Holding, LedgerBook, LedgerError
from pipelines.ledger.opening import first_price
from pipelines.ledger.posting import Draft, Entry, Line, Posting, cash, pnl
from pipelines.money import to_cents


@dataclass(frozen=True)
class SpotFill:
    """One filled order.

    Attributes:
        side: `buy` or `sell`.
        quantity_base: Coins, above 0.
        price_usd: Reference price, before slippage.
        fee_cents, slippage_cents: Costs, 0 or more; both are paid in cash beside quantity times reference price.
        sleeve: The cash that pays or is paid: `spot`, or `tilt` for a temporary sale and its buy-back.
        reason: A reason code.
    """

    exchange: str
    asset: str
    side: Literal["buy", "sell"]
    quantity_base: Fraction
    price_usd: Fraction
    fee_cents: int = 0
    slippage_cents: int = 0
    sleeve: Literal["spot", "tilt"] = "spot"
    reason: str | None = None

    def __str__(self) -> str:
        verb = "purchase" if self.side == "buy" else "sale"
        return f"the {verb} of {float(self.quantity_base):g} {self.asset} on {self.exchange}"


def fill_spot(book: LedgerBook, fills: Iterable[SpotFill], at: Posting) -> tuple[LedgerBook, tuple[Entry, ...]]:
    """Book spot fills in the order given; give the sells first.

    A sale realises its share of what the coins cost; profit is measured at the reference price, fee and slippage
    have accounts of their own.

    Raises:
        LedgerError: more is sold than held, cash does not suffice, or a fill's numbers cannot be.
    """
    draft = Draft(book, at)
    for fill in fills:
        if fill.quantity_base <= 0 or fill.price_usd <= 0 or fill.fee_cents < 0 or fill.slippage_cents < 0:
            raise LedgerError(f"{fill}: quantity and price must be above 0, costs 0 or more; correct the fill")
        key = fill.exchange, fill.asset
        held = draft.spot.get(key)
        if held is not None and held.last_price_usd is None:
            held = draft.spot[key] = first_price(draft, key, held, fill.price_usd)
        lines = _bought(draft, fill, held) if fill.side == "buy" else _sold(draft, fill, held)
        draft.book([*lines, *_costs(fill)], str(fill), fill.reason)
    return draft.finish()


def _bought(draft: Draft, fill: SpotFill, held: Holding | None) -> list[Line]:
    amount = to_cents(fill.quantity_base * fill.price_usd)
    present = held or Holding(Fraction(0), 0, 0, fill.price_usd)
    draft.spot[fill.exchange, fill.asset] = Holding(
        present.quantity_base + fill.quantity_base,
        present.cost_cents + amount,
        present.value_cents + amount,
        present.last_price_usd,
    )
    return [_coins(fill, amount, fill.quantity_base), _cash(fill, -amount, "fill")]


def _sold(draft: Draft, fill: SpotFill, held: Holding | None) -> list[Line]:
    if held is None or fill.quantity_base > held.quantity_base:
        owned = f"{float(held.quantity_base):g}" if held else "none"
        raise LedgerError(f"{fill}: there is {owned}; sell at most what is held there")
    amount = to_cents(fill.quantity_base * fill.price_usd)
    part = fill.quantity_base / held.quantity_base
    if part == 1:
        cost, value = held.cost_cents, held.value_cents
        del draft.spot[fill.exchange, fill.asset]
    else:
        cost, value = (to_cents(part * cents / 100) for cents in (held.cost_cents, held.value_cents))
        draft.spot[fill.exchange, fill.asset] = replace(
            held,
            quantity_base=held.quantity_base - fill.quantity_base,
            cost_cents=held.cost_cents - cost,
            value_cents=held.value_cents - value,
        )
    return [
        _coins(fill, -value, -fill.quantity_base),
        _cash(fill, amount, "fill"),
        _profit(fill, "realised", cost - amount, "fill"),
        _profit(fill, "unrealised", value - cost, "fill"),
    ]


def _costs(fill: SpotFill) -> list[Line]:
    return [
        _cash(fill, -fill.fee_cents, "fee"),
        _profit(fill, "fee", fill.fee_cents, "fee"),
        _cash(fill, -fill.slippage_cents, "slippage"),
        _profit(fill, "slippage", fill.slippage_cents, "slippage"),
    ]


def _coins(fill: SpotFill, cents: int, quantity: Fraction) -> Line:
    account = f"spot:{fill.exchange}:{fill.asset}"
    return Line(account, cents, "fill", "spot", fill.asset, fill.exchange, quantity, fill.price_usd)


def _cash(fill: SpotFill, cents: int, kind: Literal["fill", "fee", "slippage"]) -> Line:
    return Line(cash(fill.sleeve), cents, kind, "spot", fill.asset, fill.exchange)


def _profit(fill: SpotFill, measure: str, cents: int, kind: Literal["fill", "fee", "slippage"]) -> Line:
    return Line(pnl("spot", measure), cents, kind, "spot", fill.asset, fill.exchange)
