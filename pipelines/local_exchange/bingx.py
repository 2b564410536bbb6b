"""BingX's wire format: public market data of spot, swap (USDT-margined) and cswap (coin-margined).

Rows come newest first. Sources: the vendor's public API documentation, what ccxt 4.5.64 sends and parses, and what
users of the live exchange report: an exclusive start of spot candles, a start of coin-margined candles that does
nothing without an end, funding of `null` for an end after the newest settlement and for one before the first.
"""

from collections.abc import Callable
from math import isnan
from typing import Any

from pipelines.local_exchange import bingx_instruments as instruments
from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Candles, Listing, Market
from pipelines.local_exchange.resample import FIELDS
from pipelines.local_exchange.symbols import bingx_id
from pipelines.local_exchange.timeframes import DAY_MS, FIXED_MS
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, dumps, text

_UNKNOWN_API, _BAD_PARAMETER, _UNKNOWN_SYMBOL = 100400, 109400, 109425
_INTERVALS = frozenset({*FIXED_MS, "1M"})
_PAGE, _CSWAP_PAGE, _FUNDING_PAGE = 1440, 1000, 1000


_NUMBERS = Numbers(
    unreadable=(_BAD_PARAMETER, "Invalid parameters, err:{}: must be int64"),
    too_small=(_BAD_PARAMETER, "Invalid parameters, err:{}: must be positive"),
)
_integer, _limit = _NUMBERS.integer, _NUMBERS.page_size


