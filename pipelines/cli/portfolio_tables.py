"""What the pipeline understands of a portfolio file, for people and for programs."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipelines.cli.formats import output_console, safe
from pipelines.holdings.amounts import decimal_text
from pipelines.holdings.effective import Effective
from pipelines.holdings.portfolio import Opening, digest, fees, opening


def as_json(path: Path | None, effective: Effective) -> dict[str, Any]:
    """The portfolio as one object: exact numbers as text, the split and limits in force, what the books begin with."""
    portfolio, policy = effective.portfolio, effective.policy
    opened = opening(portfolio, policy)
    in_force = policy.model_dump(mode="json", include={"split", "limits", "expression"})
    own_fees = {name: [decimal_text(one) for one in fees(portfolio, policy, name)] for name in sorted(portfolio.fees)}
    return {
        "file": str(path) if path else None,
        "portfolio_hash": digest(portfolio),
        "policy_hash": policy.canonical_hash(),
        "opening_digest": opened.digest if opened else None,
        "portfolio": portfolio.model_dump(mode="json", exclude_none=True),
        "opening": _opening_json(opened) if opened else None,
        "fees": {name: {"spot_frac": spot, "perp_frac": perp} for name, (spot, perp) in own_fees.items()},
        **in_force,
    }


def write_tables(path: Path | None, effective: Effective) -> None:
    """The same for people, to standard output."""
    portfolio, policy = effective.portfolio, effective.policy
    console = output_console()
    opened = opening(portfolio, policy)
    console.print(Text(f"Portfolio: {path or 'no file, a paper book of the settings'}", style="bold"), soft_wrap=True)
    console.print(f"portfolio_hash {digest(portfolio)}\npolicy_hash    {policy.canonical_hash()}")
    split = policy.split
    low, high = split.band
    console.print(
        f"split {portfolio.preset or 'of the policy'}: spot {_percent(split.spot)}, futures {_percent(split.futures)} "
        f"(may drift from {_percent(low)} to {_percent(high)})"
    )
    if opened is None:
        console.print("what is held is not stated: the paper book goes on, or begins with the settings' value in cash")
    else:
        _print_opening(console, opened)
    if effective.strategic_weights is not None:
        table = _table("Sector", "Strategic weight", "%")
        for name, weight in sorted(effective.strategic_weights.items()):
            table.add_row(name, str(weight), _percent(weight))
        console.print(table, "sectors that are not named have 0: watched, never bought")
    else:
        console.print("strategic weights: those of dbt/seeds/sectors.csv")
    overrides = portfolio.limits.model_dump(mode="json", exclude_none=True) if portfolio.limits else {}
    lines = [f"limits.{key}: {value} instead of the policy's" for key, value in overrides.items()]
    for name, choice in sorted(portfolio.sectors.items()):
        said = choice.model_dump(exclude_none=True)
        lines.append(f"{name}: {', '.join(f'{key} {value}' for key, value in said.items())}")
    for name in sorted(portfolio.fees):
        spot, perp = fees(portfolio, policy, name)
        lines.append(f"fees on {name}: spot {_percent(spot)}, perpetual {_percent(perp)}")
    for line in lines:
        console.print(Text(safe(line)), soft_wrap=True)


def _print_opening(console: Any, opened: Opening) -> None:
    as_of = f" of {opened.as_of}" if opened.as_of else ""
    console.print(f"statement{as_of}: {opened.digest}; another one opens the books anew", soft_wrap=True)
    if opened.holdings:
        table = _table("Exchange", "Asset", "Quantity", "Value USD")
        for one in opened.holdings:
            quantity = "" if one.quantity is None else decimal_text(one.quantity)
            table.add_row(one.exchange, one.asset, quantity, "" if one.value_cents is None else _usd(one.value_cents))
        console.print(table)
    console.print(f"cash in the spot sleeve {_usd(opened.cash_cents)} USD")
    console.print(f"collateral of the futures sleeve {_usd(opened.collateral_cents)} USD; idle collateral yields 0")
    if opened.positions:
        table = _table("Exchange", "Position", "Role", "Size", "Entry USD", "Margin USD")
        for one in opened.positions:
            coins = one.quantity_base
            size = f"{decimal_text(one.contracts or Fraction(0))} contracts" if coins is None else decimal_text(coins)
            where, entry = f"{one.side} {one.symbol}", decimal_text(one.entry_price_usd)
            table.add_row(one.exchange, where, one.role, size, entry, _usd(one.margin_cents))
        console.print(table)


def _opening_json(opened: Opening) -> dict[str, Any]:
    def text(amount: Fraction | None) -> str | None:
        return None if amount is None else decimal_text(amount)

    return {
        "as_of": str(opened.as_of) if opened.as_of else None,
        "cash_cents": opened.cash_cents,
        "collateral_cents": opened.collateral_cents,
        "holdings": [
            {"exchange": h.exchange, "asset": h.asset, "quantity": text(h.quantity), "value_cents": h.value_cents}
            for h in opened.holdings
        ],
        "positions": [
            {
                "exchange": p.exchange, "symbol": p.symbol, "side": p.side, "role": p.role,
                "quantity_base": text(p.quantity_base), "contracts": text(p.contracts),
                "entry_price_usd": text(p.entry_price_usd), "margin_cents": p.margin_cents,
            }
            for p in opened.positions
        ],
    }  # fmt: skip


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        is_number = name in ("Quantity", "Value USD", "Strategic weight", "%", "Size", "Entry USD", "Margin USD")
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    return table


def _usd(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):.4g}%"
