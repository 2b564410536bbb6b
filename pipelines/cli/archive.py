"""`rotation archive`: the command, what a waiting person sees, and the report."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import RunFormat, RunFormatOption, WarehouseOption, examples, parse_day

if TYPE_CHECKING:
    from pipelines.archive.session import Outcome
    from pipelines.progress import Progress

PLAIN_LINE_EVERY_S = 10.0
_SHOWN = 5
archive_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Binance's public archive: years of history in files, without keys and without asking the exchange.",
)


@archive_app.callback()
def _archive() -> None:
    """Binance's public archive: years of history in files, without keys and without asking the exchange."""


@archive_app.command(
    "import",
    epilog=examples(
        "rotation archive import --from 2024-01-01 --to 2024-12-31",
        "rotation archive import --from 2024-01-01 --to 2024-12-31 --symbols BTC,ETH --kinds funding,metrics",
        "rotation archive import --from 2024-01-01 --to 2024-03-31 --symbols BTCUSDT,BTCUSD_PERP --dir DIR",
        "rotation archive import --from 2025-01-01 --to 2025-06-30 --base-url http://127.0.0.1:8080",
    ),
)
def import_archive(
    first_day: Annotated[
        date, typer.Option("--from", parser=parse_day, metavar="DAY", help="First UTC day, as in 2024-01-31.")
    ],
    last_day: Annotated[
        date,
        typer.Option("--to", parser=parse_day, metavar="DAY", help="Last UTC day; its files appear on the day after."),
    ],
    symbols: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="With commas between: coins (BTC), ccxt symbols (BTC/USDT:USDT) or the archive's own names "
            "(BTCUSDT: spot and futures; BTCUSD_PERP). Default: every asset that has a sector.",
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="With commas between: funding (by month), metrics (open interest every 5 minutes, by day), klines "
            "(traded prices), mark, index (prices of perpetuals). Default: all.",
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the archive, of a mirror or of a local exchange; default "
            "ROTATION_EXCHANGE_URL, else https://data.binance.vision.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="Folder with the archive's files instead, in the archive's layout "
            "(data/futures/um/...), each with its .CHECKSUM beside it.",
        ),
    ] = None,
    warehouse: WarehouseOption = None,
    form: RunFormatOption = RunFormat.TABLE,
) -> None:
    """Bring Binance's own files of past days into the raw tables, checked as everything else is.

    Funding by month, open interest by day, candles of spot, USD-margined and coin-margined markets by month, or by day
    where a month is not whole. Every file is compared with its checksum. Stopped at any moment, the same command goes
    on where it was; a file that is stored already is not read again, and one that Binance has exchanged since is: its
    changed rows become revisions.
    """
    if first_day > last_day:
        raise typer.BadParameter(f"--from {first_day} lies after --to {last_day}; swap them")
    if base_url is not None and folder is not None:
        raise typer.BadParameter("--base-url and --dir are two places for the same files; give one")
    from pipelines.archive.names import KINDS
    from pipelines.archive.session import Order, run_import
    from pipelines.policy import load_policy
    from pipelines.settings import load_settings

    chosen = _words(kinds) if kinds is not None else list(KINDS)
    if unknown := [kind for kind in chosen if kind not in KINDS] or ([""] if not chosen else []):
        raise typer.BadParameter(f"--kinds {', '.join(unknown) or '(nothing)'}: choose from {', '.join(KINDS)}")
    named = _words(symbols) if symbols is not None else []
    if symbols is not None and not named:
        raise typer.BadParameter("--symbols names nothing; write for example BTC,ETH, or leave it out")
    settings = load_settings(warehouse_dir=warehouse)
    policy = load_policy(settings.policy_path)
    order = Order(first_day, last_day, tuple(kind for kind in KINDS if kind in chosen), tuple(named), base_url, folder)
    try:
        with _display():
            outcome = run_import(settings, policy, order)
    except KeyboardInterrupt:
        typer.echo("interrupted; what was read is stored, and the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    code = 4 if outcome.report.refused else 0
    if form is RunFormat.JSON:
        import orjson

        typer.echo(orjson.dumps(_as_json(outcome), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(outcome)
    if outcome.report.unreachable:
        typer.echo(f"error: given up: {outcome.report.unreachable}", err=True)
    elif code:
        typer.echo("error: some files could not be taken in; the rest is stored (see above)", err=True)
    raise typer.Exit(code)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _as_json(outcome: "Outcome") -> dict[str, Any]:
    report = outcome.report
    missing = {f"{series.instrument.symbol} {series.kind}": len(days) for series, days in outcome.plan.missing.items()}
    return {
        "place": outcome.place, "files": report.files, "files_read": report.read, "files_known": report.known,
        "rows_received": report.rows_received, "rows_written": report.rows_written,
        "rows_quarantined": report.rows_quarantined, "refused": report.refused, "incomplete_days": report.incomplete,
        "thin_days": report.thin, "missing_days": missing, "unreachable": report.unreachable,
    }  # fmt: skip


def _print(outcome: "Outcome") -> None:
    report, missing = outcome.report, outcome.plan.missing
    left = report.files - report.read - report.known - len(report.refused)
    lines = [
        f"{outcome.place}: {report.files:,} files; {report.read:,} read, {report.known:,} stored already, "
        f"{len(report.refused):,} refused" + (f", {left:,} not looked at" if left else ""),
        f"{report.rows_received:,} rows received, {report.rows_written:,} new or changed, "
        f"{report.rows_quarantined:,} in raw.quarantine",
    ]
    has_files = {file.series for file in outcome.plan.files}
    partly = [f"{one.instrument.symbol} {one.kind}: {_span(days)}" for one, days in missing.items() if one in has_files]
    absent = dict.fromkeys(one.instrument.symbol for one in missing if one not in has_files)
    if partly:
        lines += ["days that the archive has no file of:", *_some(partly)]
    if absent:
        lines += [f"nothing of some series in the archive (not listed yet, or no more): {_few(list(absent))}"]
    if report.incomplete:
        lines += ["days of open interest set aside, for too few rows are left of them:", *_some(report.incomplete)]
    if report.thin:
        lines += ["days of open interest that lack rows:", *_some(report.thin)]
    if report.refused:
        lines += ["files that were refused:", *_some(report.refused)]
    for line in lines:
        typer.echo(line)


def _span(days: tuple[date, ...]) -> str:
    return f"{days[0]}" if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _some(lines: list[str]) -> list[str]:
    more = [f"  ... and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    return [*(f"  {line}" for line in lines[:_SHOWN]), *more]


@contextmanager
def _display() -> Iterator[None]:
    """A bar for people, on standard error; a line every ten seconds where nobody watches."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from pipelines.progress import listening

    console = Console(stderr=True)
    if not console.is_terminal:
        last = [time.monotonic() - PLAIN_LINE_EVERY_S]

        def say(report: "Progress") -> None:
            is_last = report.total is not None and report.done == report.total
            if is_last or time.monotonic() - last[0] >= PLAIN_LINE_EVERY_S:
                last[0] = time.monotonic()
                how_far = f", {report.done:,} of {report.total:,}" if report.total else ""
                print(f"archive: {report.note}{how_far}", file=sys.stderr, flush=True)

        with listening(say):
            yield
        return
    bar = Bar(
        TextColumn("archive"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}"), console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task("starting", total=None)

    def draw(report: "Progress") -> None:
        bar.update(task, description=report.note, completed=report.done, total=report.total)

    with bar, listening(draw):
        yield
