"""Questions that people ask, each a documented SQL file in `warehouse/queries/`, and how they are run.

A file begins with comments that say the question, the parameters, the columns, the tables and how to read the answer;
they are read here, so the command line tells the same as the file. Parameters are DuckDB variables with a default in
the SQL itself: a file runs as it stands in any client, and `set variable sector = 'DEFI';` before it asks for another.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from warehouse.connection import Connection
from warehouse.query import QueryError, Rows, query

QUERIES_DIRECTORY = Path(__file__).parent / "queries"
MOST_COUNT = 100_000
# Where the known values of a kind of parameter stand in a release.
_KNOWN = {
    "sector": ("marts.sector_weights", "sector"),
    "asset": ("marts.asset_futures_daily", "asset"),
}
_EXAMPLES = {
    "date": "a day such as 2026-11-21",
    "count": f"a whole number from 1 to {MOST_COUNT:,}",
    "number": "a number such as 0.05",
    "text": "a text",
    "sector": "a sector such as DEFI",
    "asset": "a coin such as BTC",
}
_SECTION = re.compile(r"(Parameters|Columns|Reads|How to read|No rows): ?(.*)")
_PARAMETER = re.compile(r"(\w+) \((\w+), default ([^)]+)\): (.+)")
_COLUMN = re.compile(r"(\w+): (.+)")


class UnknownQuery(QueryError):
    """There is no query of that name; the message gives the nearest ones."""


class BadParameter(QueryError):
    """A query has no such parameter, or the value is not of its kind; the message says what it takes."""


@dataclass(frozen=True)
class Parameter:
    """What a query can be asked with.

    Attributes:
        name: The DuckDB variable that the SQL reads.
        kind: `sector`, `asset`, `date`, `count` (a whole number from 1), `number` or `text`.
        default: In words or as a value, for people; the SQL holds it.
        meaning: What it does.
    """

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True)
class NamedQuery:
    """One question.

    Attributes:
        name: The file's name without `.sql`.
        question: One sentence with a question mark.
        parameters: What it can be asked with, by name.
        columns: Name to meaning with unit, in the order of the answer.
        reads: The tables that it needs, qualified.
        how_to_read: What the answer says and what it does not say.
        when_empty: What an answer without rows says; None where there always are rows.
        sql: The file's text.
    """

    name: str
    question: str
    parameters: dict[str, Parameter]
    columns: dict[str, str]
    reads: tuple[str, ...]
    how_to_read: str
    when_empty: str | None
    sql: str


@cache
def list_queries() -> tuple[NamedQuery, ...]:
    """Every query, by name."""
    return tuple(read_query(path) for path in sorted(QUERIES_DIRECTORY.glob("*.sql")))


def find_query(name: str) -> NamedQuery:
    """The query of that name.

    Raises:
        UnknownQuery: there is none.
    """
    known = {named.name: named for named in list_queries()}
    if name in known:
        return known[name]
    near = _nearest(name, known)
    raise UnknownQuery(f"no query is called {name!r}; list them with: rotation query{near}")


def run_named(con: Connection, named: NamedQuery, given: Mapping[str, str]) -> Rows:
    """The answer of a release.

    Args:
        con: A release.
        named: The question.
        given: Parameter name to value as it was typed; what is left out has the default of the SQL.

    Raises:
        BadParameter: `given` has a name that the query does not know, or a value not of its kind.
        QueryError: the release lacks a table that the query reads.
    """
    _require_tables(con, named)
    values = {name: _value(con, named, name, text) for name, text in given.items()}
    return query(con, named.sql, variables=values)


def read_query(path: Path) -> NamedQuery:
    """A query's file with what its comments say.

    Raises:
        QueryError: the comments lack the question, the columns, the tables or how to read the answer.
    """
    sql = path.read_text(encoding="utf-8")
    question, sections = _sections(sql)
    parameters = [_matched(_PARAMETER, line, path) for line in sections.get("Parameters", [])]
    columns = [_matched(_COLUMN, line, path) for line in sections.get("Columns", [])]
    reads = tuple(sections.get("Reads", [""])[0].rstrip(".").split(", "))
    how_to_read = " ".join(sections.get("How to read", []))
    if not (question.endswith("?") and columns and all(reads) and how_to_read):
        raise QueryError(
            f"{path}: a query begins with comments: a question in one sentence, Parameters (where it has any), "
            "Columns, Reads and How to read; see the other files in the folder."
        )
    return NamedQuery(
        name=path.stem,
        question=question,
        parameters={fields[0]: Parameter(*fields) for fields in parameters},
        columns=dict(columns),
        reads=reads,
        how_to_read=how_to_read,
        when_empty=" ".join(sections["No rows"]) if "No rows" in sections else None,
        sql=sql,
    )


def _sections(sql: str) -> tuple[str, dict[str, list[str]]]:
    """The question, and per section its entries: what is indented deeper goes on with the entry before."""
    question: list[str] = []
    sections: dict[str, list[str]] = {}
    entries = question
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        text = line[2:]
        if not text.strip():
            continue
        if section := _SECTION.fullmatch(text.strip()):
            entries = sections.setdefault(section[1], [section[2]] if section[2] else [])
        elif re.match(r" {3}\w+( \(|: )", text):
            entries.append(text.strip())
        elif entries:
            entries[-1] = f"{entries[-1]} {text.strip()}"
        else:
            entries.append(text.strip())
    return " ".join(question), sections


def _matched(pattern: re.Pattern[str], line: str, path: Path) -> tuple[str, ...]:
    match = pattern.fullmatch(line)
    if match is None:
        raise QueryError(f"{path}: this line of the comments cannot be read: {line}")
    return match.groups()


def _require_tables(con: Connection, named: NamedQuery) -> None:
    found = query(con, "select table_schema || '.' || table_name from information_schema.tables").rows
    missing = sorted(set(named.reads) - {row[0] for row in found})
    if not missing:
        return
    remedy = "It was made by another version of the program: make a new release with `rotation run`."
    if missing[0].startswith("raw."):
        remedy = "A release has raw tables as far as `publish.include_raw` asks: set it to a number of days or `all`."
    raise QueryError(f"{named.name}: the release has no {', '.join(missing)}. {remedy}")


def _value(con: Connection, named: NamedQuery, name: str, text: str) -> Any:
    parameter = named.parameters.get(name)
    if parameter is None:
        takes = ", ".join(named.parameters) or "none"
        near = _nearest(name, named.parameters)
        raise BadParameter(f"{named.name} has no parameter {name!r}; it takes: {takes}{near}")
    if parameter.kind in _KNOWN:
        return _known_value(con, named, parameter, text)
    try:
        return _parsed(parameter.kind, text)
    except ValueError:
        takes = _EXAMPLES[parameter.kind]
        raise BadParameter(f"{named.name}: {name} = {text!r} cannot be used; it takes {takes}") from None


def _parsed(kind: str, text: str) -> Any:
    """A value of its kind; ValueError where the text is none."""
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "count":
        number = int(text)
        if not 1 <= number <= MOST_COUNT:
            raise ValueError
        return number
    if kind == "number":
        value = float(text)
        if not math.isfinite(value):
            raise ValueError
        return value
    return text


def _known_value(con: Connection, named: NamedQuery, parameter: Parameter, text: str) -> str:
    """A sector or an asset as the release spells it."""
    table, column = _KNOWN[parameter.kind]
    known = [row[0] for row in query(con, f"select distinct {column} from {table} order by all").rows]
    spelled = {name.upper(): name for name in known}
    if text.upper() in spelled:
        return spelled[text.upper()]
    near = _nearest(text.upper(), spelled)
    of_all = f"; there are: {', '.join(known)}" if len(known) <= 20 else ""
    raise BadParameter(
        f"{named.name}: {parameter.name} = {text!r} is no {parameter.kind} of this release{of_all}{near}"
    )


def _nearest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
