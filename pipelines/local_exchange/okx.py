"""OKX's v5 wire format: public market data of spot, perpetual and dated contracts.

Rows come newest first. Sources: the vendor's public API documentation and what ccxt 4.5.64 sends and parses.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from pipelines.local_exchange import okx_instruments as instruments
from pipelines.local_exchange.market import Candles, Listing, Market
from pipelines.local_exchange.resample import resample
from pipelines.local_exchange.symbols import okx_family, okx_id
from pipelines.local_exchange.timeframes import DAY_MS, FIXED_MS, HOUR_MS
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, candle_rows, dumps, required, text

FUNDING_HISTORY_DAYS = 90  # "the last three months"
_LATEST_ROWS = 1_440
_HONG_KONG_MS = 8 * HOUR_MS
_BARS = {  # bar -> candle length, and how far its opening lies before that in UTC
    **{name: (name, 0) for name in ("1m", "3m", "5m", "15m", "30m")},
    **{f"{hours}H": (f"{hours}h", 0) for hours in (1, 2, 4)},
    **{f"{hours}H": (f"{hours}h", _HONG_KONG_MS) for hours in (6, 12)},
    **{f"{hours}Hutc": (f"{hours}h", 0) for hours in (6, 12)},
    "1D": ("1d", _HONG_KONG_MS),
    "1Dutc": ("1d", 0),
}
_CANDLES = {  # path -> price, most rows of a reply, whether it reaches beyond the latest rows
    "market/candles": ("last", 300, False),
    "market/history-candles": ("last", 300, True),
    "market/mark-price-candles": ("mark", 100, False),
    "market/history-mark-price-candles": ("mark", 100, True),
    "market/index-candles": ("index", 100, False),
    "market/history-index-candles": ("index", 100, True),
}
_PREFIX = "/api/v5/"
_LAST_ROW = '["{}",{},{},{},{},{},{},{},"{}"]'
_PRICE_ROW = '["{}",{},{},{},{},"{}"]'


_NUMBERS = Numbers(unreadable=(51000, "Parameter {} error"))
_integer = _NUMBERS.integer
_required = partial(required, refusal=(50014, "Parameter {} can not be empty"))


def _limit(query: Query, cap: int) -> int:
    return _NUMBERS.page_size(query, 100, cap)


def _bar(query: Query, name: str, default: str) -> tuple[str, int]:
    if query.get(name, default) not in _BARS:
        raise Refused(51000, f"Parameter {name} error")
    return _BARS[query.get(name, default)]


class Okx:
    """Answers requests for OKX's host from a market.

    Args:
        market: Where the data is from.
        funding_history_days: How far back settlements are served; None: as far as the market has them.
    """

    def __init__(self, market: Market, funding_history_days: int | None = FUNDING_HISTORY_DAYS) -> None:
        self._market, self._funding_history_days = market, funding_history_days
        listings = [each for each in market.listings("okx") if not each.has_ended(market.now_ms)]
        self._listings: dict[str, Listing] = {okx_id(listing): listing for listing in listings}
        self._calls: dict[str, Callable[[Query], Reply]] = {
            "public/time": lambda query: self._reply([{"ts": str(market.now_ms)}], 0),
            "public/instruments": self._instruments,
            "public/open-interest": self._open_interest,
            "public/funding-rate": self._funding_rate,
            "public/funding-rate-history": self._funding_history,
            "market/tickers": self._tickers,
            "rubik/stat/contracts/open-interest-history": self._open_interest_history,
        }

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; a refusal comes as OKX's `{"code", "msg"}` with its HTTP status."""
        name = path.removeprefix(_PREFIX)
        try:
            if name in _CANDLES:
                return self._candles(query, *_CANDLES[name])
            if name not in self._calls:
                return Reply(dumps({"msg": "Not Found", "code": "404", "data": ""}), 404)
            return self._calls[name](query)
        except Refused as refusal:
            body = {"code": str(refusal.code), "data": [], "msg": refusal.message}
            return Reply(dumps(body), refusal.status)

    def _reply(self, rows: list, count: int | None = None) -> Reply:
        return Reply(dumps({"code": "0", "msg": "", "data": rows}), rows=len(rows) if count is None else count)

    def _listing(self, query: Query) -> Listing:
        listing = self._listings.get(_required(query, "instId"))
        if listing is None:
            raise Refused(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", 200)
        return listing

    def _of_type(self, query: Query) -> list[Listing]:
        kind = instruments.KINDS.get(_required(query, "instType"))
        if kind is None and query["instType"] != "OPTION":
            raise Refused(51000, "Parameter instType error")
        asked = [self._listing(query)] if query.get("instId") else self._listings.values()
        families = {query["uly"]} if query.get("uly") else None
        return [each for each in asked if each.kind == kind and (families is None or okx_family(each) in families)]

    def _instruments(self, query: Query) -> Reply:
        return self._reply([instruments.instrument(listing) for listing in self._of_type(query)])

    def _tickers(self, query: Query) -> Reply:
        rows = [instruments.ticker(self._market, listing) for listing in self._of_type(query)]
        return self._reply([row for row in rows if row is not None])

    def _open_interest(self, query: Query) -> Reply:
        rows = [instruments.open_interest(self._market, listing) for listing in self._of_type(query)]
        return self._reply([row for row in rows if row is not None])

    def _funding_rate(self, query: Query) -> Reply:
        asked = self._listings.values() if query.get("instId") == "ANY" else [self._listing(query)]
        rows = [instruments.funding(self._market, listing) for listing in asked if listing.kind == "perp"]
        return self._reply([row for row in rows if row is not None])

    # -- candles

    def _candles(self, query: Query, price: str, cap: int, is_history: bool) -> Reply:
        """The newest candles before `after` and after `before`, both excluded."""
        listing = self._of_index(query) if price == "index" else self._listing(query)
        timeframe, offset_ms = _bar(query, "bar", "1m")
        limit, now_ms = _limit(query, cap), self._market.now_ms
        until_ms = min(_integer(query, "after", now_ms + 1) - 1, now_ms)
        since_ms = _integer(query, "before", -1) + 1
        candles = self._opened(listing, timeframe, offset_ms, price)
        opens_ms = candles.open_ms
        shown = (opens_ms >= since_ms) & (opens_ms <= until_ms)
        has_closed = opens_ms + FIXED_MS[timeframe] <= now_ms
        if is_history:
            shown &= has_closed
        else:
            shown[:-_LATEST_ROWS] = False
        page = np.flatnonzero(shown)[-limit:][::-1]
        columns = {name: getattr(candles, name)[page] for name in ("open_ms", "open", "high", "low", "close")}
        template = _PRICE_ROW
        if price == "last":
            columns |= self._volumes(listing, candles.volume_base[page], candles.volume_quote[page])
            template = _LAST_ROW
        columns["confirm"] = has_closed[page].astype(np.int64)
        body = b'{"code":"0","msg":"","data":' + candle_rows(columns, template) + b"}"
        return Reply(body, rows=len(page))

    def _of_index(self, query: Query) -> Listing:
        """A contract of the underlying: an index has no instrument of its own."""
        family = _required(query, "instId")
        of_family = (each for each in self._listings.values() if each.kind != "spot" and okx_family(each) == family)
        listing = min(of_family, key=lambda each: each.kind != "perp", default=None)
        if listing is None:
            raise Refused(51014, "Index doesn't exist.", 200)
        return listing

    def _opened(self, listing: Listing, timeframe: str, offset_ms: int, price: str) -> Candles:
        """All candles of the bar, made of hours where they open at another midnight than that of UTC."""
        now_ms = self._market.now_ms
        if not offset_ms:
            return self._market.candles("okx", listing.symbol, timeframe, price, 0, now_ms)
        hours = self._market.candles("okx", listing.symbol, "1h", price, 0, now_ms)
        moved = replace(hours, open_ms=hours.open_ms + offset_ms)
        made = resample(moved, "1h", timeframe, now_ms + offset_ms)
        return replace(made, open_ms=made.open_ms - offset_ms)

    def _volumes(self, listing: Listing, base: np.ndarray, quote: np.ndarray) -> dict[str, np.ndarray]:
        """`vol`, `volCcy` and `volCcyQuote`: contracts, coins and quote currency; on spot coins, and quote twice."""
        if listing.kind == "spot":
            return {"vol": base, "currency": quote, "quote": quote}
        return {"vol": instruments.contracts(base, quote, listing), "currency": base, "quote": quote}

    # -- funding and open interest

    def _funding_history(self, query: Query) -> Reply:
        listing, limit, now_ms = self._listing(query), _limit(query, 100), self._market.now_ms
        if listing.kind != "perp":
            raise Refused(51000, "Parameter instId error")
        since_ms = _integer(query, "before", -1) + 1
        if self._funding_history_days is not None:
            since_ms = max(since_ms, now_ms - self._funding_history_days * DAY_MS)
        until_ms = min(_integer(query, "after", now_ms + 1) - 1, now_ms)
        known = self._market.settlements("okx", listing.symbol, since_ms, until_ms)
        newest = slice(-limit, None)
        pairs = zip(known.settled_ms[newest].tolist(), known.funding_rate[newest].tolist(), strict=True)
        head = {"instType": "SWAP", "instId": okx_id(listing), "formulaType": "withRate", "method": "current_period"}
        rows = [
            {**head, "fundingRate": text(rate), "realizedRate": text(rate), "fundingTime": str(settled_ms)}
            for settled_ms, rate in pairs
        ]
        return self._reply(rows[::-1])

    def _open_interest_history(self, query: Query) -> Reply:
        """Contracts, coins and USD by period, stamped with its opening: the value at its end, or now's."""
        listing, limit = self._listing(query), _limit(query, 100)
        if listing.kind == "spot":
            raise Refused(51000, "Parameter instId error")
        timeframe, offset_ms = _bar(query, "period", "5m")
        length, now_ms = FIXED_MS[timeframe], self._market.now_ms
        known = self._market.open_interest("okx", listing.symbol, 0, now_ms)
        if not len(known.stamped_ms):
            return self._reply([])
        at_end = (known.stamped_ms + offset_ms) % length == 0
        is_running = ~at_end & (np.arange(len(at_end)) == len(at_end) - 1)
        opens_ms = np.where(at_end, known.stamped_ms - length, known.stamped_ms // length * length)
        shown = at_end | is_running
        shown[np.flatnonzero(shown)[:-_LATEST_ROWS]] = False
        shown &= (opens_ms > _integer(query, "begin", -1)) & (opens_ms < _integer(query, "end", now_ms + 1))
        rows = [
            [str(opens_ms[place]), *(text(value) or "" for value in self._units(listing, known.base, known.usd, place))]
            for place in np.flatnonzero(shown)[-limit:][::-1]
        ]
        return self._reply(rows)

    def _units(self, listing: Listing, base: np.ndarray, usd: np.ndarray, place: int) -> tuple[float, float, float]:
        return instruments.contracts(base[place], usd[place], listing), base[place], usd[place]
