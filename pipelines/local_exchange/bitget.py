"""Bitget's v2 wire format: public market data of spot and of the contracts' product types.

Candles come oldest first, settlements newest first. Sources: the vendor's public API documentation and what ccxt
4.5.64 sends and parses.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from pipelines.local_exchange import bitget_instruments as instruments
from pipelines.local_exchange.market import Candles, Listing, Market
from pipelines.local_exchange.resample import resample
from pipelines.local_exchange.symbols import bitget_id, is_inverse
from pipelines.local_exchange.timeframes import DAY_MS, FIXED_MS, HOUR_MS
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, candle_rows, dumps, required, text

_HONG_KONG_MS = 8 * HOUR_MS
_UTC = {**{f"{hours}Hutc": (f"{hours}h", 0) for hours in (6, 12)}, "1Dutc": ("1d", 0)}
_SPOT_BARS = {  # granularity -> candle length, and how far its opening lies before that in UTC
    **{f"{minutes}min": (f"{minutes}m", 0) for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}h": (f"{hours}h", 0) for hours in (1, 4)},
    **{f"{hours}h": (f"{hours}h", _HONG_KONG_MS) for hours in (6, 12)},
    "1day": ("1d", _HONG_KONG_MS),
    **_UTC,
}
_CONTRACT_BARS = {
    **{f"{minutes}m": (f"{minutes}m", 0) for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}H": (f"{hours}h", 0) for hours in (1, 2, 4)},
    **{f"{hours}H": (f"{hours}h", _HONG_KONG_MS) for hours in (6, 12)},
    "1D": ("1d", _HONG_KONG_MS),
    **_UTC,
}
_LATEST_ROWS, _CONTRACT_DAYS = 1_440, 90
_LINES = {"MARKET": "last", "MARK": "mark", "INDEX": "index"}
_HISTORIES = {"history-candles": "last", "history-mark-candles": "mark", "history-index-candles": "index"}
_SPOT_ROW = '["{}",{},{},{},{},{},{},{}]'
_CONTRACT_ROW = '["{}",{},{},{},{},{},{}]'
_PRICE_ROW = '["{}",{},{},{},{},"0","0"]'


_NUMBERS = Numbers(unreadable=(40020, "Parameter {} error"))
_integer, _page = _NUMBERS.integer, _NUMBERS.page_size
_required = partial(required, refusal=(40019, "Parameter {} cannot be empty"))


class Bitget:
    """Answers requests for Bitget's host from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings: dict[str, dict[str, Listing]] = {name: {} for name in ("SPOT", *instruments.CONTRACT_TYPES)}
        for listing in market.listings("bitget"):
            if not listing.has_ended(market.now_ms):  # it leaves the lists when it is delisted or delivered
                self._listings[instruments.product_type(listing)][bitget_id(listing)] = listing
        self._calls: dict[str, Callable[[Query], Reply]] = {
            "public/time": lambda query: self._reply({"serverTime": str(market.now_ms)}, 0),
            "margin/currencies": lambda query: self._reply([]),
            "spot/public/symbols": lambda query: self._reply(
                [instruments.spot(listing) for listing in self._listings["SPOT"].values()]
            ),
            "spot/market/tickers": lambda query: self._tickers(self._listings["SPOT"]),
            "spot/market/candles": lambda query: self._spot_candles(query, is_history=False),
            "spot/market/history-candles": lambda query: self._spot_candles(query, is_history=True),
            "mix/market/contracts": self._contracts,
            "mix/market/tickers": lambda query: self._tickers(self._of_type(query)),
            "mix/market/candles": self._latest_candles,
            "mix/market/history-fund-rate": self._funding_history,
            "mix/market/current-fund-rate": self._funding_now,
            "mix/market/open-interest": self._open_interest,
        }

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; a refusal comes as Bitget's `{"code", "msg"}` with HTTP 400."""
        name = path.removeprefix("/api/v2/")
        history = _HISTORIES.get(name.removeprefix("mix/market/"))
        try:
            if history is not None and name.startswith("mix/"):
                return self._contract_candles(query, history, is_history=True)
            if name not in self._calls:
                raise Refused(40404, "Request URL NOT FOUND")
            return self._calls[name](query)
        except Refused as refusal:
            return self._envelope(None, 0, str(refusal.code), refusal.message, refusal.status)

    def _envelope(self, data: object, rows: int, code: str, message: str, status: int = 200) -> Reply:
        body = {"code": code, "msg": message, "requestTime": self._market.now_ms, "data": data}
        return Reply(dumps(body), status, rows)

    def _reply(self, data: list | dict, rows: int | None = None) -> Reply:
        return self._envelope(data, len(data) if rows is None else rows, "00000", "success")

    def _of_type(self, query: Query) -> dict[str, Listing]:
        name = _required(query, "productType").upper()
        if name in instruments.DEMO_TYPES:
            return {}
        if name not in instruments.CONTRACT_TYPES:
            raise Refused(40020, "Parameter productType error")
        return self._listings[name]

    def _listing(self, listings: Mapping[str, Listing], query: Query) -> Listing:
        name = _required(query, "symbol")
        if name not in listings:
            raise Refused(40034, f"Parameter {name} does not exist")
        return listings[name]

    def _contracts(self, query: Query) -> Reply:
        return self._reply([instruments.contract(listing) for listing in self._of_type(query).values()])

    def _tickers(self, listings: Mapping[str, Listing]) -> Reply:
        rows = [instruments.ticker(self._market, listing) for listing in listings.values()]
        return self._reply([row for row in rows if row is not None])

    # -- candles: the newest before `endTime`

    def _spot_candles(self, query: Query, *, is_history: bool) -> Reply:
        listing = self._listing(self._listings["SPOT"], query)
        if is_history:
            _required(query, "endTime")
        return self._candles(query, listing, _SPOT_BARS, "last", is_history)

    def _latest_candles(self, query: Query) -> Reply:
        line = query.get("kLineType", "MARKET").upper()
        if line not in _LINES:
            raise Refused(40020, "Parameter kLineType error")
        return self._contract_candles(query, _LINES[line], is_history=False)

    def _contract_candles(self, query: Query, price: str, *, is_history: bool) -> Reply:
        return self._candles(query, self._listing(self._of_type(query), query), _CONTRACT_BARS, price, is_history)

    def _candles(
        self, query: Query, listing: Listing, bars: Mapping[str, tuple[str, int]], price: str, is_history: bool
    ) -> Reply:
        """In the history finished candles only; outside of it the latest, the one that is forming too.

        Contracts' candles are looked for in the 90 days before `endTime`.
        """
        if _required(query, "granularity") not in bars:
            raise Refused(40020, "Parameter granularity error")
        timeframe, offset_ms = bars[query["granularity"]]
        limit, now_ms = _page(query, 100, 200 if is_history else 1000), self._market.now_ms
        until_ms = _integer(query, "endTime", now_ms + 1)
        since_ms = _integer(query, "startTime", 0)
        if listing.kind != "spot":
            since_ms = max(since_ms, until_ms - _CONTRACT_DAYS * DAY_MS)
        candles = self._opened(listing, timeframe, offset_ms, price)
        shown = (candles.open_ms >= since_ms) & (candles.open_ms < until_ms)
        if is_history:
            shown &= candles.open_ms + FIXED_MS[timeframe] <= now_ms
        else:
            shown[:-_LATEST_ROWS] = False
        page = np.flatnonzero(shown)[-limit:]
        columns = {name: getattr(candles, name)[page] for name in ("open_ms", "open", "high", "low", "close")}
        template = _PRICE_ROW
        if price == "last":
            base, quote = candles.volume_base[page], candles.volume_quote[page]
            if listing.kind == "spot":
                columns |= {"base": base, "usdt": quote, "quote": quote}
                template = _SPOT_ROW
            else:
                first, second = (quote, base) if is_inverse(listing) else (base, quote)  # as ccxt reads them
                columns |= {"first": first, "second": second}
                template = _CONTRACT_ROW
        rows = candle_rows(columns, template)
        envelope = self._reply([], len(page))
        return Reply(envelope.body.replace(b'"data":[]', b'"data":' + rows, 1), rows=len(page))

    def _opened(self, listing: Listing, timeframe: str, offset_ms: int, price: str) -> Candles:
        """All candles, made of hours where they open at another midnight than that of UTC."""
        now_ms = self._market.now_ms
        if not offset_ms:
            return self._market.candles("bitget", listing.symbol, timeframe, price, 0, now_ms)
        hours = self._market.candles("bitget", listing.symbol, "1h", price, 0, now_ms)
        moved = replace(hours, open_ms=hours.open_ms + offset_ms)
        made = resample(moved, "1h", timeframe, now_ms + offset_ms)
        return replace(made, open_ms=made.open_ms - offset_ms)

    # -- funding and open interest

    def _funding_history(self, query: Query) -> Reply:
        """Page `pageNo`, counted from the newest settlement on; any time is ignored."""
        listing = self._listing(self._of_type(query), query)
        size, number = _page(query, 20, 100, "pageSize"), _integer(query, "pageNo", 1)
        if not 0 < number <= 100:
            raise Refused(40808, "Parameter verification exception 0 < pageNo <=100")
        known = self._market.settlements("bitget", listing.symbol, 0, self._market.now_ms)
        page = slice((number - 1) * size, number * size)
        newest_first = zip(known.settled_ms[::-1][page].tolist(), known.funding_rate[::-1][page].tolist(), strict=True)
        symbol = bitget_id(listing)
        return self._reply(
            [
                {"symbol": symbol, "fundingRate": text(rate), "fundingTime": str(settled_ms)}
                for settled_ms, rate in newest_first
            ]
        )

    def _funding_now(self, query: Query) -> Reply:
        listings = self._of_type(query)
        asked = [self._listing(listings, query)] if query.get("symbol") else listings.values()
        rows = [instruments.funding(self._market, listing) for listing in asked]
        return self._reply([row for row in rows if row is not None])

    def _open_interest(self, query: Query) -> Reply:
        """One contract's, in coins."""
        listing = self._listing(self._of_type(query), query)
        row = instruments.ticker(self._market, listing) or {}
        size = {"symbol": bitget_id(listing), "size": row.get("holdingAmount", "")}
        return self._reply({"openInterestList": [size], "ts": str(self._market.now_ms)}, 0)
