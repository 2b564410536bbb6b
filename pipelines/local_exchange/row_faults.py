"""Faults inside a valid response: wrong rows in the right envelope."""

import json
from collections.abc import Callable
from typing import Any

from pipelines.local_exchange.wire import Reply, dumps

Row = list | dict
_PRICES = ("lastPrice", "markPrice", "indexPrice", "fairPrice", "last", "lastPr", "open", "high", "low", "close")
_OPEN_INTERESTS = (
    "openInterest", "openInterestValue", "sumOpenInterest", "sumOpenInterestValue", "holdVol", "holdingAmount",
    "oi", "oiCcy", "oiUsd",
)  # fmt: skip
_RATES = ("fundingRate", "realizedRate")
_TIMES = (
    "time",
    "timestamp",
    "ts",
    "fundingTime",
    "fundingRateTimestamp",
    "nextFundingTime",
    "closeTime",
    "openTime",
    "settleTime",
    "nextSettleTime",
)
_COLUMNS = ("time", "open", "high", "low", "close", "vol", "amount")  # of MEXC's candles of contracts
_CANDLE_PRICES, _OPENING, _CLOSING = (1, 2, 3, 4), 0, 6
_LONGEST_CANDLE_MS = 31 * 86_400_000


def _change(row: Row, cells: tuple, change: Callable[[Any], Any]) -> None:
    """Change the named cells that the row has; unknown and empty ones stay as they are."""
    for cell in cells:
        present = cell < len(row) if isinstance(row, list) else cell in row
        if present and row[cell] not in (None, ""):
            row[cell] = change(row[cell])


def _as_sent(cell: Any, number: float) -> Any:
    """The number as text or as a number, whichever the cell was."""
    return repr(number) if isinstance(cell, str) else number


def _price_cells(row: Row) -> tuple:
    if isinstance(row, dict):
        return _PRICES
    return () if _is_open_interest(row) else _CANDLE_PRICES


def _open_interest_cells(row: Row) -> tuple:
    if isinstance(row, dict):
        return _OPEN_INTERESTS
    return (1, 2, 3) if _is_open_interest(row) else ()


def _is_open_interest(row: list) -> bool:
    return len(row) == 4  # OKX's history: time, contracts, coins, USD


def _time_cells(row: Row) -> tuple:
    if isinstance(row, dict):
        return _TIMES
    return (_OPENING, _CLOSING) if _has_closing_time(row) else (_OPENING,)


def _has_closing_time(row: list) -> bool:
    """Whether cell 6 is the candle's end, the minute's last millisecond or the next one's first; else a volume."""
    if len(row) <= _CLOSING or row[_CLOSING] in (None, ""):
        return False
    length = float(row[_CLOSING]) - float(row[_OPENING])
    return 0 < length <= _LONGEST_CANDLE_MS and (length % 60_000 == 0 or (length + 1) % 60_000 == 0)


def _nan_price(rows: list[Row]) -> None:
    middle = rows[len(rows) // 2]
    _change(middle, (4,) if isinstance(middle, list) else _PRICES, lambda _: "NaN")


def _negative_price(rows: list[Row]) -> None:
    middle = rows[len(rows) // 2]
    _change(middle, _price_cells(middle), lambda price: _as_sent(price, -float(price)))


def _duplicate_rows(rows: list[Row]) -> None:
    middle = len(rows) // 2
    rows.insert(middle, json.loads(json.dumps(rows[middle])))


def _conflicting_rows(rows: list[Row]) -> None:
    _duplicate_rows(rows)
    copy = rows[len(rows) // 2]
    rates = _RATES if isinstance(copy, dict) else ()
    cells = (*_price_cells(copy), *_open_interest_cells(copy), *rates)
    _change(copy, cells, lambda value: _as_sent(value, float(value) * 1.01))


def _microsecond_timestamps(rows: list[Row]) -> None:
    for row in rows:
        _change(row, _time_cells(row), lambda time: type(time)(int(time) * 1000))


def _zero_open_interest(rows: list[Row]) -> None:
    for row in rows:
        _change(row, _open_interest_cells(row), lambda value: "0" if isinstance(value, str) else 0)


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
    holder, key = _place(content)
    found = holder[key]
    if isinstance(found, dict) and "time" in found and isinstance(found["time"], list):  # one list per column
        rows = [list(row) for row in zip(*(found[name] for name in _COLUMNS), strict=True)]
        ROW_FAULTS[kind](rows)
        holder[key] = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    else:
        rows = found if isinstance(found, list) else [found]
        ROW_FAULTS[kind](rows)
        holder[key] = rows if isinstance(found, list) else rows[0]
    return Reply(dumps(holder[key] if found is content else content), reply.status, len(rows))


def _place(content: Any) -> tuple[dict, str]:
    """The object that holds the rows, or the one row, and under which name."""
    if isinstance(content, dict) and "result" in content:
        return content["result"], "list"
    data = content.get("data") if isinstance(content, dict) else None
    if isinstance(data, dict) and "resultList" in data:
        return data, "resultList"
    if isinstance(data, dict) and "symbols" in data:
        return data, "symbols"
    return (content, "data") if data is not None else ({"rows": content}, "rows")
