"""Ingestion against bare ccxt loops over the same server, and against the floor of ccxt's own rate limiter."""

import asyncio
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.clock import decision_instant, to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import load_policy
from pipelines.raw.session import IngestSession, history_days
from pipelines.settings import load_settings
from tests.benchmarks.report import Ratio
from warehouse.connection import Warehouse

LAST_DAY = date(2026, 11, 21)
YEAR_DAYS = 365
EXCHANGES = ("binance", "bybit")
DAY_MS = 86_400_000
REPEATS = 3


def main() -> list[Ratio]:
    """Limiter off: wall time over bare loops; limiter on: wall time over the sum of ccxt's costs."""
    first_day = LAST_DAY - timedelta(days=YEAR_DAYS - 1 - history_days(load_policy()))
    now = decision_instant(LAST_DAY)
    with LocalExchangeProcess("simulated", seed=7, now=now) as server:
        assert server.url is not None
        asyncio.run(_bare(server.url, now))  # the server makes its series on first use
        floors = [asyncio.run(_bare(server.url, now)) for _ in range(REPEATS)]
        ours = [_ours(server.url, first_day, rate_limit="off") for _ in range(REPEATS)]
        rows, seconds = ours[0][0], min(took for _, took in ours)
        bare_rows, bare_seconds = floors[0][0], min(took for _, took in floors)
        limited, floor = _limited(server.url, LAST_DAY)
    return [
        Ratio("ingestion, limiter off / bare ccxt loops, per row", seconds / rows, bare_seconds / bare_rows, 1.25,
              f"{rows:,} rows, {rows / seconds:,.0f} rows/s (goal 50,000)"),
        Ratio("ingestion, limiter on / sum of ccxt's costs", limited, floor, 1.05, "one night, the slower exchange"),
    ]  # fmt: skip


def _ours(url: str, first_day: date, rate_limit: str, last_day: date = LAST_DAY) -> tuple[int, float]:
    """Rows received and seconds of a first fill, without imports."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            warehouse_dir=Path(folder),
            exchange_url=url,
            exchanges=EXCHANGES,
            ingest={"rate_limit": rate_limit, "mark_and_index": EXCHANGES},
        )
        started = time.perf_counter()
        with IngestSession(
            settings, load_policy(), Warehouse(settings.warehouse_dir), "bench", EXCHANGES, first_day, last_day
        ) as session:
            rows = sum(session.report(exchange).rows_received for exchange in EXCHANGES)
            session.wait()
        return rows, time.perf_counter() - started


async def _bare(url: str, now: datetime) -> tuple[int, float]:
    """The same series with nothing but ccxt: rows received are counted and thrown away."""
    now_ms = to_milliseconds(now)
    async with (
        open_client("binance", base_url=url, now_ms=lambda: now_ms, rate_limit=False) as binance,
        open_client("bybit", base_url=url, now_ms=lambda: now_ms, rate_limit=False) as bybit,
    ):
        started = time.perf_counter()
        counts = await asyncio.gather(*(_bare_exchange(client, now_ms) for client in (binance, bybit)))
        return sum(counts), time.perf_counter() - started


async def _bare_exchange(client: Any, now_ms: int) -> int:
    markets = (await client.load_markets()).values()
    since = now_ms - YEAR_DAYS * DAY_MS
    calls = []
    for market in markets:
        symbol = market["symbol"]
        if market["spot"]:
            calls.append(client.fetch_ohlcv(symbol, "1d", since, 400))
        elif market["swap"] and market["linear"]:
            calls += [client.fetch_ohlcv(symbol, "1d", since, 400, {"price": price}) for price in ("mark", "index")]
            calls += [client.fetch_ohlcv(symbol, "1d", since, 400), _funding(client, symbol, since, now_ms)]
    semaphore = asyncio.Semaphore(16)

    async def bounded(call: Any) -> int:
        async with semaphore:
            return len(await call)

    return sum(await asyncio.gather(*(bounded(call) for call in calls)))


async def _funding(client: Any, symbol: str, since: int, until: int) -> list[Any]:
    """Pages backward, the way that is right on both exchanges."""
    rows: list[Any] = []
    while until > since:
        limit = 1000 if client.id == "binance" else 200
        page = await client.fetch_funding_rate_history(symbol, None, limit, {"until": until, "endTime": until})
        if not page:
            break
        rows += page
        until = page[0]["timestamp"] - 1
    return rows


def _limited(url: str, last_day: date) -> tuple[float, float]:
    """Seconds of one night under the limiter, and the sum of the costs of its requests."""
    costs: dict[str, float] = {}
    import ccxt.async_support as ccxt

    throttle = ccxt.Exchange.throttle

    async def recording(self: Any, cost: float | None = None) -> None:
        costs[self.id] = costs.get(self.id, 0.0) + (cost or 1) * self.rateLimit / 1000
        await throttle(self, cost)

    with tempfile.TemporaryDirectory() as folder:
        base = {"warehouse_dir": Path(folder), "exchange_url": url, "exchanges": EXCHANGES}
        warehouse, policy = Warehouse(Path(folder)), load_policy()
        eve = last_day - timedelta(days=1)
        filled = load_settings(**base, ingest={"rate_limit": "off"})
        with IngestSession(filled, policy, warehouse, "fill", EXCHANGES, eve, eve) as session:
            session.wait()
        ccxt.Exchange.throttle = recording
        try:
            night = load_settings(**base, ingest={"rate_limit": "on"})
            started = time.perf_counter()
            with IngestSession(night, policy, warehouse, "night", EXCHANGES, last_day, last_day) as session:
                session.wait()
            took = time.perf_counter() - started
        finally:
            ccxt.Exchange.throttle = throttle
    return took, max(costs.values())
