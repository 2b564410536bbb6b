"""An adapter for every exchange that is supported, by its name."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pipelines.exchanges.binance import Binance
from pipelines.exchanges.bingx import BingX
from pipelines.exchanges.bitget import Bitget
from pipelines.exchanges.bybit import Bybit
from pipelines.exchanges.client import open_client
from pipelines.exchanges.mexc import Mexc
from pipelines.exchanges.okx import Okx
from pipelines.exchanges.port import Adapter
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.exchanges.weex import Weex

ADAPTERS = {
    "binance": Binance,
    "bybit": Bybit,
    "bingx": BingX,
    "weex": Weex,
    "mexc": Mexc,
    "bitget": Bitget,
    "okx": Okx,
}


@asynccontextmanager
async def open_adapter(
    exchange: str,
    *,
    base_url: str | None = None,
    now_ms: Callable[[], int] | None = None,
    rate_limit: bool = True,
    timeout_s: float = 20.0,
    retry: RetryPolicy | None = None,
    reads_many: bool = False,
) -> AsyncIterator[Adapter]:
    """An adapter over a client of its own, closed when the block ends.

    Args:
        exchange, base_url, now_ms, rate_limit, timeout_s: See `open_client`.
        retry: How often and how long a request is repeated.
        reads_many: Whether most contracts of the exchange will be asked for.

    Raises:
        ValueError: there is no adapter for `exchange`.
    """
    if exchange not in ADAPTERS:
        raise ValueError(f"there is no adapter for {exchange!r}; use one of {', '.join(sorted(ADAPTERS))}")
    settings = {"base_url": base_url, "now_ms": now_ms, "rate_limit": rate_limit, "timeout_s": timeout_s}
    async with open_client(exchange, **settings) as client:
        adapter = ADAPTERS[exchange](client, Caller(exchange, retry or RetryPolicy()))
        adapter.reads_many = reads_many
        yield adapter
