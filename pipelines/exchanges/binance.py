"""Binance: spot (api), USD-margined futures (fapi) and coin-margined futures (dapi)."""

from datetime import datetime
from typing import Any

import polars as pl

from pipelines.clock import from_milliseconds
from pipelines.exchanges import capabilities, port
from pipelines.exchanges.binance_funding import SharedFunding
from pipelines.exchanges.client import count_requests
from pipelines.exchanges.kept import RefusedHistory
from pipelines.exchanges.paging import Pages
from pipelines.exchanges.parse import DAY_MS, HOUR_MS, Shape, parse_rows
from pipelines.exchanges.present import Look
from pipelines.exchanges.retries import Caller
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
_TRADED = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 7})
_UNTRADED = Shape(time=0, required=_PRICES)
_FUNDING = Shape(time="fundingTime", required={"rate": "fundingRate"}, optional={"mark_price": "markPrice"})
_OPEN_INTEREST = Shape(
    time="timestamp", optional={"amount": "sumOpenInterest", "value": "sumOpenInterestValue"}, needs_any=True
)
_ENDPOINTS = {
    ("linear", "last"): "fapiPublicGetKlines",
    ("linear", "mark"): "fapiPublicGetMarkPriceKlines",
    ("linear", "index"): "fapiPublicGetIndexPriceKlines",
    ("inverse", "last"): "dapiPublicGetKlines",
    ("inverse", "mark"): "dapiPublicGetMarkPriceKlines",
    ("inverse", "index"): "dapiPublicGetIndexPriceKlines",
}
# Futures candles cost 1 up to 99 rows, 2 up to 499, 5 up to 1000: 499 gives the most rows for the weight.
_FUTURES_PAGE = 499
_COIN_MARGINED_WINDOW_MS = 200 * DAY_MS  # the coin-margined endpoints accept no longer window
_NEVER_MS = 4_133_404_800_000  # 2100-12-25, Binance's delivery date of what is not delivered


class Binance(WireAdapter):
    """Binance's public market data (see `port.Adapter`)."""

    capabilities = capabilities.BINANCE
    candle_order = "oldest_first"
    funding_order = "oldest_first"
    open_interest_order = "either"

    def __init__(self, client: Any, caller: Caller) -> None:
        super().__init__(client, caller)
        self._shared_funding = SharedFunding(client, caller)
        days = capabilities.BINANCE.open_interest_history_days or 0
        reason = f"binance serves open interest of the last {days} days only"
        self._open_interest_history = RefusedHistory(days, reason, port.OPEN_INTEREST_COLUMNS)

    async def open_interest(self, symbol: str, period: str, start: datetime, end: datetime) -> port.Fetched:
        """See `port.Adapter`; what is older than the exchange keeps comes back as an absence."""
        series_read = super().open_interest

        async def read(start: datetime, end: datetime) -> port.Fetched:
            return await series_read(symbol, period, start, end)

        now = from_milliseconds(self._client.milliseconds())
        return await self._open_interest_history.read(start, end, now, read)

    async def _read_funding(self, symbol: str, window: tuple[int, int]) -> tuple[Pages, int]:
        market = self._market(symbol)
        if market["linear"] and self.reads_many:
            with count_requests() as counted:
                rows = await self._shared_funding.rows(market["id"], window)
            if rows is not None:
                parsed = parse_rows(rows, _FUNDING)
                return Pages([parsed.frame], dict.fromkeys(parsed.rejected)), counted.requests
        return await super()._read_funding(symbol, window)

    def _details(self, market: Market) -> dict[str, Any]:
        delivery_ms = int(market["info"].get("deliveryDate") or _NEVER_MS)
        is_ending = market["type"] == "swap" and delivery_ms < _NEVER_MS
        return {"delist_at": delivery_ms if is_ending else None}

    def _rows(self, reply: Any) -> Any:
        return reply

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        return _TRADED if price_type == "last" else _UNTRADED

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _open_interest_shape(self) -> Shape:
        return _OPEN_INTEREST

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        if market["spot"]:
            endpoint, page = "publicGetKlines", capabilities.BINANCE.candle_page
        else:
            endpoint, page = _ENDPOINTS[_margin(market), price_type], _FUTURES_PAGE
        who = {"pair": _pair(market)} if price_type == "index" else {"symbol": market["id"]}

        def ask(low: int, high: int) -> Request:
            if not market["inverse"]:
                # Open-ended: one request then finds a coin's first candle, however late it was listed.
                limit = min(-(-(high - low) // step), page)
                params = {**who, "interval": timeframe, "startTime": low, "limit": limit}
                return Request(endpoint, params, high)
            until = min(high, low + min(page * step, _COIN_MARGINED_WINDOW_MS))
            limit = -(-(until - low) // step)
            params = {**who, "interval": timeframe, "startTime": low, "endTime": until - 1, "limit": limit}
            return Request(endpoint, params, until)

        return ask

    def _ask_funding(self, market: Market) -> Ask:
        endpoint = "fapiPublicGetFundingRate" if market["linear"] else "dapiPublicGetFundingRate"

        def ask(low: int, high: int) -> Request:
            limit = min(-(-(high - low) // HOUR_MS) + 1, capabilities.BINANCE.funding_page)
            params = {"symbol": market["id"], "startTime": low, "endTime": high - 1, "limit": limit}
            return Request(endpoint, params, high)

        return ask

    def _ask_open_interest(self, market: Market, period: str, step: int) -> Ask:
        if market["linear"]:
            endpoint, who = "fapiDataGetOpenInterestHist", {"symbol": market["id"]}
        else:
            # ccxt's unified call asks for BTCUSD_PERP of the current quarter, which is another contract.
            kind = market["info"].get("contractType", "PERPETUAL")
            endpoint, who = "dapiDataGetOpenInterestHist", {"pair": _pair(market), "contractType": kind}

        def ask(low: int, high: int) -> Request:
            until = min(high, low + capabilities.BINANCE.open_interest_page * step)
            limit = -(-(until - low) // step)
            params = {**who, "period": period, "startTime": low, "endTime": until - 1, "limit": limit}
            return Request(endpoint, params, until)

        return ask

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        shape = Shape(time="time", required={"amount": "openInterest"}, optional={"value": "value"})
        return [
            Look(f"{'fapiPublic' if market['linear'] else 'dapiPublic'}GetOpenInterest", {"symbol": market["id"]},
                 [market], shape, None)
            for market in markets
        ]  # fmt: skip

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        shape = Shape(time="time", required={"rate": "lastFundingRate"}, optional={"next_ms": "nextFundingTime"})
        sides = {"fapiPublicGetPremiumIndex": "linear", "dapiPublicGetPremiumIndex": "inverse"}
        groups = {endpoint: [market for market in markets if market[side]] for endpoint, side in sides.items()}
        return [Look(endpoint, {}, group, shape, "symbol") for endpoint, group in groups.items() if group]

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        amount, value = pl.col("amount"), pl.col("value")
        if market["linear"]:
            return {"open_interest_contracts": None, "open_interest_base": amount, "open_interest_usd": value}
        # Coin-margined: the amount is contracts, and what is called value is coins.
        return {"open_interest_contracts": amount, "open_interest_base": value, "open_interest_usd": None}


def _margin(market: Market) -> str:
    return "linear" if market["linear"] else "inverse"


def _pair(market: Market) -> str:
    return market["info"].get("pair") or market["id"].split("_")[0]
