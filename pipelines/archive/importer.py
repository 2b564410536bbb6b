"""Reads the planned files, many at once, and writes them in their order through the same path as ingestion.

A group that is written together never holds two files of one series, and groups follow one another in time. So what
two neighbouring files say about the same instant (midnight, where metrics changed their labels) ends the same way
however the import was interrupted: the later file's word is the newer revision.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipelines.archive.errors import ArchiveUnreachable, RefusedFile
from pipelines.archive.files import MAX_CHECKSUM_BYTES, MAX_ZIP_BYTES, read_checksum, read_table, verify
from pipelines.archive.names import ArchiveFile, usd_per_contract
from pipelines.archive.parse import RULE_INCOMPLETE, Table, parse_table
from pipelines.archive.tree import Tree
from pipelines.policy_models import Data
from pipelines.raw.batch import TABLES, Load, Stamp, build_batches, load_log
from warehouse.archive import FileKey, fill_mark_prices
from warehouse.connection import Connection
from warehouse.raw import RawWriter

GIVE_UP_AFTER = 3  # files that nobody answered for, each of them asked for several times


@dataclass(frozen=True)
class Limits:
    """How much at once.

    Attributes:
        concurrency: Files that are fetched at the same time.
        ahead: Files that may wait, read, for their turn to be written.
        flush_rows: Rows that are gathered before they are written, at most; bounds the memory.
    """

    concurrency: int = 16
    ahead: int = 64
    flush_rows: int = 50_000


@dataclass
class ImportReport:
    """What became of the planned files.

    Attributes:
        files: Planned.
        read: Read in this import.
        known: Skipped, because the same file is stored already.
        rows_received: Rows of the files that were read.
        rows_written: New or changed facts that were written.
        rows_quarantined: Rows that were set aside.
        refused: Files that could not be taken in, with the reason.
        incomplete: Days of metrics that were set aside as a whole, with the rows they have.
        thin: Days of metrics that are stored and lack some of their rows.
        unreachable: Why the import was given up; None when it was not.
    """

    files: int = 0
    read: int = 0
    known: int = 0
    rows_received: int = 0
    rows_written: int = 0
    rows_quarantined: int = 0
    refused: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    thin: list[str] = field(default_factory=list)
    unreachable: str | None = None


@dataclass(frozen=True)
class _Taken:
    """One file's way: read (`table`), refused (`error`), or known already (neither)."""

    file: ArchiveFile
    started_at: datetime
    table: Table | None = None
    error: Exception | None = None


async def import_files(
    tree: Tree,
    files: Sequence[ArchiveFile],
    connection: Connection,
    known: Mapping[FileKey, str],
    *,
    stamp: Stamp,
    rules: Data,
    contract_sizes: Mapping[str, float],
    limits: Limits,
    tell: Callable[[ImportReport], None],
    clock: Callable[[], datetime],
) -> ImportReport:
    """Import the files.

    Args:
        tree: The archive.
        files: As `plan_files` orders them.
        connection: The build file.
        known: SHA-256 of the file that each series and window was last stored from.
        stamp: What is written on every row.
        rules: The policy's section on data: how few rows a day of metrics may have.
        contract_sizes: USD of one contract by symbol, where the exchange's list says it.
        limits: How much at once.
        tell: Told after every file.
        clock: What time it is, for the load log.

    Raises:
        Exception: whatever the writing raises; groups written before stay written.
    """
    run = _Run(tree, connection, known, stamp, rules, contract_sizes, limits, clock)
    run.report.files = len(files)
    await run.all_files(files, tell)
    return run.report


