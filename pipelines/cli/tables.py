"""The tables in which people read a release: rounded, in 100 columns, with sentences wrapped."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipelines.cli.formats import safe
from warehouse.release import Release

Row = Mapping[str, Any]

_LABELS = {
    "simulated": "*** SIMULATED *** made-up market: these numbers say nothing about any real coin",
    "example": "*** EXAMPLE *** made-up market data, scripted for a worked example: says nothing about any real coin",
    "recorded": "*** RECORDED *** replayed from files, not fetched from the exchanges",
}
_STYLES = {
    "REDUCE": "red", "TRIM": "red", "INCREASE": "green", "FREEZE": "yellow",
    "STALE": "yellow", "NO_DATA": "yellow",
}  # fmt: skip


def label(source: str) -> str:
    """What the numbers are made from, in words nobody overlooks."""
    return _LABELS.get(source, f"source: {source}")


def header(info: Row, day: date, decision: Row | None) -> RenderableType:
    """Which day, which release, from which source, and whether anything was decided."""
    lines = [Text(f"Sector rotation, as of {day} (end of the day, UTC)", style="bold")]
    is_real = info["source"] == "live"
    lines.append(Text(label(info["source"]), style="" if is_real else "bold black on yellow"))
    lines.append(Text(f"release {info['release_id']}, published {info['published_at']:%Y-%m-%d %H:%M} UTC"))
    if decision:
        sleeves = f"spot {usd(decision['spot_sleeve_usd'])}, futures {usd(decision['futures_sleeve_usd'])}"
        turnover = percent(decision["turnover_frac"])
        value = usd(decision["portfolio_value_usd"])
        lines.append(Text(f"portfolio {value} USD ({sleeves}), turnover {turnover} of the spot sleeve"))
        lines.append(Text(safe(decision["explanation"] or "")))
        if decision["status"] != "decided":
            status = {"no_trade": "no trade", "halted": "halted"}.get(decision["status"], decision["status"])
            lines.append(Text(safe(f"{status}: {decision['reason']}"), style="bold"))
    return Group(*lines, "")


def allocations(rows: Sequence[Row]) -> RenderableType:
    """Weights of the spot sleeve and USD, before and after; why: the state and the codes of the decision.

    The active weight is the target less the strategic weight, in percentage points.
    """
    table = columns("Sector", "Action", *right("Now %", "Target %", "Active %", "Target USD", "Change USD"), "Why")
    for row in rows:
        is_cash = row["sector"] == "CASH"
        why = ", ".join([*([row["state"]] if row["state"] and not is_cash else []), *(row["reason_codes"] or [])])
        table.add_row(
            Text(row["sector"], style="bold"),
            _coloured("" if is_cash else row["action"]),
            percent(row["current_weight_frac"], unit=""),
            percent(row["target_weight_frac"], unit=""),
            "" if is_cash else percent(row["active_weight_frac"], sign="+", unit=""),
            usd(row["target_usd"]),
            usd(row["delta_usd"], sign="+"),
            Text(why),
        )
    return table


def signals(rows: Sequence[Row]) -> RenderableType:
    """State, action and the sentence that gives the reasons."""
    table = columns("Sector", "State", "Action", "Explanation")
    for row in rows:
        state = _coloured(row["state"])
        if row["previous_state"] and row["previous_state"] != row["state"]:
            state.append(f"\nwas {row['previous_state']}", style="dim")
        table.add_row(
            Text(row["sector"], style="bold"),
            state,
            _coloured(row["action"]),
            Text(safe(row["explanation"] or "")),
        )
    return table


def hedges(rows: Sequence[Row]) -> RenderableType:
    """The positions of the futures sleeve, each with its sentence below the table."""
    table = columns(
        "Role", "Status", "Position", *right("Quantity", "Notional USD", "Leverage", "Margin USD", "Offset")
    )
    sentences = []
    for row in rows:
        table.add_row(
            Text(row["role"]),
            Text(row["status"]),
            Text(safe(f"{row['side']} {row['symbol']}\n{row['exchange']}")),
            "unknown" if row["quantity_base"] is None else f"{row['quantity_base']:.8g}",
            usd(row["notional_usd"]),
            "unknown" if row["leverage"] is None else f"{row['leverage']:g}x",
            usd(row["margin_usd"]),
            percent(row["offset_frac"]),
        )
        sentences.append(Padding(Text(safe(row["explanation"] or "")), (0, 0, 0, 2)))
    return Group(table, *sentences)


def scenarios(rows: Sequence[Row]) -> RenderableType:
    """Per hedge: profit and loss in USD when the price moves by a shock and funding takes a path."""
    parts: list[RenderableType] = []
    for hedge_id, group in groupby(rows, key=lambda row: row["hedge_id"]):
        table = columns(
            *right("Shock", "Days"),
            "Funding path",
            *right("Spot USD", "Hedge USD", "Funding USD", "Cost USD", "Net USD", "Offset"),
        )
        for row in group:
            table.add_row(
                percent(row["shock_frac"], sign="+", decimals=0),
                str(row["horizon_days"]),
                Text(row["funding_path"] + (" LIQUIDATED" if row["is_liquidated"] else "")),
                *(usd(row[name], sign="+") for name in ("spot_pnl_usd", "hedge_price_pnl_usd", "funding_pnl_usd")),
                usd(row["cost_usd"]),
                usd(row["net_pnl_usd"], sign="+"),
                percent(row["offset_frac"], decimals=1),
            )
        parts += [Text(safe(hedge_id)), table]
    return Group(*parts)


def health(rows: Sequence[Row]) -> RenderableType:
    """Whether each sector's data were there, fresh and complete."""
    table = columns("Sector", *right("Coverage"), "Newest row (UTC)", "Fresh", "Complete", "Reason")
    for row in rows:
        newest = row["newest_row_at"]
        table.add_row(
            Text(row["sector"], style="bold"),
            percent(row["coverage_frac"], decimals=0),
            "unknown" if newest is None else f"{newest:%Y-%m-%d %H:%M}",
            _yes_no(row["is_fresh"]),
            _yes_no(row["is_complete"]),
            Text(safe("; left out: ".join([str(row["reason"] or ""), *(row["exchanges_left_out"] or [])]))),
        )
    return table


