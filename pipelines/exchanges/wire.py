"""What the adapters have in common: ask page by page, read the rows, build the warehouse's columns.

An exchange's own module says only what is its own: which endpoint, which parameters, where a row holds what.
The raw endpoints are called, through ccxt's limiter, URLs and error handling, because ccxt's unified candles
drop the quote volume, its unified funding the mark price, and its own paging loses rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from pipelines.clock import to_milliseconds
from pipelines.exchanges import port, present, series
from pipelines.exchanges.capabilities import Capabilities
from pipelines.exchanges.client import count_requests
from pipelines.exchanges.errors import classify
from pipelines.exchanges.markets import instruments_fetched, instruments_frame
from pipelines.exchanges.paging import NumberedPage, Order, Page, Pages, read_numbered_pages, read_window
from pipelines.exchanges.parse import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Shape,
    UnreadableReply,
    duration_ms,
    parse_rows,
)
from pipelines.exchanges.present import Market
from pipelines.exchanges.retries import Caller

_LEAST_FUNDING_STEP_MS = HOUR_MS - 2 * MINUTE_MS  # no exchange settles more often than hourly
_LONGEST_FUNDING_STEP_MS = DAY_MS


@dataclass(frozen=True)
class Request:
    """One request: ccxt's name of the raw endpoint, its parameters, where the part of the window ends.

    `is_newest` is True for an endpoint that knows no window and answers with its newest rows.
    """

    endpoint: str
    params: dict[str, Any]
    asked_until: int
    is_newest: bool = False


Ask = Callable[[int, int], Request | None]
"""The next request about a window; None when nothing that could be asked would bring more of it."""


class WireAdapter(ABC):
    """One exchange's public market data (see `port.Adapter`).

    Attributes:
        reads_many: Set where most of the exchange's contracts will be asked for: pages that hold all of them then pay.
    """

    capabilities: Capabilities
    candle_order: Order
    funding_order: Order
    open_interest_order: Order
    reads_many = False

    def __init__(self, client: Any, caller: Caller) -> None:
        self._client = client
        self._caller = caller

    @property
    def exchange(self) -> str:
        return self.capabilities.exchange

    async def instruments(self) -> port.Fetched:
        with count_requests() as counted:
            listed = await self._caller.call("instruments", None, self._list_markets)
        return instruments_fetched(listed, counted.requests)

    async def candles(
        self, symbol: str, market_type: str, price_type: str, timeframe: str, start: datetime, end: datetime
    ) -> port.Fetched:
        market, step = self._market(symbol), self._step("candles", timeframe, self.capabilities.timeframes)
        now = self._client.milliseconds()
        low = -(-to_milliseconds(start) // step) * step
        high = min(to_milliseconds(end), now // step * step)  # the candle that is still forming stays out
        ask, shape = self._ask_candles(market, price_type, timeframe, step), self._candle_shape(market, price_type)
        pages, requests = await self._read("candles", symbol, ask, shape, (low, high), step, self.candle_order)
        is_spot = market_type == "spot"
        values = self._candle_values(market, is_traded=price_type == "last")
        values |= {"exchange": self.exchange, "symbol": symbol, "timeframe": timeframe}
        if not is_spot:
            values |= {"market_type": market_type, "price_type": price_type}
        return series.fetched(
            series.collect(pages, low, high),
            port.SPOT_CANDLE_COLUMNS if is_spot else port.FUTURES_CANDLE_COLUMNS,
            values,
            pages=pages, requests=requests, longest_step=step,
        )  # fmt: skip

    async def funding_rates(self, symbol: str, start: datetime, end: datetime) -> port.Fetched:
        low, high = to_milliseconds(start), to_milliseconds(end)
        # A settlement is stamped up to a minute off its hour, so the edges are read a minute wider.
        pages, requests = await self._read_funding(symbol, (low - MINUTE_MS, high + MINUTE_MS))
        optional = self._funding_shape().optional
        values: dict[str, pl.Expr | str | None] = {
            "exchange": self.exchange,
            "symbol": symbol,
            "settled_at": series.time_column(),
            "funding_rate": pl.coalesce("settled_rate", "rate") if "settled_rate" in optional else pl.col("rate"),
            # The history does not say it, and today's interval is not that of a settlement years ago.
            "interval_hours": None,
            "mark_price": pl.col("mark_price") if "mark_price" in optional else None,
        }
        return series.fetched(
            series.collect(pages, low, high, is_hourly=True), port.FUNDING_COLUMNS, values,
            pages=pages, requests=requests, longest_step=_LONGEST_FUNDING_STEP_MS,
        )  # fmt: skip

    async def _read_funding(self, symbol: str, window: tuple[int, int]) -> tuple[Pages, int]:
        """The pages with every settlement of the window, and the HTTP requests made for them."""
        ask, shape = self._ask_funding(self._market(symbol)), self._funding_shape()
        return await self._read("funding rates", symbol, ask, shape, window, _LEAST_FUNDING_STEP_MS, self.funding_order)

    async def _read_numbered_funding(
        self, symbol: str, page: Callable[[int], Awaitable[NumberedPage]], start: int
    ) -> tuple[Pages, int]:
        """The same from a history that has numbered pages: `page` asks for one of them."""
        name = "funding rates"

        async def read(number: int) -> NumberedPage:
            return await self._caller.call(name, symbol, partial(page, number))

        return await self._counted(name, symbol, read_numbered_pages(read, start, step=_LEAST_FUNDING_STEP_MS))

    async def open_interest(self, symbol: str, period: str, start: datetime, end: datetime) -> port.Fetched:
        absence = self.capabilities.absence("open_interest", None, None)
        if absence is not None:
            return series.absent(port.OPEN_INTEREST_COLUMNS, start, end, absence)
        periods = self.capabilities.open_interest_periods
        market, step = self._market(symbol), self._step("open interest", period, periods)
        low = to_milliseconds(start)
        high = min(to_milliseconds(end), self._client.milliseconds() + 1)
        ask, shape = self._ask_open_interest(market, period, step), self._open_interest_shape()
        pages, requests = await self._read(
            "open interest", symbol, ask, shape, (low, high), step, self.open_interest_order
        )
        values = self._open_interest_values(market) | {
            "exchange": self.exchange,
            "symbol": symbol,
            "observed_at": series.time_column(),
            "source_kind": "history",
        }
        return series.fetched(
            series.collect(pages, low, high), port.OPEN_INTEREST_COLUMNS, values,
            pages=pages, requests=requests, longest_step=step,
        )  # fmt: skip

    async def open_interest_now(self, symbols: Sequence[str]) -> port.Fetched:
        looks = self._look_at_open_interest([self._market(symbol) for symbol in symbols])
        seen = await present.see(self._client, self._caller, self._rows, "open interest now", looks)
        frames = [
            frame.select(
                symbol=pl.lit(market["symbol"]),
                observed_at=series.time_column(),
                **{name: series.as_column(value) for name, value in self._open_interest_values(market).items()},
            )
            for market, frame in seen.frames
        ]
        return seen.fetched(frames, port.OPEN_INTEREST_COLUMNS, exchange=self.exchange, source_kind="snapshot")

    async def funding_now(self, symbols: Sequence[str]) -> port.Fetched:
        looks = self._look_at_funding([self._market(symbol) for symbol in symbols])
        seen = await present.see(self._client, self._caller, self._rows, "funding now", looks)
        frames = [
            frame.select(
                symbol=pl.lit(market["symbol"]),
                observed_at=series.time_column(),
                funding_rate="rate",
                interval_hours=pl.coalesce(_known("interval_hours", frame), _known("interval_minutes", frame) / 60),
                next_settlement_at=pl.from_epoch(_known("next_ms", frame).cast(pl.Int64), time_unit="ms"),
            )
            for market, frame in seen.frames
        ]
        return seen.fetched(frames, port.FUNDING_NOW_COLUMNS, exchange=self.exchange)

    @abstractmethod
    def _look_at_open_interest(self, markets: list[Market]) -> list[present.Look]:
        """What to ask for the open interest of this moment; the shape's columns are those of the history."""

    @abstractmethod
    def _look_at_funding(self, markets: list[Market]) -> list[present.Look]:
        """What to ask for the funding of the running interval.

        The shape has `rate` and, where they are sent, `interval_hours` or `interval_minutes`, and `next_ms`.
        """

    @abstractmethod
    def _details(self, market: Market) -> dict[str, Any]:
        """What only this exchange's own fields say about a market (see `markets.instruments_frame`)."""

    @abstractmethod
    def _rows(self, reply: Any) -> Any:
        """The list of rows inside a reply; anything else for a reply that is none."""

    @abstractmethod
    def _candle_shape(self, market: Market, price_type: str) -> Shape: ...

    @abstractmethod
    def _funding_shape(self) -> Shape: ...

    def _open_interest_shape(self) -> Shape:
        raise NotImplementedError(f"{self.exchange} has to read its history of open interest, or state it as absent")

    @abstractmethod
    def _ask_candles(self, market: Market, price_type: str, timeframe: str, step: int) -> Ask: ...

    def _ask_funding(self, market: Market) -> Ask:
        raise NotImplementedError(f"{self.exchange} has to ask for windows of funding, or to read its pages itself")

    def _ask_open_interest(self, market: Market, period: str, step: int) -> Ask:
        raise NotImplementedError(f"{self.exchange} has to read its history of open interest, or state it as absent")

    @abstractmethod
    def _open_interest_values(self, market: Market) -> dict[str, pl.Expr | str | None]:
        """The three units as expressions over the shape's columns; None: not published."""

    def _candle_values(self, market: Market, *, is_traded: bool) -> dict[str, pl.Expr | str | None]:
        """Prices and volumes as expressions over the shape's columns."""
        return series.candle_values(is_traded=is_traded, usd_per_contract=self._usd_per_contract(market))

    def _usd_per_contract(self, market: Market) -> float | None:
        """USD that one contract is worth, for coin-margined contracts; None for all others."""
        return float(market["contractSize"]) if market["inverse"] else None

    async def _list_markets(self) -> pl.DataFrame:
        markets = await self._client.load_markets()
        return instruments_frame(self.exchange, markets.values(), self._details)

    def _step(self, what: str, timeframe: str, offered: tuple[str, ...]) -> int:
        if timeframe not in offered:
            raise ValueError(f"{self.exchange} has no {timeframe} {what}; choose one of {', '.join(offered)}")
        return duration_ms(timeframe)

    def _market(self, symbol: str) -> Market:
        try:
            return self._client.market(symbol)
        except Exception as error:  # ccxt's own classes, which only the client imports
            raise classify(error, self.exchange, "symbol", symbol) from None

    async def _send(self, request: Request) -> Any:
        """The exchange's reply, as it came."""
        return await getattr(self._client, request.endpoint)(request.params)

    async def _read(
        self, name: str, symbol: str, ask: Ask, shape: Shape, window: tuple[int, int], step: int, order: Order
    ) -> tuple[Pages, int]:
        async def read(low: int, high: int) -> Page:
            request = ask(low, high)
            if request is None:
                return Page(parse_rows([], shape), high)

            async def once() -> Any:
                return parse_rows(self._rows(await self._send(request)), shape)

            rows = await self._caller.call(name, symbol, once)
            return Page(rows, request.asked_until, request.is_newest)

        return await self._counted(name, symbol, read_window(read, *window, step=step, order=order))

    async def _counted(self, name: str, symbol: str, reading: Awaitable[Pages]) -> tuple[Pages, int]:
        """The pages, and the HTTP requests made for them."""
        with count_requests() as counted:
            try:
                pages = await reading
            except UnreadableReply as error:
                raise classify(error, self.exchange, name, symbol) from None
        return pages, counted.requests


def _known(name: str, frame: pl.DataFrame) -> pl.Expr:
    return pl.col(name) if name in frame.columns else pl.lit(None, pl.Float64)
