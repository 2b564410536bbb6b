"""Unmodified ccxt clients against the local exchange: Bybit v5."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.local_exchange.recordings import HOUR, Recorded, ms, write

START, NOW = datetime(2024, 2, 1), datetime(2024, 3, 5, 0, 30)
RECORDED = Recorded("bybit", START, NOW)
HOURS = RECORDED.hours  # 792 closed hours; row i opens i hours after START
candles, hourly, ask = RECORDED.candles, RECORDED.hourly, RECORDED.ask
PERP, DATED, INVERSE, THOUSAND = "BTC/USDT:USDT", "BTC/USDT:USDT-240329", "BTC/USD:BTC", "SHIB1000/USDT:USDT"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    meaning = {"period": "1h", "ts_semantics": "snapshot"}
    counting = np.arange(HOURS, dtype=float) + 1
    eight_hourly = hourly(PERP, funding_rate=1e-4 * counting).gather_every(8)
    files = {
        "spot_ohlcv": [candles("BTC/USDT")],
        "perp_ohlcv": [candles(PERP), candles(PERP, price_type="mark"), candles(INVERSE), candles(THOUSAND)],
        "dated_ohlcv": [candles(DATED, expiry=datetime(2024, 3, 29, 8))],
        "funding": [eight_hourly, hourly(THOUSAND, funding_rate=1e-4 * counting)],
        "open_interest": [
            hourly(PERP, oi_base=counting, oi_usd=None, **meaning),
            hourly(INVERSE, oi_base=None, oi_usd=1000 * counting, **meaning),
        ],
    }
    return write(tmp_path_factory.mktemp("recorded"), files)


def test_markets_of_all_categories_are_listed_under_ccxt_default_options(folder: Path) -> None:
    markets = ask(folder, lambda client: client.load_markets())
    assert set(markets) == {"BTC/USDT", PERP, THOUSAND, INVERSE, DATED}
    assert markets[DATED]["id"] == "BTCUSDT-29MAR24" and markets[DATED]["expiry"] == ms(datetime(2024, 3, 29, 8))
    assert markets[INVERSE]["contractSize"] == 1 and markets[THOUSAND]["id"] == "SHIB1000USDT"
    assert markets[PERP]["info"]["fundingInterval"] == 480 and markets[THOUSAND]["info"]["fundingInterval"] == 60


def test_instruments_come_in_pages_that_the_cursor_continues(folder: Path) -> None:
    async def calls(client: Any) -> list:
        found, request = [], {"category": "linear", "limit": 1}
        while True:
            result = (await client.publicGetV5MarketInstrumentsInfo(request))["result"]
            found += [row["symbol"] for row in result["list"]]
            if not result["nextPageCursor"]:
                return found
            request["cursor"] = result["nextPageCursor"]

    assert sorted(ask(folder, calls)) == ["BTCUSDT", "BTCUSDT-29MAR24", "SHIB1000USDT"]


def test_contracts_before_their_launch_are_an_empty_list(folder: Path) -> None:
    request = {"category": "linear", "status": "PreLaunch"}
    reply = ask(folder, lambda client: client.publicGetV5MarketInstrumentsInfo(request))
    assert reply["result"]["list"] == []


@pytest.mark.parametrize("symbol", ["BTC/USDT", PERP, DATED])
def test_with_a_start_alone_the_oldest_candles_come_and_their_numbers_are_exact(folder: Path, symbol: str) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(symbol, "1h", ms(START + 5 * HOUR), 2))
    assert [row[0] for row in rows] == [ms(START + 5 * HOUR), ms(START + 6 * HOUR)]
    assert [row[4] for row in rows] == [0.1 + 1 / 3 + 5.0, 0.1 + 1 / 3 + 6.0]
    assert rows[0][5] == 2.0


def test_with_an_end_the_newest_candles_up_to_it_come(folder: Path) -> None:
    end = ms(START + 20 * HOUR)
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1h", ms(START), 3, {"until": end}))
    assert [row[0] for row in rows] == [ms(START + hours * HOUR) for hours in (18, 19, 20)]


def test_candles_come_newest_first_on_the_wire(folder: Path) -> None:
    request = {"category": "linear", "symbol": "BTCUSDT", "interval": "60", "limit": 3}
    reply = ask(folder, lambda client: client.publicGetV5MarketKline(request))
    stamps = [int(row[0]) for row in reply["result"]["list"]]
    assert stamps == [ms(START + HOUR * (HOURS - back)) for back in (1, 2, 3)]


def test_a_start_inside_a_candle_counts_as_its_opening(folder: Path) -> None:
    request = {"category": "linear", "symbol": "BTCUSDT", "interval": "60", "limit": 1}
    request["start"] = ms(START + 5 * HOUR) + 8000
    reply = ask(folder, lambda client: client.publicGetV5MarketKline(request))
    assert int(reply["result"]["list"][0][0]) == ms(START + 5 * HOUR)


def test_mark_candles_are_served_and_index_and_premium_candles_are_absent(folder: Path) -> None:
    async def calls(client: Any) -> list[list]:
        return [
            await client.fetch_ohlcv(PERP, "1d", None, 2, {"price": price})
            for price in ("mark", "index", "premiumIndex")
        ]

    mark, index, premium = ask(folder, calls)
    assert len(mark) == 2 and mark[0][5] is None and index == [] and premium == []


def test_coin_margined_volume_is_in_coins_for_ccxt(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(INVERSE, "1h", None, 1))
    assert rows[0][5] == 2.0


def test_funding_pages_hold_the_newest_rows_of_the_window(folder: Path) -> None:
    until = ms(START + 80 * HOUR)
    rows = ask(folder, lambda client: client.fetch_funding_rate_history(PERP, None, 3, {"until": until}))
    assert [row["timestamp"] for row in rows] == [ms(START + hours * HOUR) for hours in (64, 72, 80)]
    assert rows[-1]["fundingRate"] == 1e-4 * 81


def test_a_funding_page_is_capped_at_200_rows(folder: Path) -> None:
    request = {"category": "linear", "symbol": "SHIB1000USDT", "limit": 1000}
    reply = ask(folder, lambda client: client.publicGetV5MarketFundingHistory(request))
    assert len(reply["result"]["list"]) == 200


def test_a_funding_start_without_an_end_is_an_error(folder: Path) -> None:
    import ccxt

    request = {"category": "linear", "symbol": "BTCUSDT", "startTime": ms(START)}
    with pytest.raises(ccxt.BadRequest, match="10001"):
        ask(folder, lambda client: client.publicGetV5MarketFundingHistory(request))


def test_current_funding_names_the_interval_and_the_next_settlement(folder: Path) -> None:
    rates = ask(folder, lambda client: client.fetch_funding_rates())
    assert rates[PERP]["fundingRate"] == 1e-4 * 785 and rates[PERP]["interval"] == "8h"  # row 784 is at 16:00
    assert rates[PERP]["fundingTimestamp"] == ms(datetime(2024, 3, 5, 8))
    assert rates[THOUSAND]["interval"] == "1h"
    assert rates[PERP]["markPrice"] == 0.1 + 1 / 3 + 791.0 and rates[PERP]["indexPrice"] is None


def test_open_interest_is_paged_by_cursor_without_loss(folder: Path) -> None:
    request = {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "1h", "limit": 200}
    request |= {"startTime": ms(START), "endTime": ms(NOW)}

    async def calls(client: Any) -> list:
        found, cursor = [], {}
        while True:
            result = (await client.publicGetV5MarketOpenInterest({**request, **cursor}))["result"]
            found += result["list"]
            if not result["nextPageCursor"]:
                return found
            cursor = {"cursor": result["nextPageCursor"]}

    rows = ask(folder, calls)
    assert [float(row["openInterest"]) for row in rows] == [float(HOURS - back) for back in range(HOURS)]


def test_open_interest_is_in_coins_for_linear_and_in_usd_for_inverse_contracts(folder: Path) -> None:
    async def calls(client: Any) -> tuple[list, list, dict]:
        linear = await client.fetch_open_interest_history(PERP, "1d", None, 2)
        inverse = await client.fetch_open_interest_history(INVERSE, "1h", None, 1)
        return linear, inverse, await client.fetch_open_interest(PERP)

    linear, inverse, now = ask(folder, calls)
    assert [row["timestamp"] for row in linear] == [ms(datetime(2024, 3, 3)), ms(datetime(2024, 3, 4))]
    assert linear[-1]["openInterestAmount"] == 769.0 and linear[-1]["openInterestValue"] is None  # row 768
    assert inverse[0]["openInterestValue"] == 792_000.0 and inverse[0]["openInterestAmount"] is None
    assert now["openInterestAmount"] == 792.0


def test_a_linear_ticker_carries_open_interest_and_only_known_values(folder: Path) -> None:
    async def calls(client: Any) -> dict:
        return (await client.publicGetV5MarketTickers({"category": "linear", "symbol": "BTCUSDT"}))["result"]

    row = ask(folder, calls)["list"][0]
    assert row["openInterest"] == "792.0" and row["openInterestValue"] == "", "USD was not recorded"
    assert row["fundingIntervalHour"] == "8" and row["indexPrice"] == ""


def test_spot_tickers_are_read_as_spot(folder: Path) -> None:
    tickers = ask(folder, lambda client: client.fetch_tickers(None, {"type": "spot"}))
    assert set(tickers) == {"BTC/USDT"} and tickers["BTC/USDT"]["baseVolume"] == 46.0  # 23 closed hours of 2 coins


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("Kline", {"category": "linear", "symbol": "NONE", "interval": "60"}),
        ("Kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "61"}),
        ("OpenInterest", {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "2h"}),
        ("Tickers", {"category": "nothing"}),
    ],
)
def test_wrong_parameters_are_refused_with_bybit_error_code(folder: Path, path: str, request_: dict) -> None:
    import ccxt

    with pytest.raises(ccxt.BadRequest, match="10001"):
        ask(folder, lambda client: getattr(client, f"publicGetV5Market{path}")(request_))
