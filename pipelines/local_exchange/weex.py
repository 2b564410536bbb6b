"""WEEX's v3 wire format: public market data of spot and of contracts margined in USDT.

Rows come newest first. Sources: the vendor's public API documentation, what users of it have seen, and what ccxt 4.5.64
sends and parses.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from pipelines.local_exchange import snapshot
from pipelines.local_exchange import weex_instruments as instruments
from pipelines.local_exchange.market import Candles, Listing, Market
from pipelines.local_exchange.resample import take
from pipelines.local_exchange.symbols import is_inverse, weex_id
from pipelines.local_exchange.timeframes import DAY_MS, HOUR_MS, next_open_times
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, candle_rows, dumps, required, text

_SEGMENTS = {"api-spot.weex.com": "spot", "api-contract.weex.com": "contract"}
_PREFIXES = {"spot": "/api/v3/", "contract": "/capi/v3/market/"}
_PRICES = {"klines": "last", "markPriceKlines": "mark", "indexPriceKlines": "index"}
_PRICE_TYPES = {"LAST": "last", "MARK": "mark", "INDEX": "index"}
_INTERVALS = {
    "spot": ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w", "1M"),
    "contract": ("1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w"),
}
_SPOT_PAGE, _CONTRACT_PAGE, _HISTORY_PAGE, _FUNDING_PAGE = 300, 1000, 100, 1000
FUNDING_HISTORY_DAYS = 365
_HISTORY_DAYS, _FUNDING_DAYS = 90, 7

_LAST_ROW = "[{},{},{},{},{},{},{},{},null,null,null]"
_PRICE_ROW = '[{},{},{},{},{},"0",{},"0",0,"0","0"]'


_integer = Numbers(unreadable=(-1142, "Parameter '{}' is invalid.")).integer
_required = partial(required, refusal=(-1141, "Parameter '{}' cannot be empty."))


def _limit(query: Query, most: int) -> int:
    """Rows asked for; more than `most` is refused, not cut."""
    limit = _integer(query, "limit")
    if limit is not None and not 1 <= limit <= most:
        raise Refused(-1140, f"Parameter validation failed. limit must be between 1 and {most}.")
    return limit or 100


def _check_window(start_ms: int, end_ms: int, longest_days: int, oldest_ms: int, kept: str) -> None:
    if start_ms > end_ms:
        raise Refused(-1171, "startTime cannot be greater than endTime.")
    if end_ms - start_ms > longest_days * DAY_MS or start_ms < oldest_ms:
        raise Refused(-1170, f"{kept}Time range cannot exceed {longest_days} days.")


class Weex:
    """Answers requests for WEEX's two hosts from a market.

    Args:
        market: Where the data is from.
        funding_history_days: How far back settlements are served; None: as far as the market has them.
    """

    def __init__(self, market: Market, funding_history_days: int | None = FUNDING_HISTORY_DAYS) -> None:
        self._market, self._funding_history_days = market, funding_history_days
        self._listings: dict[str, dict[str, Listing]] = {segment: {} for segment in _PREFIXES}
        for listing in market.listings("weex"):
            if not listing.has_ended(market.now_ms) and listing.kind != "dated" and not is_inverse(listing):
                segment = "spot" if listing.kind == "spot" else "contract"
                self._listings[segment][weex_id(listing)] = listing
        self._calls: dict[str, dict[str, Callable[[Query], Reply]]] = {
            "spot": {
                "ping": lambda query: Reply(b"{}"),
                "time": self._time,
                "coins": self._coins,
                "exchangeInfo": self._spot_info,
                "market/klines": self._spot_klines,
                "market/ticker/24hr": lambda query: self._tickers("spot", query),
            },
            "contract": {
                "time": self._time,
                "exchangeInfo": self._contract_info,
                "historyKlines": self._history_klines,
                "fundingRate": self._funding_rate,
                "openInterest": self._open_interest,
                "premiumIndex": self._premium_index,
                "ticker/24hr": lambda query: self._tickers("contract", query),
                **{name: self._contract_klines(price) for name, price in _PRICES.items()},
            },
        }

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; a refusal comes as HTTP 400 with WEEX's `{"code", "msg"}`."""
        segment = _SEGMENTS[host]
        call = self._calls[segment].get(path.removeprefix(_PREFIXES[segment]))
        try:
            if call is None:
                raise Refused(-1150, f"No static resource {path.lstrip('/')}.", 404)
            return call(query)
        except Refused as refusal:
            return Reply(dumps({"code": refusal.code, "msg": refusal.message}), refusal.status)

    def _listing(self, segment: str, query: Query) -> Listing:
        listing = self._listings[segment].get(_required(query, "symbol"))
        if listing is None and segment == "spot":
            raise Refused(-1121, "Invalid symbol.")
        if listing is None:
            raise Refused(-1142, "Parameter 'symbol' is invalid.")
        return listing

    def _asked(self, segment: str, query: Query) -> list[Listing]:
        """The listing of `symbol`, or all where no symbol is given."""
        return [self._listing(segment, query)] if query.get("symbol") else list(self._listings[segment].values())

    # -- lists and the present

    def _time(self, query: Query) -> Reply:
        return Reply(dumps({"serverTime": self._market.now_ms}))

    def _coins(self, query: Query) -> Reply:
        coins = dict.fromkeys(listing.base for listing in self._listings["spot"].values())
        rows = [
            {"coin": coin, "name": coin, "depositAllEnable": True, "withdrawAllEnable": True, "networkList": []}
            for coin in (*coins, "USDT")
        ]
        return Reply(dumps(rows), rows=len(rows))

    def _spot_info(self, query: Query) -> Reply:
        symbols = [instruments.spot_instrument(listing) for listing in self._asked("spot", query)]
        body = {"timezone": "UTC", "serverTime": self._market.now_ms, "symbols": symbols}
        return Reply(dumps(body), rows=len(symbols))

    def _contract_info(self, query: Query) -> Reply:
        symbols = [instruments.contract(listing) for listing in self._asked("contract", query)]
        body = {"assets": [{"asset": "USDT", "marginAvailable": True}], "symbols": symbols}
        return Reply(dumps(body), rows=len(symbols))

    def _tickers(self, segment: str, query: Query) -> Reply:
        rows = [instruments.ticker(self._market, listing) for listing in self._asked(segment, query)]
        known = [row for row in rows if row is not None]
        return Reply(dumps(known), rows=len(known))

    def _premium_index(self, query: Query) -> Reply:
        rows = [instruments.premium(self._market, listing) for listing in self._asked("contract", query)]
        known = [row for row in rows if row is not None]
        return Reply(dumps(known), rows=len(known))

    def _open_interest(self, query: Query) -> Reply:
        """Coins; one contract at a time."""
        listing = self._listing("contract", query)
        known = snapshot.latest_open_interest(self._market, "weex", listing)
        body = {"symbol": weex_id(listing), "time": self._market.now_ms}
        amount = text(known[0]) if known else None
        if amount is not None:
            body["openInterest"] = amount
        return Reply(dumps(body), rows=1)

    # -- candles

    def _spot_klines(self, query: Query) -> Reply:
        return self._newest_candles("spot", query, "last", _SPOT_PAGE)

    def _contract_klines(self, price: str) -> Callable[[Query], Reply]:
        return lambda query: self._newest_candles("contract", query, price, _CONTRACT_PAGE)

    def _interval(self, segment: str, query: Query) -> str:
        interval = _required(query, "interval")
        if interval not in _INTERVALS[segment]:
            raise Refused(-1142, "Parameter 'interval' is invalid.")
        return interval

    def _newest_candles(self, segment: str, query: Query, price: str, most: int) -> Reply:
        """The newest candles, the forming one among them; startTime and endTime are ignored without a word."""
        listing, interval, limit = self._listing(segment, query), self._interval(segment, query), _limit(query, most)
        now_ms = self._market.now_ms
        step_ms = int(next_open_times(np.array([0]), interval)[0])
        # Holes make the newest rows reach further back than their number says, now and then.
        for since_ms in (now_ms - 2 * limit * step_ms, 0):
            candles = self._market.candles("weex", listing.symbol, interval, price, max(since_ms, 0), now_ms)
            if len(candles.open_ms) >= limit:
                break
        return self._candle_reply(candles, limit, interval, listing, price)

    def _history_klines(self, query: Query) -> Reply:
        """A window of at most 90 days, both of its ends given and none in the future."""
        listing, interval = self._listing("contract", query), self._interval("contract", query)
        limit = _limit(query, _HISTORY_PAGE)
        price = _PRICE_TYPES.get(query.get("priceType", "LAST"))
        if price is None:
            raise Refused(-1142, "Parameter 'priceType' is invalid.")
        _required(query, "startTime"), _required(query, "endTime")
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
        _check_window(start_ms, end_ms, _HISTORY_DAYS, 0, "")
        if end_ms > self._market.now_ms:
            raise Refused(-1142, "Parameter 'endTime' is invalid.")
        candles = self._market.candles("weex", listing.symbol, interval, price, start_ms, end_ms)
        return self._candle_reply(candles, limit, interval, listing, price)

    def _candle_reply(self, candles: Candles, limit: int, interval: str, listing: Listing, price: str) -> Reply:
        page = take(candles, slice(None, -limit - 1, -1))
        is_spot = listing.kind == "spot"
        columns = {name: getattr(page, name) for name in ("open_ms", "open", "high", "low", "close")}
        close_ms = {"close_ms": next_open_times(page.open_ms, interval) - (1 if is_spot else 0)}
        if price == "last":
            columns |= {"volume": page.volume_base, **close_ms, "turnover": page.volume_quote}
        else:
            columns |= close_ms
        rows = candle_rows(columns, _LAST_ROW if price == "last" else _PRICE_ROW)
        return Reply(rows, rows=len(page.open_ms))

    # -- funding

    def _funding_rate(self, query: Query) -> Reply:
        """The newest settlements, of at most seven days where a time is given."""
        listing, limit, now_ms = self._listing("contract", query), _limit(query, _FUNDING_PAGE), self._market.now_ms
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
        kept_days, days_ms = self._funding_history_days, _FUNDING_DAYS * DAY_MS
        oldest_ms = 0 if kept_days is None else now_ms - kept_days * DAY_MS
        if start_ms is None:
            start_ms = oldest_ms if end_ms is None else end_ms - days_ms
        if end_ms is None:
            end_ms = now_ms if start_ms == oldest_ms else min(start_ms + days_ms, now_ms)
        if query.get("startTime") or query.get("endTime"):
            kept = f"startTime must be within the last {kept_days} days. "
            _check_window(start_ms, end_ms, _FUNDING_DAYS, oldest_ms, kept)
        known = self._market.settlements("weex", listing.symbol, start_ms, end_ms)
        marks = self._marks(listing, start_ms, end_ms)
        symbol = weex_id(listing)
        pairs = zip(known.settled_ms[-limit:].tolist(), known.funding_rate[-limit:].tolist(), strict=True)
        rows = [
            {
                "symbol": symbol,
                "fundingRate": text(rate),
                "fundingTime": settled_ms,
                "markPrice": text(marks.get(settled_ms)),
            }
            for settled_ms, rate in pairs
        ][::-1]
        return Reply(dumps(rows), rows=len(rows))

    def _marks(self, listing: Listing, start_ms: int, end_ms: int) -> dict[int, float]:
        """Mark prices on the full hours of a window, as far as hourly candles that open there are known."""
        first_ms = start_ms // HOUR_MS * HOUR_MS
        candles = self._market.candles("weex", listing.symbol, "1h", "mark", first_ms, end_ms)
        return dict(zip(candles.open_ms.tolist(), candles.open.tolist(), strict=True))
