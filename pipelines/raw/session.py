"""One run's reading of the exchanges: all of them at once, in a thread of their own, while the steps wait.

The steps of a run follow one another in one process, and every exchange has its own rate limit; read one after
the other they would take the sum of their times instead of the longest.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import TracebackType

import polars as pl

from pipelines import progress
from pipelines.clock import decision_instant, snapshot_instant, to_milliseconds, utc_now
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.port import Adapter
from pipelines.exchanges.registry import open_adapter
from pipelines.exchanges.retries import RetryPolicy
from pipelines.limits import gate_limits
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import Policy
from pipelines.raw.batch import TABLES, Load, Stamp, build_batches, load_log
from pipelines.raw.delistings import gone_from_the_list, trading_until_now
from pipelines.raw.identity import set_aside, strangers
from pipelines.raw.ingest import IngestReport, Limits, Progress, ingest_exchange, ingest_instruments
from pipelines.raw.plan import Wants, plan_series
from pipelines.raw.snapshot import is_taken, keeps_no_history, observed_symbols, take_snapshot
from pipelines.raw.universe import select_instruments
from pipelines.seeds import read_assets
from pipelines.settings import SEEDS_DIRECTORY, Settings
from warehouse.connection import Connection, Warehouse
from warehouse.origin import claim_origin
from warehouse.raw import RawWriter, asked_in_vain, coverage
from warehouse.schema import create_tables

_SAVED = dict.fromkeys(
    ("mark", "index"),
    "left out to save two requests per contract and night; ROTATION_INGEST__MARK_AND_INDEX says who is asked for them",
)


def history_days(policy: Policy) -> int:
    """Days before a decision that its windows reach back: the baseline of the longest windows within it."""
    windows = policy.windows
    return windows.baseline + max(windows.peak + windows.momentum, windows.vol_prior + windows.vol_recent)


class IngestSession:
    """Reads the exchanges in the background from `__enter__` on; `report` waits for one of them.

    Args:
        settings: Source, rate limit, patience.
        policy: Publication lags, and which assets' dated contracts are read.
        warehouse: Where the facts go.
        run_id: Stands in the load log.
        exchanges: Which to read.
        first_day: First day that will be decided; history is read from `history_days` before it.
        last_day: Last day that will be decided.
        snapshot_only: Read nothing but the open interest of this moment, two minutes after `last_day` has ended.
    """

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        warehouse: Warehouse,
        run_id: str,
        exchanges: tuple[str, ...],
        first_day: date,
        last_day: date,
        *,
        snapshot_only: bool = False,
    ) -> None:
        self._settings, self._policy, self._warehouse = settings, policy, warehouse
        self._snapshot_only = snapshot_only
        instant = snapshot_instant(last_day) if snapshot_only else decision_instant(last_day)
        self._now = utc_now() if settings.source == "live" else instant
        self._start = datetime.combine(first_day, datetime.min.time()) - timedelta(days=history_days(policy))
        self._stamp = Stamp(run_id, utc_now(), settings.source, policy.data.lag_min, gate_limits(policy))
        self._reports: dict[str, Future[IngestReport]] = {name: Future() for name in exchanges}
        self._named: list[pl.DataFrame] = []
        self._thread = threading.Thread(target=self._read_all, name="exchanges", daemon=True)
        self._stop: Callable[[], object] = lambda: None

    def __enter__(self) -> "IngestSession":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop()
        self._thread.join()

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The window that is asked for: from the first day of history to the source's present."""
        return self._start, self._now

    def report(self, exchange: str) -> IngestReport:
        """Wait for one exchange. Its own failures are in the report; ours are raised."""
        return self._reports[exchange].result()

    def wait(self) -> None:
        """Wait until every exchange is read and the build file is closed again."""
        self._thread.join()

    def _read_all(self) -> None:
        try:
            with ExitStack() as stack:
                base_url = self._settings.exchange_url
                if base_url is None and self._settings.source != "live":
                    server = LocalExchangeProcess(
                        self._settings.source, self._settings.data, self._settings.seed, self._now
                    )
                    base_url = stack.enter_context(server).url
                connection = stack.enter_context(self._warehouse.open_build())
                create_tables(connection)
                claim_origin(connection, self._settings.source, self._origin(), utc_now())
                asyncio.run(self._gather(base_url, connection))
        except BaseException as error:
            for report in self._reports.values():
                if not report.done():
                    report.set_exception(error)

    def _origin(self) -> str:
        """What tells this source from others of its kind."""
        settings = self._settings
        if settings.source == "simulated":
            return f"seed {settings.seed}"
        return settings.data.resolve().name if settings.data else ""

    async def _gather(self, base_url: str | None, connection: Connection) -> None:
        writer = RawWriter(connection)
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(self._settle(name, base_url, connection, writer)) for name in self._reports]
        self._stop = lambda: [loop.call_soon_threadsafe(task.cancel) for task in tasks]
        await asyncio.gather(*tasks)
        if self._named:
            await asyncio.to_thread(self._set_strangers_aside, connection, writer)

    def _set_strangers_aside(self, connection: Connection, writer: RawWriter) -> None:
        """All exchanges are read: whose price of a coin is not the coin's?"""
        named = pl.concat(self._named)
        with closing(connection.cursor()) as cursor:
            found = strangers(cursor, named, self._now, float(self._policy.data.price_jump))
        writer.write(build_batches(set_aside(found, stamp=self._stamp, clock=utc_now), self._stamp))

    async def _settle(self, exchange: str, base_url: str | None, connection: Connection, writer: RawWriter) -> None:
        future = self._reports[exchange]
        try:
            future.set_result(await self._read(exchange, base_url, connection, writer))
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise

    async def _read(
        self, exchange: str, base_url: str | None, connection: Connection, writer: RawWriter
    ) -> IngestReport:
        settings = self._settings
        now_ms = to_milliseconds(self._now)
        async with open_adapter(
            exchange,
            base_url=base_url,
            now_ms=None if settings.source == "live" else lambda: now_ms,
            rate_limit=settings.rate_limit,
            timeout_s=settings.ingest.timeout_seconds,
            retry=RetryPolicy(total_wait_s=settings.ingest.retry_seconds),
            reads_many=True,
        ) as adapter:
            progress.report("exchanges", f"{exchange}: instruments")
            try:
                listed = await adapter.instruments()
            except ExchangeFailure as failure:
                return await self._unreachable(exchange, failure, writer)
            assets = read_assets(SEEDS_DIRECTORY)
            instruments = select_instruments(
                listed.frame,
                assets,
                dated_assets=tuple(self._policy.hedge.assets),
                start=self._start,
                end=self._now,
            )
            known = await asyncio.to_thread(trading_until_now, connection.cursor(), exchange, self._now)
            gone = gone_from_the_list(known, listed.frame, self._now)
            revisions = pl.concat([instruments.select(listed.frame.columns), gone])
            await ingest_instruments(
                adapter, replace(listed, frame=revisions), writer, stamp=self._stamp, clock=utc_now
            )
            taken = await self._snapshot(adapter, instruments, connection, writer)
            if self._snapshot_only:
                return taken
            units = assets.units(self._now.date())
            self._named.append(
                instruments.join(units, on="base", how="left").select(
                    "exchange", "symbol", "asset", "market_type",
                    coins_per_unit=pl.coalesce("coins_per_unit", "contract_multiplier"),
                )
            )  # fmt: skip
            timeframe = settings.ingest.timeframe
            plan = plan_series(
                instruments,
                await asyncio.to_thread(coverage, connection.cursor(), exchange),
                adapter.capabilities,
                Wants(
                    spot_timeframes=(timeframe,),
                    futures_timeframes=(timeframe,),
                    left_out={} if exchange in settings.ingest.mark_and_index else _SAVED,
                ),
                self._start,
                self._now,
                await asyncio.to_thread(asked_in_vain, connection.cursor(), exchange),
            )
            report = await ingest_exchange(adapter, plan, writer, Limits(), _tell, stamp=self._stamp, clock=utc_now)
            return report.joined(taken)

    async def _snapshot(
        self, adapter: Adapter, instruments: pl.DataFrame, connection: Connection, writer: RawWriter
    ) -> IngestReport:
        """Open interest of this moment where there is no history of it and nobody has taken it since midnight."""
        report = IngestReport(adapter.exchange)
        if keeps_no_history(adapter.capabilities):
            exchange, now = adapter.exchange, self._now
            if not await asyncio.to_thread(is_taken, connection.cursor(), exchange, now):
                progress.report("exchanges", f"{exchange}: open interest now")
                loads = await take_snapshot(
                    adapter, observed_symbols(instruments, now), stamp=self._stamp, clock=utc_now
                )
                batches = build_batches(loads, self._stamp)
                report.rows_written = await asyncio.to_thread(writer.write, batches)
                for batch in batches:
                    report.count(batch)
        return report

    async def _unreachable(self, exchange: str, failure: ExchangeFailure, writer: RawWriter) -> IngestReport:
        """Nothing can be planned without the list of instruments; the load log says why."""
        now = utc_now()
        log = load_log(self._stamp, exchange, "instruments", "failed", started_at=now, ended_at=now, error=str(failure))
        await asyncio.to_thread(writer.write, build_batches([Load(TABLES["instruments"], log)], self._stamp))
        report = IngestReport(exchange, blocked=str(failure), failures=[str(failure)])
        report.statuses["instruments", "failed"] += 1
        return report


def _tell(now: Progress) -> None:
    progress.report(
        "exchanges",
        f"{now.exchange}: {now.dataset}, {now.rows_received:,} rows",
        now.series_done,
        now.series_planned,
    )
