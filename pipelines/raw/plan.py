"""What to ask an exchange for tonight: what is missing, and the newest stored rows once more.

The part that is read again shows whether the exchange has revised it. Its length does not depend on how much
history is stored, so a night costs the same after a year as after a week. A run that was interrupted leaves
coverage behind for the series it had written; the next plan asks for the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from pipelines.exchanges.capabilities import Capabilities
from pipelines.exchanges.parse import duration_ms

Dataset = Literal["spot_ohlcv", "futures_ohlcv", "funding_rates", "open_interest"]
DATASETS: tuple[Dataset, ...] = ("spot_ohlcv", "futures_ohlcv", "funding_rates", "open_interest")
_CANDLES_READ_AGAIN = 2
_INSTANTS_READ_AGAIN = timedelta(days=2)
_SILENT_AFTER = timedelta(days=7)  # what does not trade and has brought nothing new for a week is left alone


@dataclass(frozen=True)
class Wants:
    """Which series of an instrument are wanted.

    Attributes:
        spot_timeframes: Candles of spot markets.
        futures_timeframes: Candles of perpetuals and dated contracts.
        price_types: Of USDT-margined perpetuals; all others are read as `last` only.
        open_interest_period: Distance of the rows of open interest.
        left_out: Price types that are not read although the exchange may offer them, with the reason.
    """

    spot_timeframes: tuple[str, ...] = ("1d",)
    futures_timeframes: tuple[str, ...] = ("1d",)
    price_types: tuple[str, ...] = ("last", "mark", "index")
    open_interest_period: str = "1d"
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SeriesRequest:
    """One series and the window to ask for, `start <= time < end` (naive UTC).

    Attributes:
        dataset: Name of the raw table.
        symbol: ccxt's unified symbol.
        market_type: `spot`, `perpetual` or `dated`.
        price_type: `last`, `mark` or `index` for futures candles, else None.
        timeframe: Of candles; the period of open interest; None for funding.
        start: First time asked for.
        end: First time not asked for.
        is_open: True when the window ends at the present, so that later rows are still to come.
        is_trading: False when the instrument has ended, so that no rows at all are no surprise.
    """

    dataset: Dataset
    symbol: str
    market_type: str
    price_type: str | None
    timeframe: str | None
    start: datetime
    end: datetime
    is_open: bool
    is_trading: bool = True


@dataclass(frozen=True)
class NotOffered:
    """A kind of series that is not read from the exchange at all, and why."""

    dataset: Dataset
    price_type: str | None
    reason: str


@dataclass(frozen=True)
class Plan:
    """What to read from one exchange: series, and what was wanted but is not offered."""

    series: tuple[SeriesRequest, ...]
    not_offered: tuple[NotOffered, ...]


def plan_series(
    instruments: pl.DataFrame,
    coverage: pl.DataFrame,
    capabilities: Capabilities,
    wants: Wants,
    start: datetime,
    end: datetime,
    in_vain: pl.DataFrame | None = None,
) -> Plan:
    """Plan one exchange's series, dataset by dataset, in the order of `instruments`.

    Args:
        instruments: symbol, market_type, listed_at, delist_at, expiry_at, is_active of what is to be read.
        coverage: dataset, symbol, price_type, timeframe, covered_from_at, covered_until_at of what is stored
            without a hole; one row per series.
        capabilities: What the exchange offers.
        wants: Which series.
        start: Beginning of the history that is wanted.
        end: Its end: now.
        in_vain: dataset, symbol, price_type, timeframe, absent_from_at of what the exchange had nothing of.
    """
    keys = ("dataset", "symbol", "price_type", "timeframe")
    nothing_since = {
        tuple(row[key] for key in keys): row["absent_from_at"]
        for row in ([] if in_vain is None else in_vain.iter_rows(named=True))
    }
    covered = {
        tuple(row[key] for key in keys): (row["covered_from_at"], row["covered_until_at"])
        for row in coverage.iter_rows(named=True)
    }
    series: list[SeriesRequest] = []
    not_offered: dict[NotOffered, None] = {}
    for dataset in DATASETS:
        for instrument in instruments.iter_rows(named=True):
            for price_type, timeframe in _kinds(dataset, instrument, wants):
                reason = capabilities.absence(dataset, price_type, timeframe) or wants.left_out.get(price_type or "")
                if reason is not None:
                    not_offered[NotOffered(dataset, price_type, reason)] = None
                    continue
                key = (dataset, instrument["symbol"], price_type, timeframe)
                read_again = _read_again(dataset, timeframe)
                if _has_ended(instrument, end) and key not in covered and nothing_since.get(key, end) <= start:
                    continue  # what had ended and gave nothing will give nothing
                windows = _windows(instrument, covered.get(key), read_again, start, end)
                kind = (instrument["market_type"], price_type, timeframe)
                is_trading = not _has_ended(instrument, end)
                series += [
                    SeriesRequest(dataset, instrument["symbol"], *kind, *window, window[1] == end, is_trading)
                    for window in windows
                ]
    return Plan(tuple(series), tuple(not_offered))


def _kinds(dataset: Dataset, instrument: dict[str, Any], wants: Wants) -> list[tuple[str | None, str | None]]:
    """Price type and timeframe of every series of `dataset` that such an instrument has."""
    market_type, is_coin_margined = instrument["market_type"], "/USD:" in instrument["symbol"]
    if dataset == "spot_ohlcv":
        return [(None, timeframe) for timeframe in wants.spot_timeframes] if market_type == "spot" else []
    if market_type == "spot":
        return []
    if dataset == "futures_ohlcv":
        # The mark and index prices of a coin-margined contract are those of the other one on the coin.
        price_types = wants.price_types if market_type == "perpetual" and not is_coin_margined else ("last",)
        return [(price_type, timeframe) for timeframe in wants.futures_timeframes for price_type in price_types]
    if market_type == "dated":
        return []
    return [(None, None)] if dataset == "funding_rates" else [(None, wants.open_interest_period)]


def _windows(
    instrument: dict[str, Any],
    covered: tuple[datetime, datetime] | None,
    read_again: timedelta,
    start: datetime,
    end: datetime,
) -> list[tuple[datetime, datetime]]:
    listed_at = instrument["listed_at"]
    if listed_at is not None:
        start = max(start, listed_at.replace(hour=0, minute=0, second=0, microsecond=0))
    if start >= end:
        return []
    if covered is None:
        return [(start, end)]
    covered_from, covered_until = covered
    older = [(start, min(covered_from, end))] if start < covered_from else []
    if _has_ended(instrument, end) and covered_until < end - _SILENT_AFTER:
        return older
    return [*older, (max(start, min(covered_until, end) - read_again), end)]


def _has_ended(instrument: dict[str, Any], now: datetime) -> bool:
    ended_at = instrument["delist_at"] or instrument["expiry_at"]
    return instrument["is_active"] is False or (ended_at is not None and ended_at < now)


def _read_again(dataset: Dataset, timeframe: str | None) -> timedelta:
    if timeframe is None or dataset == "open_interest":
        return _INSTANTS_READ_AGAIN
    return timedelta(milliseconds=_CANDLES_READ_AGAIN * duration_ms(timeframe))
