"""A CSV file of holdings, as a person or a tracker exports it: read strictly, and every mistake said with its place."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pipelines.config_files import ConfigError, read_text
from pipelines.holdings.amounts import decimal_text, parse_amount
from pipelines.holdings.portfolio import PortfolioError
from pipelines.holdings.sectors import Taxonomy
from pipelines.money import ZERO
from pipelines.settings import SUPPORTED_EXCHANGES

COLUMNS = ("exchange", "asset", "quantity")
MOST_ROWS = 100_000


@dataclass(frozen=True)
class Statement:
    """What is held on spot.

    Attributes:
        quantities: Exchange and coin to how many of the coin, exact and above 0; USDT, USDC and USD are cash.
        left_out: Sentences about what is not among them, each with the reason.
        notes: Sentences about what was summed or renamed.
    """

    quantities: dict[tuple[str, str], Fraction]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_statement(path: Path, taxonomy: Taxonomy) -> Statement:
    """Read a CSV file with the columns exchange, asset and quantity, in any order; further columns are ignored.

    Raises:
        PortfolioError: the file or a field of it cannot be used; names line and column and says what to write.
    """
    try:
        return parse_statement(read_text(path, "CSV file"), taxonomy)
    except ConfigError as error:
        raise PortfolioError(f"{path}: {error}") from None


def parse_statement(text: str, taxonomy: Taxonomy) -> Statement:
    """The same from the file's text."""
    rows = _rows(text)
    _, header = next(rows, (1, []))
    columns = _columns(header)
    quantities: dict[tuple[str, str], Fraction] = {}
    lines: dict[tuple[str, str], list[int]] = {}
    left_out, notes = [], []
    for line, fields in rows:
        if len(fields) != len(header):
            raise PortfolioError(
                f"line {line}: {len(fields)} fields where the header has {len(header)}; a decimal comma splits a "
                "number in two: write 0.5 with a point"
            )
        exchange, name, quantity = _fields(line, {column: fields[at].strip() for column, at in columns.items()})
        where = f"{decimal_text(quantity)} {name} on {exchange} (line {line})"
        if quantity == 0:
            left_out.append(f"{where}: nothing is held")
            continue
        counted = taxonomy.counted(name, quantity)
        if counted is None:
            left_out.append(f"{where}: no sector has it")
            continue
        asset, coins = counted
        if asset != name:
            notes.append(f"{where}: counted as {decimal_text(coins)} {asset}")
        key = (exchange, asset)
        quantities[key] = quantities.get(key, ZERO) + coins
        lines.setdefault(key, []).append(line)
    for (exchange, asset), found in lines.items():
        if len(found) > 1:
            total = decimal_text(quantities[exchange, asset])
            notes.append(f"{asset} on {exchange}: lines {', '.join(map(str, found))} summed to {total}")
    if not quantities:
        why = f": {'; '.join(left_out)}" if left_out else ""
        raise PortfolioError(f"has no holding that could be used{why}; nothing was changed")
    return Statement(quantities, tuple(left_out), tuple(notes))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every line that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for count, fields in enumerate(reader):
            if count > MOST_ROWS:
                raise PortfolioError(f"has more than {MOST_ROWS:,} lines; this is no list of holdings")
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise PortfolioError(f"line {reader.line_num}: is not CSV ({error}); correct the quotes there") from None


def _columns(header: list[str]) -> dict[str, int]:
    """Column to its place."""
    names = [name.strip().casefold() for name in header]
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise PortfolioError("line 1: the fields are not separated by commas; save the file with commas between fields")
    for column in COLUMNS:
        if names.count(column) != 1:
            what = "is there twice" if column in names else "is missing"
            raise PortfolioError(
                f"line 1: the column {column} {what}; the first line must name {', '.join(COLUMNS)} once each"
            )
    return {column: names.index(column) for column in COLUMNS}


def _fields(line: int, given: dict[str, str]) -> tuple[str, str, Fraction]:
    exchange, asset = given["exchange"].casefold(), given["asset"].upper()
    if exchange not in SUPPORTED_EXCHANGES:
        known = ", ".join(SUPPORTED_EXCHANGES)
        raise PortfolioError(f"line {line}, column exchange: {given['exchange']!r} is none of {known}; correct it")
    if not (asset.isascii() and asset.isalnum() and len(asset) <= 30):
        raise PortfolioError(f"line {line}, column asset: {given['asset']!r} is no coin; write for example BTC")
    try:
        return exchange, asset, parse_amount(given["quantity"])
    except ValueError as error:
        raise PortfolioError(f"line {line}, column quantity: {error}") from None
