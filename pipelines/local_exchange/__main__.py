"""`python -m pipelines.local_exchange serve`: the local exchange from a command line."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.local_exchange.command import run


class Source(StrEnum):
    """Where the market is from."""

    SIMULATED = "simulated"
    EXAMPLE = "example"
    RECORDED = "recorded"


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """A local server that speaks the exchanges' own wire formats."""


def _instant(value: str) -> datetime:
    """An ISO instant as naive UTC; without an offset it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not an ISO date or time, for example 2024-12-31T00:00:00") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


@app.command()
def serve(
    source: Annotated[Source, typer.Option(help="Where the market is from.")] = Source.SIMULATED,
    data: Annotated[Path | None, typer.Option(help="Folder of its data, with --source recorded or example.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 0,
    now: Annotated[
        datetime | None,
        typer.Option(parser=_instant, metavar="ISO", help="The market's present; default: now."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    faults: Annotated[Path | None, typer.Option(help="JSON file of faults to put in force.")] = None,
    oi_history_limit: Annotated[
        bool | None,
        typer.Option(
            "--oi-history-limit/--no-oi-history-limit",
            help="Refuse Binance's open interest older than 30 days; default: with --source simulated only.",
        ),
    ] = None,
    exit_with_stdin: Annotated[bool, typer.Option(help="End when standard input ends.")] = False,
) -> None:
    """Serve until interrupted; once ready, print one line of JSON: url, port, market, now."""
    run(
        source=source.value,
        data=data,
        seed=seed,
        now=now,
        host=host,
        port=port,
        faults=faults,
        oi_history_limit=oi_history_limit,
        exit_with_stdin=exit_with_stdin,
    )


if __name__ == "__main__":
    app()
