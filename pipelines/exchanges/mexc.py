"""MEXC: spot, and perpetual contracts that are margined in USDT, USDC or coins."""

from typing import Any

import polars as pl

from pipelines.exchanges import capabilities
from pipelines.exchanges.markets import coins_per_step
from pipelines.exchanges.paging import NumberedPage, Pages
from pipelines.exchanges.parse import Shape, UnreadableReply, parse_rows
from pipelines.exchanges.present import Look
from pipelines.exchanges.wire import Ask, Market, Request, WireAdapter

_PRICES: dict[str, int | str] = {"open": 1, "high": 2, "low": 3, "close": 4}
_TRADED = Shape(time=0, required=_PRICES, optional={"volume": 5, "turnover": 7})
_UNTRADED = Shape(time=0, required=_PRICES)
_FUNDING = Shape(time="settleTime", required={"rate": "fundingRate"})
_COLUMNS = ("open", "high", "low", "close", "vol", "amount")
_ENDPOINTS = {
    "last": "contractPublicGetKlineSymbol",
    "mark": "contractPublicGetKlineFairPriceSymbol",
    "index": "contractPublicGetKlineIndexPriceSymbol",
}
_SPOT_INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "60m", "4h": "4h", "1d": "1d"}
_CONTRACT_INTERVALS = {
    "1m": "Min1", "5m": "Min5", "15m": "Min15", "30m": "Min30", "1h": "Min60", "4h": "Hour4", "1d": "Day1",
}  # fmt: skip
_SPOT_PAGE = 500  # the documentation says 1000, the exchange sends 500


class Mexc(WireAdapter):
    """MEXC's public market data (see `port.Adapter`)."""

    capabilities = capabilities.MEXC
    # Which rows of a window that is too long are sent is nowhere said. No longer window is asked for, and both
    # of its edges are looked at.
    candle_order = "either"

    def _details(self, market: Market) -> dict[str, Any]:
        info = market["info"]
        if market["spot"]:
            return {"lot_step": _spot_step(market)}
        times = [int(info.get(name) or 0) for name in ("createTime", "openingTime")]
        details: dict[str, Any] = {"listed_at": min((time for time in times if time > 0), default=None)}
        return details | ({"lot_step": coins_per_step(market)} if market["linear"] else {})

    def _rows(self, reply: Any) -> Any:
        if not isinstance(reply, dict):
            return reply  # spot has no envelope
        data = reply.get("data")
        return _candle_rows(data) if isinstance(data, dict) and "time" in data else data

    def _candle_shape(self, market: Market, price_type: str) -> Shape:
        return _TRADED if price_type == "last" else _UNTRADED

    def _funding_shape(self) -> Shape:
        return _FUNDING

    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask:
        def ask(low: int, high: int) -> Request:
            # A start inside a candle might be answered with that candle, which has been read before.
            low = -(-low // step) * step
            until = min(high, low + (_SPOT_PAGE if market["spot"] else capabilities.MEXC.candle_page) * step)
            if market["spot"]:
                # A start alone is ignored by the exchange.
                params = {"interval": _SPOT_INTERVALS[timeframe], "startTime": low, "endTime": until - 1}
                params["limit"] = max(1, -(-(until - low) // step))
                return Request("spotPublicGetKlines", {"symbol": market["id"]} | params, until)
            params = {"interval": _CONTRACT_INTERVALS[timeframe], "start": low // 1000, "end": (until - 1) // 1000}
            return Request(_ENDPOINTS[price_type], {"symbol": market["id"]} | params, until)

        return ask

    def _candle_values(self, market: Market, *, is_traded: bool) -> dict[str, pl.Expr | str | None]:
        values = super()._candle_values(market, is_traded=is_traded)
        if is_traded and not market["spot"]:
            # Volume is contracts. Of a coin-margined contract nothing says whether `amount` is coins or dollars.
            is_linear = market["linear"]
            values["volume_base"] = pl.col("volume") * float(market["contractSize"]) if is_linear else None
        return values

    async def _read_funding(self, symbol: str, window: tuple[int, int]) -> tuple[Pages, int]:
        """Page after page from the newest settlement on: the exchange takes no times for its history."""
        params = {"symbol": self._market(symbol)["id"], "page_size": capabilities.MEXC.funding_page}

        async def page(number: int) -> NumberedPage:
            reply = await self._client.contractPublicGetFundingRateHistory(params | {"page_num": number})
            return _funding_page(reply, number)

        return await self._read_numbered_funding(symbol, page, window[0])

    def _look_at_open_interest(self, markets: list[Market]) -> list[Look]:
        return _tickers(markets, Shape(time="timestamp", required={"amount": "holdVol"}))

    def _look_at_funding(self, markets: list[Market]) -> list[Look]:
        return _tickers(markets, Shape(time="timestamp", required={"rate": "fundingRate"}))

    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        return {"open_interest_contracts": pl.col("amount"), "open_interest_base": None, "open_interest_usd": None}


def _spot_step(market: Market) -> float | None:
    """The coarser of the decimals of a quantity and the least quantity, which MEXC calls its precision."""
    known = [market["precision"]["amount"], market["info"].get("baseSizePrecision")]
    return max((float(step) for step in known if step is not None), default=None)


def _candle_rows(data: dict[str, Any]) -> list[list[Any]] | None:
    """Rows in the places that spot has, out of one list per column; None when the lists do not fit together."""
    columns = [data["time"], *(data.get(name) for name in _COLUMNS)]
    if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        return None
    times = [time * 1000 if isinstance(time, int) else time for time in columns[0]]  # seconds
    return [[*row[:-1], None, row[-1]] for row in zip(times, *columns[1:], strict=True)]


def _funding_page(reply: Any, number: int) -> NumberedPage:
    data = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(data, dict):
        raise UnreadableReply("the reply holds no page of settlements")
    total = data.get("totalPage")
    return NumberedPage(parse_rows(data.get("resultList"), _FUNDING), isinstance(total, int) and number >= total)


def _tickers(markets: list[Market], shape: Shape) -> list[Look]:
    return [Look("contractPublicGetTicker", {}, markets, shape, "symbol")] if markets else []
