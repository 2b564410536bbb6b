"""Reads one exchange's plan: many series at once, written in groups while the next ones arrive.

A series that fails leaves a line in the load log and is asked for again by the next plan; the others go on.
When the exchange as a whole is out of reach, the rest of its plan is given up at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pipelines.exchanges.client import count_requests
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.port import Adapter, Fetched, Gap
from pipelines.raw.batch import (
    TABLES,
    Load,
    Stamp,
    build_batches,
    load_log,
)
from pipelines.raw.plan import Plan, SeriesRequest
from warehouse.raw import SeriesBatch

_WORTH_NAMING = 20  # failures and gaps kept in the report; the load log has every failure


_Answer = list[Load] | Exception | None


class Sink(Protocol):
    """Where groups of batches are written, each group in one transaction."""

    def write(self, batches: Sequence[SeriesBatch]) -> int:
        """Write a group; gives the number of new fact rows."""
        ...


@dataclass(frozen=True)
class Limits:
    """How much at once.

    Attributes:
        concurrency: Series that are being read at the same time.
        flush_rows: Rows that are gathered before they are written; bounds the memory.
    """

    concurrency: int = 16
    flush_rows: int = 50_000


@dataclass(frozen=True)
class Progress:
    """How far one exchange is: series read, of how many, and rows received so far."""

    exchange: str
    dataset: str
    series_done: int
    series_planned: int
    rows_received: int


@dataclass
class IngestReport:
    """What became of a plan.

    Attributes:
        exchange: Whose plan.
        statuses: Series by (dataset, status).
        requests: HTTP requests made.
        rows_received: Rows that arrived, unreadable ones included.
        rows_written: New or changed facts that were written.
        rows_quarantined: Rows that broke a rule.
        failures: The first errors, as text.
        gaps: The first holes in what the exchange served, with the series' name.
        blocked: Why the exchange as a whole was given up; None when it was not.
    """

    exchange: str
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    requests: int = 0
    rows_received: int = 0
    rows_written: int = 0
    rows_quarantined: int = 0
    failures: list[str] = field(default_factory=list)
    gaps: list[tuple[str, Gap]] = field(default_factory=list)
    blocked: str | None = None

    def count(self, batch: SeriesBatch) -> None:
        """Take in what became of one series; `rows_written` is known to the writer alone."""
        log = batch.batch
        self.statuses[log["dataset"], log["status"]] += 1
        self.requests += log["requests"]
        self.rows_received += log["rows_received"]
        self.rows_quarantined += batch.rejected.height
        if log["status"] == "failed" and len(self.failures) < _WORTH_NAMING:
            self.failures.append(log["error"])

    def joined(self, other: "IngestReport") -> "IngestReport":
        """This report and another one of the same exchange, as one."""
        return IngestReport(
            self.exchange,
            self.statuses + other.statuses,
            self.requests + other.requests,
            self.rows_received + other.rows_received,
            self.rows_written + other.rows_written,
            self.rows_quarantined + other.rows_quarantined,
            (other.failures + self.failures)[:_WORTH_NAMING],
            self.gaps,
            self.blocked,
        )


async def ingest_instruments(
    adapter: Adapter, fetched: Fetched, sink: Sink, *, stamp: Stamp, clock: Callable[[], datetime]
) -> int:
    """Write a list of instruments (all of it, or a selection); gives the number of new or changed rows."""
    now = clock()
    log = load_log(
        stamp, adapter.exchange, "instruments", "ok" if fetched.frame.height else "empty",
        started_at=now, ended_at=now, requests=fetched.requests, rows_received=fetched.frame.height,
        payload_sha256=fetched.payload_sha256,
    )  # fmt: skip
    batches = build_batches([Load(TABLES["instruments"], log, fetched)], stamp)
    return await asyncio.to_thread(sink.write, batches)


async def ingest_exchange(
    adapter: Adapter,
    plan: Plan,
    sink: Sink,
    limits: Limits,
    progress: Callable[[Progress], None],
    *,
    stamp: Stamp,
    clock: Callable[[], datetime],
) -> IngestReport:
    """Read and write one exchange's plan.

    Args:
        adapter: The exchange.
        plan: What to ask for.
        sink: Where to write; called from a worker thread, one group at a time.
        limits: How much at once.
        progress: Told after every series.
        stamp: What is written on every row.
        clock: What time it is, for the load log's `started_at` and `ended_at`.

    Raises:
        Exception: whatever the sink raises; groups written before stay written.
    """
    run = _Run(adapter, plan, sink, limits, progress, stamp, clock)
    await run.all_series()
    return run.report


class _Run:
    def __init__(
        self,
        adapter: Adapter,
        plan: Plan,
        sink: Sink,
        limits: Limits,
        progress: Callable[[Progress], None],
        stamp: Stamp,
        clock: Callable[[], datetime],
    ) -> None:
        self.report = IngestReport(adapter.exchange)
        self._adapter, self._plan, self._sink, self._limits = adapter, plan, sink, limits
        self._progress, self._stamp, self._clock = progress, stamp, clock
        self._left = Counter(request.dataset for request in plan.series)
        self._done = 0
        self._gathered: list[Load] = []
        self._gathered_rows = 0
        self._received = 0

    async def all_series(self) -> None:
        # A bounded queue: readers wait while a group is being written, so memory stays bounded too.
        answers: asyncio.Queue[_Answer] = asyncio.Queue(maxsize=2 * self._limits.concurrency)
        requests = iter(self._plan.series)
        readers = [asyncio.create_task(self._read(requests, answers)) for _ in range(self._limits.concurrency)]
        try:
            self._gathered += self._not_offered()
            reading = len(readers)
            while reading:
                answer = await answers.get()
                if isinstance(answer, Exception):
                    raise answer
                if answer is None:
                    reading -= 1
                elif self._add(answer):
                    await self._flush()
            self._gathered += self._given_up()
            await self._flush()
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self, requests: Iterable[SeriesRequest], answers: asyncio.Queue[_Answer]) -> None:
        """Read one series after the other until none is left; None says that this reader has ended."""
        try:
            for request in requests:
                if self.report.blocked is not None:
                    break
                loads = await self._series(request)
                if loads:
                    await answers.put(loads)
            await answers.put(None)
        except Exception as error:
            await answers.put(error)

    async def _series(self, request: SeriesRequest) -> list[Load]:
        started_at = self._clock()
        with count_requests() as counted:
            try:
                fetched = await _fetch(self._adapter, request)
            except ExchangeFailure as failure:
                if failure.kind == "blocked":
                    self.report.blocked = str(failure)
                    return []
                return [self._load(request, "failed", started_at, error=str(failure), requests=counted.requests)]
        return self._answered(request, fetched, started_at)

    def _answered(self, request: SeriesRequest, fetched: Fetched, started_at: datetime) -> list[Load]:
        loads = [
            self._load(
                request, "absent", started_at, error=absence.reason,
                window_start_at=absence.start, window_end_at=absence.end,
            )
            for absence in fetched.absences
        ]  # fmt: skip
        rows, unreadable = fetched.frame.height, fetched.rejected.height
        counts: dict[str, Any] = {
            "requests": fetched.requests,
            "rows_received": rows + unreadable,
            "payload_sha256": fetched.payload_sha256,
        }
        self.report.gaps += [(request.symbol, gap) for gap in fetched.gaps]
        del self.report.gaps[_WORTH_NAMING:]
        if not fetched.is_complete:
            error = f"{request.symbol}: no row of a page can be read; they are in raw.quarantine, the rest is stored"
            loads.append(self._load(request, "failed", started_at, fetched, error=error, **counts))
        elif rows or unreadable:
            loads.append(self._load(request, "ok", started_at, fetched, **counts))
        elif not request.is_trading:
            reason = "it does not trade any more, and nothing is kept of it for this window"
            loads.append(self._load(request, "absent", started_at, fetched, error=reason, **counts))
        elif not any(absence.end >= request.end for absence in fetched.absences):
            # Silence where rows were expected is a gap, not a success: it covers nothing and is asked again.
            loads.append(self._load(request, "empty", started_at, fetched, **counts))
        return loads

    def _load(
        self,
        request: SeriesRequest,
        status: str,
        started_at: datetime,
        fetched: Fetched | None = None,
        **columns: Any,
    ) -> Load:
        own = {
            "symbol": request.symbol,
            "price_type": request.price_type,
            "timeframe": request.timeframe,
            "window_start_at": request.start,
            "window_end_at": request.end,
            "started_at": started_at,
            "ended_at": self._clock(),
        }
        log = load_log(self._stamp, self._adapter.exchange, request.dataset, status, **(own | columns))
        return Load(TABLES[request.dataset], log, fetched, request.is_open)

    def _add(self, loads: list[Load]) -> bool:
        """Take an answer in; True when it is time to write."""
        self._gathered += loads
        received = sum(load.log["rows_received"] for load in loads)
        self._gathered_rows += received
        self._received += received
        dataset = loads[-1].log["dataset"]
        self._left[dataset] -= 1
        self._done += 1
        self._progress(Progress(self._adapter.exchange, dataset, self._done, len(self._plan.series), self._received))
        return self._gathered_rows >= self._limits.flush_rows or self._left[dataset] == 0

    async def _flush(self) -> None:
        loads, self._gathered, self._gathered_rows = self._gathered, [], 0
        if loads:
            batches, written = await asyncio.to_thread(self._write, loads)
            self.report.rows_written += written
            for batch in batches:
                self.report.count(batch)

    def _write(self, loads: list[Load]) -> tuple[list[SeriesBatch], int]:
        batches = build_batches(loads, self._stamp)
        return batches, self._sink.write(batches)

    def _not_offered(self) -> list[Load]:
        return [
            self._whole(item.dataset, "absent", item.reason, price_type=item.price_type)
            for item in self._plan.not_offered
        ]

    def _given_up(self) -> list[Load]:
        """One line per dataset for the series that a blocked exchange leaves unread."""
        if self.report.blocked is None:
            return []
        return [
            self._whole(dataset, "failed", f"{self.report.blocked} {count} series were not read.")
            for dataset, count in self._left.items()
            if count > 0
        ]

    def _whole(self, dataset: str, status: str, error: str, **columns: Any) -> Load:
        now = self._clock()
        columns |= {"started_at": now, "ended_at": now, "error": error}
        return Load(TABLES[dataset], load_log(self._stamp, self._adapter.exchange, dataset, status, **columns))


async def _fetch(adapter: Adapter, request: SeriesRequest) -> Fetched:
    window = (request.start, request.end)
    if request.dataset == "funding_rates":
        return await adapter.funding_rates(request.symbol, *window)
    assert request.timeframe is not None
    if request.dataset == "open_interest":
        return await adapter.open_interest(request.symbol, request.timeframe, *window)
    price_type = request.price_type or "last"
    return await adapter.candles(request.symbol, request.market_type, price_type, request.timeframe, *window)
