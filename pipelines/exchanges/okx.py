"""OKX: spot, perpetual and dated contracts, USDT- and coin-margined, all behind one set of endpoints."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.clock import from_milliseconds
from pipelines.exchanges import capabilities, port
from pipelines.exchanges.kept import without_the_dropped
from pipelines.exchanges.markets import coins_per_step
from pipelines.exchanges.parse import HOUR_MS, Shape, duration_ms
from pipelines.exchanges.present import NOW, Look
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
# A contract's cell 5 is contracts and its 6 coins; on spot 5 is coins already and 6 quote currency, as 7 is on both.
_SPOT = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 7})
_CONTRACT = Shape(time=0, required=_PRICES, optional={"volume": 6, "turnover": 7})
_UNTRADED = Shape(time=0, required=_PRICES)
_CANDLE_CELLS = (6, 9)  # of mark and index candles, and of traded ones; the last cell says whether it has closed
_FUNDING = Shape(time="fundingTime", required={"rate": "fundingRate"}, optional={"settled_rate": "realizedRate"})
_OPEN_INTEREST = Shape(time=0, required={"contracts": 1}, optional={"base": 2, "usd": 3})
_OPEN_INTEREST_NOW = Shape(time="ts", required={"contracts": "oi"}, optional={"base": "oiCcy", "usd": "oiUsd"})
_ENDPOINTS = {  # price type -> of the latest candles, and of all of them at up to twice the cost
    "last": ("publicGetMarketCandles", "publicGetMarketHistoryCandles"),
    "mark": ("publicGetMarketMarkPriceCandles", "publicGetMarketHistoryMarkPriceCandles"),
    "index": ("publicGetMarketIndexCandles", "publicGetMarketHistoryIndexCandles"),
}
_UNTRADED_PAGE = 100
_LATEST_CANDLES = 1_400  # the exchange says 1,440
_BARS = {  # without `utc` these open at 16:00 UTC, the midnight of Hong Kong
    "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H", "2h": "2H", "4h": "4H",
    "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc",
}  # fmt: skip
_FUNDING_DAYS = capabilities.OKX.funding_history_days or 0
_OPEN_INTEREST_ROWS = 1_440


class Okx(WireAdapter):
    """OKX's public market data (see `port.Adapter`)."""

    capabilities = capabilities.OKX
    # `after` is what the exchange documents for "the newest before": everything is read backward.
    candle_order = "newest_first"
    funding_order = "newest_first"
    open_interest_order = "newest_first"

    async def funding_rates(self, symbol: str, start: datetime, end: datetime) -> port.Fetched:
        """See `port.Adapter`; what is older than the exchange keeps comes back as an absence."""
        read = await super().funding_rates(symbol, start, end)
        now, kept = from_milliseconds(self._client.milliseconds()), timedelta(days=_FUNDING_DAYS)
        words = "okx keeps funding of the last three months"
        return without_the_dropped(read, "settled_at", (start, end), now, kept, words)

    async def open_interest(self, symbol: str, period: str, start: datetime, end: datetime) -> port.Fetched:
        """See `port.Adapter`.

        A row is stamped with the opening of its period but follows the open interest until that ends: it is
        observed one period later, and the row of the running period is left out.
        """
        length = timedelta(milliseconds=duration_ms(period))
        now = from_milliseconds(self._client.milliseconds())
        until = min(end, now + timedelta(milliseconds=1))
        read = await super().open_interest(symbol, period, start - length, until - length)
        observed = replace(
            read,
            frame=read.frame.with_columns(pl.col("observed_at") + length),
            gaps=tuple(port.Gap(gap.after + length, gap.before + length) for gap in read.gaps),
        )
        words = f"okx keeps the newest {_OPEN_INTEREST_ROWS:,} rows of a period"
        kept = _OPEN_INTEREST_ROWS * length
        return without_the_dropped(observed, "observed_at", (start, end), now, kept, words)

    def _details(self, market: Market) -> dict[str, Any]:
        ends_ms = int(market["info"].get("expTime") or 0) or None
        details: dict[str, Any] = {"delist_at": None if market["type"] == "future" else ends_ms}
        return details | ({"lot_step": coins_per_step(market)} if market["linear"] else {})

    def _rows(self, reply: Any) -> Any:
        rows = reply.get("data") if isinstance(reply, dict) else None
        return [row for row in rows if not _is_forming(row)] if isinstance(rows, list) else rows

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        if price_type != "last":
            return _UNTRADED
        return _SPOT if market["spot"] else _CONTRACT

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _open_interest_shape(self) -> Shape:
        return _OPEN_INTEREST

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        name = market["info"]["uly"] if price_type == "index" else market["id"]
        page = capabilities.OKX.candle_page if price_type == "last" else _UNTRADED_PAGE
        latest, all_candles = _ENDPOINTS[price_type]

        def ask(low: int, high: int) -> Request:
            limit = min(-(-(high - low) // step), page)
            oldest = max(low, high - limit * step)
            is_latest = oldest >= self._client.milliseconds() - _LATEST_CANDLES * step
            params = {"instId": name, "bar": _BARS[timeframe], "after": high, "limit": limit}
            return Request(latest if is_latest else all_candles, params, high)

        return ask

    def _ask_funding(self, market: Market) -> Ask:
        def ask(low: int, high: int) -> Request:
            limit = min(-(-(high - low) // HOUR_MS) + 1, capabilities.OKX.funding_page)
            params = {"instId": market["id"], "after": high, "limit": limit}
            return Request("publicGetPublicFundingRateHistory", params, high)

        return ask

    def _ask_open_interest(self, market: Market, period: str, step: int) -> Ask:
        def ask(low: int, high: int) -> Request:
            limit = min(-(-(high - low) // step), capabilities.OKX.open_interest_page)
            params = {"instId": market["id"], "period": _BARS[period], "end": high, "limit": limit}
            return Request("publicGetRubikStatContractsOpenInterestHistory", params, high)

        return ask

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        kinds = {"SWAP": "swap", "FUTURES": "future"}
        groups = {name: [market for market in markets if market["type"] == kind] for name, kind in kinds.items()}
        return [
            Look("publicGetPublicOpenInterest", {"instType": name}, group, _OPEN_INTEREST_NOW, "instId")
            for name, group in groups.items()
            if group
        ]

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        shape = Shape(time=NOW, required={"rate": "fundingRate"}, optional={"next_ms": "fundingTime"})
        perpetuals = [market for market in markets if market["type"] == "swap"]
        return [Look("publicGetPublicFundingRate", {"instId": "ANY"}, perpetuals, shape, "instId")]

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        return {
            "open_interest_contracts": pl.col("contracts"),
            "open_interest_base": pl.col("base"),
            "open_interest_usd": pl.col("usd"),
        }

    def _usd_per_contract(self, market: Market) -> float | None:
        return None  # coins and quote currency are published beside the contracts, on coin-margined ones too


def _is_forming(row: Any) -> bool:
    """Whether a candle is marked as not closed yet, as the newest may be for some moments after its time is up."""
    return isinstance(row, list) and len(row) in _CANDLE_CELLS and row[-1] == "0"
