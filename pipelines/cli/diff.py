"""`rotation diff`: two decisions about one day, and which input made the difference."""

import json
import sys
from dataclasses import asdict
from datetime import date
from typing import Annotated

import typer

from pipelines.cli.options import RunFormat, RunFormatOption, WarehouseOption, examples, parse_day

EPILOG = examples(
    "rotation diff 2026-11-20",
    "rotation diff 2026-11-20 --from 1f0c93d2 --to 8ab7e001",
    "rotation diff 2026-11-20 --format json",
)


def diff(
    day: Annotated[date, typer.Argument(parser=parse_day, metavar="DAY", help="The decided day.")],
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="ID", help="One snapshot; default the one before the newest."),
    ] = None,
    second: Annotated[str | None, typer.Option("--to", metavar="ID", help="The other one; default the newest.")] = None,
    form: RunFormatOption = RunFormat.TABLE,
    warehouse: WarehouseOption = None,
) -> None:
    """Show what two snapshots of one day say otherwise, and which input did it.

    A day has a second snapshot when it was decided again from other data, another policy or another book.
    """
    from pipelines.audit_trail.difference import NothingToCompare, difference
    from pipelines.cli.differences import report
    from pipelines.cli.formats import json_value, output_console
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse

    files = Warehouse(load_settings(warehouse_dir=warehouse).warehouse_dir)
    try:
        found = difference(files, day, first, second)
    except NothingToCompare as nothing:
        if first or second:
            raise
        typer.echo(str(nothing), err=True)
        return
    if form is RunFormat.JSON:
        json.dump(json_value(asdict(found) | {"verdict": found.verdict}), sys.stdout, ensure_ascii=False, indent=1)
        print()
        return
    output_console().print(report(found))
