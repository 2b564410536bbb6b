"""Rows as text: JSON and CSV for programs, exact; a table for people, rounded to be read."""

import csv
import json
import math
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.cli.options import Format

PLAIN_WIDTH = 100  # where the output is no terminal
MOST_TABLE_ROWS = 1_000
_UNBOUNDED = 1_000_000
_NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def output_console() -> Console:
    """Standard output for tables: as wide as the terminal, and 100 columns where there is none."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)


def write_rows(form: Format, columns: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows to standard output; as a table no more than 1,000, with a note on standard error."""
    if form is Format.TABLE:
        _write_table(columns, types, rows)
    elif form is Format.CSV:
        write_csv(columns, rows, sys.stdout)
    else:
        write_json(columns, rows, sys.stdout)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], file: TextIO) -> None:
    """A header and one line per row: every digit kept, lists and structs as JSON, unknown empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_value(value) for value in row] for row in rows)


def write_json(columns: Sequence[str], rows: Iterable[Sequence[Any]], file: TextIO) -> None:
    """A list of objects, one per line (see `json_value` for the values)."""
    separator = "[\n"
    for row in rows:
        values = {name: json_value(value) for name, value in zip(columns, row, strict=True)}
        file.write(separator + json.dumps(values, ensure_ascii=False, allow_nan=False))
        separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def json_value(value: Any) -> Any:
    """A database value as JSON has it.

    Dates and times become ISO text, unknown stays null. Numbers keep every digit: what JSON's readers would
    round (a long DECIMAL) or JSON does not have (Infinity, NaN) becomes text.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [json_value(part) for part in value]
    if isinstance(value, dict):
        return {str(key): json_value(part) for key, part in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)


def safe(text: str) -> str:
    """Text with control characters made visible: what an exchange sent must not steer a terminal."""
    return text.translate(_ESCAPED)


def rows_table(columns: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table of whatever a query gives, numbers to ten digits."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name, kind in zip(columns, types, strict=True):
        table.add_column(Text(safe(name)), justify="right" if kind.startswith(_NUMBERS) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _write_table(columns: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    console = output_console()
    shown = list(islice(iterator := iter(rows), MOST_TABLE_ROWS))
    table = rows_table(columns, types, shown)
    # Squeezed below its longest words a table is unreadable: then every row becomes a list of its columns.
    unsqueezed = console.options.update(max_width=_UNBOUNDED)
    if console.measure(table, options=unsqueezed).minimum > console.width:
        for number, row in enumerate(shown, 1):
            record = Table(box=None, show_header=False, pad_edge=False, title=f"row {number}", title_justify="left")
            for name, value in zip(columns, row, strict=True):
                record.add_row(Text(safe(name), style="bold"), Text(_cell(value), overflow="fold"))
            console.print(record, "")
    else:
        console.print(table)
    if next(iterator, None) is not None:
        print(f"only the first {MOST_TABLE_ROWS:,} rows are shown; --format csv writes all", file=sys.stderr)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        return safe(", ".join(map(_cell, value)))
    return safe(value.isoformat(" ") if isinstance(value, datetime) else str(value))


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return str(value)
    value = json_value(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
