"""The command `rotation report`: a night's page from the current release, written and, if wanted, opened."""

import webbrowser
from datetime import date
from typing import Annotated

import typer

from pipelines.cli.options import WarehouseOption, examples, parse_day


def report(
    day: Annotated[
        date | None,
        typer.Option("--date", parser=parse_day, metavar="DAY", help="Of which night; default the newest."),
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    warehouse: WarehouseOption = None,
) -> None:
    """Write a night's decision as one HTML page, beside the release, and the index over all nights.

    The page needs no network: it can be mailed or printed. Only the release is read, so this works while a run is
    going on.
    """
    from pipelines.policy import load_policy
    from pipelines.report.files import write_report
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse

    settings = load_settings(warehouse_dir=warehouse)
    written = write_report(Warehouse(settings.warehouse_dir), load_policy(settings.policy_path), day)
    typer.echo(f"{written.page}\nnight of {written.day}, release {written.release_id}; all nights: {written.index}")
    if is_opened and not webbrowser.open(written.page.resolve().as_uri()):
        typer.echo("no browser could be started; open the file by hand", err=True)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=examples("rotation report", "rotation report --date 2026-11-21 --open"))(report)
