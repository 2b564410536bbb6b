"""The tables inside the local archive's files: which days a series has rows of, and those rows as CSV."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.local_exchange.binance import jitter_ms
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import binance_id, is_inverse
from pipelines.local_exchange.timeframes import DAY_MS, FIXED_MS, HOUR_MS, MINUTE_MS

TIMEFRAMES = ("1h", "2h", "4h", "6h", "8h", "12h", "1d")
_PRICES = {"klines": "last", "markPriceKlines": "mark", "indexPriceKlines": "index"}
_MICROSECONDS_FROM_MS = 1_735_689_600_000  # 2025-01-01: since then spot files are stamped in microseconds
_STEP_MS = 5 * MINUTE_MS
_INTERVALS_HOURS = (1, 2, 4, 8)
_CANDLE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
_FUNDING_HEADER = "calc_time,funding_interval_hours,last_funding_rate"
_METRICS_HEADER = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
_Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Folder:
    """One folder of the archive that has files.

    Attributes:
        listing: The instrument.
        kind: `klines`, `markPriceKlines`, `indexPriceKlines`, `fundingRate` or `metrics`.
        cycle: `monthly` or `daily`.
        timeframe: Of candles, else None.
        stem: What its files' names begin with.
    """

    listing: Listing
    kind: str
    cycle: str
    timeframe: str | None
    stem: str


def month_of(day_ms: int) -> tuple[int, int]:
    """First instant of the month that holds a day, and of the next one."""
    day = datetime.fromtimestamp(day_ms / 1000, UTC)
    first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp() * 1000), int(after.timestamp() * 1000)


def days_with_rows(market: Market, folder: Folder) -> list[int]:
    """First instants of the days that have a row."""
    symbol, now_ms = folder.listing.symbol, market.now_ms
    if folder.kind == "metrics":
        stamps = _observed(market, folder, 0, now_ms)[0] - _label_end(folder)
    elif folder.kind == "fundingRate":
        stamps = market.settlements("binance", symbol, 0, now_ms).settled_ms
    else:
        candles = market.candles("binance", symbol, folder.timeframe, _PRICES[folder.kind], 0, now_ms)
        stamps = candles.open_ms[candles.open_ms + FIXED_MS[folder.timeframe] <= now_ms]
    return np.unique(stamps // DAY_MS * DAY_MS).tolist()


def table(market: Market, folder: Folder, first_ms: int, last_ms: int) -> bytes:
    """One file's table, `first_ms` and `last_ms` included."""
    if folder.kind == "metrics":
        return _metrics(market, folder, first_ms, last_ms)
    if folder.kind == "fundingRate":
        return _funding(market, folder, first_ms, last_ms)
    return _candles(market, folder, first_ms, last_ms)


def _candles(market: Market, folder: Folder, first_ms: int, last_ms: int) -> bytes:
    """As the archive does it: spot without a header, and in microseconds from 2025 on; contracts with a header."""
    listing = folder.listing
    candles = market.candles("binance", listing.symbol, folder.timeframe, _PRICES[folder.kind], first_ms, last_ms)
    is_spot, is_traded = listing.kind == "spot", folder.kind == "klines"
    opens = candles.open_ms
    unit = np.where(opens >= _MICROSECONDS_FROM_MS, 1000, 1) if is_spot else np.ones_like(opens)
    close_ms = opens + FIXED_MS[folder.timeframe]
    zero = np.zeros(len(opens), np.int64)
    volume, other = candles.volume_base, candles.volume_quote
    if is_inverse(listing):  # counted in contracts, and worth coins
        volume, other = candles.volume_quote / listing.contract_size, candles.volume_base
    columns = [
        opens * unit, candles.open, candles.high, candles.low, candles.close, volume if is_traded else zero,
        close_ms * unit - 1, other if is_traded else zero, zero, zero, zero, zero,
    ]  # fmt: skip
    return _csv(columns, "" if is_spot else _CANDLE_HEADER)


def _funding(market: Market, folder: Folder, first_ms: int, last_ms: int) -> bytes:
    symbol, name = folder.listing.symbol, binance_id(folder.listing)
    known = market.settlements("binance", symbol, first_ms - DAY_MS, last_ms)
    hours = np.diff(known.settled_ms, prepend=0) / HOUR_MS
    usual = float(folder.listing.funding_interval_hours or 8)
    hours = np.where(np.isin(hours, _INTERVALS_HOURS), hours, usual).astype(np.int64)
    rows = known.settled_ms >= first_ms
    settled = known.settled_ms[rows]
    stamps = settled + np.array([jitter_ms(name, each) for each in settled.tolist()], np.int64)
    return _csv([stamps, hours[rows], known.funding_rate[rows]], _FUNDING_HEADER)


def _metrics(market: Market, folder: Folder, first_ms: int, last_ms: int) -> bytes:
    shift = _label_end(folder)
    stamps, base, usd = _observed(market, folder, first_ms + shift, last_ms + shift)
    amount, value = (usd / folder.listing.contract_size, base) if is_inverse(folder.listing) else (base, usd)
    written = pl.Series(stamps).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d %H:%M:%S")
    unknown = np.full(len(stamps), np.nan)
    names = [binance_id(folder.listing)] * len(stamps)
    return _csv([written, names, amount, value, *[unknown] * 4], _METRICS_HEADER)


def _label_end(folder: Folder) -> int:
    """1 where a day is labelled 00:05 to 24:00 (margined in dollars), 0 where it is 00:00 to 23:55 (in coins)."""
    return 0 if is_inverse(folder.listing) else 1


def _observed(market: Market, folder: Folder, first_ms: int, last_ms: int
              ) -> tuple[_Times, npt.NDArray[np.float64], npt.NDArray[np.float64]]:  # fmt: skip
    """Open interest every five minutes: the market's own stamps, and between two neighbours the earlier one's value.

    Neighbours are as far apart as the series usually is, and not more than a day; across a hole nothing is filled in.
    """
    known = market.open_interest("binance", folder.listing.symbol, 0, market.now_ms)
    if not len(known.stamped_ms):
        return known.stamped_ms, known.base, known.usd
    gaps = np.diff(known.stamped_ms)
    usual = min(int(gaps.min()), DAY_MS) if len(gaps) else 0
    is_followed = np.r_[gaps == usual, False]
    rows = slice(*np.searchsorted(known.stamped_ms, [first_ms - DAY_MS, last_ms + 1]))
    repeats = np.where(is_followed, max(usual // _STEP_MS, 1), 1)[rows]
    place = np.repeat(np.arange(len(repeats)), repeats)
    step = np.arange(len(place)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    stamps = known.stamped_ms[rows][place] + step * _STEP_MS
    inside = (stamps >= first_ms) & (stamps <= last_ms)
    return stamps[inside], known.base[rows][place][inside], known.usd[rows][place][inside]


def _csv(columns: list, header: str) -> bytes:
    """Numbers that read back as the same float64; unknown ones as an empty cell."""
    frame = pl.DataFrame({f"c{place}": column for place, column in enumerate(columns)})
    body = frame.with_columns(pl.col(pl.Float64).fill_nan(None)).write_csv(include_header=False).encode()
    return f"{header}\n".encode() + body if header else body
