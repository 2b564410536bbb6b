"""The tables in which people read the portfolio of a night: coins, orders, the futures sleeve, the paper books."""

import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pipelines.cli.formats import safe
from pipelines.cli.tables import Row, columns, percent, right, usd

_ROLES = ("spot", "hedge", "liquidity", "tactical")


def assets(rows: Sequence[Row]) -> RenderableType:
    """What every coin is held at before and after the night's orders; coins that are neither are left out."""
    table = columns("Sector", "Asset", *right("Now", "Target", "Price USD", "Now USD", "Target USD"), "Why")
    for row in rows:
        if not row["current_quantity_base"] and not row["target_quantity_base"]:
            continue
        remarks = list(row["reason_codes"] or [])
        remarks += ["old price"] if row["is_stale_price"] else []
        remarks += [] if row["is_sellable"] else ["cannot be sold"]
        table.add_row(
            Text(row["sector"]),
            Text(row["asset"], style="bold"),
            f"{row['current_quantity_base']:.8g}",
            f"{row['target_quantity_base']:.8g}",
            "unknown" if row["price_usd"] is None else f"{row['price_usd']:,.8g}",
            usd(row["current_usd"]),
            usd(row["target_usd"]),
            Text(", ".join(remarks)),
        )
    return table


def orders(rows: Sequence[Row]) -> RenderableType:
    """The spot orders, sells first, and what they cost together."""
    table = columns(
        "Order", "Asset", "Exchange", *right("Quantity", "Price USD", "USD", "Fee USD", "Slippage USD"), "Why"
    )
    for row in rows:
        table.add_row(
            Text(row["side"], style="red" if row["side"] == "sell" else "green"),
            Text(row["asset"], style="bold"),
            Text(safe(row["exchange"])),
            f"{row['quantity_base']:.8g}",
            f"{row['price_usd']:,.8g}",
            usd(row["notional_usd"]),
            usd(row["fee_usd"]),
            usd(row["slippage_usd"]),
            Text(", ".join(row["reason_codes"] or [])),
        )
    total = sum(row["fee_usd"] + row["slippage_usd"] for row in rows)
    return Group(table, Text(f"fees and slippage together {usd(total)} USD; no order was placed", style="dim"))


def sleeve(rows: Sequence[Row]) -> RenderableType:
    """Margin, budgets, concentration, net beta and the worst scenario of the futures sleeve."""
    (row,) = rows
    table = columns("Futures sleeve", *right("USD"))
    for name, column in (
        ("collateral", "collateral_usd"),
        ("margin in use", "used_margin_usd"),
        ("  by hedges", "used_margin_hedge_usd"),
        ("  by liquidity shorts", "used_margin_liquidity_usd"),
        ("  by tactical longs", "used_margin_tactical_usd"),
        ("free margin", "free_margin_usd"),
        ("gross notional", "gross_notional_usd"),
        ("net notional", "net_notional_usd"),
        ("net beta of spot and futures", "net_beta_usd"),
        ("worst scenario of the whole plan", "worst_scenario_usd"),
        ("proposed transfer into the sleeve", "proposed_transfer_usd"),
    ):
        table.add_row(Text(name), usd(row[column]))
    lines = [Text(safe(row["explanation"] or ""))]
    if row["is_concentrated"]:
        lines.append(
            Text(f"CONCENTRATION: the role {row['concentration_role']} uses most of the margin", style="yellow")
        )
    lines.append(
        Text(f"share of the portfolio {percent(row['share_of_nav_frac'])}, breadth {percent(row['breadth_frac'])}")
    )
    lines += [Padding(Text(safe(note)), (0, 0, 0, 2)) for note in row["notes"] or []]
    told = json.loads(row["role_correlations"] or "{}")
    known = [
        f"{pair} {one['correlation']:+.2f} ({one['n']} days)"
        for pair, one in told.items()
        if one["correlation"] is not None
    ]
    days = max((one["n"] for one in told.values()), default=0)
    words = ", ".join(known) or f"none told: too few days on which two roles earned anything ({days})"
    lines.append(Text(f"correlations of the roles' daily profits: {words}", style="dim"))
    return Group(table, *lines)


def value(rows: Sequence[Row]) -> RenderableType:
    """What the paper portfolio is worth and where it came from since the opening."""
    (row,) = rows
    table = columns("Paper portfolio", *right("USD"))
    for name, column in (
        ("value", "nav_usd"),
        ("  coins", "spot_usd"),
        ("  cash of the spot sleeve", "spot_cash_usd"),
        ("  cash of calendar tilts", "tilt_cash_usd"),
        ("  futures sleeve", "futures_equity_usd"),
        ("realised profit since the opening", "realised_pnl_usd"),
        ("unrealised profit", "unrealised_pnl_usd"),
        ("funding received", "funding_usd"),
        ("fees paid", "fees_usd"),
        ("slippage paid", "slippage_usd"),
        *((f"profit of {role}, costs inside", f"{role}_pnl_usd") for role in _ROLES),
    ):
        table.add_row(Text(name), usd(row[column]))
    return table
