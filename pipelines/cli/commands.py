"""The command line `rotation`. Heavy imports stand inside the commands, so that `--help` answers at once."""

import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli import diff, explain, replay
from pipelines.cli.alerts import register as register_alerts
from pipelines.cli.archive import archive_app
from pipelines.cli.example import example_app
from pipelines.cli.export import EPILOG as EXPORT_EXAMPLES
from pipelines.cli.export import export
from pipelines.cli.options import (
    EXIT_CODES,
    DataOption,
    ExchangesOption,
    Format,
    FormatOption,
    Part,
    RecordableSource,
    RunFormat,
    RunFormatOption,
    SourceOption,
    Topic,
    WaitOption,
    WarehouseOption,
    examples,
    parse_day,
    parse_instant,
)
from pipelines.cli.portfolio import portfolio_app
from pipelines.cli.query import EPILOG as QUERY_EXAMPLES
from pipelines.cli.query import query as named_query
from pipelines.cli.report import register as register_report

if TYPE_CHECKING:
    from warehouse.connection import Warehouse

ERROR_LOG = Path(__file__).resolve().parents[2] / "logs" / "rotation.log"
_typer_settings = {"no_args_is_help": True, "add_completion": False, "pretty_exceptions_enable": False}
app = typer.Typer(**_typer_settings, epilog=EXIT_CODES)
exchange_app = typer.Typer(**_typer_settings, help="The local exchange: a simulated or recorded market on loopback.")
policy_app = typer.Typer(**_typer_settings, help="The policy: every threshold, limit and cost of a decision.")
app.add_typer(exchange_app, name="exchange")
app.add_typer(policy_app, name="policy")
app.add_typer(archive_app, name="archive")
app.add_typer(portfolio_app, name="portfolio")
app.add_typer(example_app, name="example")
app.command(epilog=explain.EPILOG)(explain.explain)
app.command(epilog=diff.EPILOG)(diff.diff)
app.command(epilog=replay.EPILOG)(replay.replay)


@dataclass
class _Options:
    """What stands before the command."""

    debug: bool = False


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipelines.version import code_version

        typer.echo(f"rotation {code_version()}")
        raise typer.Exit


@app.callback()
def _rotation(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """Sector rotation for a crypto spot portfolio, decided every night from futures data.

    Paper only: it proposes, and sends no orders.

    Start with `rotation run`: tonight's decision on a simulated market, no keys and no network needed.
    """
    context.ensure_object(_Options).debug = debug


@app.command(
    epilog=examples(
        "rotation run",
        "rotation run --source live --exchanges binance,bybit",
        "rotation run --source recorded --data DIR --from 2024-12-01 --to 2024-12-31",
        "rotation run --format json > tonight.json",
    )
)
def run(
    source: SourceOption = None,
    data: DataOption = None,
    day: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=parse_day,
            metavar="DAY",
            help="UTC day to decide; default the last that ended.",
        ),
    ] = None,
    first_day: Annotated[
        date | None,
        typer.Option("--from", parser=parse_day, metavar="DAY", help="First of several days, with --to."),
    ] = None,
    last_day: Annotated[
        date | None,
        typer.Option("--to", parser=parse_day, metavar="DAY", help="Last of several days, with --from."),
    ] = None,
    exchanges: ExchangesOption = None,
    warehouse: WarehouseOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the simulated market; default 7.")] = None,
    portfolio_value: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Value of the portfolio at its first decision; default 100000."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policy file; default policy.yml, else the defaults.")
    ] = None,
    portfolio: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Portfolio file; default portfolio.yml, else a paper book from cash."),
    ] = None,
    wait: WaitOption = None,
    form: RunFormatOption = RunFormat.TABLE,
) -> None:
    """Fetch the futures market, check it, decide, and publish a release, if every gate says yes."""
    if day and (first_day or last_day):
        raise typer.BadParameter("--date is one day, --from and --to are several; give one or the other")
    if (first_day is None) != (last_day is None):
        raise typer.BadParameter("--from and --to belong together; for one day give --date")
    if first_day and last_day and first_day > last_day:
        raise typer.BadParameter(f"--from {first_day} lies after --to {last_day}; swap them")
    from pipelines.cli.console import run_display
    from pipelines.holdings.effective import load_effective
    from pipelines.settings import SettingsError, load_settings, prepare_process_environment

    settings = load_settings(
        source=source and source.value, data=data, exchanges=exchanges, warehouse_dir=warehouse, seed=seed,
        portfolio_value_usd=portfolio_value, policy=policy, portfolio=portfolio, lock_wait_seconds=wait,
    )  # fmt: skip
    if data is not None and settings.source != "recorded":
        raise SettingsError("--data is read with the source `recorded` only; add --source recorded or leave it out")
    load_effective(settings)  # a wrong policy or portfolio should not take a minute to be noticed
    prepare_process_environment(settings.warehouse_dir)
    try:
        with run_display() as display:
            from pipelines import nightly

            outcome = nightly.run(settings, day, first_day, last_day)
            display.finish(outcome.exit_code == 0)
    except KeyboardInterrupt:
        typer.echo("interrupted; readers keep the last release, and the next run makes up for this one", err=True)
        raise typer.Exit(130) from None
    if outcome.message:
        typer.echo(outcome.message, err=True)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)
    from pipelines.cli.show import show_run
    from warehouse.connection import Warehouse

    files = Warehouse(settings.warehouse_dir)
    show_run(files, outcome.release_id, outcome.run_id, outcome.message, outcome.last_day, form)


