"""A night's decision as the Dagster UI shows it on the allocation: four short texts for a person."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

LABELS = {
    "simulated": "**SIMULATED MARKET: no price here is real.**",
    "example": "**EXAMPLE: a market made up for a worked example, no price here is real.**",
    "recorded": "**RECORDED MARKET: replayed from files, not fetched from the exchanges.**",
}
"""What stands before the decision, by source; nothing does with live data."""

# Dagster shows a Markdown text of 1,000 characters and more only after a click
MAX_CHARACTERS = 950
_NOTHING = "Nothing."


def decision_texts(
    day: date,
    source: str,
    sentence: str,
    targets: Iterable[dict[str, Any]],
    orders: Iterable[dict[str, Any]],
    hedges: Iterable[dict[str, Any]],
) -> dict[str, str]:
    """Metadata key to Markdown.

    Args:
        day: The night.
        source: What the facts were made from; all but `live` get a label.
        sentence: The decision in one sentence.
        targets: Rows of `portfolio.target_allocations` of that day.
        orders: Rows of `portfolio.rebalance_trades` of that day.
        hedges: Rows of `portfolio.hedges` of that day.

    Returns:
        `decision`, `decision_sell`, `decision_buy` and `decision_hedge`, each shorter than `MAX_CHARACTERS`.
    """
    label, said = LABELS.get(source), sentence.removeprefix(f"{day}: ")
    states = {row["sector"]: row for row in targets}
    moves: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for order in orders:
        moves[order["side"], order["sector"]].append(order)
    lines = {
        key: _move(states[key[1]], made)
        for key, made in sorted(moves.items(), key=lambda item: (-_worth(item[1]), item[0]))
    }
    return {
        "decision": "\n\n".join([*([label] if label else []), f"Night of {day}: {said}"]),
        "decision_sell": _list([line for (side, _), line in lines.items() if side == "sell"]),
        "decision_buy": _list([line for (side, _), line in lines.items() if side == "buy"]),
        "decision_hedge": _list([_position(row) for row in hedges]),
    }


def _worth(orders: Iterable[dict[str, Any]]) -> float:
    return sum(order["notional_usd"] for order in orders)


def _move(target: dict[str, Any], orders: Sequence[dict[str, Any]]) -> str:
    """What is ordered in a sector on one side, and why."""
    is_first = "INCEPTION" in (target["reason_codes"] or ())
    sector, state = target["sector"], target["state"]
    why = "This is the first allocation." if is_first else _why(target["explanation"], sector, state)
    coins = ", ".join(sorted({order["asset"] for order in orders}))
    return f"**{sector} ${_worth(orders):,.2f}** of {coins} ({state}): {why}"


def _why(explanation: str, sector: str, state: str) -> str:
    """The sentence of the state: its first two reasons."""
    sentence = explanation.removeprefix(f"{sector}: {state}. ").partition(". ")[0]
    return "; ".join(sentence.rstrip(".").split("; ")[:2]) + "."


def _position(row: dict[str, Any]) -> str:
    """What is done with a position, and what it gives back of a loss."""
    told = row["explanation"].removeprefix(f"{row['asset']}: ")
    what, _, rest = told.partition(". ")
    effect = rest.partition(":")[0].rstrip(".")
    return f"**{row['asset']}** ({row['role']}, {row['status']}): {what}." + (f" {effect}." if effect else "")


def _list(lines: Sequence[str]) -> str:
    if not lines:
        return _NOTHING
    text, shown = "", 0
    for line in lines:
        more = f"- {line}\n"
        if len(text) + len(more) > MAX_CHARACTERS - 60:
            break
        text, shown = text + more, shown + 1
    left = len(lines) - shown
    return text + (f"- and {left} more: see the report or `portfolio.target_allocations`\n" if left else "")
