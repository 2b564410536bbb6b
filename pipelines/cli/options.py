"""The options that commands share: their words, how days and instants are read, and how help texts end."""

from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXIT_CODES = """\
Exit codes:
  0    done
  1    unexpected error
  2    bad usage or configuration
  3    a gate said no; the last release is kept
  4    an exchange could not be reached and coverage fell under the limit
  130  interrupted"""


class Source(StrEnum):
    """Where a run's market data are from."""

    SIMULATED = "simulated"
    RECORDED = "recorded"
    LIVE = "live"


class RecordableSource(StrEnum):
    """Which market the local exchange can serve."""

    SIMULATED = "simulated"
    RECORDED = "recorded"


class Topic(StrEnum):
    """What can be shown of a day."""

    ALLOCATIONS = "allocations"
    SIGNALS = "signals"
    ASSETS = "assets"
    ORDERS = "orders"
    HEDGES = "hedges"
    SLEEVE = "sleeve"
    SCENARIOS = "scenarios"
    VALUE = "value"
    HEALTH = "health"


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class RunFormat(StrEnum):
    """How a report of several tables is written."""

    TABLE = "table"
    JSON = "json"


class Part(StrEnum):
    """A half of the interface, as a service of its own."""

    WEBSERVER = "webserver"
    DAEMON = "daemon"


def examples(*lines: str) -> str:
    """A help text's last part."""
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write it as 2026-11-21") from None


def parse_instant(text: str) -> datetime:
    """An ISO instant as naive UTC; without an offset it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO time; write it as 2026-11-21T00:00:00") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


WarehouseOption = Annotated[
    Path | None,
    typer.Option("--warehouse", metavar="DIR", help="Where the releases are; default WAREHOUSE_DIR or warehouse/data."),
]
SourceOption = Annotated[
    Source | None,
    typer.Option("--source", help="Where the market's data are from; default ROTATION_SOURCE or simulated."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of parquet files, with --source recorded.")
]
ExchangesOption = Annotated[
    str | None,
    typer.Option(
        "--exchanges",
        metavar="NAMES",
        help="Exchanges with commas between; default binance, bybit, bingx, weex, mexc.",
    ),
]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait",
        min=0,
        metavar="SECONDS",
        help="How long to wait while another run writes the warehouse; default 1800, 0: not at all.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="table for people; csv and json have every digit.")]
RunFormatOption = Annotated[RunFormat, typer.Option("--format", help="table for people, json for programs.")]
