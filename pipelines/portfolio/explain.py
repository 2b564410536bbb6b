"""The night in one sentence: a template filled from what was decided, no free text."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from pipelines.allocations.book import CASH
from pipelines.allocations.trades import Order
from pipelines.portfolio.night import Night

_STANDS_STILL = {
    "NOT_A_DECISION_DAY": "not a decision day, so nothing is moved",
    "DATA_HALT": "halted: sectors with too much of the sleeve lack data, so nothing is moved",
    "MIN_NOTIONAL": "the spot sleeve is too small to trade",
}


def explain_night(night: Night) -> str:
    """What the whole plan does: spot sold and bought, futures opened and closed, what is left in cash."""
    decision = night.decision
    if decision.status != "decided":
        spot = _STANDS_STILL.get(decision.reason or "", "nothing is moved")
    else:
        first = "first allocation; " if decision.reason == "INCEPTION" else ""
        spot = first + _spot(night.orders.orders)
    cash = next(row for row in decision.rows if row.sector == CASH)
    futures = _futures([row["status"] for row in night.sleeve.rows])
    return (
        f"{decision.as_of}: {spot}; {futures}; cash {float(100 * cash.target_weight):.1f}% of the spot sleeve after "
        "it. Paper only: a proposal, no order was placed."
    )


def _spot(orders: Sequence[Order]) -> str:
    if not orders:
        return "no spot order"
    parts = []
    for side, verb in (("sell", "sell"), ("buy", "buy")):
        chosen = [order for order in orders if order.side == side]
        if chosen:
            amount = float(sum((order.notional_usd for order in chosen), Fraction(0)))
            parts.append(f"{verb} ${amount:,.2f} of {_names(order.asset for order in chosen)}")
    costs = float(sum((order.fee_usd + order.slippage_usd for order in orders), Fraction(0)))
    return f"{', '.join(parts)}, at a cost of about ${costs:,.2f}"


def _names(assets: Iterable[str]) -> str:
    names = sorted(set(assets))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _futures(statuses: Sequence[str]) -> str:
    words = {"open": "opened", "resize": "resized", "hold": "kept", "close": "closed"}
    counts = [f"{statuses.count(status)} {word}" for status, word in words.items() if status in statuses]
    return f"futures positions: {', '.join(counts)}" if counts else "no futures position"
