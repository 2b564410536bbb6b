"""Bitget: spot, and contracts margined in USDT, USDC and coins, each margin a product type of its own."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.clock import from_milliseconds
from pipelines.exchanges import capabilities, port
from pipelines.exchanges.kept import without_the_dropped
from pipelines.exchanges.paging import NumberedPage, Pages
from pipelines.exchanges.parse import DAY_MS, Shape, parse_rows
from pipelines.exchanges.present import NOW, Look
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
_SPOT = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 7})  # cell 6 is USDT, whatever the quote is
_CONTRACT = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 6})
_UNTRADED = Shape(time=0, required=_PRICES)
_FUNDING = Shape(time="fundingTime", required={"rate": "fundingRate"})
_LATEST = {"spot": "publicSpotGetV2SpotMarketCandles", "contract": "publicMixGetV2MixMarketCandles"}
_ALL = {
    "spot": "publicSpotGetV2SpotMarketHistoryCandles",
    "last": "publicMixGetV2MixMarketHistoryCandles",
    "mark": "publicMixGetV2MixMarketHistoryMarkCandles",
    "index": "publicMixGetV2MixMarketHistoryIndexCandles",
}
_LATEST_CANDLES = 1_400  # of an hour and more they are kept for 1,440 candles, of less than an hour for longer
_CONTRACT_WINDOW_MS = 90 * DAY_MS  # contracts' candles are looked for in no longer window before `endTime`
_FUNDING_PAGES = 99  # of 100 that may be asked for; new settlements may push one out
# Without `utc` these open at 16:00 UTC, the midnight of Hong Kong.
_SPOT_CANDLES = {
    "1m": "1min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "4h": "4h",
    "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc",
}  # fmt: skip
_CONTRACT_CANDLES = {
    "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H", "4h": "4H",
    "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc",
}  # fmt: skip
_PRODUCT_TYPES = {"USDT": "USDT-FUTURES", "USDC": "USDC-FUTURES"}


class Bitget(WireAdapter):
    """Bitget's public market data (see `port.Adapter`)."""

    capabilities = capabilities.BITGET
    candle_order = "newest_first"

    async def candles(
        self, symbol: str, market_type: str, price_type: str, timeframe: str, start: datetime, end: datetime
    ) -> port.Fetched:
        """See `port.Adapter`."""
        read = await super().candles(symbol, market_type, price_type, timeframe, start, end)
        if price_type != "last" or not self._market(symbol)["inverse"]:
            return read
        # The documentation and ccxt contradict each other about which of a coin-margined candle's two volumes is
        # coins. The price tells: quote currency is coins times the price.
        first, second, is_dear = pl.col("volume_base"), pl.col("volume_quote"), pl.col("close") > 1
        is_swapped = (first > second) == is_dear
        volumes = {"volume_base": (second, first), "volume_quote": (first, second)}
        frame = read.frame.with_columns(
            **{name: pl.when(is_swapped).then(other).otherwise(own) for name, (other, own) in volumes.items()}
        )
        return replace(read, frame=frame)

    async def funding_rates(self, symbol: str, start: datetime, end: datetime) -> port.Fetched:
        """See `port.Adapter`; what is older than the exchange serves comes back as an absence."""
        now = from_milliseconds(self._client.milliseconds())
        interval = timedelta(hours=int(self._market(symbol)["info"].get("fundInterval") or 1))
        reached = now - _FUNDING_PAGES * capabilities.BITGET.funding_page * interval
        read = await super().funding_rates(symbol, max(start, reached), end)
        kept = None if start >= reached else now - reached
        words = "bitget keeps no older funding, or has no pages left for it"
        return without_the_dropped(read, "settled_at", (start, end), now, kept, words)

    def _details(self, market: Market) -> dict[str, Any]:
        ends_ms = int(market["info"].get("offTime") or -1)
        details: dict[str, Any] = {"delist_at": ends_ms if market["type"] == "swap" and ends_ms > 0 else None}
        # Coin-margined contracts are traded in coins; ccxt's size of 1 would read as one USD each.
        details |= {"contract_size": None} if market["inverse"] else {}
        return details | {"min_notional_usd": market["info"].get("minTradeUSDT")}  # ccxt has it where USDT is the quote

    def _rows(self, reply: Any) -> Any:
        return reply.get("data") if isinstance(reply, dict) else None

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        if price_type != "last":
            return _UNTRADED
        return _SPOT if market["spot"] else _CONTRACT

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        if market["spot"]:
            latest, all_candles = _LATEST["spot"], _ALL["spot"]
            who, kind = {"symbol": market["id"], "granularity": _SPOT_CANDLES[timeframe]}, {}
        else:
            # Only finished candles are in the history, and its newest may come late: the latest are asked elsewhere.
            latest, all_candles = _LATEST["contract"], _ALL[price_type]
            who = _name(market) | {"granularity": _CONTRACT_CANDLES[timeframe]}
            kind = {} if price_type == "last" else {"kLineType": price_type.upper()}

        def ask(low: int, high: int) -> Request:
            # One row more than wanted, should the exchange count a candle that opens at `endTime` as before it.
            until = high if market["spot"] else min(high, low + _CONTRACT_WINDOW_MS - step)
            limit = min(-(-(until - low) // step) + 1, capabilities.BITGET.candle_page)
            oldest = max(low, until - limit * step)
            params = {**who, "endTime": until, "limit": limit}
            if oldest >= self._client.milliseconds() - _LATEST_CANDLES * step:
                return Request(latest, params | kind, until)
            return Request(all_candles, params, until)

        return ask

    async def _read_funding(self, symbol: str, window: tuple[int, int]) -> tuple[Pages, int]:
        """Page after page from the newest settlement on: the exchange takes no times for its history."""
        params = _name(self._market(symbol)) | {"pageSize": capabilities.BITGET.funding_page}

        async def page(number: int) -> NumberedPage:
            reply = await self._client.publicMixGetV2MixMarketHistoryFundRate(params | {"pageNo": number})
            return NumberedPage(parse_rows(self._rows(reply), _FUNDING), is_last=False)

        return await self._read_numbered_funding(symbol, page, window[0])

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        shape = Shape(time="ts", required={"amount": "holdingAmount"})
        return _looks("publicMixGetV2MixMarketTickers", markets, shape)

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        optional: dict[str, int | str] = {"interval_hours": "fundingRateInterval", "next_ms": "nextUpdate"}
        shape = Shape(time=NOW, required={"rate": "fundingRate"}, optional=optional)
        return _looks("publicMixGetV2MixMarketCurrentFundRate", markets, shape)

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        return {"open_interest_contracts": None, "open_interest_base": pl.col("amount"), "open_interest_usd": None}

    def _usd_per_contract(self, market: Market) -> float | None:
        return None  # volumes are coins and quote currency on every contract


def _product_type(market: Market) -> str:
    return _PRODUCT_TYPES.get(market["settle"], "COIN-FUTURES")


def _name(market: Market) -> dict[str, str]:
    return {"symbol": market["id"], "productType": _product_type(market)}


def _looks(endpoint: str, markets: list[Market], shape: Shape) -> list[Look]:
    """One request per product type that any of the markets belongs to."""
    groups: dict[str, list[Market]] = {}
    for market in markets:
        groups.setdefault(_product_type(market), []).append(market)
    return [Look(endpoint, {"productType": name}, group, shape, "symbol") for name, group in groups.items()]
