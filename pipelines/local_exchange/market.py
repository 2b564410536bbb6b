"""What the local exchange can show: the port between the wire formats and where the numbers come from.

Two markets implement it: the seeded simulation and recorded parquet files. The wire modules ask for plain arrays
and turn them into an exchange's own JSON; they never know which market stands behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from pipelines.local_exchange.trading_rules import TradingRules


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument as one exchange lists it.

    Attributes:
        symbol: ccxt unified symbol (`BTC/USDT`, `1000PEPE/USDT:USDT`, `BTC/USD:BTC`, `BTC/USDT:USDT-261225`).
        kind: What is traded.
        base: Base currency as the exchange spells it (`1000PEPE`).
        quote: Quote currency.
        settle: Settlement currency; None for spot.
        contract_size: Base per contract (linear) or USD per contract (inverse); 1 for spot.
        rules: What it takes as an order.
        listed_ms: First moment of trading; None where the market does not know (recorded data).
        delisted_ms: Trading ended then; None while it trades.
        expiry_ms: Delivery time of a dated contract, else None.
        funding_interval_hours: Hours between settlements as announced now; None for anything but a perpetual.
    """

    symbol: str
    kind: Literal["spot", "perp", "dated"]
    base: str
    quote: str
    settle: str | None
    contract_size: float
    rules: TradingRules
    listed_ms: int | None = None
    delisted_ms: int | None = None
    expiry_ms: int | None = None
    funding_interval_hours: int | None = None

    def has_ended(self, now_ms: int) -> bool:
        """Whether trading has ended by this time."""
        return self.delisted_ms is not None and self.delisted_ms <= now_ms


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles in ascending order, arrays of one length; prices in quote per base, volumes NaN where unknown."""

    open_ms: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume_base: np.ndarray
    volume_quote: np.ndarray


@dataclass(frozen=True, slots=True)
class Settlements:
    """Funding settlements in ascending order, stamped on the full hour; decimal per settlement."""

    settled_ms: np.ndarray
    funding_rate: np.ndarray


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open interest in ascending order at the stamp, each contract counted once; NaN where a unit is unknown."""

    stamped_ms: np.ndarray
    base: np.ndarray
    usd: np.ndarray


class Market(Protocol):
    """A market that the local exchange serves; windows are inclusive: start_ms <= stamp <= end_ms.

    Nothing later than `now_ms` is shown, with the one exception that exchanges share: the last candle may be the
    forming one, opened at or before `now_ms`.
    """

    now_ms: int

    def listings(self, exchange: str) -> Sequence[Listing]:
        """Everything the exchange has listed so far, also what is delisted or delivered since."""
        ...

    def candles(self, exchange: str, symbol: str, timeframe: str, price: str, start_ms: int, end_ms: int) -> Candles:
        """Candles opened in the window; `price` is `last`, `mark` or `index`; empty for what is not known."""
        ...

    def settlements(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> Settlements:
        """Funding settlements in the window; empty for anything but perpetuals."""
        ...

    def open_interest(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> OpenInterest:
        """Open interest in the window at the market's own stamps; empty for spot."""
        ...
