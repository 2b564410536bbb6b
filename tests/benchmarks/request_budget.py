"""One night under ccxt's own rate limiter, all exchanges at once: requests, and wall time over each one's floor.

The floor of an exchange is the sum of what its requests cost: with the limiter on nobody can be faster.
"""

import tempfile
import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.clock import decision_instant
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import load_policy
from pipelines.raw.session import IngestSession
from pipelines.settings import load_settings
from tests.benchmarks.report import Ratio
from warehouse.connection import Warehouse

LAST_DAY = date(2026, 11, 20)
EVE = LAST_DAY - timedelta(days=1)
# Most requests of a night for forty coins at daily candles.
BUDGET = {"binance": 215, "bybit": 175, "bingx": 170, "weex": 210, "mexc": 170}


def main() -> list[Ratio]:
    """A night after an eve that is filled without the limiter."""
    with tempfile.TemporaryDirectory() as folder:
        _ingest(Path(folder), EVE, "off")
        costs, requests = _recorded()
        seconds, wall = _ingest(Path(folder), LAST_DAY, "on")
        coins = _coins(Path(folder))
    ratios = [
        Ratio(f"requests of a night, 40 coins, {name} / budget", requests[name] * 40 / coins[name], BUDGET[name], 1.0,
              f"{requests[name]} requests for {coins[name]} coins, floor {costs[name]:.1f} s, {seconds[name]:.1f} s")
        for name in seconds
    ]  # fmt: skip
    slowest = max(costs, key=lambda name: costs[name])
    return [
        *ratios,
        Ratio(
            "a night's ingestion with the limiter on / slowest exchange's floor", wall, costs[slowest], 1.15, slowest
        ),
    ]


def _coins(folder: Path) -> dict[str, int]:
    """Coins with a perpetual margined in USDT that every exchange has given a candle of that night."""
    with Warehouse(folder).open_build() as connection:
        return dict(
            connection.execute(
                "select exchange, count(distinct symbol) from raw.futures_ohlcv where market_type = 'perpetual' "
                "and price_type = 'last' and symbol like '%/USDT:USDT' and opened_at = $1 group by all",
                [datetime.combine(LAST_DAY, datetime.min.time())],
            ).fetchall()
        )


def _recorded() -> tuple[Counter[str], Counter[str]]:
    """From now on: the seconds that every exchange's limiter charges, and its requests."""
    import ccxt.async_support as ccxt

    costs: Counter[str] = Counter()
    requests: Counter[str] = Counter()
    throttle = ccxt.Exchange.throttle

    async def recording(self: Any, cost: float | None = None) -> None:
        costs[self.id] += (cost or 1) * self.rateLimit / 1000
        requests[self.id] += 1
        await throttle(self, cost)

    ccxt.Exchange.throttle = recording
    return costs, requests


def _ingest(folder: Path, day: date, rate_limit: str) -> tuple[dict[str, float], float]:
    """Seconds after which each exchange was read, and all of them."""
    with LocalExchangeProcess("simulated", seed=7, now=decision_instant(day)) as server:
        settings = load_settings(warehouse_dir=folder, exchange_url=server.url, ingest={"rate_limit": rate_limit})
        names = settings.exchanges
        started, seconds = time.perf_counter(), {}
        with IngestSession(settings, load_policy(), Warehouse(folder), f"{day}", names, day, day) as session:
            for name in names:
                session.report(name)
                seconds[name] = time.perf_counter() - started
            session.wait()
    return seconds, time.perf_counter() - started
