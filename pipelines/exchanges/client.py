"""The door to ccxt: a client that talks to the exchange itself, or to a server that speaks its language.

The only module that imports ccxt, and inside a function: the import takes seconds and 120 MB.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pipelines.exchanges.errors import Reply, pause_s, retry_after_s

_BODY_KEPT = 2_000  # characters of an error's body: enough to tell what it is, little enough to keep
_OPTIONS: dict[str, dict[str, Any]] = {
    # Without these, ccxt also asks for options, which nobody reads: 11 requests instead of 5 on Bybit.
    "binance": {"fetchMarkets": {"types": ["spot", "linear", "inverse"]}},
    "bybit": {"fetchMarkets": {"types": ["spot", "linear", "inverse"]}},
    "okx": {"fetchMarkets": {"types": ["spot", "swap", "future"]}},
}
_COSTS: dict[str, dict[tuple[str, ...], float]] = {
    # ccxt charges MEXC's list of contracts with 100 (once in five seconds, an earlier limit), so that the first
    # call after it waits for five seconds. The exchange allows ten in two seconds: 200 ms, which is 4 of 50 ms.
    "mexc": {("contract", "public", "detail"): 4},
}
"""What the limiter charges for an endpoint (ccxt's section and path), where ccxt itself charges something else."""


@dataclass
class RequestCount:
    """HTTP requests made while it was counting."""

    requests: int = 0


_count: ContextVar[RequestCount | None] = ContextVar("exchange_requests", default=None)


@contextmanager
def count_requests() -> Iterator[RequestCount]:
    """Count the HTTP requests of the block, in this task and in the tasks it starts; blocks may be nested."""
    counter, around = RequestCount(), _count.get()
    token = _count.set(counter)
    try:
        yield counter
    finally:
        _count.reset(token)
        if around is not None:
            around.requests += counter.requests


@asynccontextmanager
async def open_client(
    exchange: str,
    *,
    base_url: str | None = None,
    now_ms: Callable[[], int] | None = None,
    rate_limit: bool = True,
    timeout_s: float = 20.0,
    markets: list[dict[str, Any]] | None = None,
    credentials: Mapping[str, str] | None = None,
) -> AsyncIterator[Any]:
    """An async ccxt client, closed when the block ends.

    Args:
        exchange: ccxt's name, for example `binance`.
        base_url: Send every request to this server as `<base_url>/<host of the exchange>/<path>`; None:
            to the exchange itself. Everything else is the same.
        now_ms: What time it is, in milliseconds; None: the computer's clock.
        rate_limit: Keep to the exchange's limits, as ccxt knows them.
        timeout_s: Give up on a reply after that many seconds.
        markets: The exchange's list of markets as an earlier client held it; saves asking for it.
        credentials: ccxt's names of an account's keys (`apiKey`, `secret`, `password`) with the keys themselves; None:
            public data only.

    Raises:
        ValueError: ccxt knows no exchange of that name.
    """
    import ccxt.async_support as ccxt

    if exchange not in ccxt.exchanges:
        raise ValueError(f"ccxt knows no exchange {exchange!r}; use its name there, for example binance or bybit")
    settings = {
        "enableRateLimit": rate_limit,
        "timeout": round(timeout_s * 1000),
        "options": dict(_OPTIONS.get(exchange, {})),
        "has": {"fetchCurrencies": False},  # deposits and withdrawals: nobody reads them, and some lists cost seconds
    }
    client = getattr(ccxt, exchange)(settings | dict(credentials or {}))
    if credentials:
        # ccxt writes the headers of every request, keys included, for whoever has logging on at its finest.
        client.logger = logging.Logger("account", level=logging.CRITICAL + 1)
    _charge(client, _COSTS.get(exchange, {}))
    if base_url is not None:
        client.urls["api"] = _redirect(client.urls["api"], base_url.rstrip("/"), client.hostname or "")
    if now_ms is not None:
        client.milliseconds = now_ms
    if markets is not None:
        client.set_markets(markets)
    under_way = _watch(client, ccxt.ExchangeError)
    try:
        yield client
    finally:
        # ccxt asks for several lists at once and forgets the others when one fails: they would open it again.
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await client.close()


def _charge(client: Any, costs: dict[tuple[str, ...], float]) -> None:
    """Let this client's limiter charge these costs."""
    usual = client.calculate_rate_limiter_cost

    def cost(api: Any, method: str, path: str, *rest: Any) -> float:
        section = (api,) if isinstance(api, str) else tuple(api)
        own = costs.get((*section, path))
        return usual(api, method, path, *rest) if own is None else own

    client.calculate_rate_limiter_cost = cost


def _redirect(urls: Any, base_url: str, hostname: str) -> Any:
    """The same tree of addresses, every one of them under `base_url`."""
    if isinstance(urls, dict):
        return {key: _redirect(value, base_url, hostname) for key, value in urls.items()}
    if isinstance(urls, str):
        return f"{base_url}/{urls.replace('{hostname}', hostname).split('://', 1)[-1]}"
    return urls


def _watch(client: Any, unexplained: type[Exception]) -> set[asyncio.Task[Any]]:
    """Count requests, and hang the HTTP reply on every exception that ccxt raises because of it.

    ccxt keeps only the newest reply of the client, which under concurrency is another call's, and takes some
    statuses above 400 for success.

    Returns:
        The tasks that are in a request, or waiting for the limiter to let them; kept up to date.
    """
    under_way: set[asyncio.Task[Any]] = set()
    request = client.fetch2

    async def known_request(*args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            return await request(*args, **kwargs)
        finally:
            under_way.discard(task)

    fetch, explain, explain_status = client.fetch, client.handle_errors, client.handle_http_status_code

    async def counting_fetch(*args: Any, **kwargs: Any) -> Any:
        counter = _count.get()
        if counter is not None:
            counter.requests += 1
        return await fetch(*args, **kwargs)

    def handle_errors(
        status: int, reason: str, url: str, method: str, headers: dict[str, str], body: str, *rest: Any
    ) -> None:
        try:
            explain(status, reason, url, method, headers, body, *rest)
            explain_status(status, reason, url, method, body)
            if status >= 400:
                raise unexplained(f"HTTP {status}")
        except Exception as error:
            text = str(body)[:_BODY_KEPT]
            wait_s = retry_after_s(headers)
            error.reply = Reply(status, pause_s(text, client.milliseconds()) if wait_s is None else wait_s, text)
            raise

    client.fetch2 = known_request
    client.fetch = counting_fetch
    client.handle_errors = handle_errors
    return under_way
