"""MEXC's wire format: public market data of spot (`/api/v3`) and of contracts (`/api/v1/contract`).

Sources: the vendor's public API documentation and what ccxt 4.5.64 sends and parses. Spot sends texts in rows,
contracts send numbers, candles of contracts as one list per column with times in seconds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from pipelines.local_exchange import mexc_instruments as instruments
from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Candles, Listing, Market, Settlements
from pipelines.local_exchange.resample import take
from pipelines.local_exchange.symbols import is_inverse, mexc_id
from pipelines.local_exchange.timeframes import next_open_times
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, candle_rows, dumps

_SPOT, _CONTRACT = "/api/v3/", "/api/v1/contract/"
_SPOT_PAGE, _CONTRACT_PAGE, _FUNDING_PAGE = 500, 2000, 100
_SPOT_INTERVALS = {
    "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "60m": "1h", "4h": "4h", "1d": "1d", "1W": "1w", "1M": "1M",
}  # fmt: skip
_CONTRACT_INTERVALS = {
    "Min1": "1m", "Min5": "5m", "Min15": "15m", "Min30": "30m", "Min60": "1h", "Hour4": "4h", "Hour8": "8h",
    "Day1": "1d", "Week1": "1w", "Month1": "1M",
}  # fmt: skip
_PRICES = {"kline/fair_price/": "mark", "kline/index_price/": "index", "kline/": "last"}
_SPOT_ROW = "[{},{},{},{},{},{},{},{}]"
_BAD_PARAMETER, _NO_CONTRACT, _BAD_SYMBOL = (600, "Param error!"), 1001, -1121
_NUMBERS = Numbers(unreadable=_BAD_PARAMETER)


class Mexc:
    """Answers requests for MEXC's host from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        listed = [listing for listing in market.listings("mexc") if listing.kind != "dated"]
        self._spot = {mexc_id(listing): listing for listing in listed if listing.kind == "spot"}
        self._contracts = {mexc_id(listing): listing for listing in listed if listing.kind == "perp"}
        self._settled: dict[str, Settlements] = {}
        self._calls: dict[str, Callable[[Query], Reply]] = {
            _SPOT + "ping": lambda query: Reply(b"{}"),
            _SPOT + "time": lambda query: Reply(dumps({"serverTime": market.now_ms})),
            _SPOT + "exchangeInfo": self._exchange_info,
            _SPOT + "klines": self._spot_candles,
            _SPOT + "ticker/24hr": self._spot_tickers,
            _CONTRACT + "ping": lambda query: _data(market.now_ms),
            _CONTRACT + "detail": self._detail,
            _CONTRACT + "ticker": self._tickers,
            _CONTRACT + "funding_rate/history": self._funding_history,
        }

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; spot refuses with HTTP 400, contracts with HTTP 200 and `success` false."""
        try:
            if path in self._calls:
                return self._calls[path](query)
            name = path.removeprefix(_CONTRACT)
            if name.startswith("funding_rate/"):
                return self._funding_now(self._contract(name.removeprefix("funding_rate/")))
            for prefix, price in _PRICES.items():
                if name.startswith(prefix):
                    return self._candles(self._contract(name.removeprefix(prefix)), query, price)
        except Refused as refusal:
            if path.startswith(_SPOT):
                return Reply(dumps({"code": refusal.code, "msg": refusal.message}), refusal.status)
            return Reply(dumps({"success": False, "code": refusal.code, "message": refusal.message}))
        return Reply(b'{"code":404,"msg":"Not Found"}', 404)

    def _contract(self, name: str) -> Listing:
        if name not in self._contracts:
            raise Refused(_NO_CONTRACT, "Contract does not exist!")
        return self._contracts[name]

    def _spot_listing(self, query: Query) -> Listing:
        if query.get("symbol") not in self._spot:
            raise Refused(_BAD_SYMBOL, "Invalid symbol.")
        return self._spot[query["symbol"]]

    def _exchange_info(self, query: Query) -> Reply:
        now_ms = self._market.now_ms
        rows = [instruments.spot_symbol(listing, now_ms) for listing in self._spot.values()]
        head = {"timezone": "CST", "serverTime": now_ms, "rateLimits": [], "exchangeFilters": []}
        return Reply(dumps(head | {"symbols": rows}), rows=len(rows))

    def _detail(self, query: Query) -> Reply:
        now_ms = self._market.now_ms
        if query.get("symbol"):
            return _data(instruments.contract(self._contract(query["symbol"]), now_ms), 1)
        rows = [instruments.contract(listing, now_ms) for listing in self._contracts.values()]
        return _data(rows, len(rows))

    def _spot_candles(self, query: Query) -> Reply:
        """With both times the oldest rows from the start on, the end excluded; a start alone is ignored."""
        listing, interval = self._spot_listing(query), query.get("interval", "")
        if interval not in _SPOT_INTERVALS:
            raise Refused(_BAD_SYMBOL, "Invalid interval.")
        timeframe = _SPOT_INTERVALS[interval]
        limit = min(_integer(query, "limit") or _SPOT_PAGE, _SPOT_PAGE)
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
        is_bounded = start_ms is not None and end_ms is not None
        until_ms = self._market.now_ms if end_ms is None else end_ms - 1
        known = self._market.candles("mexc", listing.symbol, timeframe, "last", start_ms if is_bounded else 0, until_ms)
        page = take(known, slice(None, limit) if is_bounded else slice(-limit, None))
        columns = {name: getattr(page, name) for name in ("open_ms", "open", "high", "low", "close", "volume_base")}
        columns |= {"closes": next_open_times(page.open_ms, timeframe), "volume_quote": page.volume_quote}
        return Reply(candle_rows(columns, _SPOT_ROW), rows=len(page.open_ms))

    def _candles(self, listing: Listing, query: Query, price: str) -> Reply:
        """Times in seconds, both included; the oldest rows from `start` on, or the newest up to `end`."""
        interval = query.get("interval", "Min1")
        if interval not in _CONTRACT_INTERVALS:
            raise Refused(*_BAD_PARAMETER)
        start_s, end_s = _integer(query, "start"), _integer(query, "end")
        until_ms = self._market.now_ms if end_s is None else end_s * 1000
        timeframe, from_ms = _CONTRACT_INTERVALS[interval], max(start_s or 0, 0) * 1000
        known = self._market.candles("mexc", listing.symbol, timeframe, price, from_ms, until_ms)
        page = take(known, slice(-_CONTRACT_PAGE, None) if start_s is None else slice(None, _CONTRACT_PAGE))
        volume, amount = _volumes(listing, page) if price == "last" else (np.zeros(len(page.open_ms)),) * 2
        columns = {"time": page.open_ms // 1000, "open": page.open, "close": page.close, "high": page.high}
        columns |= {"low": page.low, "vol": volume, "amount": amount}
        plain = {name: np.ascontiguousarray(column) for name, column in columns.items()}
        return _data(plain, len(page.open_ms))

    def _spot_tickers(self, query: Query) -> Reply:
        if query.get("symbol"):
            return Reply(dumps(instruments.spot_ticker(self._market, self._spot_listing(query)) or {}), rows=1)
        rows = [instruments.spot_ticker(self._market, listing) for listing in self._spot.values()]
        known = [row for row in rows if row is not None]
        return Reply(dumps(known), rows=len(known))

    def _tickers(self, query: Query) -> Reply:
        if query.get("symbol"):
            return _data(instruments.contract_ticker(self._market, self._contract(query["symbol"])) or {}, 1)
        rows = [instruments.contract_ticker(self._market, listing) for listing in self._contracts.values()]
        known = [row for row in rows if row is not None]
        return _data(known, len(known))

    def _funding_now(self, listing: Listing) -> Reply:
        known = snapshot.latest_funding(self._market, "mexc", listing)
        rate, next_ms = (known.rate, known.next_ms) if known else (None, None)
        row = {"symbol": mexc_id(listing), "fundingRate": rate, "maxFundingRate": 0.003, "minFundingRate": -0.003}
        row |= {"collectCycle": listing.funding_interval_hours, "nextSettleTime": next_ms}
        return _data(row | {"timestamp": self._market.now_ms}, 1)

    def _funding_history(self, query: Query) -> Reply:
        """Numbered pages, newest first; times are not among the parameters, whatever is sent."""
        listing = self._contract(query.get("symbol", ""))
        number, size = _integer(query, "page_num") or 1, min(_integer(query, "page_size") or 20, _FUNDING_PAGE)
        if listing.symbol not in self._settled:
            self._settled[listing.symbol] = self._market.settlements("mexc", listing.symbol, 0, self._market.now_ms)
        known = self._settled[listing.symbol]
        newest_first = slice((number - 1) * size, number * size)
        times, rates = known.settled_ms[::-1], known.funding_rate[::-1]
        pairs = zip(times[newest_first].tolist(), rates[newest_first].tolist(), strict=True)
        cycle = {"collectCycle": listing.funding_interval_hours} if listing.funding_interval_hours else {}
        rows = [{"symbol": mexc_id(listing), "fundingRate": rate, "settleTime": at, **cycle} for at, rate in pairs]
        count = len(times)
        page = {"pageSize": size, "totalCount": count, "totalPage": -(-count // size), "currentPage": number}
        return _data(page | {"resultList": rows}, len(rows))


def _data(data: Any, rows: int = 0) -> Reply:
    body = {"success": True, "code": 0, "data": data}
    return Reply(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), rows=rows)


def _integer(query: Query, name: str) -> int | None:
    value = _NUMBERS.integer(query, name)
    if value is not None and value < 0:
        raise Refused(*_BAD_PARAMETER)
    return value


def _volumes(listing: Listing, candles: Candles) -> tuple[np.ndarray, np.ndarray]:
    """Contracts traded, and the turnover in the currency of settlement."""
    if is_inverse(listing):
        return candles.volume_quote / listing.contract_size, candles.volume_base
    return candles.volume_base / listing.contract_size, candles.volume_quote
