"""Recorded data for tests, and unmodified ccxt clients that ask a server over it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.local_exchange.recorded import RecordedMarket
from pipelines.local_exchange.server import LocalExchange

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Calls = Callable[[Any], Awaitable[Any]]


def ms(moment: datetime) -> int:
    """Milliseconds of a naive UTC time."""
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def write(folder: Path, files: Mapping[str, Sequence[pl.DataFrame]]) -> Path:
    """One parquet file per name; the folder."""
    for name, frames in files.items():
        pl.concat(frames, how="vertical_relaxed").write_parquet(folder / f"{name}.parquet")
    return folder


@dataclass(frozen=True)
class Recorded:
    """One exchange, recorded from `start` on and asked at `now`."""

    exchange: str
    start: datetime
    now: datetime

    @property
    def hours(self) -> int:
        """Hours that have closed; row i opens i hours after the start."""
        return int((self.now - self.start) / HOUR)

    def series(
        self, symbol: str, timeframe: str, step: timedelta, start: datetime, rows: int, **changes: Any
    ) -> pl.DataFrame:
        """Candles whose close is 0.1 + 1/3 + row: numbers that a short text would not carry."""
        close = 0.1 + 1 / 3 + np.arange(rows)
        columns = {
            "exchange": self.exchange,
            "symbol": symbol,
            "ts": [start + step * row for row in range(rows)],
            "timeframe": timeframe,
            "open": close - 0.25,
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "volume_base": np.full(rows, 2.0),
            "volume_quote": np.full(rows, 500.0),
            "price_type": "last",
        }
        return pl.DataFrame({**columns, **changes})

    def candles(self, symbol: str, **changes: Any) -> pl.DataFrame:
        """Hourly candles from the start to the present."""
        return self.series(symbol, "1h", HOUR, self.start, self.hours, **changes)

    def hourly(self, symbol: str, **columns: Any) -> pl.DataFrame:
        """Other rows of the same hours."""
        times = [self.start + HOUR * row for row in range(self.hours)]
        schema = {name: pl.Float64 for name in ("oi_base", "oi_usd") if name in columns}
        own = {"exchange": self.exchange, "symbol": symbol, "ts": times}
        return pl.DataFrame({**own, **columns}, schema_overrides=schema)

    def ask(self, folder: Path, calls: Calls, now: datetime | None = None, **server: Any) -> Any:
        """Run `calls(client)` with a ccxt client whose requests go to a server over the folder."""
        import ccxt.async_support as ccxt

        async def run() -> Any:
            now_ms = ms(now or self.now)
            runner, url = await LocalExchange(RecordedMarket(folder, now_ms), **server).start()
            client = getattr(ccxt, self.exchange)({"enableRateLimit": False})
            client.urls["api"] = _rewritten(client.urls["api"], url, client.hostname or "")
            client.milliseconds = lambda: now_ms
            try:
                return await calls(client)
            finally:
                await client.close()
                await runner.cleanup()

        return asyncio.run(run())


def _rewritten(node: Any, url: str, hostname: str) -> Any:
    if isinstance(node, str):
        return f"{url}/{node.replace('{hostname}', hostname).split('://', 1)[1]}"
    return {name: _rewritten(child, url, hostname) for name, child in node.items()}
