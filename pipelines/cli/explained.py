"""The tables in which people read an explanation: rounded, in 100 columns."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.audit_trail.figures import Figure
from pipelines.cli.formats import safe
from pipelines.cli.show import DISCLAIMER
from pipelines.cli.tables import header, usd

Row = Mapping[str, Any]
MOST_ROWS = 200


def day_report(info: Row, record: Row) -> RenderableType:
    """A day's decision, sector by sector."""
    parts: list[RenderableType] = [header(info, record["as_of_date"], record["decision"])]
    before = record["previous_decision"]
    parts.append(Text(f"compared with the decision of {before['as_of_date']}" if before else "the first decision"))
    if (record["decision"] or {}).get("explanation"):
        parts.append(Text(safe(record["decision"]["explanation"])))
    for sector in record["sectors"]:
        parts += ["", *_sector(sector)]
    for title, name, columns in _TABLES:
        if record.get(name):
            parts += ["", Text(title, style="bold"), _rows(record[name], columns)]
    parts += [Text(f"  {safe(row['explanation'])}") for row in record["hedges"] if row.get("explanation")]
    kept = ", ".join(
        f"{one['snapshot_id'][:8]}{'' if one['is_current'] else ' (replaced)'}" for one in record["snapshots"]
    )
    parts += ["", Text(f"snapshots of the day: {kept or 'none'}"), Text(DISCLAIMER, style="dim")]
    return Group(*parts)


_TABLES = (
    ("Hedges", "hedges", ("asset", "role", "side", "status", "notional_usd", "offset_frac", "reason")),
    ("Assets", "asset_targets", ("sector", "asset", "current_usd", "target_usd", "reason_codes")),
    ("Orders", "rebalance_trades", ("exchange", "symbol", "side", "quantity_base", "notional_usd", "fee_usd")),
    ("Futures sleeve", "futures_sleeve", ("collateral_usd", "used_margin_usd", "free_margin_usd", "net_notional_usd")),
    ("Value", "nav_daily", ("nav_usd", "spot_usd", "futures_equity_usd", "realised_pnl_usd", "unrealised_pnl_usd")),
)


def _sector(record: Row) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(record["sector"], style="bold")]
    if record["explanation"]:
        parts.append(Text(safe(record["explanation"])))
    if "target_usd" in record:
        codes = ", ".join(record["reason_codes"] or []) or "none"
        parts.append(
            Text(
                f"weight {record['current_weight_exact']} -> {record['target_weight_exact']} of the spot sleeve, "
                f"{usd(record['current_usd'])} -> {usd(record['target_usd'])} USD; codes: {codes}"
            )
        )
    if "predicates" in record:
        parts += _signal(record)
    if record["changed"]:
        changed = _table("Changed since the last decision", "Before", "Now")
        for one in record["changed"]:
            changed.add_row(one["what"], *(Text(safe(_plain(one[name]))) for name in ("before", "after")))
        parts.append(changed)
    return parts


def _signal(record: Row) -> list[RenderableType]:
    rules = _table("Rule", "Metric", "Value", "Limit", "Slack", "Holds")
    for heading, group in groupby(record["predicates"], key=lambda one: (one["state"], one["role"], one["applies"])):
        state, role, applies = heading
        if not applies:
            continue
        rules.add_row(Text(f"{state}{' (to stay in it)' if role == 'stay' else ''}", style="bold"))
        for one in group:
            rules.add_row(
                Text(f"  {one['predicate']}"),
                Text(one["metric"]),
                _number(one["value"]),
                f"{one['comparison']} {_number(one['threshold'])}",
                _number(one["slack"]),
                Text("yes", style="bold") if one["satisfied"] else Text("no", style="dim"),
            )
    vetoes = ", ".join(record["vetoes"]) or "none"
    spread = ", ".join(f"{name} {_plain(value)}" for name, value in record["spread_z"].items())
    health = record["data_health"]
    lines: list[RenderableType] = [rules]
    lines += [Text(safe(f"would become {flip['in_words']}")) for flip in record["distance_to_flip"]]
    lines.append(Text(safe(f"vetoes: {vetoes}; spread z-score against {spread or 'no sector'}")))
    lines.append(
        Text(safe(f"data: {', '.join(f'{key} {_plain(value)}' for key, value in health.items()) or 'unknown'}"))
    )
    return lines


def figure_report(info: Row, found: Figure, is_build: bool) -> RenderableType:
    """A metric with the raw rows behind it, and what the file that was read does not hold."""
    table = found.source.table
    event = str(table.event_column)
    value = {"funding_rates": "funding_rate", "open_interest": "open_interest_base"}.get(table.name, "close")
    rows = _table(event, "Instrument", value, "Ingested (UTC)", "Batch", "SHA-256")
    for row in found.rows[:MOST_ROWS]:
        rows.add_row(
            f"{row[event]:%Y-%m-%d %H:%M}",
            Text(safe(f"{row['exchange']} {row['symbol']}")),
            _number(row[value]),
            f"{row['ingested_at']:%m-%d %H:%M:%S}",
            str(row["batch_id"])[:8],
            (row["payload_sha256"] or "unknown")[:12],
        )
    parts: list[RenderableType] = [
        header(info, found.day, None),
        Text(f"{found.sector} {found.metric} = {_plain(found.value)}", style="bold"),
        Text(f"{len(found.rows)} rows of {table.qualified_name}, {found.first_day} to {found.day}, of the leaders"),
        rows,
    ]
    if len(found.rows) > MOST_ROWS:
        parts.append(Text(f"... and {len(found.rows) - MOST_ROWS} more; --format json has all", style="dim"))
    if not found.is_complete:
        parts.append(Text(_what_is_missing(found, is_build), style="yellow"))
    return Group(*parts)


def _what_is_missing(found: Figure, is_build: bool) -> str:
    held = f"rows from {found.held_from:%Y-%m-%d %H:%M} on" if found.held_from else "no rows of this table"
    if is_build:
        return f"The build file holds {held}: that is where the history begins."
    return (
        f"The release holds {held}; this figure reaches back to {found.first_day}. Add --build to read the build file "
        "(not while a run is going on), or set ROTATION_PUBLISH__INCLUDE_RAW to more days, or all, for later releases."
    )


def _rows(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    there = [name for name in columns if name in rows[0]]
    table = _table(*there)
    for row in rows:
        table.add_row(*(Text(safe(_plain(row[name]))) for name in there))
    return table


def _plain(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return str(value)


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _plain(value)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
