"""Reading a folder of recorded market data: what its files must look like, and errors where they do not.

The format is described in `docs/recorded-data.md`.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.local_exchange.timeframes import FIXED_MS, NAMES

_TEXT, _NUMBER, _TIME = "text", "number", "time"
_CANDLE_COLUMNS = {
    "exchange": _TEXT,
    "symbol": _TEXT,
    "ts": _TIME,
    "timeframe": _TEXT,
    "open": _NUMBER,
    "high": _NUMBER,
    "low": _NUMBER,
    "close": _NUMBER,
    "volume_base": _NUMBER,
    "volume_quote": _NUMBER,
    "price_type": _TEXT,
}
_PRICES = ("open", "high", "low", "close")
_CANDLE_KEY = ["exchange", "symbol", "timeframe", "price_type", "ts"]
PRICE_TYPES = ("last", "mark", "index")
SHIFT_TO_CLOSE = "bar_open;value=day close"
_SEMANTICS = ("snapshot", SHIFT_TO_CLOSE)

_SPOT = r"^[^/:\s]+/[^/:\s]+$"
_PERP = r"^[^/:\s]+/[^/:\s]+:[^/:\s-]+$"
_DATED = r"^[^/:\s]+/[^/:\s]+:[^/:\s-]+-\d{6}$"
_CONTRACT = rf"(?:{_PERP})|(?:{_DATED})"
_ANY = rf"(?:{_SPOT})|{_CONTRACT}"


@dataclass(frozen=True)
class _File:
    name: str
    columns: dict[str, str]
    required: tuple[str, ...]  # columns whose values may not be unknown
    key: list[str]
    symbols: str
    example: str


_CANDLES_REQUIRED = ("exchange", "symbol", "ts", "timeframe", *_PRICES, "price_type")
_FILES = {
    "spot": _File("spot_ohlcv.parquet", _CANDLE_COLUMNS, _CANDLES_REQUIRED, _CANDLE_KEY, _SPOT, "BTC/USDT"),
    "perp": _File("perp_ohlcv.parquet", _CANDLE_COLUMNS, _CANDLES_REQUIRED, _CANDLE_KEY, _PERP, "BTC/USDT:USDT"),
    "dated": _File(
        "dated_ohlcv.parquet",
        {**_CANDLE_COLUMNS, "expiry": _TIME},
        (*_CANDLES_REQUIRED, "expiry"),
        _CANDLE_KEY,
        _DATED,
        "BTC/USDT:USDT-261225",
    ),
    "funding": _File(
        "funding.parquet",
        {"exchange": _TEXT, "symbol": _TEXT, "ts": _TIME, "funding_rate": _NUMBER},
        ("exchange", "symbol", "ts", "funding_rate"),
        ["exchange", "symbol", "ts"],
        _PERP,
        "BTC/USDT:USDT",
    ),
    "open_interest": _File(
        "open_interest.parquet",
        {
            "exchange": _TEXT,
            "symbol": _TEXT,
            "ts": _TIME,
            "oi_base": _NUMBER,
            "oi_usd": _NUMBER,
            "period": _TEXT,
            "ts_semantics": _TEXT,
        },
        ("exchange", "symbol", "ts", "period", "ts_semantics"),
        ["exchange", "symbol", "ts"],
        _CONTRACT,
        "BTC/USDT:USDT",
    ),
    "instruments": _File(
        "instruments.parquet",
        {"exchange": _TEXT, "symbol": _TEXT, "lot_step": _NUMBER, "min_notional_usd": _NUMBER},
        ("exchange", "symbol"),
        ["exchange", "symbol"],
        _ANY,
        "BTC/USDT or BTC/USDT:USDT",
    ),
}


class BadRecording(ValueError):
    """The recorded data cannot be served; the message names file and column and says what to change."""


@dataclass(frozen=True)
class Recording:
    """The files of a folder, each sorted by its key, each key once; None where the file is not there.

    Attributes:
        frames: `spot`, `perp`, `dated`, `funding`, `open_interest` to a frame whose `ts` is int64 UTC
            milliseconds; open interest is stamped at the instant when its value was true. `instruments` to what
            orders are taken, where the folder says it.
        dropped: File name to the rows left out because an earlier row of the file has the same key.
    """

    frames: dict[str, pl.DataFrame]
    dropped: dict[str, int]


def read_recording(folder: Path) -> Recording:
    """Read and check every file of the folder.

    Of rows with one key the first of the file is kept: what is served depends on the file alone.

    Raises:
        BadRecording: No folder, none of the files, or a file that is not as described in the documentation.
    """
    if not folder.is_dir():
        raise BadRecording(f"{folder}: no such folder; give the folder that holds the recorded parquet files")
    frames, dropped = {}, {}
    for kind, file in _FILES.items():
        path = folder / file.name
        if path.exists():
            read = _read(path, file)
            frames[kind] = read.unique(file.key, keep="first", maintain_order=True).sort(file.key)
            dropped[file.name] = read.height - frames[kind].height
    if not frames.keys() - {"instruments"}:
        names = ", ".join(file.name for kind, file in _FILES.items() if kind != "instruments")
        raise BadRecording(f"{folder}: holds no recorded data; put at least one of these there: {names}")
    return Recording(frames, dropped)


def recorded_days(folder: Path) -> tuple[date, date]:
    """First and last day that the folder's candles cover to the end, in UTC.

    Raises:
        BadRecording: As `read_recording`; or there are no candles of perpetuals.
    """
    perp = read_recording(folder).frames.get("perp")
    if perp is None or perp.is_empty():
        raise BadRecording(f"{folder}: holds no candles of perpetuals, so no day of it can be decided")
    ends_ms = perp["ts"] + perp["timeframe"].replace_strict(FIXED_MS, return_dtype=pl.Int64)
    first = datetime.fromtimestamp(perp["ts"].min() / 1000, UTC).date()
    return first, (datetime.fromtimestamp(ends_ms.max() / 1000, UTC) - timedelta(days=1)).date()


def _read(path: Path, file: _File) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadRecording(f"{path}: cannot be read as parquet ({error}); write the file again") from error
    for column, kind in file.columns.items():
        if column not in frame.columns:
            raise BadRecording(f"{path}: column `{column}` is missing; add it ({kind})")
        _check_type(path, column, kind, frame[column].dtype)
    numbers = [column for column, kind in file.columns.items() if kind == _NUMBER]
    times = [column for column, kind in file.columns.items() if kind == _TIME]
    frame = frame.select(list(file.columns)).with_columns(
        pl.col(numbers).cast(pl.Float64).fill_nan(None), pl.col(times).dt.timestamp("ms")
    )
    for column in file.required:
        if unknown := frame[column].null_count():
            raise BadRecording(f"{path}: column `{column}` is unknown in {unknown} rows; fill it or drop the rows")
    _check_values(path, "symbol", ~pl.col("symbol").str.contains(file.symbols), f"write {file.example}", frame)
    if "timeframe" in file.columns:
        return _candles(path, frame)
    if "lot_step" in file.columns:
        return _instruments(path, frame)
    return _open_interest(path, frame) if "ts_semantics" in file.columns else frame


def _check_type(path: Path, column: str, kind: str, dtype: pl.DataType) -> None:
    good = {
        _TEXT: dtype in (pl.String, pl.Categorical, pl.Enum),
        _NUMBER: dtype.is_numeric() or dtype == pl.Null,
        _TIME: isinstance(dtype, pl.Datetime),
    }
    if not good[kind]:
        raise BadRecording(f"{path}: column `{column}` is {dtype}; write it as {kind}")
    if kind == _TIME and dtype.time_zone not in (None, "UTC"):
        raise BadRecording(f"{path}: column `{column}` is in {dtype.time_zone}; convert it to UTC")


def _check_values(path: Path, column: str, bad: pl.Expr, remedy: str, frame: pl.DataFrame) -> None:
    wrong = frame.filter(bad)
    if wrong.height:
        raise BadRecording(f"{path}: column `{column}` has {wrong[column][0]!r} (in {wrong.height} rows); {remedy}")


def _candles(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    lengths = [name for name in FIXED_MS if name not in ("3d", "1w")]  # longer ones are made of daily candles
    _check_values(path, "timeframe", ~pl.col("timeframe").is_in(lengths), f"use one of {', '.join(lengths)}", frame)
    known = f"use one of {', '.join(PRICE_TYPES)}"
    _check_values(path, "price_type", ~pl.col("price_type").is_in(PRICE_TYPES), known, frame)
    length = pl.col("timeframe").replace_strict(FIXED_MS, return_dtype=pl.Int64)
    remedy = "stamp candles with their opening time, a whole number of timeframes after 00:00 UTC"
    _check_values(path, "ts", pl.col("ts") % length != 0, remedy, frame)
    if "expiry" in frame.columns:
        several = frame.group_by("symbol").agg(pl.col("expiry").n_unique()).filter(pl.col("expiry") > 1)
        if several.height:
            raise BadRecording(
                f"{path}: column `expiry` differs between rows of {several['symbol'].sort()[0]}; "
                "write the one instant of delivery in all of them"
            )
    return frame


def _open_interest(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    remedy = f"use {' or '.join(map(repr, _SEMANTICS))}"
    _check_values(path, "ts_semantics", ~pl.col("ts_semantics").is_in(_SEMANTICS), remedy, frame)
    _check_values(path, "period", ~pl.col("period").is_in(NAMES[:-1]), "use for example 1h or 1d", frame)
    length = pl.col("period").replace_strict(FIXED_MS, return_dtype=pl.Int64)
    to_close = pl.when(pl.col("ts_semantics") == SHIFT_TO_CLOSE).then(length).otherwise(0)
    return frame.with_columns(pl.col("ts") + to_close).filter(
        pl.col("oi_base").is_not_null() | pl.col("oi_usd").is_not_null()
    )


def _instruments(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    digits = pl.col("lot_step").log10()
    is_power = (pl.col("lot_step") > 0) & ((digits - digits.round()).abs() < 1e-9)
    _check_values(path, "lot_step", ~is_power, "write a power of ten, for example 0.001, or leave it unknown", frame)
    remedy = "write USD above 0, or leave it unknown"
    _check_values(path, "min_notional_usd", pl.col("min_notional_usd") <= 0, remedy, frame)
    return frame
