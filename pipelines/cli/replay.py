"""`rotation replay`: published decisions made again from the rows known then, and held against what was published."""

import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipelines.cli.options import RunFormat, RunFormatOption, WarehouseOption, examples, parse_day
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from pipelines.audit_trail.replay import Verdict
    from warehouse.provenance import Snapshot

DIFFERENT = 3
NOT_POSSIBLE = 2
EPILOG = examples(
    "rotation replay 2026-11-20",
    "rotation replay 8ab7e001",
    "rotation replay --from 2026-11-01 --to 2026-11-20",
    "rotation replay --all --format json",
) + (
    "\n\nExit codes:\n  0  every decision came out equal to the byte\n  2  one could not be made again\n"
    "  3  one came out different"
)


class NoSuchSnapshot(WarehouseError):
    """No snapshot has that id or day; the message says which there are."""


def replay(
    named: Annotated[
        list[str] | None, typer.Argument(metavar="[SNAPSHOT|DAY]...", help="Snapshot ids (their beginnings) or days.")
    ] = None,
    first_day: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="First of several days, with --to.")
    ] = None,
    last_day: Annotated[
        date | None, typer.Option("--to", parser=parse_day, metavar="DAY", help="Last of several days, with --from.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every snapshot there is.")] = False,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy in force then, where the release does not hold it.")
    ] = None,
    form: RunFormatOption = RunFormat.TABLE,
    warehouse: WarehouseOption = None,
) -> None:
    """Make published decisions again from the rows known then, and prove them equal to the byte.

    Rows that came in or were revised later are left out. The first row that differs is named. Nothing is changed:
    it works on a copy of the raw rows in a temporary folder, which needs about the build file's size on disk.
    """
    if sum((bool(named), first_day is not None or last_day is not None, every)) != 1:
        raise typer.BadParameter("give snapshots or days, or --from with --to, or --all")
    if (first_day is None) != (last_day is None):
        raise typer.BadParameter("--from and --to belong together")
    from pipelines.audit_trail.replay import replay as make_again
    from pipelines.cli.console import run_display
    from pipelines.policy import load_policy
    from pipelines.settings import load_settings, prepare_process_environment
    from warehouse.connection import Warehouse

    settings = load_settings(warehouse_dir=warehouse, policy=policy)
    prepare_process_environment(settings.warehouse_dir)

    def choose(stored: "Sequence[Snapshot]") -> "list[Snapshot]":
        if named:
            return _named(stored, named)
        return [one for one in stored if every or first_day <= one.as_of_date <= last_day]  # type: ignore[operator]

    with run_display() as display:
        verdicts = make_again(Warehouse(settings.warehouse_dir), choose, load_policy(settings.policy_path))
        display.finish(True)
    if not verdicts:
        raise NoSuchSnapshot(
            "no snapshot was published about these days; rotation show allocations says which there are"
        )
    _write(verdicts, form)
    outcomes = {verdict.outcome for verdict in verdicts}
    if outcomes != {"equal"}:
        raise typer.Exit(DIFFERENT if "different" in outcomes else NOT_POSSIBLE)


def _named(stored: "Sequence[Snapshot]", names: Sequence[str]) -> "list[Snapshot]":
    chosen: dict[str, Snapshot] = {}
    for name in names:
        found = [one for one in stored if one.as_of_date.isoformat() == name]
        if not found:
            found = [one for one in stored if one.snapshot_id.startswith(name)]
            if len(found) > 1:
                raise NoSuchSnapshot(f"{name!r} is the beginning of {len(found)} snapshot ids; give more of it")
        if not found:
            days = f"{stored[0].as_of_date} to {stored[-1].as_of_date}" if stored else "none"
            raise NoSuchSnapshot(f"{name!r} is no snapshot and no day that has one; there are snapshots of: {days}")
        chosen |= {one.snapshot_id: one for one in found}
    return list(chosen.values())


def _write(verdicts: "Sequence[Verdict]", form: RunFormat) -> None:
    from pipelines.cli.formats import json_value, output_console, safe

    if form is RunFormat.JSON:
        rows = [
            {
                "as_of_date": one.snapshot.as_of_date,
                "snapshot_id": one.snapshot.snapshot_id,
                "decision_id": one.snapshot.decision_id,
                "known_until": one.snapshot.known_until,
                "outcome": one.outcome,
                "reason": one.reason,
                "notes": one.notes,
            }
            for one in verdicts
        ]
        json.dump(json_value(rows), sys.stdout, ensure_ascii=False, indent=1)
        print()
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("Day", "Snapshot", "Known until (UTC)", "Replay", "First difference, or what is missing"):
        table.add_column(name, overflow="fold")
    for one in verdicts:
        table.add_row(
            str(one.snapshot.as_of_date),
            one.snapshot.snapshot_id[:8],
            f"{one.snapshot.known_until:%Y-%m-%d %H:%M:%S}",
            Text(one.outcome, style={"equal": "green"}.get(one.outcome, "red")),
            Text(safe(one.reason)),
        )
    counts = {kind: sum(one.outcome == kind for one in verdicts) for kind in ("equal", "different", "impossible")}
    console = output_console()
    console.print(table, Text(", ".join(f"{count} {kind}" for kind, count in counts.items() if count), style="bold"))
    for note in dict.fromkeys(note for one in verdicts for note in one.notes):
        console.print(Text(f"note: {note}", style="dim"))
