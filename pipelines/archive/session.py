"""An import from its first look at the archive to its report."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pipelines import progress
from pipelines.archive.errors import ArchiveError
from pipelines.archive.importer import ImportReport, Limits, import_files
from pipelines.archive.names import Instrument, Kind, read_asked
from pipelines.archive.plan import Plan, find_instruments, list_series, plan_files
from pipelines.archive.tree import BASE_URL, FolderTree, Tree, open_url
from pipelines.clock import utc_now
from pipelines.limits import gate_limits
from pipelines.policy import Policy
from pipelines.raw.batch import Stamp
from pipelines.seeds import read_assets
from pipelines.settings import SEEDS_DIRECTORY, Settings
from warehouse.archive import contract_sizes, imported_files
from warehouse.connection import Warehouse
from warehouse.origin import claim_origin
from warehouse.schema import create_tables

EXCHANGE = "binance"
STAGE = "archive"


@dataclass(frozen=True)
class Order:
    """What is to be imported, and from where.

    Attributes:
        first: First UTC day.
        last: Last UTC day, included.
        kinds: Which kinds of files.
        symbols: As a person names them (see `read_asked`); empty: every asset that has a sector.
        base_url: Address of the archive; None: the one that the settings name, else the real one.
        folder: A folder with the archive's files instead.
    """

    first: date
    last: date
    kinds: tuple[Kind, ...]
    symbols: tuple[str, ...] = ()
    base_url: str | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """A finished import: where it read, what was planned, what became of it."""

    place: str
    plan: Plan
    report: ImportReport


def run_import(settings: Settings, policy: Policy, order: Order) -> Outcome:
    """Import the archive's files of a window into the raw tables.

    Raises:
        ArchiveError: nothing to import, or the archive cannot be used.
        ArchiveUnreachable: the archive does not answer at all.
        WarehouseError: the warehouse is locked, or filled from something else.
    """
    if order.last >= utc_now().date():
        raise ArchiveError(f"--to {order.last}: a day's files appear on the day after; give {utc_now().date() - _DAY}")
    asked = list(dict.fromkeys(instrument for symbol in order.symbols for instrument in read_asked(symbol)))
    warehouse = Warehouse(settings.warehouse_dir)
    with warehouse.write_lock("rotation archive import", settings.lock_wait_seconds, progress.report_waiting):
        return asyncio.run(_import(settings, policy, order, asked, warehouse))


async def _import(
    settings: Settings, policy: Policy, order: Order, asked: list[Instrument], warehouse: Warehouse
) -> Outcome:
    limits = Limits()
    async with _open(settings, order, limits) as (tree, place):
        progress.report(STAGE, f"looking up files at {place}")
        instruments = asked or await _universe(tree, policy, order)
        series = list_series(instruments, order.kinds, settings.ingest.timeframe)
        plan = await plan_files(tree, series, order.first, order.last, limits.concurrency, _tell_looking)
        if not plan.files:
            raise ArchiveError(
                f"{place} has no file of {', '.join(order.kinds)} from {order.first} to {order.last}. "
                "A day's files appear on the day after, funding once a month; check the days and --symbols"
            )
        with warehouse.open_build("rotation archive import") as connection:
            create_tables(connection)
            source, detail = tree.origin
            claim_origin(connection, source, detail, utc_now())
            stamp = Stamp(
                f"archive-{uuid.uuid4()}", utc_now(), "simulated" if source == "simulated" else "archive",
                policy.data.lag_min, gate_limits(policy),
            )  # fmt: skip
            report = await import_files(
                tree, plan.files, connection, imported_files(connection, EXCHANGE),
                stamp=stamp, rules=policy.data, contract_sizes=contract_sizes(connection, EXCHANGE),
                limits=limits, tell=_tell, clock=utc_now,
            )  # fmt: skip
    return Outcome(place, plan, report)


@asynccontextmanager
async def _open(settings: Settings, order: Order, limits: Limits) -> AsyncIterator[tuple[Tree, str]]:
    if order.folder is not None:
        yield FolderTree(order.folder), str(order.folder)
        return
    base_url = order.base_url or settings.exchange_url or BASE_URL
    async with open_url(
        base_url,
        timeout_s=settings.ingest.timeout_seconds,
        patience_s=settings.ingest.retry_seconds,
        connections=limits.concurrency,
    ) as tree:
        yield tree, base_url


async def _universe(tree: Tree, policy: Policy, order: Order) -> list[Instrument]:
    """What ingestion would read: the instruments of every asset that has a sector."""
    by_base = read_assets(SEEDS_DIRECTORY).by_base(order.first, order.last + _DAY)
    dated = [base for base, asset in by_base.items() if asset in policy.hedge.assets]
    found = await find_instruments(tree, by_base, dated)
    first = datetime.combine(order.first, datetime.min.time())
    return [one for one in found if one.market_type != "dated" or _delivered_at(one) > first]


def _delivered_at(instrument: Instrument) -> datetime:
    return datetime.strptime(instrument.name.rpartition("_")[2], "%y%m%d")


def _tell_looking(done: int, total: int) -> None:
    progress.report(STAGE, "looking up files", done, total)


def _tell(report: ImportReport) -> None:
    done = report.read + report.known + len(report.refused)
    progress.report(STAGE, f"{report.rows_received:,} rows, {report.known:,} files stored already", done, report.files)


_DAY = timedelta(days=1)
