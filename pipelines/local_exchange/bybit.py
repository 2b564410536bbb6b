"""Bybit's v5 wire format: public market data of the categories spot, linear and inverse.

Rows come newest first. Sources: the vendor's public API documentation and what ccxt 4.5.64 sends and parses.
"""

from collections.abc import Callable, Mapping

import numpy as np

from pipelines.local_exchange import bybit_instruments as instruments
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import bybit_id, is_inverse
from pipelines.local_exchange.timeframes import FIXED_MS, open_times
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, candle_rows, dumps, refused, text

_PARAMETER_ERROR = 10001
_INTERVALS = {
    **{str(minutes): f"{minutes}m" for minutes in (1, 3, 5, 15, 30)},
    **{str(60 * hours): f"{hours}h" for hours in (1, 2, 4, 6, 12)},
    "D": "1d",
    "W": "1w",
    "M": "1M",
}
_PRICES = {
    "kline": "last",
    "mark-price-kline": "mark",
    "index-price-kline": "index",
    "premium-index-price-kline": "premiumIndex",
}
_PERIODS = {"5min": "5m", "15min": "15m", "30min": "30m", "1h": "1h", "4h": "4h", "1d": "1d"}
_LAST_ROW = '["{}",{},{},{},{},{},{}]'
_PRICE_ROW = '["{}",{},{},{},{}]'


_INVALID = (_PARAMETER_ERROR, "params error: {} invalid")
_NUMBERS = Numbers(unreadable=_INVALID)
_integer, _limit = _NUMBERS.integer, _NUMBERS.page_size


def _choice(query: Query, name: str, choices: Mapping[str, str]) -> str:
    if query.get(name) not in choices:
        raise refused(_INVALID, name)
    return choices[query[name]]


