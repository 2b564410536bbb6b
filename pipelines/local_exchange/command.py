"""Starting the server from a command line: the market asked for, the server, and one line on stdout."""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer

from pipelines.local_exchange.faults import BadFaults, Faults, read_faults
from pipelines.local_exchange.market import Market
from pipelines.local_exchange.recorded import RecordedMarket
from pipelines.local_exchange.recorded_files import BadRecording
from pipelines.local_exchange.server import LocalExchange, when_input_ends

BINANCE_OPEN_INTEREST_DAYS = 30


class BadArguments(ValueError):
    """The arguments do not fit together; the message says what to change."""


def serve(
    source: Literal["simulated", "example", "recorded"] = "simulated",
    data: Path | None = None,
    seed: int = 0,
    now: datetime | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Path | None = None,
    oi_history_limit: bool | None = None,
    exit_with_stdin: bool = False,
) -> None:
    """Serve a market until the process is told to end.

    Once ready it prints one line of JSON: `url`, `port`, `market` (the source) and `now` (naive UTC, ISO).

    Args:
        source: A simulated market, or the one in `data`: recorded, or made up for an example.
        data: Folder of recorded data; not with `simulated`.
        seed: Seed of the simulated market.
        now: The market's present, naive UTC; None: the current time.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        faults: JSON file of faults to put in force.
        oi_history_limit: Whether Binance refuses open interest older than 30 days; None: if `simulated`.
        exit_with_stdin: End when standard input ends, so that the server does not outlive its parent.

    Raises:
        BadArguments: `data` with `simulated`, or no `data` without it; a seed or time that the simulation does not
            have; a port or address that cannot be used.
        BadRecording: The folder cannot be served.
        BadFaults: The fault file cannot be used.
    """
    if now is None:
        from pipelines.clock import utc_now

        now = utc_now()
    rules = read_faults(faults) if faults else Faults()
    market = _market(source, data, seed, int(now.replace(tzinfo=UTC).timestamp() * 1000))
    limited = source == "simulated" if oi_history_limit is None else oi_history_limit
    origin = (source, f"seed {seed}" if data is None else data.resolve().name)
    exchange = LocalExchange(market, rules, BINANCE_OPEN_INTEREST_DAYS if limited else None, origin)
    asyncio.run(_serve(exchange, host, port, {"market": source, "now": now.isoformat()}, exit_with_stdin))


def _market(source: str, data: Path | None, seed: int, now_ms: int) -> Market:
    if (source == "simulated") == (data is not None):
        raise BadArguments("`--data DIR` belongs to `--source recorded`; give both or neither")
    if source == "simulated":
        from pipelines.local_exchange.simulation import SimulatedMarket

        try:
            return SimulatedMarket(seed=seed, now_ms=now_ms)
        except ValueError as error:
            raise BadArguments(str(error)) from error
    market = RecordedMarket(data, now_ms)
    for name, rows in market.dropped_rows.items():
        if rows:
            print(
                f"{data / name}: {rows} rows repeat the key of an earlier row and are left out",
                file=sys.stderr,
            )
    return market


async def _serve(exchange: LocalExchange, host: str, port: int, about: dict, exit_with_stdin: bool) -> None:
    try:
        runner, url = await exchange.start(host, port)
    except OSError as error:
        raise BadArguments(f"{host}:{port} cannot be listened on ({error.strerror}); give another one") from error
    ended = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # before the line that tells the parent to go on
        asyncio.get_running_loop().add_signal_handler(signal_number, ended.set)
    print(json.dumps({"url": url, "port": runner.addresses[0][1], **about}), flush=True)
    if exit_with_stdin:
        when_input_ends(ended.set)
    await ended.wait()
    await runner.cleanup()


def run(**arguments: object) -> None:
    """`serve` for a command line: a user's mistake ends with its message and exit code 2."""
    try:
        serve(**arguments)
    except (BadArguments, BadRecording, BadFaults) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
