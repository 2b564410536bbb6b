"""A market made of recorded data: parquet files in a folder, served as they were at a chosen time.

Nothing after `now_ms` is shown: candles stand when they have closed, except the one that is still forming,
which is built from finer candles that have.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from pipelines.local_exchange.market import Candles, Listing, OpenInterest, Settlements
from pipelines.local_exchange.recorded_files import Recording, read_recording
from pipelines.local_exchange.resample import FIELDS, divides, fill, no_candles, resample, take
from pipelines.local_exchange.timeframes import FIXED_MS, HOUR_MS
from pipelines.local_exchange.trading_rules import USD_QUOTES, usual_rules

_Series = tuple[str, str, str]  # exchange, symbol, price type
_INTERVALS_HOURS = (1, 2, 4, 8)


class RecordedMarket:
    """The recorded rows of one folder at one time.

    Listing dates are unknown (`listed_ms` is None) and nothing is ever delisted: an instrument is listed from
    its first recorded row on. Exchanges without rows list nothing.

    Args:
        folder: The folder; its format is in `docs/recorded-data.md`.
        now_ms: The market's present, UTC milliseconds.

    Raises:
        BadRecording: The folder or one of its files cannot be used.
    """

    def __init__(self, folder: Path, now_ms: int) -> None:
        self.now_ms = now_ms
        recording = read_recording(folder)
        self.dropped_rows = recording.dropped
        self._candles: dict[_Series, dict[str, Candles]] = {}
        for kind in ("spot", "perp", "dated"):
            self._index_candles(recording.frames.get(kind))
        self._made: dict[tuple[_Series, str], Candles] = {}
        self._settlements = {
            key: Settlements(rows["ts"].to_numpy(), rows["funding_rate"].to_numpy())
            for key, rows in self._known(recording.frames.get("funding"))
        }
        self._open_interest = {
            key: OpenInterest(rows["ts"].to_numpy(), _numbers(rows, "oi_base"), _numbers(rows, "oi_usd"))
            for key, rows in self._known(recording.frames.get("open_interest"))
        }
        self._listings = self._list(recording)

    def _known(self, frame: pl.DataFrame | None) -> list[tuple[tuple[str, str], pl.DataFrame]]:
        if frame is None:
            return []
        known = frame.filter(pl.col("ts") <= self.now_ms)
        return list(known.partition_by("exchange", "symbol", as_dict=True).items())

    def _index_candles(self, frame: pl.DataFrame | None) -> None:
        if frame is None:
            return
        length = pl.col("timeframe").replace_strict(FIXED_MS, return_dtype=pl.Int64)
        closed = frame.filter(pl.col("ts") + length <= self.now_ms)
        parts = closed.partition_by("exchange", "symbol", "price_type", "timeframe", as_dict=True)
        for (exchange, symbol, price, timeframe), rows in parts.items():
            series = self._candles.setdefault((exchange, symbol, price), {})
            series[timeframe] = Candles(rows["ts"].to_numpy(), *(_numbers(rows, name) for name in FIELDS[1:]))

    def _list(self, recording: Recording) -> dict[str, list[Listing]]:
        expiries = {}
        if "dated" in recording.frames:
            expiries = dict(recording.frames["dated"].select("symbol", "expiry").unique().iter_rows())
        first_closes = _first_closes(recording)
        stated = _stated_rules(recording)
        with_candles = {(exchange, symbol) for exchange, symbol, _ in self._candles}
        symbols = sorted(with_candles | set(self._settlements) | set(self._open_interest))
        listings: dict[str, list[Listing]] = {}
        for exchange, symbol in symbols:
            if "-" in symbol and symbol not in expiries:
                continue  # open interest of a dated contract whose delivery nothing tells
            name = exchange, symbol
            listing = self._listing(*name, expiries.get(symbol), first_closes.get(name))
            listing = replace(listing, rules=replace(listing.rules, **stated.get(name, {})))
            listings.setdefault(exchange, []).append(listing)
        return listings

    def _listing(self, exchange: str, symbol: str, expiry_ms: int | None, price: float | None) -> Listing:
        base, quote, settle = _parts(symbol)
        inverse_size = 1.0 if exchange in ("bybit", "bitget") else 100.0 if base == "BTC" else 10.0
        size = inverse_size if settle == base else 1.0
        kind: Literal["spot", "perp", "dated"] = "spot" if settle is None else "perp" if expiry_ms is None else "dated"
        usd = price if quote in USD_QUOTES else None
        return Listing(
            symbol=symbol,
            kind=kind,
            base=base,
            quote=quote,
            settle=settle,
            contract_size=size,
            rules=usual_rules(exchange, kind, base, usd, size, is_inverse=settle == base),
            listed_ms=None,
            delisted_ms=None,
            expiry_ms=expiry_ms,
            funding_interval_hours=self._interval_hours(exchange, symbol),
        )

    def _interval_hours(self, exchange: str, symbol: str) -> int | None:
        """Hours between the last two settlements known; None without two of them a usual interval apart."""
        known = self._settlements.get((exchange, symbol))
        if known is None or len(known.settled_ms) < 2:
            return None
        hours = round(int(known.settled_ms[-1] - known.settled_ms[-2]) / HOUR_MS)
        return hours if hours in _INTERVALS_HOURS else None

    def listings(self, exchange: str) -> Sequence[Listing]:
        """What the exchange lists: every instrument with a recorded row up to now."""
        return self._listings.get(exchange, [])

    def candles(self, exchange: str, symbol: str, timeframe: str, price: str, start_ms: int, end_ms: int) -> Candles:
        """Candles opened in the window, recorded at that timeframe or made from finer ones."""
        series = self._series((exchange, symbol, price), timeframe)
        rows = _between(series.open_ms, start_ms, end_ms)
        return take(series, rows)

    def _series(self, key: _Series, timeframe: str) -> Candles:
        """All candles of a series; what is not recorded is made of the coarsest candles that will do."""
        if (key, timeframe) not in self._made:
            recorded = self._candles.get(key, {})
            series = recorded.get(timeframe, no_candles())
            for finer in sorted(recorded, key=FIXED_MS.get, reverse=True):
                if divides(finer, timeframe):
                    series = fill(series, resample(recorded[finer], finer, timeframe, self.now_ms))
            self._made[key, timeframe] = series
        return self._made[key, timeframe]

    def settlements(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> Settlements:
        """Funding settlements in the window."""
        known = self._settlements.get((exchange, symbol))
        if known is None:
            return Settlements(np.empty(0, np.int64), np.empty(0))
        rows = _between(known.settled_ms, start_ms, end_ms)
        return Settlements(known.settled_ms[rows], known.funding_rate[rows])

    def open_interest(self, exchange: str, symbol: str, start_ms: int, end_ms: int) -> OpenInterest:
        """Open interest in the window; NaN where coins or USD were not recorded."""
        known = self._open_interest.get((exchange, symbol))
        if known is None:
            return OpenInterest(np.empty(0, np.int64), np.empty(0), np.empty(0))
        rows = _between(known.stamped_ms, start_ms, end_ms)
        return OpenInterest(known.stamped_ms[rows], known.base[rows], known.usd[rows])


def _between(sorted_ms: np.ndarray, start_ms: int, end_ms: int) -> slice:
    return slice(*np.searchsorted(sorted_ms, [start_ms, end_ms + 1]))


def _numbers(rows: pl.DataFrame, name: str) -> np.ndarray:
    return rows[name].fill_null(float("nan")).to_numpy()


def _first_closes(recording: Recording) -> dict[tuple[str, str], float]:
    """The first recorded close of every instrument, that of a trade where there is one: the same at any present."""
    frames = [recording.frames[kind] for kind in ("spot", "perp", "dated") if kind in recording.frames]
    if not frames:
        return {}
    # Each frame is sorted by time within a series, so a series' first row is its oldest.
    series = pl.col("exchange", "symbol", "price_type", "timeframe").cast(pl.String)
    first_rows = pl.col("ts", "close").first()
    starts = [frame.filter(pl.col("close") > 0).group_by(series).agg(first_rows) for frame in frames]
    oldest = pl.concat(starts).sort(pl.col("price_type") != "last", "ts", "timeframe", "price_type")
    first = oldest.unique(["exchange", "symbol"], keep="first", maintain_order=True)
    return {(exchange, symbol): close for exchange, symbol, close in first["exchange", "symbol", "close"].iter_rows()}


def _stated_rules(recording: Recording) -> dict[tuple[str, str], dict[str, float]]:
    """What the folder itself says about orders, by instrument; what it leaves unknown is not there."""
    stated = recording.frames.get("instruments")
    return {
        (row.pop("exchange"), row.pop("symbol")): {name: value for name, value in row.items() if value is not None}
        for row in ([] if stated is None else stated.iter_rows(named=True))
    }


def _parts(symbol: str) -> tuple[str, str, str | None]:
    """Base, quote and settlement currency (None for spot) of a unified symbol."""
    pair, _, contract = symbol.partition(":")
    base, _, quote = pair.partition("/")
    return base, quote, contract.partition("-")[0] or None
