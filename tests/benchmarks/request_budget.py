"""One night under ccxt's own rate limiter, all exchanges at once: requests, and wall time over each one's floor.

The floor of an exchange is the sum of what its requests cost: with the limiter on nobody can be faster.
"""

import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

from pipelines.clock import decision_instant
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import load_policy
from pipelines.raw.session import IngestSession
from pipelines.settings import load_settings
from tests.benchmarks.limiter import charged
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
        with charged() as counted:
            seconds, wall = _ingest(Path(folder), LAST_DAY, "on")
        coins, shared = _coins(Path(folder)), _shared_requests(Path(folder))
    costs, ratios = counted.seconds, []
    for name, took in seconds.items():
        made, fixed = counted.requests[name], shared.get(name, 0)
        for_40_coins = fixed + (made - fixed) * 40 / coins[name]
        note = f"{made} requests for {coins[name]} coins ({fixed} whatever the coins), floor {costs[name]:.1f} s"
        ratios.append(
            Ratio(f"requests of a night, 40 coins, {name} / budget", for_40_coins, BUDGET[name], 1.0,
                  f"{note}, {took:.1f} s")
        )  # fmt: skip
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


def _shared_requests(folder: Path) -> dict[str, int]:
    """Requests of that night that another coin would not add to: lists of instruments, coin-margined and dated."""
    with Warehouse(folder).open_build() as connection:
        return dict(
            connection.execute(
                "select exchange, sum(requests)::bigint from raw.load_batches "
                "where run_id = $1 and coalesce(symbol not like '%/USDT' and symbol not like '%/USDT:USDT', true) "
                "group by all",
                [f"{LAST_DAY}"],
            ).fetchall()
        )


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