class BingX:
    """Answers requests for BingX's host from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings: dict[str, dict[str, Listing]] = {name: {} for name in instruments.SIDES}
        for listing in market.listings("bingx"):
            if listing.kind != "dated":  # it has none
                self._listings[instruments.side(listing)][bingx_id(listing)] = listing
        self._calls: dict[str, Callable[[Query], Reply]] = {
            "spot/v1/server/time": self._time,
            "swap/v2/server/time": self._time,
            "spot/v1/common/symbols": lambda query: self._list("spot", instruments.spot_symbol, "symbols"),
            "swap/v2/quote/contracts": lambda query: self._list("swap", instruments.swap_contract),
            "cswap/v1/market/contracts": lambda query: self._list("cswap", instruments.cswap_contract),
            "spot/v1/market/kline": self._spot_candles,
            "spot/v2/market/kline": self._spot_candles,
            "swap/v3/quote/klines": lambda query: self._contract_candles("swap", "last", query),
            "swap/v1/market/markPriceKlines": lambda query: self._contract_candles("swap", "mark", query),
            "cswap/v1/market/klines": lambda query: self._contract_candles("cswap", "last", query),
            "swap/v2/quote/fundingRate": self._funding_history,
            "swap/v2/quote/premiumIndex": lambda query: self._premium_index("swap", query),
            "cswap/v1/market/premiumIndex": lambda query: self._premium_index("cswap", query),
            "swap/v2/quote/openInterest": self._open_interest,
            "cswap/v1/market/openInterest": self._coin_open_interest,
            "spot/v1/ticker/24hr": lambda query: self._tickers("spot", query),
            "swap/v2/quote/ticker": lambda query: self._tickers("swap", query),
            "cswap/v1/market/ticker": lambda query: self._tickers("cswap", query),
        }

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; a refusal comes as HTTP 200 with its `code`, as BingX does."""
        call = self._calls.get(path.removeprefix("/openApi/"))
        try:
            if call is None:
                raise Refused(_UNKNOWN_API, "this api is not exist, please refer to the API docs")
            return call(query)
        except Refused as refusal:
            return Reply(dumps({"code": refusal.code, "msg": refusal.args[0], "debugMsg": "", "data": {}}))

    def _envelope(self, data: Any, rows: int) -> Reply:
        return Reply(dumps({"code": 0, "msg": "", "timestamp": self._market.now_ms, "data": data}), rows=rows)

    def _listed(self, side: str) -> list[Listing]:
        """What the side lists now: what has ended is gone from its list."""
        now_ms = self._market.now_ms
        listings = self._listings[side].values()
        return [listing for listing in listings if not listing.has_ended(now_ms)]

    def _listing(self, side: str, query: Query) -> Listing:
        listing = self._listings[side].get(query.get("symbol", ""))
        if listing is None:
            raise Refused(_UNKNOWN_SYMBOL, f"{query.get('symbol')} is not exist, please verify it in api:/contracts")
        return listing

    def _asked_for(self, side: str, query: Query) -> list[Listing]:
        return [self._listing(side, query)] if query.get("symbol") else self._listed(side)

    def _time(self, query: Query) -> Reply:
        return self._envelope({"serverTime": self._market.now_ms}, 0)

    def _list(self, side: str, row: Callable[[Listing], dict], name: str | None = None) -> Reply:
        rows = [row(listing) for listing in self._listed(side)]
        return self._envelope({name: rows} if name else rows, len(rows))

    def _spot_candles(self, query: Query) -> Reply:
        """Arrays of numbers; `startTime` itself is left out."""
        start_ms = _integer(query, "startTime")
        after_ms = None if start_ms is None else start_ms + 1
        candles, length, page = self._page("spot", "last", query, after_ms, _integer(query, "endTime"), _PAGE)
        rows = [
            [opened, *values, opened + length - 1, turnover]
            for opened, *values, turnover in zip(*_columns(candles, page), strict=True)
        ][::-1]
        return self._envelope(rows, len(rows))

    def _contract_candles(self, side: str, price: str, query: Query) -> Reply:
        """Objects of texts; coin-margined volume is contracts, an end is left out there and a lone start ignored."""
        start_ms, end_ms, cap = _integer(query, "startTime"), _integer(query, "endTime"), _PAGE
        if side == "cswap":
            start_ms, end_ms = (None if end_ms is None else start_ms), (None if end_ms is None else end_ms - 1)
            cap = _CSWAP_PAGE
        candles, _, page = self._page(side, price, query, start_ms, end_ms, cap)
        size = self._listing(side, query).contract_size
        rows = []
        for opened, first, high, low, last, base, quote in zip(*_columns(candles, page), strict=True):
            row = {"open": text(first), "close": text(last), "high": text(high), "low": text(low)}
            volume = base if side == "swap" else quote / size
            if price == "mark":
                row |= {"volume": "0.00", "openTime": opened, "closeTime": opened}
            else:
                row |= {"volume": text(volume) or "", "time": opened}
            rows.append(row)
        return self._envelope(rows[::-1], len(rows))

    def _page(
        self, side: str, price: str, query: Query, start_ms: int | None, end_ms: int | None, cap: int
    ) -> tuple[Candles, int, slice]:
        """The window's candles, their length, and which of them fit: the newest, or the oldest after a lone start."""
        listing, interval = self._listing(side, query), query.get("interval", "")
        if interval not in _INTERVALS:
            raise Refused(_BAD_PARAMETER, f"Invalid parameters, err:interval: {interval} is not supported")
        if query.get("timeZone", "0") != "0":
            raise Refused(_BAD_PARAMETER, "Invalid parameters, err:timeZone: this server has days of UTC alone")
        limit = _limit(query, 500, cap)
        until_ms = self._market.now_ms if end_ms is None else end_ms
        known = self._market.candles("bingx", listing.symbol, interval, price, max(start_ms or 0, 0), until_ms)
        page = slice(None, limit) if start_ms is not None and end_ms is None else slice(-limit, None)
        return known, FIXED_MS.get(interval, DAY_MS), page

    def _funding_history(self, query: Query) -> Reply:
        """The newest rows up to the end; `null` for an end in the running interval, and where there are none."""
        listing = self._listing("swap", query)
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
        limit = _limit(query, 100, _FUNDING_PAGE)
        known = self._market.settlements("bingx", listing.symbol, start_ms or 0, self._market.now_ms)
        settled, rates = known.settled_ms, known.funding_rate
        if end_ms is not None:
            if len(settled) and end_ms > settled[-1]:
                return self._envelope(None, 0)
            inside = settled <= end_ms
            settled, rates = settled[inside], rates[inside]
        newest = slice(-limit, None)
        rows = [
            {"symbol": bingx_id(listing), "fundingRate": text(rate), "fundingTime": settled_ms, "markPrice": ""}
            for settled_ms, rate in zip(settled[newest].tolist(), rates[newest].tolist(), strict=True)
        ][::-1]
        return self._envelope(rows or None, len(rows))

    def _premium_index(self, side: str, query: Query) -> Reply:
        rows = [instruments.premium(self._market, listing) for listing in self._asked_for(side, query)]
        known = [row for row in rows if row is not None]
        if query.get("symbol") and side == "swap" and known:
            return self._envelope(known[0], 1)
        return self._envelope(known, len(known))

    def _open_interest(self, query: Query) -> Reply:
        """In USDT."""
        listing = self._listing("swap", query)
        _, usd = snapshot.latest_open_interest(self._market, "bingx", listing) or (None, float("nan"))
        if isnan(usd):
            raise Refused(_BAD_PARAMETER, "OpenInterestNotExist")
        now_ms = self._market.now_ms
        return self._envelope({"openInterest": text(usd), "symbol": bingx_id(listing), "time": now_ms}, 1)

    def _coin_open_interest(self, query: Query) -> Reply:
        """In coins, of this moment, and stamped with the start of the day."""
        rows = []
        for listing in self._asked_for("cswap", query):
            coins, _ = snapshot.latest_open_interest(self._market, "bingx", listing) or (float("nan"), None)
            if not isnan(coins):
                stamp = self._market.now_ms // DAY_MS * DAY_MS
                rows.append({"symbol": bingx_id(listing), "openInterest": text(coins), "timestamp": stamp})
        return self._envelope(rows, len(rows))

    def _tickers(self, side: str, query: Query) -> Reply:
        rows = [instruments.ticker(self._market, listing) for listing in self._asked_for(side, query)]
        known = [row for row in rows if row is not None]
        return self._envelope(known, len(known))


def _columns(candles: Candles, page: slice) -> list[list]:
    return [getattr(candles, name)[page].tolist() for name in FIELDS]
