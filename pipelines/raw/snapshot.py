"""Open interest of this moment, from exchanges that keep no history of it.

What is not written down today is lost. Taken at 00:02 UTC it belongs to the day that has just ended; a night that finds
none takes one itself, which then belongs to the day that has begun.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta

import polars as pl

from pipelines.clock import utc_now
from pipelines.exchanges.capabilities import Capabilities
from pipelines.exchanges.client import count_requests
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.port import Adapter
from pipelines.raw.batch import TABLES, Load, Stamp, load_log
from pipelines.settings import Settings
from warehouse.connection import Connection

PRESENT = "now"
"""Stands as the timeframe of a snapshot in the load log."""

_TABLE = TABLES["open_interest"]


class ExchangesOutOfReach(Exception):
    """No exchange could be read; the message holds what each of them said."""


def keeps_no_history(capabilities: Capabilities) -> bool:
    """Whether the exchange's open interest has to be written down night by night."""
    return capabilities.absence("open_interest", None, None) is not None


def snapshot_day(settings: Settings) -> date:
    """The day that has just ended, in the time of the source."""
    if settings.source in ("recorded", "example"):
        from pipelines.local_exchange.recorded_files import recorded_days

        assert settings.data is not None
        return recorded_days(settings.data)[1]
    return utc_now().date() - timedelta(days=1)


def is_taken(connection: Connection, exchange: str, now: datetime) -> bool:
    """Whether a snapshot of the exchange stamped since the last midnight before `now` is stored."""
    midnight = datetime.combine(now.date(), time())
    found = connection.execute(
        "select count(*) from raw.open_interest "
        "where exchange = $exchange and source_kind = 'snapshot' and observed_at between $midnight and $now",
        {"exchange": exchange, "midnight": midnight, "now": now},
    ).fetchone()
    return found is not None and found[0] > 0


def observed_symbols(instruments: pl.DataFrame, now: datetime) -> list[str]:
    """The perpetuals that trade at `now`, of a list of instruments."""
    has_ended = pl.col("delist_at") <= now
    is_trading = pl.col("is_active").fill_null(True) & ~has_ended.fill_null(False)
    return instruments.filter((pl.col("market_type") == "perpetual") & is_trading)["symbol"].to_list()


async def take_snapshot(
    adapter: Adapter, symbols: Sequence[str], *, stamp: Stamp, clock: Callable[[], datetime]
) -> list[Load]:
    """Ask for the open interest of this moment: once for all symbols where the exchange has such a call.

    A request that fails leaves a line in the load log; the others go on.
    """
    if not symbols:
        return []
    is_bulk = adapter.capabilities.open_interest_now == "all at once"
    groups = [list(symbols)] if is_bulk else [[symbol] for symbol in symbols]
    return list(await asyncio.gather(*(_look(adapter, group, is_bulk, stamp, clock) for group in groups)))


async def _look(
    adapter: Adapter, symbols: list[str], is_bulk: bool, stamp: Stamp, clock: Callable[[], datetime]
) -> Load:
    columns = {"symbol": None if is_bulk else symbols[0], "timeframe": PRESENT, "started_at": clock()}
    with count_requests() as counted:
        try:
            fetched = await adapter.open_interest_now(symbols)
        except ExchangeFailure as failure:
            columns |= {"ended_at": clock(), "error": str(failure), "requests": counted.requests}
            return Load(_TABLE, load_log(stamp, adapter.exchange, _TABLE.name, "failed", **columns))
    columns |= {
        "ended_at": clock(),
        "requests": fetched.requests,
        "rows_received": fetched.frame.height + fetched.rejected.height,
        "payload_sha256": fetched.payload_sha256,
    }
    status = "ok" if columns["rows_received"] else "empty"
    return Load(_TABLE, load_log(stamp, adapter.exchange, _TABLE.name, status, **columns), fetched, is_open=True)
