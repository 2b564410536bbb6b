"""A scripted market as a folder of parquet files that the local exchange can serve (`docs/recorded-data.md`)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.examples.script import CoinSeries, Floats

EXCHANGE = "binance"
_SETTLEMENT_HOURS = (8, 16, 24)
_SPOT_STEP = 1e-8  # finer than the exchange's, so that orders come to the cents that are told


def write_market(coins: Sequence[CoinSeries], last_day: date, folder: Path) -> None:
    """Write spot and perpetual candles, settled funding, open interest and the lots of every coin.

    Args:
        coins: Series that all end on `last_day`.
        last_day: UTC day.
        folder: Made if it is not there; files of an earlier call are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "spot_ohlcv": [_candles(coin, False, last_day) for coin in coins],
        "perp_ohlcv": [_candles(coin, True, last_day) for coin in coins],
        "funding": [_funding(coin, last_day) for coin in coins],
        "open_interest": [_open_interest(coin, last_day) for coin in coins],
        "instruments": [_spot_rules(coin) for coin in coins],
    }
    for name, frames in tables.items():
        pl.concat(frames).write_parquet(folder / f"{name}.parquet")


def _instants(symbol: str, days: int, last_day: date, hours: Sequence[int]) -> pl.DataFrame:
    """One row per day and hour of it."""
    begins = datetime.combine(last_day, datetime.min.time()) - timedelta(days=days - 1)
    stamps = [begins + timedelta(days=day, hours=hour) for day in range(days) for hour in hours]
    return pl.DataFrame({"ts": stamps}, schema={"ts": pl.Datetime("us")}).select(
        exchange=pl.lit(EXCHANGE), symbol=pl.lit(symbol), ts="ts"
    )


def _candles(coin: CoinSeries, is_perp: bool, last_day: date) -> pl.DataFrame:
    closes = coin.perp_close_usd if is_perp else coin.spot_close_usd
    volume = coin.perp_volume_base if is_perp else coin.spot_volume_base
    opens = np.concatenate([closes[:1], closes[:-1]])
    symbol = f"{coin.asset}/USDT:USDT" if is_perp else f"{coin.asset}/USDT"
    return _instants(symbol, len(closes), last_day, [0]).with_columns(
        timeframe=pl.lit("1d"),
        open=opens,
        high=np.maximum(opens, closes) * 1.001,
        low=np.minimum(opens, closes) * 0.999,
        close=closes,
        volume_base=volume,
        volume_quote=volume * closes,
        price_type=pl.lit("last"),
    )


def _funding(coin: CoinSeries, last_day: date) -> pl.DataFrame:
    rates: Floats = np.repeat(coin.funding_8h_bps, len(_SETTLEMENT_HOURS)) * 1e-4
    frame = _instants(f"{coin.asset}/USDT:USDT", len(coin.funding_8h_bps), last_day, _SETTLEMENT_HOURS)
    return frame.with_columns(funding_rate=np.round(rates, 8))


def _open_interest(coin: CoinSeries, last_day: date) -> pl.DataFrame:
    """Stamped at the end of each day."""
    held = coin.open_interest_base
    return _instants(f"{coin.asset}/USDT:USDT", len(held), last_day, [24]).with_columns(
        oi_base=held, oi_usd=pl.lit(None, pl.Float64), period=pl.lit("1d"), ts_semantics=pl.lit("snapshot")
    )


def _spot_rules(coin: CoinSeries) -> pl.DataFrame:
    return pl.DataFrame(
        {"exchange": EXCHANGE, "symbol": f"{coin.asset}/USDT", "lot_step": _SPOT_STEP, "min_notional_usd": None},
        schema_overrides={"min_notional_usd": pl.Float64},
    )
