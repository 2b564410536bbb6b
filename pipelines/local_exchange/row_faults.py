"""Faults inside a valid response: wrong rows in the right envelope."""

import json
from collections.abc import Callable
from typing import Any

from pipelines.local_exchange.wire import Reply, dumps

Row = list | dict
_PRICES = ("lastPrice", "markPrice", "indexPrice", "open", "high", "low", "close")
_OPEN_INTERESTS = ("openInterest", "openInterestValue", "sumOpenInterest", "sumOpenInterestValue")
_TIMES = (
    "time",
    "timestamp",
    "fundingTime",
    "fundingRateTimestamp",
    "nextFundingTime",
    "closeTime",
    "openTime",
)
_CANDLE_PRICES, _CANDLE_TIMES = (1, 2, 3, 4), (0, 6)


def _change(row: Row, cells: tuple, change: Callable[[Any], Any]) -> None:
    """Change the named cells that the row has; unknown and empty ones stay as they are."""
    for cell in cells:
        present = cell < len(row) if isinstance(row, list) else cell in row
        if present and row[cell] not in (None, ""):
            row[cell] = change(row[cell])


def _price_cells(row: Row) -> tuple:
    return _CANDLE_PRICES if isinstance(row, list) else _PRICES


def _time_cells(row: Row) -> tuple:
    if isinstance(row, dict):
        return _TIMES
    return tuple(cell for cell in _CANDLE_TIMES if cell == 0 or len(row) == 12)  # Bybit's cell 6 is turnover


def _nan_price(rows: list[Row]) -> None:
    middle = rows[len(rows) // 2]
    _change(middle, (4,) if isinstance(middle, list) else _PRICES, lambda _: "NaN")


def _negative_price(rows: list[Row]) -> None:
    middle = rows[len(rows) // 2]
    _change(middle, _price_cells(middle), lambda price: repr(-float(price)))


def _duplicate_rows(rows: list[Row]) -> None:
    middle = len(rows) // 2
    rows.insert(middle, json.loads(json.dumps(rows[middle])))


def _conflicting_rows(rows: list[Row]) -> None:
    _duplicate_rows(rows)
    copy = rows[len(rows) // 2]
    cells = _price_cells(copy) if isinstance(copy, list) else (*_PRICES, *_OPEN_INTERESTS, "fundingRate")
    _change(copy, cells, lambda value: repr(float(value) * 1.01))


def _microsecond_timestamps(rows: list[Row]) -> None:
    for row in rows:
        _change(row, _time_cells(row), lambda time: type(time)(int(time) * 1000))


def _zero_open_interest(rows: list[Row]) -> None:
    for row in rows:
        if isinstance(row, dict):
            _change(row, _OPEN_INTERESTS, lambda _: "0")


ROW_FAULTS: dict[str, Callable[[list[Row]], None]] = {
    "nan_price": _nan_price,
    "negative_price": _negative_price,
    "duplicate_rows": _duplicate_rows,
    "conflicting_rows": _conflicting_rows,
    "microsecond_timestamps": _microsecond_timestamps,
    "zero_open_interest": _zero_open_interest,
}
"""Fault to what it does to a response's rows; price faults and copies spoil the middle row only."""


def spoil_rows(kind: str, reply: Reply) -> Reply:
    """The reply with its rows spoilt; a reply without rows (an error, an empty page) is returned as it is."""
    if not reply.rows:
        return reply
    content = json.loads(reply.body)
    if isinstance(content, dict) and "result" in content:
        rows = content["result"]["list"]
        ROW_FAULTS[kind](rows)
        return Reply(dumps(content), reply.status, len(rows))
    if isinstance(content, dict) and "data" in content:
        data = content["data"]
        rows = data if isinstance(data, list) else data.get("symbols", [data])
        ROW_FAULTS[kind](rows)
        content["data"] = rows if isinstance(data, list) else {"symbols": rows} if "symbols" in data else rows[0]
        return Reply(dumps(content), reply.status, len(rows))
    rows = content if isinstance(content, list) else [content]
    ROW_FAULTS[kind](rows)
    return Reply(dumps(content if isinstance(content, list) else rows[0]), reply.status, len(rows))
