"""The tables in which people read what two decisions about one day say otherwise."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.audit_trail.difference import Difference
from pipelines.cli.formats import safe
from warehouse.provenance import Arrival, Snapshot

MOST_ROWS = 20


def report(found: Difference) -> RenderableType:
    """What they say otherwise, every input, and the raw rows that came in between."""
    parts: list[RenderableType] = [
        Text(f"Two decisions about {found.before.as_of_date}", style="bold"),
        Text(_described("from", found.before)),
        Text(_described("to  ", found.after)),
        "",
    ]
    if found.changes:
        changed = _table("Part", "Of", "Column", "Before", "After")
        for one in found.changes:
            changed.add_row(one.part, *(Text(safe(_plain(value))) for value in (one.row, one.column or "whole row")),
                            *(Text(safe(_plain(value))) for value in (one.before, one.after)))  # fmt: skip
        parts.append(changed)
    inputs = _table("Input", "Is", "What differs")
    for cause in found.causes:
        style = {"other": "yellow", "unknown": "dim"}.get(cause.verdict, "")
        inputs.add_row(cause.kind, Text(cause.verdict, style=style), Text(safe("\n".join(cause.details[:MOST_ROWS]))))
    parts += [inputs, *_arrived(found), Text(found.verdict, style="bold")]
    return Group(*parts)


def _arrived(found: Difference) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if found.arrivals:
        rows = _table("Raw row", "Value", "Known then", "Known later", "Ingested (UTC), batch, checksum")
        for one in found.arrivals[:MOST_ROWS]:
            for number, (name, (old, new)) in enumerate(one.changed.items()):
                values = (
                    _named(one) if number == 0 else "",
                    name,
                    "nothing" if one.is_new else _plain(old),
                    _plain(new),
                )
                rows.add_row(*(Text(safe(text)) for text in values), Text(_batch(one) if number == 0 else ""))
        parts.append(rows)
        if len(found.arrivals) > MOST_ROWS:
            left = len(found.arrivals) - MOST_ROWS
            parts.append(Text(f"... and {left} more rows; --format json lists all", style="dim"))
    if not found.rows_are_complete:
        parts.append(
            Text(
                "The build file cannot be read now (a run is going on, or it is not there): the rows are from the "
                "release, which holds the last days of raw only (publish.include_raw).",
                style="yellow",
            )
        )
    return parts


def _described(label: str, one: Snapshot) -> str:
    return (
        f"{label} {one.snapshot_id[:8]}  published {one.taken_at:%Y-%m-%d %H:%M} UTC, knew what was ingested until "
        f"{one.known_until:%Y-%m-%d %H:%M:%S}"
    )


def _named(one: Arrival) -> str:
    return f"{one.table.removeprefix('raw.')} {' '.join(_plain(value) for value in one.key.values())}"


def _batch(one: Arrival) -> str:
    return f"{one.ingested_at:%Y-%m-%d %H:%M:%S} {one.batch_id[:8]} {(one.payload_sha256 or 'no checksum')[:12]}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return "unknown" if value is None else str(value)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
