"""WEEX: spot, and perpetuals margined in USDT.

Its candle endpoints know no window: they answer with the newest rows, 300 on spot and 1000 on contracts. Contracts
have a second endpoint with a window, which costs five times as much for a tenth of the rows; spot has none.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.clock import from_milliseconds
from pipelines.exchanges import capabilities, port
from pipelines.exchanges.kept import RefusedHistory, read_since
from pipelines.exchanges.markets import instruments_frame
from pipelines.exchanges.parse import DAY_MS, HOUR_MS, MINUTE_MS, Shape
from pipelines.exchanges.present import Look
from pipelines.exchanges.retries import Caller
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
_TRADED = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 7})
_UNTRADED = Shape(time=0, required=_PRICES)  # the volumes in mark and index candles are not theirs
_FUNDING = Shape(time="fundingTime", required={"rate": "fundingRate"}, optional={"mark_price": "markPrice"})
_NEWEST = {
    "last": "contractGetCapiV3MarketKlines",
    "mark": "contractGetCapiV3MarketMarkPriceKlines",
    "index": "contractGetCapiV3MarketIndexPriceKlines",
}
_SPOT_PAGE = 300
_HISTORY_PAGE, _HISTORY_WINDOW_MS = 100, 90 * DAY_MS  # a longer window is refused with -1170
_FUNDING_WINDOW_MS = 7 * DAY_MS  # the same
_CRYPTO = "PERPETUAL"  # the other contracts are on shares, metals and currencies, some with a coin's name


class Weex(WireAdapter):
    """WEEX's public market data (see `port.Adapter`)."""

    capabilities = capabilities.WEEX
    candle_order = "newest_first"
    funding_order = "newest_first"

    def __init__(self, client: Any, caller: Caller) -> None:
        super().__init__(client, caller)
        days = capabilities.WEEX.funding_history_days or 0
        reason = f"weex serves funding of the last {days} days only"
        self._funding_history = RefusedHistory(days, reason, port.FUNDING_COLUMNS)

    async def candles(
        self, symbol: str, market_type: str, price_type: str, timeframe: str, start: datetime, end: datetime
    ) -> port.Fetched:
        """See `port.Adapter`; spot candles that are out of reach come back as an absence."""
        series_read = super().candles

        async def read(start: datetime, end: datetime) -> port.Fetched:
            return await series_read(symbol, market_type, price_type, timeframe, start, end)

        if market_type != "spot":
            return await read(start, end)
        step_ms = self._step("candles", timeframe, self.capabilities.timeframes)
        step = timedelta(milliseconds=step_ms)
        kept_from = from_milliseconds(self._client.milliseconds() // step_ms * step_ms) - (_SPOT_PAGE - 1) * step
        reason = f"weex serves the newest {_SPOT_PAGE} spot candles only"
        got = await read_since(kept_from, start, end, reason, port.SPOT_CANDLE_COLUMNS, read)
        wanted_from = max(start, kept_from)
        if got.frame.is_empty() or got.frame["opened_at"][0] < wanted_from + step:
            return got
        first = got.frame["opened_at"][0]
        begins = port.Absence(wanted_from, first, f"weex's newest spot candles of {symbol} begin at {first} only")
        return replace(got, absences=(*got.absences, begins))

    async def funding_rates(self, symbol: str, start: datetime, end: datetime) -> port.Fetched:
        """See `port.Adapter`; what is older than the exchange keeps comes back as an absence."""
        series_read = super().funding_rates

        async def read(start: datetime, end: datetime) -> port.Fetched:
            return await series_read(symbol, start, end)

        return await self._funding_history.read(start, end, from_milliseconds(self._client.milliseconds()), read)

    async def _list_markets(self) -> pl.DataFrame:
        listed = (await self._client.load_markets()).values()
        coins = [market for market in listed if market["info"].get("contractType", _CRYPTO) == _CRYPTO]
        return instruments_frame(self.exchange, coins, self._details)

    def _details(self, market: Market) -> dict[str, Any]:
        return {}  # WEEX says neither when a contract was listed nor that it will be delisted

    def _rows(self, reply: Any) -> Any:
        return reply

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        return _TRADED if price_type == "last" else _UNTRADED

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        is_spot = market["spot"]
        page = _SPOT_PAGE if is_spot else capabilities.WEEX.candle_page
        newest = "publicGetApiV3MarketKlines" if is_spot else _NEWEST[price_type]
        who = {"symbol": market["id"], "interval": timeframe}
        is_newest_asked = False

        def ask(low: int, high: int) -> Request | None:
            nonlocal is_newest_asked
            forming = self._client.milliseconds() // step * step
            reach = forming - (page - 1) * step
            if high > reach and not is_newest_asked:
                is_newest_asked = True
                # One row more than up to the forming candle: the next one may have begun when the reply is made.
                limit = min((forming - max(low, reach)) // step + 2, page)
                return Request(newest, {**who, "limit": limit}, high, is_newest=True)
            if is_spot:
                return None
            until = min(high, low + min(_HISTORY_PAGE * step, _HISTORY_WINDOW_MS))
            window = {"startTime": low, "endTime": until - 1, "limit": -(-(until - low) // step)}
            params = {**who, "priceType": price_type.upper(), **window}
            return Request("contractGetCapiV3MarketHistoryKlines", params, until)

        return ask

    def _ask_funding(self, market: Market) -> Ask:
        page = capabilities.WEEX.funding_page
        is_newest_asked = False

        def ask(low: int, high: int) -> Request | None:
            nonlocal is_newest_asked
            endpoint = "contractGetCapiV3MarketFundingRate"
            if high - low > _FUNDING_WINDOW_MS and not is_newest_asked:
                # Without times the newest rows come, at best a thousand for the price of seven days.
                is_newest_asked = True
                return Request(endpoint, {"symbol": market["id"], "limit": page}, high, is_newest=True)
            now = self._client.milliseconds()
            if low > now:
                return None
            # Cut just before midnight, when every interval settles: a window that begins with a row is not asked again.
            midnight = (low + MINUTE_MS + _FUNDING_WINDOW_MS) // DAY_MS * DAY_MS
            until = min(high, midnight - MINUTE_MS)
            limit = min(-(-(until - low) // HOUR_MS) + 1, page)
            window = {"startTime": low, "endTime": min(until - 1, now), "limit": limit}
            return Request(endpoint, {"symbol": market["id"], **window}, until)

        return ask

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        shape = Shape(time="time", required={"amount": "openInterest"})
        endpoint = "contractGetCapiV3MarketOpenInterest"
        return [Look(endpoint, {"symbol": market["id"]}, [market], shape, None) for market in markets]

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        # `lastFundingRate` has been settled already; ccxt calls it the current one, and the present moment its time.
        optional: dict[str, int | str] = {"interval_minutes": "collectCycle", "next_ms": "nextFundingTime"}
        shape = Shape(time="time", required={"rate": "forecastFundingRate"}, optional=optional)
        return [Look("contractGetCapiV3MarketPremiumIndex", {}, markets, shape, "symbol")] if markets else []

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        # Coins, by the decimals that it is published with; the vendor's documentation calls them contracts.
        return {"open_interest_contracts": None, "open_interest_base": pl.col("amount"), "open_interest_usd": None}
