"""Binance's wire format: spot (api), USD-margined (fapi) and coin-margined (dapi) public market data.

Sources: the vendor's public API documentation and what ccxt 4.5.64 sends and parses.
"""

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from pipelines.local_exchange import binance_instruments as instruments
from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Candles, Listing, Market
from pipelines.local_exchange.resample import FIELDS, no_candles
from pipelines.local_exchange.symbols import binance_id, binance_pair, is_inverse
from pipelines.local_exchange.timeframes import DAY_MS, FIXED_MS, NAMES, next_open_times
from pipelines.local_exchange.wire import Numbers, Query, Refused, Reply, candle_rows, dumps, required, text

_SEGMENTS = {"api.binance.com": "spot", "fapi.binance.com": "linear", "dapi.binance.com": "inverse"}
_PREFIXES = {"spot": "/api/v3/", "linear": "/fapi/v1/", "inverse": "/dapi/v1/"}
_PRICES = {"markPriceKlines": "mark", "indexPriceKlines": "index", "premiumIndexKlines": "premiumIndex"}
_KLINE_CAPS = {"spot": 1000, "linear": 1500, "inverse": 1500}
_FUNDING_JITTER_MS = 12
_OPEN_INTEREST_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_INVALID_SYMBOL = (-1121, "Invalid symbol.")

_LAST_ROW = '[{},{},{},{},{},{},{},{},null,null,null,"0"]'
_PRICE_ROW = '[{},{},{},{},{},"0",{},"0",0,"0","0","0"]'  # mark, index and premium candles have no volume


def jitter_ms(symbol: str, settled_ms: int) -> int:
    """The few milliseconds by which Binance stamps a settlement late; the same at every call."""
    return zlib.crc32(f"{symbol}{settled_ms}".encode()) % _FUNDING_JITTER_MS


