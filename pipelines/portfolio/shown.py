"""A night's decision as the Dagster UI shows it on the allocation: four short texts for a person."""

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
    day: date, source: str, sentence: str, targets: Iterable[dict[str, Any]], hedges: Iterable[dict[str, Any]]
) -> dict[str, str]:
    """Metadata key to Markdown.

    Args:
        day: The night.
        source: What the facts were made from; all but `live` get a label.
        sentence: The decision in one sentence.
        targets: Rows of `portfolio.target_allocations` of that day.
        hedges: Rows of `portfolio.hedges` of that day.

    Returns:
        `decision`, `decision_buy`, `decision_sell` and `decision_hedge`, each shorter than `MAX_CHARACTERS`.
    """
    moves = sorted((row for row in targets if row["sector"] != "CASH"), key=lambda row: -abs(row["delta_usd"]))
    buys = [_move(row) for row in moves if row["delta_usd"] > 0]
    sells = [_move(row) for row in moves if row["delta_usd"] < 0]
    label, said = LABELS.get(source), sentence.removeprefix(f"{day}: ")
    return {
        "decision": "\n\n".join([*([label] if label else []), f"Night of {day}: {said}"]),
        "decision_buy": _list(buys),
        "decision_sell": _list(sells),
        "decision_hedge": _list([_position(row) for row in hedges]),
    }


def _move(row: dict[str, Any]) -> str:
    is_first = "INCEPTION" in (row["reason_codes"] or ())
    why = "This is the first allocation." if is_first else _why(row["explanation"], row["sector"], row["state"])
    return f"**{row['sector']} ${abs(row['delta_usd']):,.2f}** ({row['state']}): {why}"


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
