"""What the exchanges' wire formats have in common: replies, numbers as text, candles as JSON rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isnan
from typing import Any

import numpy as np
import orjson
import polars as pl


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response.

    Attributes:
        body: The bytes sent.
        status: HTTP status.
        rows: Rows of data in the body; 0 for errors and for calls that have no rows.
        headers: Headers besides the length.
        content_type: The media type.
    """

    body: bytes
    status: int = 200
    rows: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Refused(Exception):
    """A request that the exchange answers with its own error; each venue puts it into its own envelope."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


Query = Mapping[str, str]
Refusal = tuple[int, str]
"""An error code and its message, in which `{}` stands for the parameter's name."""


def refused(refusal: Refusal, name: str) -> Refused:
    """The exchange's refusal of a parameter."""
    return Refused(refusal[0], refusal[1].format(name))


def required(query: Query, name: str, refusal: Refusal) -> str:
    """A parameter that must be sent and not be empty; else the refusal is raised."""
    if not query.get(name):
        raise refused(refusal, name)
    return query[name]


@dataclass(frozen=True, slots=True)
class Numbers:
    """How an exchange reads the whole numbers among its parameters.

    Attributes:
        unreadable: Its refusal of what is no whole number.
        too_small: Its refusal of pages of less than one row; None: the same.
        may_be_empty: Whether an empty text is the same as nothing.
    """

    unreadable: Refusal
    too_small: Refusal | None = None
    may_be_empty: bool = True

    def integer(self, query: Query, name: str, default: int | None = None) -> int | None:
        """The number; `default` where it is not sent."""
        if name not in query or (self.may_be_empty and not query[name]):
            return default
        try:
            return int(query[name])
        except ValueError:
            raise refused(self.unreadable, name) from None

    def page_size(self, query: Query, default: int, cap: int, name: str = "limit") -> int:
        """Rows asked for, at most `cap`."""
        size = self.integer(query, name, default)
        if size < 1:
            raise refused(self.too_small or self.unreadable, name)
        return min(size, cap)


def dumps(value: Any) -> bytes:
    """JSON without spaces."""
    return orjson.dumps(value)


def text(value: float | None) -> str | None:
    """A number as the exchanges write it, as text that reads back as the same float64; unknown is None."""
    return None if value is None or isnan(value) else repr(float(value))


def plain(number: float | Decimal) -> str:
    """A number without an exponent: `0.00001`, `1000000`."""
    return format(Decimal(str(number)).normalize(), "f")


def decimals(step: float) -> int:
    """Decimals of quantities or prices in steps of a power of ten: 5 for 0.00001, -3 for 1000."""
    return -Decimal(str(step)).adjusted()


def candle_rows(columns: Mapping[str, np.ndarray], template: str) -> bytes:
    """Candles as a JSON array of arrays.

    A page of 1,000 rows takes about half a millisecond: the numbers are turned into text by Polars, whose
    text reads back as the same float64 (checked on 200,000 values over the whole range).

    Args:
        columns: Name to values. Floats become quoted text and NaN becomes null; integers stay numbers.
        template: One row's JSON with a `{}` per column, in the columns' order.
    """
    if not len(next(iter(columns.values()))):
        return b"[]"
    frame = pl.DataFrame(dict(columns))
    cells = [_cell(frame[name]) for name in columns]
    rows = frame.select(pl.format(template, *cells).str.join(",")).item()
    return b"[" + rows.encode() + b"]"


def _cell(column: pl.Series) -> pl.Expr:
    if not column.dtype.is_float():
        return pl.col(column.name)
    quoted = pl.format('"{}"', column.name)
    if not column.is_nan().any():
        return quoted
    return pl.when(pl.col(column.name).is_nan()).then(pl.lit("null")).otherwise(quoted)