_NUMBERS = Numbers(
    unreadable=(-1100, "Illegal characters found in parameter '{}'."),
    too_small=(-1130, "Data sent for parameter '{}' is not valid."),
    may_be_empty=False,
)
_integer, _limit = _NUMBERS.integer, _NUMBERS.page_size
_MISSING = (-1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed.")
_required = partial(required, refusal=_MISSING)


class Binance:
    """Answers requests for Binance's hosts from a market.

    Args:
        market: Where the data is from.
        open_interest_history_days: How far back the open interest history reaches; an older `startTime` is
            refused as Binance does after 30 days. None: no limit.
    """

    def __init__(self, market: Market, open_interest_history_days: int | None = 30) -> None:
        self._market = market
        self._open_interest_history_days = open_interest_history_days
        self._listings: dict[str, dict[str, Listing]] = {segment: {} for segment in _PREFIXES}
        for listing in market.listings("binance"):
            if not (listing.kind == "dated" and listing.delisted_ms and listing.delisted_ms <= market.now_ms):
                self._listings[instruments.segment(listing)][binance_id(listing)] = listing
        self._calls: dict[str, Callable[[str, Query], Reply]] = {
            "ping": lambda segment, query: Reply(b"{}"),
            "time": lambda segment, query: Reply(dumps({"serverTime": market.now_ms})),
            "exchangeInfo": self._exchange_info,
            "klines": self._klines,
            "ticker/24hr": self._tickers,
        }
        self._contract_calls = self._calls | {
            **dict.fromkeys(_PRICES, None),
            "continuousKlines": self._continuous_klines,
            "fundingRate": self._funding_rate,
            "fundingInfo": self._funding_info,
            "premiumIndex": self._premium_index,
            "openInterest": self._open_interest,
        }
        for name, price in _PRICES.items():
            self._contract_calls[name] = lambda segment, query, price=price: self._price_klines(segment, query, price)

    def answer(self, host: str, path: str, query: Query) -> Reply:
        """Answer one GET; a refusal comes as Binance's `{"code", "msg"}` with its HTTP status."""
        segment = _SEGMENTS[host]
        try:
            if path == "/futures/data/openInterestHist" and segment != "spot":
                return self._open_interest_history(segment, query)
            calls = self._calls if segment == "spot" else self._contract_calls
            call = calls.get(path.removeprefix(_PREFIXES[segment]))
            if call is None:
                raise Refused(-5000, f"Path {path}, Method GET is invalid", 404)
            return call(segment, query)
        except Refused as refusal:
            return Reply(dumps({"code": refusal.code, "msg": refusal.message}), refusal.status)

    def _listing(self, segment: str, query: Query) -> Listing:
        listing = self._listings[segment].get(_required(query, "symbol"))
        if listing is None:
            raise Refused(*_INVALID_SYMBOL)
        return listing

    def _asked(self, segment: str, query: Query) -> list[Listing]:
        """The listing of `symbol`, or all that trade where no symbol is given."""
        if query.get("symbol"):
            return [self._listing(segment, query)]
        now_ms = self._market.now_ms
        return [listing for listing in self._listings[segment].values() if instruments.is_trading(listing, now_ms)]

    def _exchange_info(self, segment: str, query: Query) -> Reply:
        now_ms, listings = self._market.now_ms, self._listings[segment]
        types = instruments.contract_types(listings.values(), now_ms)
        symbols = [
            instruments.instrument(listing, types.get(symbol, ""), now_ms) for symbol, listing in listings.items()
        ]
        body = {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": symbols,
        }
        return Reply(dumps(body), rows=len(symbols))

    def _tickers(self, segment: str, query: Query) -> Reply:
        rows = [instruments.ticker(self._market, listing) for listing in self._asked(segment, query)]
        known = [row for row in rows if row is not None]
        single = query.get("symbol") and segment != "inverse" and known
        return Reply(dumps(known[0] if single else known), rows=len(known))

    def _premium_index(self, segment: str, query: Query) -> Reply:
        rows = [instruments.premium(self._market, listing) for listing in self._asked(segment, query)]
        return Reply(dumps(rows[0] if query.get("symbol") and segment == "linear" else rows), rows=len(rows))

    # -- candles

    def _klines(self, segment: str, query: Query) -> Reply:
        return self._candle_page(segment, query, self._listing(segment, query), "last")

    def _price_klines(self, segment: str, query: Query, price: str) -> Reply:
        if price != "index":
            return self._candle_page(segment, query, self._listing(segment, query), price)
        pair = _required(query, "pair")
        of_pair = [listing for listing in self._listings[segment].values() if binance_pair(listing) == pair]
        if not of_pair:
            raise Refused(*_INVALID_SYMBOL)
        return self._candle_page(segment, query, min(of_pair, key=lambda listing: listing.kind != "perp"), price)

    def _window(self, segment: str, query: Query) -> tuple[str, int | None, int, int]:
        """Interval, first opening time asked for (None: the newest), last opening time, rows per page."""
        interval = _required(query, "interval")
        if interval not in NAMES:
            raise Refused(-1120, "Invalid interval.")
        start_ms = _integer(query, "startTime")
        end_ms = _integer(query, "endTime", self._market.now_ms)
        if segment == "inverse" and start_ms is not None and end_ms - start_ms > 200 * DAY_MS:
            raise Refused(-1127, "More than 200 days between startTime and endTime.")
        return interval, start_ms, end_ms, _limit(query, 500, _KLINE_CAPS[segment])

    def _candle_page(self, segment: str, query: Query, listing: Listing, price: str) -> Reply:
        interval, start_ms, end_ms, limit = self._window(segment, query)
        candles = self._market.candles("binance", listing.symbol, interval, price, start_ms or 0, end_ms)
        return _candle_reply(candles, _page(start_ms, limit), interval, listing, price)

    def _continuous_klines(self, segment: str, query: Query) -> Reply:
        """A pair's candles across rolls: each candle from the contract that had the type when it opened."""
        pair, wanted = _required(query, "pair"), _required(query, "contractType")
        interval, start_ms, end_ms, limit = self._window(segment, query)
        of_pair = [listing for listing in self._listings[segment].values() if binance_pair(listing) == pair]
        if not of_pair:
            raise Refused(*_INVALID_SYMBOL)
        parts, since_ms = [], start_ms or 0
        rolls = [*sorted({listing.expiry_ms for listing in of_pair if listing.expiry_ms}), end_ms + 1]
        for roll_ms in rolls:
            until_ms = min(roll_ms - 1, end_ms)
            types = instruments.contract_types(of_pair, since_ms)
            holder = next((each for each in of_pair if types[binance_id(each)] == wanted), None)
            if holder and since_ms <= until_ms:
                parts.append(self._market.candles("binance", holder.symbol, interval, "last", since_ms, until_ms))
            since_ms = max(since_ms, until_ms + 1)
        return _candle_reply(_joined(parts), _page(start_ms, limit), interval, of_pair[0], "last")

    # -- funding

    def _funding_rate(self, segment: str, query: Query) -> Reply:
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime", self._market.now_ms)
        limit = _limit(query, 100, 1000)
        every = self._listings[segment].values()
        rows = []
        for listing in [self._listing(segment, query)] if query.get("symbol") else every:
            if listing.kind == "perp":
                rows += self._stamped_settlements(listing, start_ms, end_ms, limit)
        rows = sorted(rows)[_page(start_ms, limit)]
        body = [
            {"symbol": symbol, "fundingTime": stamped_ms, "fundingRate": text(rate), "markPrice": ""}
            for stamped_ms, symbol, rate in rows
        ]
        return Reply(dumps(body), rows=len(body))

    def _stamped_settlements(
        self, listing: Listing, start_ms: int | None, end_ms: int, limit: int
    ) -> list[tuple[int, str, float]]:
        """Time as stamped, id and rate of the settlements that a page can need, in order of time."""
        symbol, since_ms = binance_id(listing), start_ms or 0
        earliest_ms = max(since_ms - _FUNDING_JITTER_MS, 0)
        known = self._market.settlements("binance", listing.symbol, earliest_ms, end_ms)
        page = _page(start_ms, limit + 1)  # one more: its late stamp may move a settlement out of the window
        rows = zip(known.settled_ms[page].tolist(), known.funding_rate[page].tolist(), strict=True)
        stamped = [(settled_ms + jitter_ms(symbol, settled_ms), symbol, rate) for settled_ms, rate in rows]
        return [row for row in stamped if since_ms <= row[0] <= end_ms]

    def _funding_info(self, segment: str, query: Query) -> Reply:
        """Only contracts whose interval is not the usual 8 hours are listed."""
        body = [
            {
                "symbol": binance_id(listing),
                "adjustedFundingRateCap": "0.02",
                "adjustedFundingRateFloor": "-0.02",
                "fundingIntervalHours": listing.funding_interval_hours,
                "disclaimer": False,
            }
            for listing in self._asked(segment, {})
            if listing.kind == "perp" and listing.funding_interval_hours not in (None, 8)
        ]
        return Reply(dumps(body), rows=len(body))

    # -- open interest: base coins on fapi; contracts of a fixed USD amount on dapi, its value in coins

    def _open_interest(self, segment: str, query: Query) -> Reply:
        listing = self._listing(segment, query)
        known = snapshot.latest_open_interest(self._market, "binance", listing)
        base, usd = known or (float("nan"), float("nan"))
        amount = usd / listing.contract_size if is_inverse(listing) else base
        body = {"symbol": binance_id(listing), "time": self._market.now_ms}
        if text(amount) is not None:
            body["openInterest"] = text(amount)
        if segment == "inverse":
            types = instruments.contract_types(self._listings[segment].values(), self._market.now_ms)
            body |= {"pair": binance_pair(listing), "contractType": types[binance_id(listing)]}
        return Reply(dumps(body), rows=1)

    def _open_interest_history(self, segment: str, query: Query) -> Reply:
        period = _required(query, "period")
        if period not in _OPEN_INTEREST_PERIODS:
            raise Refused(-1130, "Data sent for parameter 'period' is not valid.")
        now_ms = self._market.now_ms
        start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime", now_ms)
        since_ms = start_ms or 0
        if self._open_interest_history_days is not None:
            oldest_ms = now_ms - self._open_interest_history_days * DAY_MS
            if start_ms is not None and start_ms < oldest_ms:
                raise Refused(-1130, "parameter 'startTime' is invalid.")
            since_ms = max(since_ms, oldest_ms)
        limit = _limit(query, 30, 500)
        listing, names = self._open_interest_listing(segment, query)
        known = self._market.open_interest("binance", listing.symbol, since_ms, end_ms)
        at_period = known.stamped_ms % FIXED_MS[period] == 0
        stamps, base, usd = (values[at_period][-limit:] for values in (known.stamped_ms, known.base, known.usd))
        amount, value = (usd / listing.contract_size, base) if is_inverse(listing) else (base, usd)
        body = []
        for stamped_ms, amount_then, value_then in zip(stamps.tolist(), amount.tolist(), value.tolist(), strict=True):
            fields = {"sumOpenInterest": text(amount_then), "sumOpenInterestValue": text(value_then)}
            known_fields = {name: field for name, field in fields.items() if field is not None}
            body.append({**names, **known_fields, "timestamp": stamped_ms})
        return Reply(dumps(body), rows=len(body))

    def _open_interest_listing(self, segment: str, query: Query) -> tuple[Listing, dict]:
        if segment == "linear":
            listing = self._listing(segment, query)
            return listing, {"symbol": binance_id(listing)}
        pair, wanted = _required(query, "pair"), _required(query, "contractType")
        of_pair = [listing for listing in self._listings[segment].values() if binance_pair(listing) == pair]
        types = instruments.contract_types(of_pair, self._market.now_ms)
        holder = next((listing for listing in of_pair if types[binance_id(listing)] == wanted), None)
        if holder is None:
            raise Refused(-1130, "Data sent for parameter 'pair' or 'contractType' is not valid.")
        return holder, {"pair": pair, "contractType": wanted}


def _page(start_ms: int | None, limit: int) -> slice:
    """With a start the oldest rows from there on, without one the newest."""
    return slice(None, limit) if start_ms is not None else slice(-limit, None)


def _joined(parts: list[Candles]) -> Candles:
    if not parts:
        return no_candles()
    return Candles(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))


def _candle_reply(candles: Candles, page: slice, interval: str, listing: Listing, price: str) -> Reply:
    opens_ms = candles.open_ms[page]
    columns = {
        "open_ms": opens_ms,
        "open": candles.open[page],
        "high": candles.high[page],
        "low": candles.low[page],
        "close": candles.close[page],
    }
    close_ms = next_open_times(opens_ms, interval) - 1
    if price != "last":
        return Reply(candle_rows({**columns, "close_ms": close_ms}, _PRICE_ROW), rows=len(opens_ms))
    coins, quote = candles.volume_base[page], candles.volume_quote[page]
    volume, other = (quote / listing.contract_size, coins) if is_inverse(listing) else (coins, quote)
    columns |= {"volume": volume, "close_ms": close_ms, "other_volume": other}
    return Reply(candle_rows(columns, _LAST_ROW), rows=len(opens_ms))
