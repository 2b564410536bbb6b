"""Settled funding of all of Binance's USD-margined contracts in the pages of one window, without naming a symbol.

A night needs a few settlements of every contract: one request per contract, or some pages for all of them together.
"""

import asyncio
from collections import defaultdict
from functools import partial
from typing import Any

from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.parse import DAY_MS, UnreadableReply
from pipelines.exchanges.retries import Caller

ENDPOINT = "fapiPublicGetFundingRate"
PAGE = 1000
LONGEST_WINDOW_MS = 4 * DAY_MS  # over more days the contracts that nobody reads make up most of the pages
_LEAST_PAGE = 100  # what an exchange would cut a page to, should it not give what is documented

Window = tuple[int, int]


class SharedFunding:
    """Reads a window for all contracts once, for whichever of them is asked for."""

    def __init__(self, client: Any, caller: Caller) -> None:
        self._client, self._caller = client, caller
        self._lock = asyncio.Lock()
        self._rows: dict[Window, dict[str, list[Any]]] = {}

    async def rows(self, name: str, window: Window) -> list[Any] | None:
        """The contract's rows in the window; None: ask for it by itself.

        Args:
            name: Binance's name of the contract.
            window: First and last millisecond, `low <= time < high`.
        """
        if window[1] - window[0] > LONGEST_WINDOW_MS:
            return None
        async with self._lock:
            if window not in self._rows:
                self._rows[window] = await self._read(window)
        return self._rows[window].get(name)

    async def _read(self, window: Window) -> dict[str, list[Any]]:
        """All rows by contract; nothing when they cannot be had in order: each contract is then asked for by itself."""
        by_name: dict[str, list[Any]] = defaultdict(list)
        known: set[tuple[str, int]] = set()
        low, high = window
        while True:
            params = {"startTime": low, "endTime": high - 1, "limit": PAGE}
            try:
                page = await self._caller.call("funding rates", None, partial(self._page, params))
            except ExchangeFailure as failure:
                if failure.kind == "blocked":
                    raise
                return {}
            times = [row["fundingTime"] for row in page]
            new = [row for row in page if (row["symbol"], row["fundingTime"]) not in known]
            if not new:
                return by_name
            # A page of one time may have been cut in the middle of it, and asking on from there would not tell.
            is_cut = len(set(times)) == 1 and len(page) >= _LEAST_PAGE
            if times != sorted(times) or not low <= times[-1] < high or is_cut:
                return {}
            for row in new:
                by_name[row["symbol"]].append(row)
                known.add((row["symbol"], row["fundingTime"]))
            low = times[-1]  # the others of that very time may be on the next page

    async def _page(self, params: dict[str, int]) -> list[dict[str, Any]]:
        page = await getattr(self._client, ENDPOINT)(params)
        try:
            return [row | {"fundingTime": int(row["fundingTime"]), "symbol": str(row["symbol"])} for row in page]
        except (TypeError, KeyError, ValueError):
            raise UnreadableReply("the reply holds no list of settlements") from None
