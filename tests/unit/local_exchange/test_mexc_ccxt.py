"""Unmodified ccxt clients against the local exchange: MEXC, spot and contracts."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.local_exchange.recordings import DAY, HOUR, Recorded, ms, write

START, NOW = datetime(2024, 1, 1), datetime(2024, 4, 2, 0, 30)
RECORDED = Recorded("mexc", START, NOW)
HOURS = RECORDED.hours  # 2208 closed hours; row i opens i hours after START
candles, hourly, ask = RECORDED.candles, RECORDED.hourly, RECORDED.ask
PERP, INVERSE, GAS = "BTC/USDT:USDT", "BTC/USD:BTC", "GAS/USDT:USDT"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    meaning = {"period": "1h", "ts_semantics": "snapshot"}
    counting = np.arange(HOURS, dtype=float) + 1
    files = {
        "spot_ohlcv": [candles("BTC/USDT"), candles("GAS/USDT")],
        "perp_ohlcv": [candles(PERP), candles(PERP, price_type="mark"), candles(INVERSE), candles(GAS)],
        "funding": [hourly(PERP, funding_rate=1e-6 * counting)],
        "open_interest": [
            hourly(PERP, oi_base=counting, oi_usd=None, **meaning),
            hourly(INVERSE, oi_base=None, oi_usd=1000 * counting, **meaning),
        ],
    }
    return write(tmp_path_factory.mktemp("recorded"), files)


def test_codes_that_mean_other_coins_come_out_under_the_names_that_everybody_uses(folder: Path) -> None:
    markets = ask(folder, lambda client: client.load_markets())
    assert set(markets) == {"BTC/USDT", "GAS/USDT", PERP, INVERSE, GAS}
    assert (markets["GAS/USDT"]["id"], markets[GAS]["id"]) == ("GASNEOUSDT", "GASNEO_USDT")
    assert markets[INVERSE]["inverse"] and markets[INVERSE]["contractSize"] == 100
    assert all(market["active"] for market in markets.values())


def test_spot_candles_come_500_at_a_time_from_the_start_on(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv("BTC/USDT", "1h", ms(START)))
    assert [row[0] for row in rows] == [ms(START + HOUR * hour) for hour in range(500)]
    close = 0.1 + 1 / 3 + 7
    assert rows[7][1:] == [close - 0.25, close + 0.5, close - 0.5, close, 2.0]
    newest = ask(folder, lambda client: client.fetch_ohlcv("BTC/USDT", "1d"))
    assert newest[-1][0] == ms(datetime(2024, 4, 1)) and len(newest) == 92
    # the candle of the 2nd of April has no closed hour yet, so nothing is known of it


def test_a_start_alone_is_ignored_by_spot_and_the_end_is_left_out(folder: Path) -> None:
    async def calls(client: Any) -> tuple:
        who = {"symbol": "BTCUSDT", "interval": "1d"}
        alone = await client.spotPublicGetKlines(who | {"startTime": ms(START), "limit": 2})
        both = await client.spotPublicGetKlines(who | {"startTime": ms(START), "endTime": ms(START + 2 * DAY)})
        return alone, both

    alone, both = ask(folder, calls)
    assert [int(row[0]) for row in alone] == [ms(datetime(2024, 3, 31)), ms(datetime(2024, 4, 1))]
    assert [int(row[0]) for row in both] == [ms(START), ms(START + DAY)] and len(both[0]) == 8


def test_contract_candles_are_in_seconds_and_contracts_2000_at_a_time(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1h", ms(START)))
    assert len(rows) == 2000 and rows[0][0] == ms(START) and rows[0][5] == 2.0  # recorded contracts are one coin
    marks = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1h", None, None, {"price": "mark"}))
    assert len(marks) == 2000 and marks[-1][0] == ms(START + HOUR * (HOURS - 1)) and marks[-1][5] == 0

    async def raw(client: Any) -> dict:
        window = {"interval": "Day1", "start": ms(START) // 1000, "end": ms(START + DAY) // 1000}
        return (await client.contractPublicGetKlineSymbol({"symbol": "BTC_USD"} | window))["data"]

    inverse = ask(folder, raw)
    assert inverse["time"] == [ms(START) // 1000, ms(START + DAY) // 1000]  # both ends count
    assert inverse["vol"] == [24 * 5.0] * 2  # $500 an hour in contracts of $100


def test_funding_comes_in_numbered_pages_newest_first_whatever_since_says(folder: Path) -> None:
    async def calls(client: Any) -> tuple:
        first = await client.fetch_funding_rate_history(PERP, None, 100)
        second = await client.fetch_funding_rate_history(PERP, None, 100, {"page_num": 2})
        older = await client.fetch_funding_rate_history(PERP, ms(START), 100)
        raw = (await client.contractPublicGetFundingRateHistory({"symbol": "BTC_USDT", "page_size": 1000}))["data"]
        return first, second, older, raw

    first, second, older, raw = ask(folder, calls)
    assert [row["timestamp"] for row in first] == [ms(START + HOUR * hour) for hour in range(HOURS - 100, HOURS)]
    assert second[-1]["timestamp"] == first[0]["timestamp"] - 3_600_000
    assert older == first, "a start is no parameter of the exchange"
    assert (raw["pageSize"], raw["totalPage"], raw["totalCount"]) == (100, 23, HOURS)
    assert raw["resultList"][0]["settleTime"] > raw["resultList"][1]["settleTime"]


def test_funding_now_says_the_interval_and_the_next_settlement(folder: Path) -> None:
    now = ask(folder, lambda client: client.fetch_funding_rate(PERP))
    assert (now["interval"], now["fundingTimestamp"]) == ("1h", ms(datetime(2024, 4, 2, 1)))
    assert now["fundingRate"] == pytest.approx(1e-6 * HOURS)


def test_tickers_of_contracts_hold_open_interest_in_contracts(folder: Path) -> None:
    tickers = ask(folder, lambda client: client.fetch_tickers(None, {"type": "swap"}))
    assert tickers[PERP]["info"]["holdVol"] == HOURS  # recorded contracts are one coin
    assert tickers[INVERSE]["info"]["holdVol"] == 10 * HOURS  # 1000 USD a row in contracts of 100
    assert tickers[GAS]["info"]["holdVol"] is None


def test_spot_tickers_are_read_as_spot(folder: Path) -> None:
    tickers = ask(folder, lambda client: client.fetch_tickers(None, {"type": "spot"}))
    assert set(tickers) == {"BTC/USDT", "GAS/USDT"}
    assert tickers["BTC/USDT"]["baseVolume"] == 46.0  # 23 closed hours of 2 coins


@pytest.mark.parametrize(
    ("endpoint", "params", "error", "code"),
    [
        ("spotPublicGetKlines", {"symbol": "NONE", "interval": "1d"}, "BadSymbol", "-1121"),
        ("contractPublicGetKlineSymbol", {"symbol": "NO_USDT", "interval": "Day1"}, "ExchangeError", "1001"),
        ("contractPublicGetKlineSymbol", {"symbol": "BTC_USDT", "interval": "Min7"}, "BadRequest", "600"),
        ("contractPublicGetFundingRateHistory", {"symbol": "NO_USDT"}, "ExchangeError", "1001"),
    ],
)
def test_wrong_parameters_are_refused_with_mexcs_error_codes(
    folder: Path, endpoint: str, params: dict, error: str, code: str
) -> None:
    import ccxt

    with pytest.raises(getattr(ccxt, error), match=code):
        ask(folder, lambda client: getattr(client, endpoint)(params))
