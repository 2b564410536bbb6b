"""Ingestion against bare ccxt loops over the same server, and against the floor of ccxt's own rate limiter."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.clock import decision_instant, to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.parse import duration_ms
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import load_policy
from pipelines.raw.session import IngestSession, history_days
from pipelines.settings import load_settings
from tests.benchmarks.limiter import charged
from tests.benchmarks.report import Ratio
from warehouse.connection import Warehouse

LAST_DAY = date(2026, 11, 21)
YEAR_DAYS = 365
EXCHANGES = ("binance", "bybit")
REPEATS = 5


@dataclass(frozen=True)
class Series:
    """One series that our ingestion has read: what the bare loops read, too. Times are milliseconds."""

    exchange: str
    dataset: str
    symbol: str
    price_type: str | None
    timeframe: str | None
    start: int
    end: int


def main() -> list[Ratio]:
    """Limiter off: wall time over bare loops; limiter on: wall time over the sum of ccxt's costs."""
    first_day = LAST_DAY - timedelta(days=YEAR_DAYS - 1 - history_days(load_policy()))
    now = decision_instant(LAST_DAY)
    with LocalExchangeProcess("simulated", seed=7, now=now) as server:
        assert server.url is not None
        rows, _, series = _ours(server.url, first_day, rate_limit="off")  # the server makes its series on first use
        ours, floors, fetched = [], [], []
        for _ in range(REPEATS):  # by turns, so that a busy minute of the machine meets both
            ours.append(_ours(server.url, first_day, rate_limit="off")[1])
            bare_rows, only_fetched, stored = _bare(server.url, now, series)
            fetched.append(only_fetched)
            floors.append(stored)
        limited, floor = _limited(server.url, LAST_DAY)
    if bare_rows != rows:
        raise RuntimeError(f"the bare loops received {bare_rows:,} rows, our ingestion {rows:,}: no comparison")
    return [
        Ratio("ingestion, limiter off / bare ccxt loops and one bulk insert", min(ours), min(floors), 1.25,
              f"{rows:,} rows, {rows / min(ours):,.0f} rows/s (goal 50,000); "
              f"{min(ours) / min(fetched):.2f} of loops that store nothing"),
        Ratio("ingestion, limiter on / sum of ccxt's costs", limited, floor, 1.05, "one night, the slower exchange"),
    ]  # fmt: skip


