"""BingX: spot, USDT-margined contracts (swap) and coin-margined contracts (cswap), all on one host."""

from collections import Counter
from datetime import datetime
from typing import Any

import polars as pl

from pipelines.exchanges import capabilities, port, series
from pipelines.exchanges.errors import classify
from pipelines.exchanges.parse import DAY_MS, HOUR_MS, MINUTE_MS, Shape, UnreadableReply, duration_ms
from pipelines.exchanges.present import NOW, Look
from pipelines.exchanges.retries import Caller
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_SPOT_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
_SPOT = Shape(time=0, required=_SPOT_PRICES, optional={"volume": 5, "turnover": 7})
_CONTRACT_PRICES: dict[str, int | str] = {name: name for name in ("open", "high", "low", "close")}
_CONTRACT = Shape(time="time", required=_CONTRACT_PRICES, optional={"volume": "volume"})
_UNTRADED = Shape(time="time", required=_CONTRACT_PRICES)
_FUNDING = Shape(time="fundingTime", required={"rate": "fundingRate"}, optional={"mark_price": "markPrice"})
_FUNDING_NOW = Shape(
    time=NOW,
    required={"rate": "lastFundingRate"},
    optional={"interval_hours": "fundingIntervalHours", "next_ms": "nextFundingTime"},
)
_INVERSE_CANDLE_PAGE = 1000  # the other candles come up to 1440 at a time
_LONGEST_FUNDING_INTERVAL_MS = DAY_MS
_SILENCES_BELIEVED = 3  # `"data": null` passes when it is a hiccup, and stays when there is nothing
_NO_INVERSE_FUNDING = "bingx publishes no history of the funding of coin-margined contracts, only the current rate"
_NO_INVERSE_MARK = "bingx has no mark candles of coin-margined contracts"


