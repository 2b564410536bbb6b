"""A folder of recorded data as a market: what is shown, what is hidden, what is refused."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.local_exchange.recorded import RecordedMarket
from pipelines.local_exchange.recorded_files import BadRecording

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START, LATER = datetime(2024, 3, 1), datetime(2024, 4, 1)


def ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def candles(closes: list[float], timeframe: str = "1h", step: timedelta = HOUR, **changes: Any) -> pl.DataFrame:
    columns = {
        "exchange": "binance",
        "symbol": "BTC/USDT:USDT",
        "ts": [START + step * row for row in range(len(closes))],
        "timeframe": timeframe,
        "open": closes,
        "high": closes,
        "low": closes,
        "close": closes,
        "volume_base": [1.0] * len(closes),
        "volume_quote": [None] * len(closes),
        "price_type": "last",
    }
    return pl.DataFrame({**columns, **changes})


def funding(rates: list[float], step: timedelta = 8 * HOUR, **changes: Any) -> pl.DataFrame:
    times = [START + step * row for row in range(len(rates))]
    columns = {"exchange": "bybit", "symbol": "BTC/USDT:USDT", "ts": times, "funding_rate": rates}
    return pl.DataFrame({**columns, **changes})


def open_interest(usd: list[float | None], semantics: str = "snapshot", **changes: Any) -> pl.DataFrame:
    times = [START + DAY * row for row in range(len(usd))]
    columns = {"exchange": "binance", "symbol": "BTC/USDT:USDT", "ts": times, "oi_base": [None] * len(usd)}
    columns |= {"oi_usd": usd, "period": "1d", "ts_semantics": semantics}
    return pl.DataFrame({**columns, **changes})


def market(folder: Path, now: datetime = LATER, **files: pl.DataFrame) -> RecordedMarket:
    for name, frame in files.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return RecordedMarket(folder, ms(now))


def closes(served: RecordedMarket, timeframe: str, price: str = "last") -> list[float]:
    return served.candles("binance", "BTC/USDT:USDT", timeframe, price, 0, served.now_ms).close.tolist()


def test_a_recorded_timeframe_is_served_as_recorded_and_its_gaps_are_made_from_finer_candles(
    tmp_path: Path,
) -> None:
    eight = candles([100.0, 300.0], "8h", 16 * HOUR)  # 00:00 and 16:00, 08:00 is missing
    hours = candles([float(hour) for hour in range(24)])
    served = market(tmp_path, perp_ohlcv=pl.concat([hours, eight]))
    assert closes(served, "8h") == [100.0, 15.0, 300.0]
    # The day is made of 8-hour candles where all three are recorded: here they are not, so of hours.
    assert closes(served, "1d") == [23.0]


def test_a_finer_timeframe_than_recorded_is_an_empty_series(tmp_path: Path) -> None:
    assert closes(market(tmp_path, perp_ohlcv=candles([1.0], "8h", 8 * HOUR)), "1h") == []


def test_a_candle_that_has_not_closed_is_hidden(tmp_path: Path) -> None:
    served = market(tmp_path, START + timedelta(hours=1, minutes=59), perp_ohlcv=candles([1.0, 2.0, 3.0]))
    assert closes(served, "1h") == [1.0]


def test_the_recorded_day_does_not_show_its_close_before_it_is_over(tmp_path: Path) -> None:
    frame = pl.concat([candles([1.0, 2.0, 3.0]), candles([99.0], "1d", DAY)])
    assert closes(market(tmp_path, START + 3 * HOUR, perp_ohlcv=frame), "1d") == [3.0]


def test_instruments_settlements_and_open_interest_of_the_future_are_hidden(tmp_path: Path) -> None:
    files = {"funding": funding([0.1, 0.2]), "open_interest": open_interest([5.0, 6.0])}
    served = market(tmp_path, START + HOUR, perp_ohlcv=candles([1.0], ts=[LATER]), **files)
    assert served.settlements("bybit", "BTC/USDT:USDT", 0, ms(LATER)).funding_rate.tolist() == [0.1]
    assert served.open_interest("binance", "BTC/USDT:USDT", 0, ms(LATER)).usd.tolist() == [5.0]
    new = candles([1.0], ts=[LATER], symbol="NEW/USDT:USDT")
    later = market(tmp_path, START + HOUR, perp_ohlcv=pl.concat([candles([1.0]), new]))
    assert [listing.symbol for listing in later.listings("binance")] == ["BTC/USDT:USDT"]


def test_of_rows_with_one_key_the_first_is_served_and_the_rest_are_counted(tmp_path: Path) -> None:
    served = market(tmp_path, perp_ohlcv=pl.concat([candles([1.0, 2.0]), candles([50.0, 2.0])]))
    assert closes(served, "1h") == [1.0, 2.0]
    assert served.dropped_rows == {"perp_ohlcv.parquet": 2}


def test_an_open_interest_that_holds_the_days_close_is_known_when_the_day_is_over(tmp_path: Path) -> None:
    served = market(tmp_path, open_interest=open_interest([5.0], "bar_open;value=day close"))
    known = served.open_interest("binance", "BTC/USDT:USDT", 0, served.now_ms)
    assert known.stamped_ms.tolist() == [ms(START + DAY)]
    early = RecordedMarket(tmp_path, ms(START + 23 * HOUR))
    assert early.listings("binance") == []


def test_listings_are_made_of_the_symbols_and_exchanges_without_rows_list_nothing(tmp_path: Path) -> None:
    inverse = candles([1.0], symbol="BTC/USD:BTC")
    coin = candles([1.0], symbol="ADA/USD:ADA")
    dated = candles([1.0], symbol="BTC/USDT:USDT-240329", expiry=datetime(2024, 3, 29, 8))
    served = market(tmp_path, perp_ohlcv=pl.concat([inverse, coin]), dated_ohlcv=dated)
    listings = {listing.symbol: listing for listing in served.listings("binance")}
    assert listings["BTC/USD:BTC"].contract_size == 100 and listings["ADA/USD:ADA"].contract_size == 10
    assert listings["BTC/USDT:USDT-240329"].expiry_ms == ms(datetime(2024, 3, 29, 8))
    assert all(listing.listed_ms is None and listing.delisted_ms is None for listing in listings.values())
    assert served.listings("bybit") == []


def test_the_funding_interval_is_that_of_the_last_two_settlements(tmp_path: Path) -> None:
    times = [START, START + 8 * HOUR, START + 12 * HOUR]
    served = market(tmp_path, funding=funding([0.1] * 3, ts=times))
    assert served.listings("bybit")[0].funding_interval_hours == 4


@pytest.mark.parametrize(
    ("name", "frame", "message"),
    [
        ("perp_ohlcv", candles([1.0]).drop("close"), "column `close` is missing; add it"),
        ("perp_ohlcv", candles([1.0], close=["x"]), "column `close` is String; write it as number"),
        ("perp_ohlcv", candles([1.0], ts=[5]), "column `ts` is Int64; write it as time"),
        ("perp_ohlcv", candles([1.0], low=[None]), "column `low` is unknown in 1 rows"),
        ("perp_ohlcv", candles([1.0], low=[float("nan")]), "column `low` is unknown in 1 rows"),
        ("perp_ohlcv", candles([1.0], symbol="BTCUSDT"), "column `symbol` has 'BTCUSDT'"),
        ("spot_ohlcv", candles([1.0]), "column `symbol` has 'BTC/USDT:USDT' .* write BTC/USDT"),
        ("perp_ohlcv", candles([1.0], timeframe="7h"), "column `timeframe` has '7h'"),
        ("perp_ohlcv", candles([1.0], price_type="fair"), "column `price_type` has 'fair'"),
        ("perp_ohlcv", candles([1.0], ts=[START + timedelta(minutes=1)]), "column `ts` .* opening time"),
        ("dated_ohlcv", candles([1.0], symbol="BTC/USDT:USDT-240329"), "column `expiry` is missing"),
        (
            "dated_ohlcv",
            candles([1.0, 2.0], symbol="BTC/USDT:USDT-240329", expiry=[START, LATER]),
            "column `expiry` differs between rows of BTC/USDT:USDT-240329",
        ),
        ("funding", funding([0.1]).drop("funding_rate"), "column `funding_rate` is missing"),
        ("open_interest", open_interest([1.0], "close"), "column `ts_semantics` has 'close'"),
    ],
)
def test_a_file_that_cannot_be_served_is_refused_by_file_and_column(
    tmp_path: Path, name: str, frame: pl.DataFrame, message: str
) -> None:
    with pytest.raises(BadRecording, match=message) as refusal:
        market(tmp_path, **{name: frame})
    assert f"{name}.parquet" in str(refusal.value)


def test_times_in_another_time_zone_are_refused(tmp_path: Path) -> None:
    frame = candles([1.0]).with_columns(pl.col("ts").dt.replace_time_zone("Asia/Tokyo"))
    with pytest.raises(BadRecording, match="Asia/Tokyo; convert it to UTC"):
        market(tmp_path, perp_ohlcv=frame)


def test_a_missing_or_empty_folder_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="no such folder"):
        RecordedMarket(tmp_path / "none", 0)
    with pytest.raises(BadRecording, match="holds no recorded data; put at least one of"):
        RecordedMarket(tmp_path, 0)
    (tmp_path / "funding.parquet").write_bytes(b"not parquet")
    with pytest.raises(BadRecording, match=r"funding\.parquet: cannot be read as parquet"):
        RecordedMarket(tmp_path, 0)


@pytest.mark.parametrize(("name", "listed"), [("majors_8h", 31), ("sectors_33", 73), ("quarterlies", 18)])
def test_every_instrument_of_the_real_recordings_is_listed(name: str, listed: int) -> None:
    root = Path(os.environ.get("ROTATION_REAL_DATA", Path(__file__).parents[4] / "shared/data/real"))
    if not (root / name).is_dir():
        pytest.skip(f"no real data at {root / name}; set ROTATION_REAL_DATA")
    served = RecordedMarket(root / name, ms(datetime(2026, 1, 1)))
    symbols = [listing.symbol for listing in served.listings("binance")]
    frames = [pl.read_parquet(file) for file in (root / name).glob("*.parquet")]
    recorded = {
        symbol for frame in frames for symbol in frame.filter(pl.col("exchange") == "binance")["symbol"].unique()
    }
    assert set(symbols) == recorded and len(symbols) == listed
