"""Bybit: spot, linear (USDT) and inverse (coin-margined) contracts, all behind one set of endpoints."""

from typing import Any

import polars as pl

from pipelines.exchanges import capabilities
from pipelines.exchanges.parse import HOUR_MS, Shape
from pipelines.exchanges.present import NOW, Look
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
_TRADED = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 6})
_UNTRADED = Shape(time=0, required=_PRICES)
_FUNDING = Shape(time="fundingRateTimestamp", required={"rate": "fundingRate"})
_OPEN_INTEREST = Shape(time="timestamp", required={"amount": "openInterest"})
_ENDPOINTS = {
    "last": "publicGetV5MarketKline",
    "mark": "publicGetV5MarketMarkPriceKline",
    "index": "publicGetV5MarketIndexPriceKline",
}
_CANDLE_INTERVALS = {
    "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120", "4h": "240",
    "6h": "360", "12h": "720", "1d": "D",
}  # fmt: skip
_PERIODS = {"5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "4h": "4h", "1d": "1d"}
_USD_PER_INVERSE_CONTRACT = 1.0


class Bybit(WireAdapter):
    """Bybit's public market data (see `port.Adapter`)."""

    capabilities = capabilities.BYBIT
    # Every endpoint answers with the newest rows of the window, newest first: all of them are read backward.
    candle_order = "newest_first"
    funding_order = "newest_first"
    open_interest_order = "newest_first"

    def _details(self, market: Market) -> dict[str, Any]:
        info = market["info"]
        # ccxt takes the least order of an inverse contract for its size.
        details: dict[str, Any] = {"contract_size": _USD_PER_INVERSE_CONTRACT} if market["inverse"] else {}
        if market["type"] == "swap":
            details["delist_at"] = int(info.get("deliveryTime") or 0) or None
        least = (info.get("lotSizeFilter") or {}).get("minNotionalValue")
        return details | ({"min_notional_usd": least} if least else {})

    def _rows(self, reply: Any) -> Any:
        result = reply.get("result") if isinstance(reply, dict) else None
        return result.get("list") if isinstance(result, dict) else None

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        return _TRADED if price_type == "last" else _UNTRADED

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _open_interest_shape(self) -> Shape:
        return _OPEN_INTEREST

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        who = {
            "category": _category(market),
            "symbol": market["id"],
            "interval": _CANDLE_INTERVALS[timeframe],
        }

        def ask(low: int, high: int) -> Request:
            limit = min(-(-(high - low) // step), capabilities.BYBIT.candle_page)
            return Request(_ENDPOINTS[price_type], {**who, "start": low, "end": high - 1, "limit": limit}, high)

        return ask

    def _ask_funding(self, market: Market) -> Ask:
        who = {"category": _category(market), "symbol": market["id"]}

        def ask(low: int, high: int) -> Request:
            # An end alone is what the exchange documents for "the newest before"; a start alone is an error,
            # and ccxt's window of both assumes today's interval, which was another one before.
            limit = min(-(-(high - low) // HOUR_MS) + 1, capabilities.BYBIT.funding_page)
            return Request("publicGetV5MarketFundingHistory", {**who, "endTime": high - 1, "limit": limit}, high)

        return ask

    def _ask_open_interest(self, market: Market, period: str, step: int) -> Ask:
        who = {"category": _category(market), "symbol": market["id"], "intervalTime": _PERIODS[period]}

        def ask(low: int, high: int) -> Request:
            limit = min(-(-(high - low) // step), capabilities.BYBIT.open_interest_page)
            params = {**who, "startTime": low, "endTime": high - 1, "limit": limit}
            return Request("publicGetV5MarketOpenInterest", params, high)

        return ask

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        return _tickers(markets, Shape(time=NOW, required={"amount": "openInterest"}))

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        optional: dict[str, int | str] = {"interval_hours": "fundingIntervalHour", "next_ms": "nextFundingTime"}
        return _tickers(markets, Shape(time=NOW, required={"rate": "fundingRate"}, optional=optional))

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        amount = pl.col("amount")
        if market["linear"]:
            return {"open_interest_contracts": None, "open_interest_base": amount, "open_interest_usd": None}
        # Inverse contracts are worth one USD each, so the published USD are at once a number of contracts.
        return {"open_interest_contracts": amount, "open_interest_base": None, "open_interest_usd": amount}

    def _usd_per_contract(self, market: Market) -> float | None:
        return _USD_PER_INVERSE_CONTRACT if market["inverse"] else None


def _category(market: Market) -> str:
    return "spot" if market["spot"] else "linear" if market["linear"] else "inverse"


def _tickers(markets: list[Market], shape: Shape) -> list[Look]:
    """One request per category that any of the markets belongs to."""
    groups: dict[str, list[Market]] = {}
    for market in markets:
        groups.setdefault(_category(market), []).append(market)
    return [
        Look("publicGetV5MarketTickers", {"category": category}, group, shape, "symbol")
        for category, group in groups.items()
    ]
