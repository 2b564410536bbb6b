"""`rotation example`: a worked example on a made-up market, through the real pipeline, beside what is told of it."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import RunFormat, RunFormatOption, examples

if TYPE_CHECKING:
    from pipelines.examples import Example
    from pipelines.examples.figures import Figure, Found

example_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Two worked examples: made-up market data through the real pipeline.",
)
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--warehouse", metavar="DIR", help="Keep the example's market, files and releases here; default nowhere."
    ),
]


@example_app.command(
    "rotation", epilog=examples("rotation example rotation", "rotation example rotation --warehouse DIR")
)
def rotation(warehouse: DirectoryOption = None, form: RunFormatOption = RunFormat.TABLE) -> None:
    """Three sectors, three signals: $32,000 / $24,000 / $24,000 becomes $24,000 / $36,000 / $20,000.

    Made-up market data. Exit code 0 when every figure is exactly as told, else 1 with those that differ.
    """
    _show("rotation", warehouse, form)


@example_app.command(
    "overbought", epilog=examples("rotation example overbought", "rotation example overbought --format json")
)
def overbought(warehouse: DirectoryOption = None, form: RunFormatOption = RunFormat.TABLE) -> None:
    """Bitcoin worth $20,000 is overbought: no coin is sold, a tenth is shorted, and 10.00% of a loss is offset.

    Made-up market data. Exit code 0 when every figure is exactly as told, else 1 with those that differ.
    """
    _show("overbought", warehouse, form)


def _show(name: str, directory: Path | None, form: RunFormat) -> None:
    from pipelines.examples import EXAMPLES

    example = EXAMPLES[name]
    with _directory(directory) as place:
        found = run_example(example, place)
    figures = example.figures(found)
    if form is RunFormat.JSON:
        _write_json(example, found, figures)
    else:
        _write_tables(example, found, figures)
    if directory is not None:
        typer.echo(f"kept in {directory}; look closer: rotation show signals --warehouse {directory}", err=True)
    if not all(figure.matches for figure in figures):
        raise typer.Exit(1)


def run_example(example: "Example", directory: Path) -> "Found":
    """Write the example's files into a directory, decide its day there as a night would, and read the release.

    Raises:
        typer.Exit: The run did not end in a release; its message is on standard error, its exit code is this one's.
        SettingsError, WarehouseError: The directory holds something else, or a setting would change the example.
    """
    from pipelines.cli.console import run_display
    from pipelines.examples import MADE_UP, write_files
    from pipelines.settings import SettingsError, load_settings, prepare_process_environment

    files = write_files(example, directory)
    settings = load_settings(
        source="example",
        data=files.market,
        portfolio=files.portfolio,
        policy=files.policy,
        exchanges="binance",
        warehouse_dir=directory,
    )
    if settings.exchange_url is not None:
        raise SettingsError("an example brings its own market: unset ROTATION_EXCHANGE_URL")
    prepare_process_environment(directory)
    typer.echo(f"{MADE_UP}; {example.title}", err=True)
    try:
        with run_display() as display:
            from pipelines import nightly

            outcome = nightly.run(settings, example.last_day)
            display.finish(outcome.exit_code == 0)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None
    if outcome.exit_code:
        typer.echo(f"{outcome.message} (kept with --warehouse DIR only)", err=True)
        raise typer.Exit(outcome.exit_code)
    return read_found(directory, example.last_day)


def read_found(directory: Path, day: date) -> "Found":
    """What the current release in `directory` says about a day."""
    from pipelines.cli.show import release_info
    from pipelines.examples.figures import Found
    from warehouse.connection import Warehouse
    from warehouse.query import query

    with Warehouse(directory).open_release() as con:
        tables = ("sector_signals", "target_allocations", "rebalance_trades", "hedges", "hedge_scenarios")
        rows = {
            name: query(con, f"from portfolio.{name} where as_of_date = ? order by all", [day]).dicts()
            for name in tables
        }
        decisions = query(con, "from portfolio.decisions where as_of_date = ?", [day]).dicts()
        return Found(
            release=release_info(con),
            decision=decisions[0] if decisions else None,
            signals=rows["sector_signals"],
            targets=rows["target_allocations"],
            trades=rows["rebalance_trades"],
            hedges=rows["hedges"],
            scenarios=[row for row in rows["hedge_scenarios"] if row["hedge_id"] != "PLAN"],
        )


def _write_tables(example: "Example", found: "Found", figures: "list[Figure]") -> None:
    from rich.text import Text

    from pipelines.cli import example_tables
    from pipelines.cli.formats import output_console

    console = output_console()
    console.print(example_tables.header(example, found))
    console.print(example_tables.BODIES[example.name](found))
    console.print(example_tables.verdict(figures))
    for note in example.notes:
        console.print(Text(note, style="dim"))


def _write_json(example: "Example", found: "Found", figures: "list[Figure]") -> None:
    from pipelines.cli.formats import json_value
    from pipelines.examples import MADE_UP

    report = {
        "example": example.name,
        "label": MADE_UP,
        "is_made_up": True,
        "as_of_date": example.last_day,
        "release": found.release,
        "figures": [vars(figure) | {"matches": figure.matches} for figure in figures],
        "matches": all(figure.matches for figure in figures),
        "signals": list(found.signals),
        "target_allocations": list(found.targets),
        "rebalance_trades": list(found.trades),
        "hedges": list(found.hedges),
        "notes": example.notes,
    }
    json.dump(json_value(report), sys.stdout, ensure_ascii=False, indent=1)
    print()


@contextmanager
def _directory(wanted: Path | None) -> Iterator[Path]:
    """The directory asked for, or one that is gone afterwards."""
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="rotation-example-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)
