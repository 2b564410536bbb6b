"""What is sold and bought, sector by sector, as the orders have it; and what was wanted and not done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipelines.report import words
from pipelines.report.data import Night, Row
from pipelines.report.reasons import state_in_short, trade_in_short

CENT = 0.005
_WANTED = {"REDUCE": "wants a cut", "TRIM": "wants a small cut", "INCREASE": "wants a raise", "FREEZE": "is frozen"}
_TILT = "CALENDAR_TILT"
_NAMED_COINS = 4


@dataclass(frozen=True)
class Move:
    """A sector that is sold or bought, or one whose wish was not followed.

    Attributes:
        sector: Sector.
        state, action: What the rules say.
        usd: Amount to sell or buy, positive: that of the orders where the release has orders; 0 for a wish.
        change_frac: The amount as a share of what the sector holds; None where nothing is held.
        before_frac, after_frac: Weight in the spot sleeve; None for a calendar tilt, which is beside it.
        why: One sentence.
        notes: Sentences on what bounded the amount, or stopped it.
        codes: The reason codes behind `notes`.
        last_cut: Day and depth of its last cut, tonight's included.
        coins: Which coins are traded, in a few words; empty where the release has no orders.
    """

    sector: str
    state: str
    action: str
    usd: float
    change_frac: float | None
    before_frac: float | None
    after_frac: float | None
    why: str
    notes: str
    codes: tuple[str, ...]
    last_cut: tuple[date, str] | None
    coins: str = ""


@dataclass(frozen=True)
class Moves:
    """Tonight's trades in spot and what is none.

    Attributes:
        sells, buys: By sector, the largest first.
        wishes: Sectors whose rules ask for something that was not done.
        dropped: Sectors with an amount that became no order, as text.
        cost_usd: Fees and slippage of all orders; None where the release has no orders.
    """

    sells: tuple[Move, ...]
    buys: tuple[Move, ...]
    wishes: tuple[Move, ...]
    dropped: tuple[str, ...]
    cost_usd: float | None


def moves_of(night: Night) -> Moves:
    """Tonight's trades: the orders where the release has them, else the changes of the sectors' targets."""
    signals = {row["sector"]: row for row in night.signals}
    targets = {row["sector"]: row for row in night.targets if row["sector"] != "CASH"}
    orders = night.book.get("rebalance_trades")
    deltas = {sector: row["delta_usd"] or 0.0 for sector, row in targets.items()}
    found: dict[str, list[Move]] = {"sell": [], "buy": []}
    for side, sign in (("sell", -1), ("buy", 1)):
        for sector in sorted(targets.keys() | {row["sector"] for row in orders or ()}):
            own = [row for row in orders or () if (row["sector"], row["side"]) == (sector, side)]
            usd = sum(row["notional_usd"] for row in own) if orders is not None else sign * deltas[sector]
            if usd >= CENT:
                target = targets.get(sector, {})
                found[side].append(_trade(night, sector, side, usd, own, target, signals.get(sector, {})))
        found[side].sort(key=lambda move: -move.usd)
    traded = {move.sector for side in found.values() for move in side}
    wishes = [
        _wish(night, sector, row, signals.get(sector, {}))
        for sector, row in sorted(targets.items())
        if abs(deltas[sector]) < CENT and row["action"] in _WANTED and (row["current_usd"] or sector not in traded)
    ]
    dropped = [
        f"{sector} {words.usd(delta, sign=True)}"
        for sector, delta in sorted(deltas.items())
        if orders is not None and abs(delta) >= CENT and sector not in traded
    ]
    cost = None if orders is None else sum((r["fee_usd"] or 0.0) + (r["slippage_usd"] or 0.0) for r in orders)
    return Moves(tuple(found["sell"]), tuple(found["buy"]), tuple(wishes), tuple(dropped), cost)


def last_cut(night: Night, sector: str) -> tuple[date, str] | None:
    """When the sector was cut last and how deep, from the held book; None for never."""
    try:
        day, action = json.loads(night.decision["book_json"])["cuts"][sector]
        return date.fromisoformat(day), str(action)
    except (KeyError, TypeError, ValueError):
        return None  # never cut, or a release of a version that keeps its book in another way


def wanted(action: str) -> str:
    return _WANTED[action]


def reason(signal: Row) -> str:
    """The sentence of a sector's state without its first words, which the page has as a heading."""
    text = signal.get("explanation") or ""
    text = text.removeprefix(f"{signal.get('sector')}: {signal.get('state')}. ")
    return text or "no explanation in this release"


def _trade(night: Night, sector: str, side: str, usd: float, orders: Sequence[Row], target: Row, signal: Row) -> Move:
    codes = tuple(target.get("reason_codes") or ())
    is_tilt = bool(orders) and all(_TILT in (row["reason_codes"] or ()) for row in orders)
    current = target.get("current_usd")
    return Move(
        sector=sector,
        state=target.get("state") or "",
        action=target.get("action") or "",
        usd=usd,
        change_frac=usd / current if current else None,
        before_frac=None if is_tilt else target.get("current_weight_frac"),
        after_frac=None if is_tilt else target.get("target_weight_frac"),
        why=trade_in_short(side, codes, signal, is_tilt),
        notes="" if is_tilt or "INCEPTION" in codes else _notes(target, signal),
        codes=codes,
        last_cut=last_cut(night, sector),
        coins=_coins(orders),
    )


def _wish(night: Night, sector: str, target: Row, signal: Row) -> Move:
    is_empty = not target["current_usd"] and not night.strategic_weights.get(sector)
    notes = "Nothing of it is held, and its strategic weight is 0." if is_empty else _notes(target, signal)
    return Move(
        sector=sector,
        state=target["state"] or "",
        action=target["action"] or "",
        usd=0.0,
        change_frac=None,
        before_frac=target["current_weight_frac"],
        after_frac=target["target_weight_frac"],
        why=reason(signal) if target["action"] == "FREEZE" and signal else state_in_short(signal) if signal else "",
        notes=notes,
        codes=tuple(target["reason_codes"] or ()),
        last_cut=last_cut(night, sector),
    )


def _coins(orders: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row["asset"] for row in orders))
    if len(names) <= _NAMED_COINS:
        return words.names(names)
    return f"{len(names)} coins: {', '.join(names[:_NAMED_COINS])} and {len(names) - _NAMED_COINS} more"


def _notes(target: Row, signal: Row) -> str:
    """What the allocation adds to the state's sentence: after the amount, which the page shows as a number."""
    told = target.get("explanation") or ""
    state_sentence = signal.get("explanation") or ""
    if not state_sentence or not told.startswith(state_sentence):
        return words.codes(target.get("reason_codes"))
    _, _, notes = told.removeprefix(state_sentence).strip().partition(". ")
    return notes
