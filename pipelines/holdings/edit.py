"""Puts a statement of holdings into `portfolio.yml` and leaves everything else there as it was, comments included."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from pipelines.config_files import ConfigError, read_text
from pipelines.holdings.amounts import decimal_text
from pipelines.holdings.models import Holding, Portfolio
from pipelines.holdings.portfolio import PortfolioError, parse_portfolio, read_keys, require_known
from pipelines.holdings.sectors import Taxonomy
from pipelines.holdings.statement import Statement


@dataclass(frozen=True)
class Edit:
    """What a file would become.

    Attributes:
        text: The whole new file.
        portfolio: What it says.
        changes: What is different, one line each; empty: nothing.
    """

    text: str
    portfolio: Portfolio
    changes: tuple[str, ...]


def put_holdings(path: Path, statement: Statement, day: date, taxonomy: Taxonomy, exchange: str | None = None) -> Edit:
    """Work out the file with these holdings in it; nothing is written.

    Args:
        path: The portfolio file; it need not exist.
        statement: What is held.
        day: The day of the statement, which makes it a new one even when the holdings are the same.
        taxonomy: The sectors and coins that there are.
        exchange: The statement is about this exchange alone, and holdings on others stay. None: about all of them.

    Raises:
        PortfolioError: the file as it is cannot be used, or would not be one afterwards.
    """
    try:
        text = read_text(path, "portfolio file") if path.exists() else "version: 1\n"
        given = read_keys(text)
        before = parse_portfolio(given)
        kept = [one for one in before.holdings or () if exchange is not None and one.exchange != exchange]
        listed = [Holding(exchange=at, asset=asset, quantity=n) for (at, asset), n in statement.quantities.items()]
        holdings = sorted((*kept, *listed), key=lambda one: (one.exchange, one.asset))
        sections: dict[str, str | None] = {"as_of": f"as_of: {day}\n", "value_usd": None, "holdings": _block(holdings)}
        if exchange is None and any(one.is_cash for one in listed):
            sections["cash_usd"] = None
        after_text = _splice(text, sections)
        after = parse_portfolio(read_keys(after_text))
        require_known(after, taxonomy)
    except ConfigError as error:
        raise PortfolioError(f"{path}: {error}") from None
    _require_the_rest_is_kept(path, before, after, sections, holdings)
    return Edit(after_text, after, tuple(_changes(before, after)))


def write(path: Path, text: str) -> None:
    """Put the file in place whole.

    Raises:
        PortfolioError: it cannot be written.
    """
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o600)
        Path(name).replace(target)
    except OSError as error:
        raise PortfolioError(f"{path}: cannot be written ({error.strerror}); check the path") from None


def _block(holdings: list[Holding]) -> str:
    def line(one: Holding) -> str:
        size = f"quantity: {decimal_text(one.quantity)}" if one.quantity is not None else (
            f"value_usd: {decimal_text(one.value_usd or Fraction(0))}"
        )  # fmt: skip
        return f"  - {{exchange: {one.exchange}, asset: {_scalar(one.asset)}, {size}}}\n"

    return "".join(["holdings:\n", *map(line, holdings)]) if holdings else "holdings: []\n"


def _scalar(text: str) -> str:
    """A name as YAML text: one that YAML would take for a number or a truth value is put in quotes."""
    return text if yaml.safe_load(text) == text else f'"{text}"'


def _splice(text: str, sections: Mapping[str, str | None]) -> str:
    """Replace top-level keys by other text (None: take the key out), add those that are not there."""
    root = yaml.compose(text)
    if root is not None and root.flow_style:
        raise ConfigError("is written in braces; write one key per line, so that the rest can be kept as it is")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    starts = [(key.start_mark.line, key.value) for key, _ in root.value] if root is not None else []
    ends = [line for line, _ in starts[1:]] + [len(lines)]
    out = lines[: starts[0][0]] if starts else lines
    for (start, key), end in zip(starts, ends, strict=True):
        own = lines[start:end]
        if key in sections:
            tail = len(own)
            while tail > 1 and (not own[tail - 1].strip() or own[tail - 1].startswith(("#", "...", "---"))):
                tail -= 1
            own = [sections[key] or "", *own[tail:]]
        out += own
    known = {key for _, key in starts}
    return "".join([*out, *(new for key, new in sections.items() if new and key not in known)])


def _require_the_rest_is_kept(
    path: Path, before: Portfolio, after: Portfolio, changed: Mapping[str, Any], holdings: list[Holding]
) -> None:
    rest = set(Portfolio.model_fields) - set(changed)
    is_kept = before.model_dump(include=rest) == after.model_dump(include=rest)
    if not is_kept or list(after.holdings or ()) != holdings:
        raise PortfolioError(f"{path}: its layout cannot be edited; write one key per line, without anchors")


def _changes(before: Portfolio, after: Portfolio) -> list[str]:
    was, now = _sizes(before), _sizes(after)
    lines = []
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            lines.append(f"{name}: {was.get(name, 'none')} -> {now.get(name, 'none')}")
    return lines


def _sizes(portfolio: Portfolio) -> dict[str, str]:
    sizes = {}
    for one in portfolio.holdings or ():
        amount = one.quantity if one.quantity is not None else one.value_usd or Fraction(0)
        sizes[f"{one.exchange} {one.asset}"] = decimal_text(amount) + (" USD" if one.quantity is None else "")
    for key in ("value_usd", "cash_usd"):
        if (amount := getattr(portfolio, key)) is not None:
            sizes[key] = decimal_text(amount)
    if portfolio.as_of is not None:
        sizes["as_of"] = str(portfolio.as_of)
    return sizes
