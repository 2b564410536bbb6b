"""What two snapshots say, held against one another row by row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAMES = ("sector", "hedge_id", "trade_id", "asset")


@dataclass(frozen=True)
class Change:
    """One value in which two snapshots differ.

    Attributes:
        part: `allocations`, `hedges` or `orders`.
        row: What the row is about: a sector, a hedge, an order.
        column: The column; None where only one of the two has the row.
        before: The value, or the whole row; None where the first one has no such row.
        after: The same of the second one.
    """

    part: str
    row: str
    column: str | None
    before: Any
    after: Any


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """Every value in which two snapshots' contents differ, part by part and row by row.

    Args:
        before, after: Part to JSON; a part that one of them does not have is not compared.
    """
    found: list[Change] = []
    for part in sorted(set(before) & set(after)):
        if before[part] == after[part]:
            continue
        one, other = (_by_name(text) for text in (before[part], after[part]))
        for name in [*one, *(name for name in other if name not in one)]:
            old, new = one.get(name), other.get(name)
            if old is None or new is None:
                found.append(Change(part, name, None, old, new))
                continue
            columns = [*old, *(column for column in new if column not in old)]
            found += [
                Change(part, name, column, old.get(column), new.get(column))
                for column in columns
                if old.get(column) != new.get(column)
            ]
    return found


def _by_name(text: str) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for row in json.loads(text):
        name = next((str(row[column]) for column in _NAMES if row.get(column)), "row")
        number, unique = 1, name
        while unique in rows:
            number += 1
            unique = f"{name} ({number})"
        rows[unique] = row
    return rows
