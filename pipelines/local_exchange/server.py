"""The HTTP server: routes requests to the exchange they are for, spoils the ones it was told to, keeps count.

A client's request for `https://fapi.binance.com/fapi/v1/klines` goes to `/fapi.binance.com/fapi/v1/klines`.
`/_control/...` is for tests: faults to put in force, and what was asked so far.
"""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from pipelines.local_exchange import okx, weex
from pipelines.local_exchange.archive import ARCHIVE_HOSTS, Archive
from pipelines.local_exchange.binance import Binance
from pipelines.local_exchange.bingx import BingX
from pipelines.local_exchange.bitget import Bitget
from pipelines.local_exchange.bybit import Bybit
from pipelines.local_exchange.faults import (
    HOSTS,
    BadFaults,
    Faults,
    parse_faults,
    spoil,
)
from pipelines.local_exchange.market import Market
from pipelines.local_exchange.mexc import Mexc
from pipelines.local_exchange.okx import Okx
from pipelines.local_exchange.weex import Weex
from pipelines.local_exchange.wire import Reply, dumps


class WireFormat(Protocol):
    """One exchange's answers to GET requests, in its own JSON."""

    def answer(self, host: str, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request; a refusal comes as the exchange words it."""
        ...


class LocalExchange:
    """Answers HTTP requests for the exchanges from one market.

    Args:
        market: Where the data is from.
        faults: Faults in force from the start.
        open_interest_history_days: How far back Binance's open interest history reaches; None: no limit, nor one to
            the funding of WEEX and OKX.
        origin: What the market is, told with every answer of the archive: its kind, and a seed or a folder's name.
    """

    def __init__(
        self,
        market: Market,
        faults: Faults | None = None,
        open_interest_history_days: int | None = 30,
        origin: tuple[str, str] = ("simulated", ""),
    ) -> None:
        self._faults = faults or Faults()
        is_limited = open_interest_history_days is not None
        self._exchanges: dict[str, WireFormat] = {
            "binance": Binance(market, open_interest_history_days),
            "bybit": Bybit(market),
            "bingx": BingX(market),
            "weex": Weex(market, weex.FUNDING_HISTORY_DAYS if is_limited else None),
            "mexc": Mexc(market),
            "bitget": Bitget(market),
            "okx": Okx(market, okx.FUNDING_HISTORY_DAYS if is_limited else None),
        }
        archive = Archive(market, origin)
        self._hosts: dict[str, WireFormat] = {
            host: archive if host in ARCHIVE_HOSTS else self._exchanges[exchange] for host, exchange in HOSTS.items()
        }
        self._requests: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application()
        app.router.add_get("/_control/log", self._log)
        app.router.add_get("/_control/rows", self._row_counts)
        app.router.add_get("/_control/faults", self._show_faults)
        app.router.add_post("/_control/faults", self._set_faults)
        app.router.add_delete("/_control/faults", self._clear_faults)
        app.router.add_get("/{host}/{path:.*}", self._answer)
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[web.AppRunner, str]:
        """Start serving.

        Args:
            host: Address to listen on.
            port: Port; 0 takes a free one.

        Returns:
            The runner, whose `cleanup()` ends the server, and its URL without a slash at the end.
        """
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        return runner, f"http://{host}:{runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        host, path = request.match_info["host"], "/" + request.match_info["path"]
        place = host + path
        self._requests[place] += 1
        if host not in HOSTS:
            return _response(_unknown_host(host))
        reply = self._hosts[host].answer(host, path, request.query)
        rule = self._faults.rule_for(host, f"{path}?{unquote(request.query_string)}")
        if rule is None:
            self._rows[place] += reply.rows
            return _response(reply)
        if rule.kind == "hang":
            await asyncio.Event().wait()
        if rule.kind == "connection_reset":
            request.transport.abort()
            return web.Response()
        return _response(spoil(rule, reply, HOSTS[host]))

    async def _log(self, request: web.Request) -> web.Response:
        return _json(dict(self._requests))

    async def _row_counts(self, request: web.Request) -> web.Response:
        return _json(dict(self._rows))

    async def _show_faults(self, request: web.Request) -> web.Response:
        return _json({"faults": self._faults.report()})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self._faults = parse_faults(await request.read(), "request body")
        except BadFaults as error:
            return _json({"error": str(error)}, 400)
        return await self._show_faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults = Faults()
        return await self._show_faults(request)


def _json(value: dict, status: int = 200) -> web.Response:
    return _response(Reply(dumps(value), status))


def _response(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, headers=reply.headers, content_type=reply.content_type)


def _unknown_host(host: str) -> Reply:
    served = ", ".join(HOSTS)
    return Reply(dumps({"error": f"this server does not speak for {host}; it speaks for {served}"}), 404)


def when_input_ends(act: Callable[[], None]) -> None:
    """Call `act` on the running loop when standard input ends, as it does when the parent is gone."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(0, 65536):  # not sys.stdin: its lock, held by this thread, would abort an end by signal
            pass
        loop.call_soon_threadsafe(act)

    threading.Thread(target=wait, daemon=True).start()  # a daemon: it must not hold up an end by signal