def checks(rows: Sequence[Row]) -> RenderableType:
    """Checks that did not pass; a published release has only such as do not block."""
    table = columns("Check", "About", "Severity", *right("Rows"), "Details")
    for row in rows:
        table.add_row(
            Text(row["check_name"]),
            Text(row["asset_key"]),
            Text("BLOCKING" if row["is_blocking"] else row["severity"], style="yellow"),
            "unknown" if row["failed_rows"] is None else f"{row['failed_rows']:,}",
            Text(safe(row["details"] or "")),
        )
    return Group(Text("Checks that did not pass", style="bold"), table)


def releases(published: Sequence[Release]) -> RenderableType:
    """Releases with what each is made from; one that is no longer kept cannot be rolled back to."""
    table = columns("Release", "Published (UTC)", "As of", "Source", "Kept", "Readers get it")
    for release in published:
        table.add_row(
            Text(release.release_id, style="bold" if release.is_current else ""),
            f"{release.published_at:%Y-%m-%d %H:%M}",
            str(release.as_of_date),
            release.source,
            "yes" if release.is_kept else "no",
            "this one" if release.is_current else "",
        )
    return table


def usd(value: float | None, sign: str = "-") -> str:
    """An amount to the cent with thousands; `sign="+"` marks gains too."""
    return "unknown" if value is None else f"{round(value, 2) + 0.0:{sign},.2f}"


def percent(value: float | None, *, sign: str = "-", decimals: int = 2, unit: str = "%") -> str:
    """A fraction in percent."""
    return "unknown" if value is None else f"{round(100 * value, decimals) + 0.0:{sign}.{decimals}f}{unit}"


def _yes_no(value: bool | None) -> Text:
    return Text("yes") if value else Text("unknown" if value is None else "NO", style="yellow")


def _coloured(word: str | None) -> Text:
    return Text(word or "", style=_STYLES.get(word or "", ""))


def right(*names: str) -> list[tuple[str, str]]:
    """Columns of numbers."""
    return [(name, "right") for name in names]


def columns(*names: str | tuple[str, str]) -> Table:
    """A table without lines; sentences are wrapped, numbers never."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", collapse_padding=True)
    for column in names:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify=justify, overflow="fold", no_wrap=justify == "right")  # type: ignore[arg-type]
    return table