class _Run:
    def __init__(
        self,
        tree: Tree,
        connection: Connection,
        known: Mapping[FileKey, str],
        stamp: Stamp,
        rules: Data,
        contract_sizes: Mapping[str, float],
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self.report = ImportReport()
        self._tree, self._connection, self._writer = tree, connection, RawWriter(connection)
        self._known, self._stamp, self._rules = known, stamp, rules
        self._contract_sizes, self._limits, self._clock = contract_sizes, limits, clock
        self._places = asyncio.Semaphore(limits.concurrency)
        self._gathered: list[Load] = []
        self._gathered_rows = 0
        self._unanswered = 0

    async def all_files(self, files: Sequence[ArchiveFile], tell: Callable[[ImportReport], None]) -> None:
        waiting: deque[asyncio.Task[_Taken]] = deque()
        left, current = iter(files), None
        try:
            while self.report.unreachable is None:
                while len(waiting) < self._limits.ahead and (file := next(left, None)) is not None:
                    waiting.append(asyncio.create_task(self._take(file)))
                if not waiting:
                    break
                taken = await waiting[0]
                waiting.popleft()
                group = (taken.file.series.kind, taken.file.start)
                if group != current or self._gathered_rows >= self._limits.flush_rows:
                    await self._flush()
                current = group
                self._add(taken)
                tell(self.report)
            await self._flush()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _take(self, file: ArchiveFile) -> _Taken:
        async with self._places:
            started_at = self._clock()
            try:
                return _Taken(file, started_at, await self._read(file))
            except (RefusedFile, ArchiveUnreachable) as error:
                return _Taken(file, started_at, error=error)

    async def _read(self, file: ArchiveFile) -> Table | None:
        """The file's rows; None when it is stored already."""
        sha256 = await self._checksum(file)
        if self._known.get(file_key(file)) == sha256:
            return None
        body = await self._zip(file)
        try:
            verify(body, sha256, file.key)
        except RefusedFile:  # perhaps it was exchanged between the two requests
            sha256, body = await self._checksum(file), await self._zip(file)
            verify(body, sha256, file.key)
        return await asyncio.to_thread(self._parse, file, body, sha256)

    async def _checksum(self, file: ArchiveFile) -> str:
        body = await self._tree.read(f"{file.key}.CHECKSUM", MAX_CHECKSUM_BYTES)
        if body is None:
            raise RefusedFile(f"{file.key}: has no .CHECKSUM, so nothing says that it is whole; it is left out")
        return read_checksum(body, file.key)

    async def _zip(self, file: ArchiveFile) -> bytes:
        body = await self._tree.read(file.key, MAX_ZIP_BYTES)
        if body is None:
            raise RefusedFile(f"{file.key}: has a .CHECKSUM but is not there itself; it is left out")
        return body

    def _parse(self, file: ArchiveFile, body: bytes, sha256: str) -> Table:
        instrument = file.series.instrument
        usd = self._contract_sizes.get(instrument.symbol) if instrument.market == "cm" else None
        return parse_table(
            file, read_table(body, file.stem, file.key), sha256,
            fewest_rows=self._rules.rows_quarantine, usd_per_contract=usd or usd_per_contract(instrument),
        )  # fmt: skip

    def _add(self, taken: _Taken) -> None:
        report, file = self.report, taken.file
        if taken.error is not None:
            report.refused.append(str(taken.error))
            self._gathered.append(self._load(taken, "failed", file.key, error=str(taken.error)))
            self._unanswered += isinstance(taken.error, ArchiveUnreachable)
            if self._unanswered >= GIVE_UP_AFTER:
                report.unreachable = str(taken.error)
            return
        if taken.table is None:
            report.known += 1
            return
        table, sha256 = taken.table, taken.table.fetched.payload_sha256
        report.read += 1
        report.rows_received += table.rows
        self._note(file, table)
        name = f"{file.key}|{self._known.get(file_key(file))}|{sha256}"
        load = self._load(taken, "ok", name, requests=2, rows_received=table.rows, payload_sha256=sha256)
        self._gathered.append(replace(load, fetched=table.fetched))
        self._gathered_rows += table.rows

    def _note(self, file: ArchiveFile, table: Table) -> None:
        if table.usable is None or table.usable >= self._rules.rows_warn:
            return
        is_set_aside = RULE_INCOMPLETE in table.fetched.rejected["rule"]
        where = self.report.incomplete if is_set_aside else self.report.thin
        where.append(f"{file.series.instrument.symbol} {file.start}: {table.usable} of 288 rows")

    def _load(self, taken: _Taken, status: str, name: str, **columns: object) -> Load:
        """A line of the load log. Its id depends on the file and the one before it alone: a file that has to be read
        again, because all of it was set aside, replaces its line and its rows in quarantine."""
        series, window = taken.file.series, taken.file.window
        log = load_log(
            self._stamp, "binance", series.dataset, status,
            batch_id=hashlib.sha256(f"archive|{name}".encode()).hexdigest()[:32],
            symbol=series.instrument.symbol, price_type=series.price_type, timeframe=series.timeframe,
            window_start_at=window[0], window_end_at=window[1],
            started_at=taken.started_at, ended_at=self._clock(), **columns,
        )  # fmt: skip
        return Load(TABLES[series.dataset], log)

    async def _flush(self) -> None:
        loads, self._gathered, self._gathered_rows = self._gathered, [], 0
        if loads:
            await asyncio.to_thread(self._write, loads)

    def _write(self, loads: list[Load]) -> None:
        loads = [self._with_marks(load) for load in loads]
        batches = build_batches(loads, self._stamp)
        self.report.rows_written += self._writer.write(batches)
        self.report.rows_quarantined += sum(batch.rejected.height for batch in batches)

    def _with_marks(self, load: Load) -> Load:
        """Funding files say no mark price: one that is known from elsewhere stays, for silence is no revision."""
        if load.fetched is None or load.table.name != "funding_rates" or load.fetched.frame.is_empty():
            return load
        frame = fill_mark_prices(self._connection, load.fetched.frame)
        return replace(load, fetched=replace(load.fetched, frame=frame))


def file_key(file: ArchiveFile) -> FileKey:
    """How the load log names a file: its series and window."""
    series = file.series
    return (series.dataset, series.instrument.symbol, series.price_type, series.timeframe, *file.window)
