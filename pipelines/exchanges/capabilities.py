"""What each exchange can be asked for, and why it cannot be asked for the rest: one row per exchange.

The adapters take their page sizes from here, the planner skips what is not offered, and the table in
`docs/exchanges.md` is checked against these rows.
"""

from dataclasses import dataclass, field
from typing import Literal

Asked = Literal["all at once", "one by one"]


@dataclass(frozen=True)
class Capabilities:
    """What one exchange offers over its public endpoints.

    Attributes:
        exchange: ccxt's name of the exchange.
        market_types: Of `spot`, `perpetual`, `dated`.
        price_types: Of `last`, `mark`, `index`, for futures candles.
        timeframes: Candles that may be asked for.
        candle_page: Most candles in one reply.
        funding_page: Most funding settlements in one reply.
        open_interest_page: Most rows of open interest history in one reply; 0 where there is no history.
        open_interest_history_days: How far back open interest is served; None: as far as it is kept, or no history.
        open_interest_periods: Periods of open interest history that may be asked for.
        funding_history_days: How far back settlements are served; None: as far as they are kept.
        funding_now: How the funding of the running interval is asked for.
        open_interest_now: How the open interest of this moment is asked for.
        absences: What is not offered, by dataset or `dataset/price_type`, with the reason.
    """

    exchange: str
    market_types: tuple[str, ...]
    price_types: tuple[str, ...]
    timeframes: tuple[str, ...]
    candle_page: int
    funding_page: int
    open_interest_page: int
    open_interest_history_days: int | None
    open_interest_periods: tuple[str, ...]
    funding_now: Asked
    open_interest_now: Asked
    funding_history_days: int | None = None
    absences: dict[str, str] = field(default_factory=dict)

    def absence(self, dataset: str, price_type: str | None, timeframe: str | None) -> str | None:
        """Why `dataset`, for that price type and timeframe, is not offered; None when it is."""
        stated = self.absences.get(dataset) or self.absences.get(f"{dataset}/{price_type}")
        offered = self.open_interest_periods if dataset == "open_interest" else self.timeframes
        if stated is None and timeframe is not None and timeframe not in offered:
            return f"{self.exchange} has no {timeframe} rows of it; it has {', '.join(offered)}"
        return stated


BINANCE = Capabilities(
    exchange="binance",
    market_types=("spot", "perpetual", "dated"),
    price_types=("last", "mark", "index"),
    timeframes=("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"),
    candle_page=1000,
    funding_page=1000,
    open_interest_page=500,
    open_interest_history_days=30,
    open_interest_periods=("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"),
    funding_now="all at once",
    open_interest_now="one by one",
)
BYBIT = Capabilities(
    exchange="bybit",
    market_types=("spot", "perpetual", "dated"),
    price_types=("last", "mark", "index"),
    timeframes=("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"),
    candle_page=1000,
    funding_page=200,
    open_interest_page=200,
    open_interest_history_days=None,
    open_interest_periods=("5m", "15m", "30m", "1h", "4h", "1d"),
    funding_now="all at once",
    open_interest_now="all at once",
)
BINGX = Capabilities(
    exchange="bingx",
    market_types=("spot", "perpetual"),
    price_types=("last", "mark"),
    timeframes=("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"),
    candle_page=1440,
    funding_page=1000,
    open_interest_page=0,
    open_interest_history_days=None,
    open_interest_periods=(),
    funding_now="all at once",
    open_interest_now="one by one",
    absences={
        "futures_ohlcv/index": "bingx has no index candles",
        "open_interest": "bingx publishes the open interest of this moment only, no history",
    },
)
WEEX = Capabilities(
    exchange="weex",
    market_types=("spot", "perpetual"),
    price_types=("last", "mark", "index"),
    timeframes=("1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d"),
    candle_page=1000,
    funding_page=1000,
    open_interest_page=0,
    open_interest_history_days=None,
    open_interest_periods=(),
    funding_now="all at once",
    open_interest_now="one by one",
    funding_history_days=365,
    absences={"open_interest": "weex publishes the open interest of this moment only, no history"},
)
MEXC = Capabilities(
    exchange="mexc",
    market_types=("spot", "perpetual"),
    price_types=("last", "mark", "index"),
    timeframes=("1m", "5m", "15m", "30m", "1h", "4h", "1d"),
    candle_page=2000,
    funding_page=100,
    open_interest_page=0,
    open_interest_history_days=None,
    open_interest_periods=(),
    funding_now="all at once",
    open_interest_now="all at once",
    absences={"open_interest": "mexc publishes the open interest of this moment only, no history"},
)
BITGET = Capabilities(
    exchange="bitget",
    market_types=("spot", "perpetual", "dated"),
    price_types=("last", "mark", "index"),
    timeframes=("1m", "5m", "15m", "30m", "1h", "4h", "6h", "12h", "1d"),
    candle_page=200,
    funding_page=100,
    open_interest_page=0,
    open_interest_history_days=None,
    open_interest_periods=(),
    funding_now="all at once",
    open_interest_now="all at once",
    absences={"open_interest": "bitget publishes the open interest of this moment only, no history"},
)
OKX = Capabilities(
    exchange="okx",
    market_types=("spot", "perpetual", "dated"),
    price_types=("last", "mark", "index"),
    timeframes=("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"),
    candle_page=300,
    funding_page=100,
    open_interest_page=100,
    open_interest_history_days=None,
    open_interest_periods=("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"),
    funding_now="all at once",
    open_interest_now="all at once",
    funding_history_days=90,
)
CAPABILITIES = {row.exchange: row for row in (BINANCE, BYBIT, BINGX, WEEX, MEXC, BITGET, OKX)}