class Bybit:
    """Answers requests for Bybit's host from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings: dict[str, dict[str, Listing]] = {name: {} for name in instruments.CATEGORIES}
        for listing in market.listings("bybit"):
            self._listings[instruments.category(listing)][bybit_id(listing)] = listing
        self._calls: dict[str, Callable[[Query], Reply]] = {
            "time": self._time,
            "instruments-info": self._instruments_info,
            "tickers": self._tickers,
            "funding/history": self._funding_history,
            "open-interest": self._open_interest,
        }

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; a refusal comes as HTTP 200 with its `retCode`, as Bybit does."""
        name = path.removeprefix("/v5/market/")
        try:
            if name in _PRICES:
                return self._klines(query, _PRICES[name])
            if name not in self._calls:
                return Reply(b"404 page not found", 404, content_type="text/plain")
            return self._calls[name](query)
        except Refused as refusal:
            return self._envelope({}, 0, refusal.code, refusal.message)

    def _envelope(self, result: dict, rows: int, code: int = 0, message: str = "OK") -> Reply:
        body = {
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": self._market.now_ms,
        }
        return Reply(dumps(body), rows=rows)

    def _category(self, query: Query) -> str:
        category = query.get("category")
        if category not in (*instruments.CATEGORIES, "option"):
            raise Refused(_PARAMETER_ERROR, "params error: Category is invalid")
        return category

    def _listing(self, query: Query) -> Listing:
        listing = self._listings.get(self._category(query), {}).get(query.get("symbol", ""))
        if listing is None:
            raise Refused(_PARAMETER_ERROR, "params error: symbol invalid")
        return listing

    def _time(self, query: Query) -> Reply:
        now_ms = self._market.now_ms
        return self._envelope({"timeSecond": str(now_ms // 1000), "timeNano": f"{now_ms}000000"}, 0)

    def _open_for_trading(self, category: str) -> list[Listing]:
        """What the category lists now: Bybit drops delisted and delivered instruments from its lists."""
        now_ms = self._market.now_ms
        listings = self._listings.get(category, {}).values()
        return [listing for listing in listings if not listing.has_ended(now_ms)]

    def _instruments_info(self, query: Query) -> Reply:
        category = self._category(query)
        listings = [] if query.get("status") == "PreLaunch" else self._open_for_trading(category)
        if query.get("symbol"):
            listings = [listing for listing in listings if bybit_id(listing) == query["symbol"]]
        if category == "spot":  # the one category without pages
            rows = [instruments.instrument(listing, self._market.now_ms) for listing in listings]
            return self._envelope({"category": category, "list": rows}, len(rows))
        first, limit = self._offset(query), _limit(query, 500, 1000)
        page = listings[first : first + limit]
        following = f"first={first + limit}" if first + limit < len(listings) else ""
        rows = [instruments.instrument(listing, self._market.now_ms) for listing in page]
        return self._envelope({"category": category, "list": rows, "nextPageCursor": following}, len(rows))

    def _offset(self, query: Query) -> int:
        """Where the page starts; the cursor is this server's own and opaque to clients, as Bybit's is."""
        cursor = query.get("cursor", "").removeprefix("first=") or "0"
        if not cursor.isdigit():
            raise Refused(_PARAMETER_ERROR, "params error: cursor invalid")
        return int(cursor)

    def _tickers(self, query: Query) -> Reply:
        category = self._category(query)
        listings = [self._listing(query)] if query.get("symbol") else self._open_for_trading(category)
        rows = [instruments.ticker(self._market, listing) for listing in listings]
        known = [row for row in rows if row is not None]
        return self._envelope({"category": category, "list": known}, len(known))

    def _klines(self, query: Query, price: str) -> Reply:
        """With `end` the newest rows up to it, with `start` alone the oldest from there on.

        A `start` inside a candle counts as that candle's opening.
        """
        listing, interval = self._listing(query), _choice(query, "interval", _INTERVALS)
        start_ms, end_ms = _integer(query, "start"), _integer(query, "end")
        limit = _limit(query, 200, 1000)
        since_ms = int(open_times(np.array([start_ms or 0]), interval)[0])
        until_ms = self._market.now_ms if end_ms is None else end_ms
        candles = self._market.candles("bybit", listing.symbol, interval, price, max(since_ms, 0), until_ms)
        page = slice(None, limit) if start_ms is not None and end_ms is None else slice(-limit, None)
        columns = {name: getattr(candles, name)[page][::-1] for name in ("open_ms", "open", "high", "low", "close")}
        template = _PRICE_ROW
        if price == "last":
            coins, quote = candles.volume_base[page][::-1], candles.volume_quote[page][::-1]
            volume, turnover = (quote, coins) if is_inverse(listing) else (coins, quote)
            columns |= {"volume": volume, "turnover": turnover}
            template = _LAST_ROW
        rows = candle_rows(columns, template)
        head = {"symbol": bybit_id(listing), "category": query["category"]}
        envelope = self._envelope({**head, "list": []}, len(columns["open_ms"]))
        return Reply(envelope.body.replace(b'"list":[]', b'"list":' + rows, 1), rows=envelope.rows)

    def _funding_history(self, query: Query) -> Reply:
        """The newest rows of the window, newest first; a start without an end is an error."""
        listing = self._listing(query)
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
        if start_ms is not None and end_ms is None:
            raise Refused(_PARAMETER_ERROR, "params error: endTime must be passed together with startTime")
        limit = _limit(query, 200, 200)
        until_ms = self._market.now_ms if end_ms is None else end_ms
        known = self._market.settlements("bybit", listing.symbol, start_ms or 0, until_ms)
        newest = slice(-limit, None)
        pairs = zip(known.settled_ms[newest].tolist(), known.funding_rate[newest].tolist(), strict=True)
        symbol = bybit_id(listing)
        rows = [
            {"symbol": symbol, "fundingRate": text(rate), "fundingRateTimestamp": str(settled_ms)}
            for settled_ms, rate in pairs
        ][::-1]
        return self._envelope({"category": query["category"], "list": rows}, len(rows))

    def _open_interest(self, query: Query) -> Reply:
        """Base coins for linear contracts, USD for inverse ones; newest first, a cursor to older pages."""
        listing = self._listing(query)
        period = FIXED_MS[_choice(query, "intervalTime", _PERIODS)]
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
        first, limit = self._offset(query), _limit(query, 50, 200)
        until_ms = self._market.now_ms if end_ms is None else end_ms
        known = self._market.open_interest("bybit", listing.symbol, start_ms or 0, until_ms)
        amounts = known.usd if is_inverse(listing) else known.base
        served = (known.stamped_ms % period == 0) & ~np.isnan(amounts)
        newest_first = zip(known.stamped_ms[served][::-1].tolist(), amounts[served][::-1].tolist(), strict=True)
        rows = [{"openInterest": text(amount), "timestamp": str(stamped)} for stamped, amount in newest_first]
        page = rows[first : first + limit]
        following = f"first={first + limit}" if first + limit < len(rows) else ""
        head = {"symbol": bybit_id(listing), "category": query["category"]}
        return self._envelope({**head, "list": page, "nextPageCursor": following}, len(page))
