"""`rotation explain`: why a day was decided as it was, down to the raw rows behind a figure."""

import json
import sys
from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import RunFormat, RunFormatOption, WarehouseOption, examples, parse_day

if TYPE_CHECKING:
    from pipelines.audit_trail.figures import Figure
    from pipelines.policy import Policy
    from warehouse.connection import Connection

EPILOG = examples(
    "rotation explain",
    "rotation explain --date 2026-11-20 --sector L1",
    "rotation explain --sector L1 --metric funding_3d_bps",
    "rotation explain --sector L1 --metric open_interest_change_7d_frac --build",
    "rotation explain --format json",
)


def explain(
    day: Annotated[
        date | None, typer.Option("--date", parser=parse_day, metavar="DAY", help="Of which day; default the newest.")
    ] = None,
    sector: Annotated[str | None, typer.Option(metavar="NAME", help="Only this sector, as in L1.")] = None,
    asset: Annotated[str | None, typer.Option(metavar="NAME", help="Only this asset's orders, hedges, rows.")] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="The raw rows behind this metric of --sector.")
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Read raw rows from the build file, which has all; not during a run.")
    ] = False,
    form: RunFormatOption = RunFormat.TABLE,
    warehouse: WarehouseOption = None,
) -> None:
    """Show why: every rule with value, limit and slack, what would change the state, what changed, and the money.

    With --metric: which instrument said what, in which batch, with which checksum. Only the release is read, so this
    works while a run is going on; --build reads the raw rows that a release leaves out.
    """
    if metric and not sector:
        raise typer.BadParameter("--metric is of one sector; add --sector NAME")
    if build and not metric:
        raise typer.BadParameter("--build is where raw rows are read from; add --metric NAME")
    from pipelines.audit_trail.explanation import explain_day
    from pipelines.audit_trail.figures import figure
    from pipelines.cli import explained
    from pipelines.cli.formats import json_value, output_console
    from pipelines.cli.show import NothingThere, known_decided_day, release_info
    from pipelines.policy import load_policy
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse

    settings = load_settings(warehouse_dir=warehouse)
    files, policy = Warehouse(settings.warehouse_dir), load_policy(settings.policy_path)
    with ExitStack() as opened:
        release = opened.enter_context(files.open_release())
        info = release_info(release)
        day = known_decided_day(release, day, info)
        policy = _policy_then(release, day, policy)
        if metric and sector:
            raw = opened.enter_context(files.look_into_build()) if build else release
            found = figure(release, raw, day, sector, metric, policy, asset)
            record = _figure_record(found)
            table = explained.figure_report(info, found, build)
        else:
            record = explain_day(release, day, policy, sector, asset)
            if sector and not record["sectors"]:
                raise NothingThere(f"no sector {sector} on {day}; see: rotation show allocations --date {day}")
            table = explained.day_report(info, record)
    if form is RunFormat.JSON:
        json.dump(json_value({"release": info} | record), sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        output_console().print(table)


def _policy_then(release: "Connection", day: date, current: "Policy") -> "Policy":
    """The policy that the day was decided under where the release holds it, else the current one."""
    from pipelines.audit_trail.in_force import policy_of
    from warehouse.provenance import read_snapshots

    of_day = [one for one in read_snapshots(release) if one.as_of_date == day and one.is_current]
    return (policy_of(release, of_day[-1], current) if of_day else None) or current


def _figure_record(found: "Figure") -> dict[str, Any]:
    return {
        "metric": found.metric,
        "sector": found.sector,
        "as_of_date": found.day,
        "value": found.value,
        "table": found.source.table.qualified_name,
        "first_day": found.first_day,
        "is_complete": found.is_complete,
        "held_from": found.held_from,
        "rows": found.rows,
    }