def _ours(url: str, first_day: date, rate_limit: str) -> tuple[int, float, list[Series]]:
    """Rows received and seconds of a first fill, without imports, and the series that it has read."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            warehouse_dir=Path(folder),
            exchange_url=url,
            exchanges=EXCHANGES,
            ingest={"rate_limit": rate_limit, "mark_and_index": EXCHANGES},
        )
        warehouse = Warehouse(settings.warehouse_dir)
        started = time.perf_counter()
        with IngestSession(settings, load_policy(), warehouse, "bench", EXCHANGES, first_day, LAST_DAY) as session:
            rows = sum(session.report(exchange).rows_received for exchange in EXCHANGES)
            session.wait()
        took = time.perf_counter() - started
        with warehouse.open_build() as con:
            read = con.execute(
                """
                select exchange, dataset, symbol, price_type, timeframe,
                    coalesce(refused.window_end_at, load.window_start_at), load.window_end_at
                from raw.load_batches as load
                left join (
                    select exchange, dataset, symbol, price_type, timeframe, window_end_at
                    from raw.load_batches
                    where status = 'absent' and symbol is not null
                ) as refused using (exchange, dataset, symbol, price_type, timeframe)
                where dataset <> 'instruments' and status = 'ok'
                """
            ).fetchall()
    return rows, took, [Series(*row[:5], to_milliseconds(row[5]), to_milliseconds(row[6])) for row in read]


def _bare(url: str, now: datetime, series: list[Series]) -> tuple[int, float, float]:
    """The same series with nothing but ccxt's own calls: rows, seconds to fetch them, seconds with storing them.

    Nothing is checked, named or compared with what is stored: the rows go as they come into an empty file.
    """
    started = time.perf_counter()
    rows = asyncio.run(_fetched(url, now, series))
    fetched = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)).open_build() as con:
        candles = [row for row in rows if isinstance(row, list)]
        records = [row for row in rows if isinstance(row, dict)]
        names = ("time", "open", "high", "low", "close", "volume")
        kept = {
            "candles": pl.DataFrame(candles, schema=dict.fromkeys(names, pl.Float64), orient="row"),
            "funding": pl.DataFrame([(r["symbol"], r["timestamp"], r["fundingRate"]) for r in records
                                     if "fundingRate" in r], orient="row"),
            "interest": pl.DataFrame([(r["symbol"], r["timestamp"], r["openInterestAmount"], r["openInterestValue"])
                                      for r in records if "openInterestAmount" in r], orient="row", strict=False),
        }  # fmt: skip
        for name, frame in kept.items():
            con.register("incoming", frame)
            con.execute(f"create table {name} as select * from incoming")
    return len(rows), fetched, time.perf_counter() - started


async def _fetched(url: str, now: datetime, series: list[Series]) -> list[Any]:
    now_ms = to_milliseconds(now)
    async with (
        open_client("binance", base_url=url, now_ms=lambda: now_ms, rate_limit=False) as binance,
        open_client("bybit", base_url=url, now_ms=lambda: now_ms, rate_limit=False) as bybit,
    ):
        binance_rows, bybit_rows = await asyncio.gather(
            *(_bare_exchange(client, series, now_ms) for client in (binance, bybit))
        )
        return binance_rows + bybit_rows


async def _bare_exchange(client: Any, series: list[Series], now_ms: int) -> list[Any]:
    await client.load_markets()
    semaphore = asyncio.Semaphore(16)

    async def read(one: Series) -> list[Any]:
        async with semaphore:
            return await _bare_series(client, one, now_ms)

    return list(chain.from_iterable(await asyncio.gather(*(read(one) for one in series if one.exchange == client.id))))


async def _bare_series(client: Any, one: Series, now_ms: int) -> list[Any]:
    if one.dataset == "funding_rates":
        page = 1000 if client.id == "binance" else 200
        return await _backward(one, page, lambda end: client.fetch_funding_rate_history(one.symbol, None, page, end))
    assert one.timeframe is not None
    market, timeframe = client.market(one.symbol), one.timeframe
    is_coin_margined = client.id == "binance" and market["inverse"]
    if one.dataset == "open_interest":
        page = 500 if client.id == "binance" else 200
        # ccxt asks for the current quarter otherwise.
        which = {"pair": market["info"]["pair"], "contractType": "PERPETUAL"} if is_coin_margined else {}
        return await _backward(
            one, page, lambda end: client.fetch_open_interest_history(one.symbol, timeframe, None, page, end | which)
        )
    step, page = duration_ms(timeframe), 200 if is_coin_margined else 1000
    price = {} if one.price_type in (None, "last") else {"price": one.price_type}
    candles: list[Any] = []
    for since in range(one.start, one.end, page * step):
        candles += await client.fetch_ohlcv(one.symbol, timeframe, since, page, price)
    return [candle for candle in candles if candle[0] + step <= now_ms]


async def _backward(one: Series, page: int, read: Callable[[dict[str, int]], Awaitable[list[Any]]]) -> list[Any]:
    """Pages from the end of the series to its start, the way that is right on both exchanges."""
    wanted: list[Any] = []
    until = one.end - 1
    while until >= one.start:
        rows = await read({"until": until, "endTime": until})
        wanted += [row for row in rows if row["timestamp"] >= one.start]
        if len(rows) < page:
            break
        until = rows[0]["timestamp"] - 1
    return wanted


def _limited(url: str, last_day: date) -> tuple[float, float]:
    """Seconds of one night under the limiter, and the sum of the costs of its requests."""
    with tempfile.TemporaryDirectory() as folder:
        base = {"warehouse_dir": Path(folder), "exchange_url": url, "exchanges": EXCHANGES}
        warehouse, policy = Warehouse(Path(folder)), load_policy()
        eve = last_day - timedelta(days=1)
        filled = load_settings(**base, ingest={"rate_limit": "off"})
        with IngestSession(filled, policy, warehouse, "fill", EXCHANGES, eve, eve) as session:
            session.wait()
        with charged() as counted:
            night = load_settings(**base, ingest={"rate_limit": "on"})
            started = time.perf_counter()
            with IngestSession(night, policy, warehouse, "night", EXCHANGES, last_day, last_day) as session:
                session.wait()
            took = time.perf_counter() - started
    return took, max(counted.seconds.values())