class BingX(WireAdapter):
    """BingX's public market data (see `port.Adapter`)."""

    capabilities = capabilities.BINGX
    # Nothing says which rows are kept when a window of both bounds holds too many, so both edges are looked at;
    # windows are no longer than a page, so that it costs no request.
    candle_order = "either"
    funding_order = "newest_first"
    open_interest_order = "newest_first"

    def __init__(self, client: Any, caller: Caller) -> None:
        super().__init__(client, caller)
        self._silences: Counter[tuple[str, str]] = Counter()

    async def candles(
        self, symbol: str, market_type: str, price_type: str, timeframe: str, start: datetime, end: datetime
    ) -> port.Fetched:
        """See `port.Adapter`; what the exchange has no candles of comes back as an absence.

        Raises:
            ExchangeFailure: candles do not open on the UTC grid, as days of UTC+8 do not.
        """
        absence = self.capabilities.absence("futures_ohlcv", price_type, None)
        if absence is None and price_type == "mark" and self._market(symbol)["inverse"]:
            absence = _NO_INVERSE_MARK
        if absence is not None:
            return series.absent(port.FUTURES_CANDLE_COLUMNS, start, end, absence)
        fetched = await super().candles(symbol, market_type, price_type, timeframe, start, end)
        step = duration_ms(timeframe)
        opened_at = fetched.frame["opened_at"]
        off_grid = opened_at.filter(opened_at.dt.epoch("ms") % step != 0)
        if not off_grid.is_empty():
            said = f"{timeframe} candles open at {off_grid[0]:%H:%M} UTC: they are those of another time zone"
            raise classify(UnreadableReply(said), self.exchange, "candles", symbol)
        return fetched

    async def funding_rates(self, symbol: str, start: datetime, end: datetime) -> port.Fetched:
        """See `port.Adapter`; coin-margined contracts have no history, which comes back as an absence."""
        if self._market(symbol)["inverse"]:
            return series.absent(port.FUNDING_COLUMNS, start, end, _NO_INVERSE_FUNDING)
        return await super().funding_rates(symbol, start, end)

    def _details(self, market: Market) -> dict[str, Any]:
        info, details = market["info"], dict[str, Any]()
        is_online = int(info.get("status") or 0) == 1
        if market["inverse"]:
            # ccxt takes every coin-margined contract for closed and worth 1, and its value for a price step.
            details = {"is_active": is_online, "contract_size": info.get("minTickSize"), "lot_step": info.get("minQty")}
        elif market["linear"]:
            launched_ms = int(info.get("launchTime") or 0) or market["created"]
            details = {"is_active": bool(market["active"]) and is_online, "listed_at": launched_ms}
        # A coin that came back still shows when it went.
        off_ms = int(info.get("offTime") or 0)
        is_active = details.get("is_active", market["active"])
        is_ending = off_ms > 0 and (not is_active or off_ms > self._client.milliseconds())
        return details | {"delist_at": off_ms if is_ending else None}

    def _usd_per_contract(self, market: Market) -> float | None:
        return float(market["info"]["minTickSize"]) if market["inverse"] else None

    async def _send(self, request: Request) -> Any:
        """The reply, with an empty list for data that stays `null`.

        BingX says `null` where it has no rows (before a coin's listing), and now and then where it has some.
        """
        reply = await super()._send(request)
        key = (request.endpoint, str(request.params))
        if not isinstance(reply, dict) or reply.get("data", ...) is not None:
            self._silences.pop(key, None)
            return reply
        self._silences[key] += 1
        if self._silences[key] < _SILENCES_BELIEVED:
            raise UnreadableReply("the reply holds no data, which may pass")
        del self._silences[key]
        return reply | {"data": []}

    def _rows(self, reply: Any) -> Any:
        rows = reply.get("data") if isinstance(reply, dict) else None
        if isinstance(rows, list):
            # Mark candles name their time differently; their `closeTime`, which ccxt takes, is the same moment.
            return [
                {**row, "time": row["openTime"]} if isinstance(row, dict) and "openTime" in row else row for row in rows
            ]
        return rows

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        if market["spot"]:
            return _SPOT
        return _CONTRACT if price_type == "last" else _UNTRADED

    def _candle_values(self, market: Market, *, is_traded: bool) -> dict[str, pl.Expr | str | None]:
        values = super()._candle_values(market, is_traded=is_traded)
        if is_traded and not market["spot"]:  # candles of contracts have no turnover
            values["volume_base" if market["inverse"] else "volume_quote"] = None
        return values

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        page = self.capabilities.candle_page
        if market["spot"]:
            endpoint = "spotV2PublicGetMarketKline"  # the first version, which ccxt calls, fails now and then
        elif market["inverse"]:
            endpoint, page = "cswapV1PublicGetMarketKlines", _INVERSE_CANDLE_PAGE
        elif price_type == "mark":
            endpoint = "swapV1PublicGetMarketMarkPriceKlines"
        else:
            endpoint = "swapV3PublicGetQuoteKlines"
        # Days may be those of UTC+8, which `timeZone` 8 asks for.
        who = {"symbol": market["id"], "interval": timeframe, "timeZone": 0}

        def ask(low: int, high: int) -> Request:
            # Both bounds, as coin-margined candles ignore a start that stands alone. A start is left out of its
            # window on some endpoints, and an end on others: candles open on the grid, and the bounds are off it.
            first = -(-low // step) * step
            until = min(high, first + page * step)
            params = {**who, "startTime": first - 1, "endTime": until - 1, "limit": -(-(until - first) // step)}
            return Request(endpoint, params, until)

        return ask

    def _ask_funding(self, market: Market) -> Ask:
        endpoint, who, is_first = "swapV2PublicGetQuoteFundingRate", {"symbol": market["id"]}, True

        def ask(low: int, high: int) -> Request:
            nonlocal is_first
            # Paged backward by the end alone. An end after the newest settlement is answered with no rows at all,
            # so the newest page is asked for without one; the others end before a row that has been seen.
            now = self._client.milliseconds()
            is_newest = is_first and high > now - _LONGEST_FUNDING_INTERVAL_MS
            is_first = False
            until = max(high, now + MINUTE_MS) if is_newest else high
            limit = min(-(-(until - low) // HOUR_MS) + 1, self.capabilities.funding_page)
            end = {} if is_newest else {"endTime": until - 1}
            return Request(endpoint, {**who, **end, "limit": limit}, until)

        return ask

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        # The stamp of coin-margined open interest is the start of the day, whenever it was counted.
        linear, inverse = (Shape(time=time, required={"amount": "openInterest"}) for time in ("time", NOW))
        return [
            Look("swapV2PublicGetQuoteOpenInterest", {"symbol": market["id"]}, [market], linear, None)
            if market["linear"]
            else Look("cswapV1PublicGetMarketOpenInterest", {"symbol": market["id"]}, [market], inverse, None)
            for market in markets
        ]

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        sides = {"swapV2PublicGetQuotePremiumIndex": "linear", "cswapV1PublicGetMarketPremiumIndex": "inverse"}
        groups = {endpoint: [market for market in markets if market[side]] for endpoint, side in sides.items()}
        return [Look(endpoint, {}, group, _FUNDING_NOW, "symbol") for endpoint, group in groups.items() if group]

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        amount = pl.col("amount")
        if market["linear"]:  # in USDT, which ccxt calls value
            return {"open_interest_contracts": None, "open_interest_base": None, "open_interest_usd": amount}
        # Coins, which ccxt calls value too.
        return {"open_interest_contracts": None, "open_interest_base": amount, "open_interest_usd": None}