@app.command(epilog=examples("rotation snapshot --source live", "rotation snapshot --source live --exchanges weex"))
def snapshot(
    source: SourceOption = None,
    data: DataOption = None,
    exchanges: ExchangesOption = None,
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
) -> None:
    """Write down the open interest of this moment, from exchanges that keep no history of it.

    Taken between midnight and 00:10 UTC it counts for the day that has just ended; the schedule takes it at 00:02.
    """
    from pipelines.cli.console import run_display
    from pipelines.settings import load_settings, prepare_process_environment

    settings = load_settings(
        source=source and source.value, data=data, exchanges=exchanges, warehouse_dir=warehouse, lock_wait_seconds=wait
    )
    prepare_process_environment(settings.warehouse_dir)
    with run_display() as display:
        from pipelines import nightly

        outcome = nightly.take_snapshot(settings)
        display.finish(outcome.exit_code == 0)
    typer.echo(outcome.message, err=True)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


@app.command(
    epilog=examples(
        "rotation show allocations",
        "rotation show signals --date 2026-11-21",
        "rotation show scenarios --format csv > scenarios.csv",
        "rotation show hedges --format json",
    )
)
def show(
    topic: Annotated[Topic, typer.Argument(help="What to show.")],
    day: Annotated[
        date | None,
        typer.Option("--date", parser=parse_day, metavar="DAY", help="Of which day; default the newest."),
    ] = None,
    form: FormatOption = Format.TABLE,
    warehouse: WarehouseOption = None,
) -> None:
    """Show what the current release says about a day.

    Only the release is read, so this works while a run is going on.
    """
    from pipelines.cli import show as showing

    showing.show(_files(warehouse), topic, day, form)


@app.command(
    epilog=examples(
        'rotation sql "show all tables"',
        'rotation sql "from marts.sector_funding_daily order by date desc limit 9"',
        'rotation sql "from portfolio.decisions" --format json',
        "rotation sql --file warehouse/queries/tonight.sql",
    )
)
def sql(
    query: Annotated[str | None, typer.Argument(help="One query; several statements are refused.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", exists=True, dir_okay=False, help="A file with the query instead.")
    ] = None,
    form: FormatOption = Format.TABLE,
    warehouse: WarehouseOption = None,
) -> None:
    """Run one query on the current release.

    It can change nothing, and reaches no other file and no network.
    """
    from pipelines.cli.show import run_sql

    if (query is None) == (file is None):
        raise typer.BadParameter("give a query, or --file with one")
    text = file.read_text(encoding="utf-8") if file else str(query)
    # DuckDB does not notice ctrl-c in some long joins; a reader has nothing to put in order before it ends.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        run_sql(_files(warehouse), text, form)
    finally:
        signal.signal(signal.SIGINT, before)


app.command("query", epilog=QUERY_EXAMPLES)(named_query)
app.command("export", epilog=EXPORT_EXAMPLES)(export)


@exchange_app.command(
    epilog=examples(
        "rotation exchange serve --port 8080",
        "rotation exchange serve --source recorded --data DIR --now 2024-12-31T00:15:00",
    )
)
def serve(
    source: Annotated[RecordableSource, typer.Option(help="Where the market is from.")] = RecordableSource.SIMULATED,
    data: DataOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated market.")] = 7,
    now: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="ISO", help="The market's present, UTC; default now."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Serve the local exchange alone, in the exchanges' own wire formats, until ctrl-c."""
    from pipelines.cli.exchange_greeting import greeting
    from pipelines.local_exchange.command import run as serve_market

    with greeting():
        serve_market(source=source.value, data=data, seed=seed, now=now, host=host, port=port)


@app.command(epilog=examples("rotation doctor", "rotation doctor --live", "rotation doctor --format json"))
def doctor(
    warehouse: WarehouseOption = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask every exchange for a little of every kind of data, and compare.")
    ] = False,
    form: RunFormatOption = RunFormat.TABLE,
) -> None:
    """Look at everything a run depends on and say what is wrong.

    Versions, paths, settings, policy, release, age of the data, disk, write lock; with the source live whether the
    exchanges answer. With --live one tiny call per exchange and kind of data, compared with what the exchange is known
    to offer.
    """
    from pipelines.cli.doctor import examine, write_findings

    found = examine(warehouse, live)
    write_findings(found, form)
    raise typer.Exit(found.exit_code)


