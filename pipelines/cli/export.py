"""`rotation export`: tables of the current release as files for other programs."""

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import WarehouseOption, examples, parse_day

EPILOG = examples(
    "rotation export --to export --all",
    "rotation export --to export --format csv --table marts.sector_funding_daily --table portfolio.target_allocations",
    "rotation export --to export --table marts.asset_futures_daily --from 2026-01-01 --to-date 2026-06-30",
)


class FileForm(StrEnum):
    """How a table is written into a file."""

    PARQUET = "parquet"
    CSV = "csv"


def export(
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="A new or empty folder, or that of an earlier export.")
    ],
    form: Annotated[
        FileForm, typer.Option("--format", help="parquet keeps the types; csv has lists as JSON.")
    ] = FileForm.PARQUET,
    table: Annotated[
        list[str] | None, typer.Option("--table", metavar="NAME", help="A table with its schema; can be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every table of the release.")] = False,
    first_day: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="First UTC day; default the first.")
    ] = None,
    last_day: Annotated[
        date | None, typer.Option("--to-date", parser=parse_day, metavar="DAY", help="Last UTC day; default the last.")
    ] = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Write tables of the current release into a folder, one file each, with a manifest.

    A file is there whole or not at all. Tables without days, such as the strategic weights, are written whole.
    """
    if bool(table) == everything:
        raise typer.BadParameter('give --table NAME (once or several times), or --all; rotation sql "show all tables"')
    from pipelines.cli.tables import label
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse
    from warehouse.export import MANIFEST, ExportedFile
    from warehouse.export import export as write_files

    def tell(file: ExportedFile) -> None:
        typer.echo(f"{file.file}: {file.rows:,} rows")

    files = Warehouse(load_settings(warehouse_dir=warehouse).warehouse_dir)
    done = write_files(files, to, form.value, table, first_day, last_day, tell)
    typer.echo(f"{len(done.files)} files and {MANIFEST} in {to}, of release {done.release_id}")
    if done.source != "live":
        typer.echo(label(done.source), err=True)
