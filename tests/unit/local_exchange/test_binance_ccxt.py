"""Unmodified ccxt clients against the local exchange: Binance."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.local_exchange.recorded import RecordedMarket
from tests.unit.local_exchange.recordings import DAY, HOUR, Recorded, ms, write

NOW = datetime(2024, 3, 5, 0, 30)
RECORDED = Recorded("binance", datetime(2024, 1, 20), NOW)
candles, ask = RECORDED.series, RECORDED.ask
PERP, DATED, INVERSE, THOUSAND = "BTC/USDT:USDT", "BTC/USDT:USDT-240329", "BTC/USD:BTC", "1000PEPE/USDT:USDT"


def settlements(symbol: str, step: timedelta, start: datetime, rows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "exchange": "binance",
            "symbol": symbol,
            "ts": [start + step * row for row in range(rows)],
            "funding_rate": 1e-4 + 1e-7 * np.arange(rows),
        }
    )


def open_interest(symbol: str, base: float | None, usd: float | None, **changes: Any) -> pl.DataFrame:
    rows = [datetime(2024, 3, 1) + DAY * row for row in range(5)]
    columns = {"exchange": "binance", "symbol": symbol, "ts": rows, "oi_base": base, "oi_usd": usd}
    columns |= {"period": "1h", "ts_semantics": "snapshot"}
    schema = {"oi_base": pl.Float64, "oi_usd": pl.Float64}
    return pl.DataFrame({**columns, **changes}, schema_overrides=schema)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    start = datetime(2024, 1, 20)
    hourly = int((NOW - start) / HOUR)
    files = {
        "spot_ohlcv": [candles("BTC/USDT", "1h", HOUR, start, hourly)],
        "perp_ohlcv": [
            candles(PERP, "1h", HOUR, start, hourly),
            candles(PERP, "1h", HOUR, start, hourly, price_type="mark", volume_base=0.0, volume_quote=0.0),
            candles(THOUSAND, "1h", HOUR, start, hourly, volume_base=None, volume_quote=None),
            candles(INVERSE, "1d", DAY, datetime(2023, 1, 1), 429),
        ],
        "dated_ohlcv": [
            candles(DATED, "1d", DAY, datetime(2024, 1, 1), 64, expiry=datetime(2024, 3, 29, 8)),
            candles("BTC/USDT:USDT-231229", "1d", DAY, datetime(2023, 12, 1), 28, expiry=datetime(2023, 12, 29, 8)),
        ],
        "funding": [
            settlements(PERP, 8 * HOUR, datetime(2024, 1, 20), 136),
            settlements(THOUSAND, 4 * HOUR, datetime(2024, 3, 1), 25),
        ],
        "open_interest": [
            open_interest(PERP, 100.5, 6_000_000.25),
            open_interest(THOUSAND, None, 123.5, period="1d", ts_semantics="bar_open;value=day close"),
            open_interest(INVERSE, None, 5_000_000.0),
        ],
    }
    return write(tmp_path_factory.mktemp("recorded"), files)


def test_markets_of_all_three_hosts_are_listed_with_their_contract_terms(folder: Path) -> None:
    markets = ask(folder, lambda client: client.load_markets())
    assert set(markets) == {"BTC/USDT", PERP, THOUSAND, INVERSE, DATED, "BTC/USDT:USDT-231229"}
    assert markets["BTC/USDT"]["type"] == "spot" and markets[PERP]["type"] == "swap"
    assert markets[INVERSE]["contractSize"] == 100 and markets[INVERSE]["inverse"]
    assert markets[DATED]["expiry"] == ms(datetime(2024, 3, 29, 8)) and markets[DATED]["active"]
    assert not markets["BTC/USDT:USDT-231229"]["active"], "delivered contracts stay readable but do not trade"
    assert markets[PERP]["created"] is None, "listing dates are not recorded"


def test_with_a_start_the_oldest_candles_come_and_their_numbers_are_exact(folder: Path) -> None:
    start = ms(datetime(2024, 1, 20, 5))
    rows = ask(folder, lambda client: client.fetch_ohlcv("BTC/USDT", "1h", start, 3))
    closes = [0.1 + 1 / 3 + row for row in (5.0, 6.0, 7.0)]
    assert [row[0] for row in rows] == [start + hours * 3_600_000 for hours in range(3)]
    assert [row[4] for row in rows] == closes
    assert rows[0][1:4] == [closes[0] - 0.25, closes[0] + 0.5, closes[0] - 0.5]


def test_without_a_start_the_newest_candles_come_oldest_first(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1h", None, 2))
    assert [row[0] for row in rows] == [ms(NOW - timedelta(minutes=30) - HOUR * hours) for hours in (2, 1)]


def test_the_day_still_forming_is_shown_with_the_hours_that_have_closed(folder: Path) -> None:
    noon = datetime(2024, 3, 4, 12, 30)

    market = RecordedMarket(folder, ms(noon))
    days = market.candles("binance", PERP, "1d", "last", 0, ms(noon))
    assert days.open_ms[-1] == ms(datetime(2024, 3, 4))
    assert days.volume_base[-2:].tolist() == [48.0, 24.0]  # 24 and then 12 closed hours of 2 coins


@pytest.mark.parametrize(("market", "cap"), [("public", 1000), ("fapiPublic", 1500)])
def test_a_page_is_capped_whatever_limit_is_asked_for(folder: Path, market: str, cap: int) -> None:
    request = {"symbol": "BTCUSDT", "interval": "1h", "limit": 5000, "startTime": 0}
    rows = ask(folder, lambda client: getattr(client, f"{market}GetKlines")(request))
    recorded = int((NOW - datetime(2024, 1, 20)) / HOUR)  # 1080 hours
    assert len(rows) == min(cap, recorded)


def test_mark_candles_come_from_recorded_mark_prices_and_index_candles_are_absent(folder: Path) -> None:
    async def calls(client: Any) -> tuple[list, list]:
        mark = await client.fetch_ohlcv(PERP, "1d", None, 3, {"price": "mark"})
        return mark, await client.fetch_ohlcv(PERP, "1d", None, 3, {"price": "index"})

    mark, index = ask(folder, calls)
    assert len(mark) == 3 and mark[0][5] == 0 and index == []


def test_an_unknown_volume_is_null_and_not_zero(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(THOUSAND, "1h", None, 1))
    assert rows[0][4] > 0 and rows[0][5] is None


def test_coin_margined_volume_is_in_coins_for_ccxt_and_in_contracts_on_the_wire(folder: Path) -> None:
    async def calls(client: Any) -> tuple[list, list]:
        unified = await client.fetch_ohlcv(INVERSE, "1d", ms(datetime(2024, 1, 1)), 1)
        return unified, await client.dapiPublicGetKlines({"symbol": "BTCUSD_PERP", "interval": "1d", "limit": 1})

    unified, raw = ask(folder, calls)
    assert unified[0][5] == 2.0
    assert raw[0][5] == "5.0" and raw[0][7] == "2.0"  # 500 USD / 100 USD per contract


def test_coin_margined_windows_above_200_days_are_refused(folder: Path) -> None:
    import ccxt

    with pytest.raises(ccxt.BadRequest, match="200 days"):
        ask(folder, lambda client: client.fetch_ohlcv(INVERSE, "1d", ms(datetime(2023, 1, 1)), 201))


def test_dated_candles_are_served_by_their_own_id_and_continuously_over_the_roll(folder: Path) -> None:
    request = {"pair": "BTCUSDT", "contractType": "CURRENT_QUARTER", "interval": "1d"}
    request["startTime"] = ms(datetime(2023, 12, 28))

    async def calls(client: Any) -> tuple[list, list]:
        own = await client.fetch_ohlcv(DATED, "1d", ms(datetime(2024, 1, 1)), 2)
        return own, await client.fapiPublicGetContinuousKlines({**request, "limit": 4})

    own, rolled = ask(folder, calls)
    # 28 December is row 27 of the contract delivered on the 29th; the next one was recorded from January on.
    assert [float(row[4]) for row in rolled] == [0.1 + 1 / 3 + row for row in (27.0, 0.0, 1.0, 2.0)]
    assert [row[4] for row in own] == [0.1 + 1 / 3 + row for row in (0.0, 1.0)]


def test_funding_is_stamped_some_milliseconds_late_and_paging_forward_finds_every_settlement(
    folder: Path,
) -> None:
    async def calls(client: Any) -> list:
        found, since = [], ms(datetime(2024, 1, 20))
        while page := await client.fetch_funding_rate_history(PERP, since, 50):
            found += page
            since = page[-1]["timestamp"] + 1
        return found

    rows = ask(folder, calls)
    late = [row["timestamp"] % 3_600_000 for row in rows]
    known = int((NOW - datetime(2024, 1, 20)) / (8 * HOUR)) + 1  # 136, the last at midnight
    assert len(rows) == known and max(late) < 12 and len(set(late)) > 1
    assert [row["fundingRate"] for row in rows] == [1e-4 + 1e-7 * row for row in range(known)]


def test_without_a_symbol_funding_of_all_contracts_comes_in_order_of_time(folder: Path) -> None:
    since = ms(datetime(2024, 3, 4))
    rows = ask(folder, lambda client: client.fapiPublicGetFundingRate({"startTime": since, "limit": 1000}))
    assert {row["symbol"] for row in rows} == {"BTCUSDT", "1000PEPEUSDT"}
    assert [row["fundingTime"] for row in rows] == sorted(row["fundingTime"] for row in rows)


def test_only_contracts_that_do_not_settle_every_8_hours_are_in_the_funding_info(folder: Path) -> None:
    intervals = ask(folder, lambda client: client.fetch_funding_intervals())
    assert {symbol: row["interval"] for symbol, row in intervals.items()} == {THOUSAND: "4h"}


def test_current_funding_is_the_last_settlement_and_names_the_next_one(folder: Path) -> None:
    rates = ask(folder, lambda client: client.fetch_funding_rates())
    assert rates[PERP]["fundingRate"] == 1e-4 + 1e-7 * 135
    assert rates[PERP]["fundingTimestamp"] == ms(datetime(2024, 3, 5, 8))
    assert rates[THOUSAND]["fundingTimestamp"] == ms(datetime(2024, 3, 5, 4))
    assert rates[PERP]["markPrice"] is not None and rates[PERP]["indexPrice"] is None


def test_open_interest_recorded_in_usd_alone_is_not_turned_into_coins(folder: Path) -> None:
    async def calls(client: Any) -> tuple[dict, list, list]:
        now = await client.fetch_open_interest(THOUSAND)
        since = ms(datetime(2024, 3, 1))
        history = await client.fetch_open_interest_history(THOUSAND, "1d", since, 10)
        return now, history, await client.fetch_open_interest_history(PERP, "1d", since, 1)

    now, history, both = ask(folder, calls)
    assert now["openInterestAmount"] is None
    assert [row["openInterestAmount"] for row in history] == [None] * 4
    # A day's close is known when the day is over: the value stamped 1 March is shown on 2 March.
    assert [row["timestamp"] for row in history] == [ms(datetime(2024, 3, day)) for day in (2, 3, 4, 5)]
    assert both[0]["openInterestAmount"] == 100.5 and both[0]["openInterestValue"] == 6_000_000.25


def test_coin_margined_open_interest_is_counted_in_contracts(folder: Path) -> None:
    params = {"pair": "BTCUSD", "contractType": "PERPETUAL"}

    async def calls(client: Any) -> tuple[dict, list]:
        now = await client.fetch_open_interest(INVERSE)
        return now, await client.fetch_open_interest_history(INVERSE, "1d", None, 1, params)

    now, history = ask(folder, calls)
    assert now["openInterestAmount"] == history[0]["openInterestAmount"] == 50_000  # 5,000,000 USD / 100 USD
    assert history[0]["openInterestValue"] is None, "coins were not recorded"


def test_open_interest_older_than_30_days_is_refused_when_the_limit_is_on(folder: Path) -> None:
    import ccxt

    async def calls(client: Any) -> list:
        return await client.fetch_open_interest_history(PERP, "1d", ms(NOW - 31 * DAY), 40)

    with pytest.raises(ccxt.BadRequest, match="1130"):
        ask(folder, calls, open_interest_history_days=30)
    assert len(ask(folder, calls, open_interest_history_days=None)) == 5


def test_unknown_symbols_and_intervals_are_refused_with_binance_error_codes(folder: Path) -> None:
    import ccxt

    with pytest.raises(ccxt.BadSymbol, match="-1121"):
        ask(folder, lambda client: client.fapiPublicGetKlines({"symbol": "NONEUSDT", "interval": "1h"}))
    with pytest.raises(ccxt.BadRequest, match="-1120"):
        ask(folder, lambda client: client.fapiPublicGetKlines({"symbol": "BTCUSDT", "interval": "7h"}))


def test_tickers_are_told_apart_as_spot_and_contracts(folder: Path) -> None:
    async def calls(client: Any) -> tuple[dict, dict]:
        spot = await client.fetch_tickers(None, {"type": "spot"})
        return spot, await client.fetch_tickers(None, {"type": "swap", "subType": "linear"})

    spot, linear = ask(folder, calls)
    # Hours that opened after 00:30 yesterday and have closed by 00:30: 01:00 to 23:00, 23 hours of 2 coins.
    assert set(spot) == {"BTC/USDT"} and spot["BTC/USDT"]["baseVolume"] == 46.0
    assert {PERP, THOUSAND} <= set(linear) and linear[THOUSAND]["quoteVolume"] is None


@pytest.mark.parametrize(("name", "now"), [("majors_8h", "2024-12-31"), ("sectors_33", "2025-09-15")])
def test_real_recordings_are_served_as_they_were_recorded(name: str, now: str) -> None:
    root = Path(os.environ.get("ROTATION_REAL_DATA", Path(__file__).parents[4] / "shared/data/real"))
    if not (root / name).is_dir():
        pytest.skip(f"no real data at {root / name}; set ROTATION_REAL_DATA")
    frame = pl.read_parquet(root / name / "perp_ohlcv.parquet")
    first = frame.filter(pl.col("symbol") == PERP, pl.col("exchange") == "binance").unique(
        ["timeframe", "ts"], keep="first", maintain_order=True
    )
    timeframe = "8h" if name == "majors_8h" else "1h"
    expected = first.filter(pl.col("timeframe") == timeframe).sort("ts").head(500)
    market = RecordedMarket(root / name, ms(datetime.fromisoformat(now)))
    served = market.candles("binance", PERP, timeframe, "last", 0, market.now_ms)
    assert served.open_ms[:500].tolist() == expected["ts"].dt.timestamp("ms").to_list()
    assert served.close[:500].tolist() == expected["close"].to_list()