@app.command(epilog=examples("rotation rollback --list", "rotation rollback", "rotation rollback 000041-20261120"))
def rollback(
    release_id: Annotated[
        str | None,
        typer.Argument(help="The release that readers shall get; default the one before the current."),
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List the releases and change nothing.")] = False,
    warehouse: WarehouseOption = None,
) -> None:
    """Give readers an earlier release again.

    Files are not changed; the next successful run publishes a new release on top.
    """
    from pipelines.report.files import reports_index
    from warehouse import release as releases

    files = _files(warehouse)
    if only_list:
        from pipelines.cli.show import show_releases

        show_releases(releases.list_releases(files))
        if (reports := reports_index(files)).is_file():
            typer.echo(f"a report of every night: {reports}")
        return
    before = releases.current_release(files)
    now = releases.rollback(files, release_id)
    was = f" (was {before.release_id})" if before else ""
    typer.echo(f"readers now get release {now.release_id}{was}: as of {now.as_of_date}, source {now.source}")


@app.command(epilog=examples("rotation ui", "rotation ui --port 3100", "rotation ui --only daemon"))
def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    only: Annotated[Part | None, typer.Option(help="One of the two alone, for a service manager.")] = None,
) -> None:
    """Serve Dagster's web interface and its daemon (schedules, sensors) until ctrl-c.

    Runs and switches lie in the warehouse's folder `dagster`, unless DAGSTER_HOME says otherwise.
    """
    from pipelines.cli.ui import become
    from pipelines.cli.ui import serve as serve_interface

    if only:
        become(only, host, port)
    raise typer.Exit(serve_interface(host, port))


@policy_app.command("show", epilog=examples("rotation policy show", "rotation policy show > policy.yml"))
def show_policy(
    file: Annotated[Path | None, typer.Argument(help="Policy file; default the one that a run would take.")] = None,
) -> None:
    """Print the policy with every default filled in, as YAML that is itself a policy file, and its hash."""
    import yaml

    from pipelines.holdings.effective import load_effective
    from pipelines.policy import load_policy
    from pipelines.settings import load_settings

    settings = load_settings()
    path = file or settings.policy_path
    policy = load_policy(path) if file else load_effective(settings).policy
    places = [
        str(path or "the defaults"),
        *([str(settings.portfolio_path)] if not file and settings.portfolio_path else []),
    ]
    typer.echo(f"# {', changed by '.join(places)}\n# policy_hash: {policy.canonical_hash()}")
    typer.echo(yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)


@policy_app.command("check", epilog=examples("rotation policy check policy.yml"))
def check_policy(file: Annotated[Path, typer.Argument(help="Policy file.")]) -> None:
    """Say whether a policy file can be used, and its hash."""
    from pipelines.policy import load_policy

    typer.echo(f"{file}: can be used, policy_hash {load_policy(file).canonical_hash()}")


register_report(app)
register_alerts(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and end the process with its exit code (see `--help`)."""
    options = _Options()
    try:
        app(args=arguments, prog_name="rotation", obj=options)
    except Exception as error:
        raise SystemExit(_explain(error, options.debug)) from None


def _files(directory: Path | None) -> "Warehouse":
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse

    return Warehouse(load_settings(warehouse_dir=directory).warehouse_dir)


def _explain(error: Exception, debug: bool) -> int:
    """Say what went wrong on standard error; gives the exit code."""
    from pipelines.alerts.told import AlertError
    from pipelines.archive.errors import ArchiveError, ArchiveUnreachable
    from pipelines.config_files import ConfigError
    from pipelines.exchanges.accounts import AccountError, AccountUnreachable
    from pipelines.local_exchange.process import LocalExchangeFailed
    from pipelines.local_exchange.recorded_files import BadRecording
    from pipelines.seeds import SeedError
    from pipelines.settings import SettingsError
    from warehouse.errors import WarehouseError

    if debug:
        traceback.print_exception(error)
    if isinstance(error, (AccountUnreachable, ArchiveUnreachable)):
        typer.echo(f"error: {error}", err=True)
        return 4
    users = (
        AccountError, AlertError, ArchiveError, BadRecording, ConfigError, LocalExchangeFailed, SeedError,
        SettingsError, WarehouseError,
    )  # fmt: skip
    if isinstance(error, users):
        typer.echo(f"error: {error}", err=True)
        return 2
    what = f"unexpected error: {type(error).__name__}: {error}"
    typer.echo(f"{what}\n{_log(error)}" if not debug else what, err=True)
    return 1


def _log(error: Exception) -> str:
    """Keep the traceback in a file; gives the sentence that says where."""
    again = "run it again as `rotation --debug ...` to see where it happened"
    try:
        ERROR_LOG.parent.mkdir(parents=True, exist_ok=True)
        with ERROR_LOG.open("a", encoding="utf-8") as log:
            log.write(f"{' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}\n")
    except OSError:
        return f"It could not be written to {ERROR_LOG}; {again}."
    return f"Its traceback is at the end of {ERROR_LOG}; or {again}."
