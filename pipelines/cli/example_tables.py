"""The tables of `rotation example`: what is told of it above what the pipeline computed."""

from collections.abc import Sequence
from fractions import Fraction

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.cli.formats import safe
from pipelines.cli.tables import label, percent, usd
from pipelines.examples import MADE_UP, Example
from pipelines.examples.figures import Figure, Found
from pipelines.examples.overbought import is_the_fall
from pipelines.examples.rotation import TABLE


def header(example: Example, found: Found) -> RenderableType:
    """What this is, and that its data are made up."""
    source = str(found.release.get("source"))
    return Group(
        Text(f"{example.title}, as of {example.last_day} (end of the day, UTC)", style="bold"),
        Text(MADE_UP, style="bold black on yellow"),
        Text(safe(f"release {found.release.get('release_id')}: {label(source)}")),
        "",
    )


def rotation(found: Found) -> RenderableType:
    """Sector by sector the told row and the computed one; then why, the orders and what they cost."""
    table = _table("Sector", "", "Now %", "Now USD", "Signal", "Action", "New %", "New USD")
    for told in TABLE:
        signal, target = found.signal(told.sector), found.target(told.sector)
        table.add_row(
            Text(told.told_sector, style="bold"), "told",
            _weight(told.weight_before), usd(told.usd_before), Text(told.signal), Text(told.told_action),
            _weight(told.weight_after), usd(told.usd_after),
        )  # fmt: skip
        table.add_row(
            Text(told.sector), "computed",
            _weight(target.get("current_weight_exact")), usd(target.get("current_usd")),
            Text(str(signal.get("state") or "none")), Text(str(signal.get("action") or "none")),
            _weight(target.get("target_weight_exact")), usd(target.get("target_usd")),
        )  # fmt: skip
        table.add_section()
    why = [
        Text(safe(str(found.signal(told.sector).get("explanation") or f"{told.sector}: no signal"))) for told in TABLE
    ]
    sold, bought = found.traded_usd("sell"), found.traded_usd("buy")
    costs = (
        f"Costs: {usd(sold)} sold pay for {usd(bought)} bought; {usd(sold - bought)} go to costs: fees "
        f"{usd(found.costs_usd('fee_usd'))}, slippage {usd(found.costs_usd('slippage_usd'))}."
    )
    return Group(table, *why, _orders(found), Text(costs), "")


def overbought(found: Found) -> RenderableType:
    """The holding, the hedge, and what a fall of 10% does to both."""
    parts: list[RenderableType] = []
    target = found.target("STORE_OF_VALUE")
    coins = [trade for trade in found.trades if trade["asset"] == "BTC"]
    parts.append(
        Text(f"BTC held: {usd(target.get('current_usd'))} USD; after the decision {usd(target.get('target_usd'))} USD")
    )
    parts.append(Text(f"Spot orders in BTC: {len(coins) or 'none'}"))
    for hedge in found.hedges:
        parts.append(
            Text(
                f"Hedge: {hedge['side']} {hedge['quantity_base']:.3f} {hedge['asset']} on {hedge['exchange']} at "
                f"{usd(hedge['mark_price_usd'])}, notional {usd(hedge['notional_usd'])}, margin "
                f"{usd(hedge['margin_usd'])}, {hedge['leverage']:g}x, offsets {percent(hedge['offset_frac'])} of a loss"
            )
        )
        parts.append(Text(safe(hedge["explanation"] or ""), style="dim"))
        parts += [_fall(row) for row in found.scenarios if is_the_fall(row, hedge)]
    if not found.hedges:
        parts.append(Text("Hedge: none"))
    return Group(*parts, "")


BODIES = {"rotation": rotation, "overbought": overbought}


def verdict(figures: Sequence[Figure]) -> RenderableType:
    """How many figures are as told, and those that are not."""
    wrong = [figure for figure in figures if not figure.matches]
    if not wrong:
        return Text(f"{len(figures)} of {len(figures)} figures are exactly as told.", style="bold green")
    table = _table("Figure that differs", "Told", "Computed")
    for figure in wrong:
        table.add_row(Text(figure.name), Text(safe(str(figure.expected))), Text(safe(str(figure.found))))
    return Group(Text(f"{len(wrong)} of {len(figures)} figures differ:", style="bold red"), table)


def _fall(row: dict) -> RenderableType:
    return Text(
        f"A fall of 10%: spot {usd(row['spot_pnl_usd'], sign='+')}, hedge {usd(row['hedge_price_pnl_usd'], sign='+')}: "
        f"{percent(row['offset_price_only_frac'])} of the loss, price only. With 7 days of funding "
        f"{usd(row['funding_pnl_usd'], sign='+')} and costs of {usd(row['cost_usd'])}: net "
        f"{usd(row['net_pnl_usd'], sign='+')}."
    )


def _orders(found: Found) -> RenderableType:
    table = _table("Order", "Asset", "Quantity", "Price USD", "USD", "Fee USD", "Slippage USD")
    for trade in sorted(found.trades, key=lambda row: (row["side"] != "sell", row["sector"], -row["notional_usd"])):
        table.add_row(
            trade["side"], trade["asset"], f"{trade['quantity_base']:,.8g}", f"{trade['price_usd']:,.8g}",
            usd(trade["notional_usd"]), usd(trade["fee_usd"]), usd(trade["slippage_usd"]),
        )  # fmt: skip
    return table if found.trades else Text("Orders: none")


def _weight(exact: object) -> str:
    return "unknown" if exact is None else percent(float(Fraction(str(exact))), unit="")


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", collapse_padding=True)
    for name in columns:
        table.add_column(name, justify="right" if "USD" in name or "%" in name or name == "Quantity" else "left")
    return table
