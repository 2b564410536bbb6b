"""Unmodified ccxt clients against the local exchange: OKX v5, from recorded data."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.local_exchange.okx import Okx
from pipelines.local_exchange.recorded import RecordedMarket
from tests.unit.local_exchange.recordings import DAY, HOUR, Recorded, ms, write

START, NOW = datetime(2024, 1, 1), datetime(2024, 3, 31, 0, 30)
RECORDED = Recorded("okx", START, NOW)
HOURS = RECORDED.hours  # 2160 closed hours; row i opens i hours after START
candles, hourly, ask = RECORDED.candles, RECORDED.hourly, RECORDED.ask
PERP, DATED, INVERSE = "BTC/USDT:USDT", "BTC/USDT:USDT-240628", "BTC/USD:BTC"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    meaning = {"period": "1h", "ts_semantics": "snapshot"}
    counting = np.arange(HOURS, dtype=float) + 1
    files = {
        "spot_ohlcv": [candles("BTC/USDT")],
        "perp_ohlcv": [
            candles(PERP), candles(PERP, price_type="mark"), candles(PERP, price_type="index"), candles(INVERSE),
        ],
        "dated_ohlcv": [candles(DATED, expiry=datetime(2024, 6, 28, 8))],
        "funding": [hourly(PERP, funding_rate=1e-6 * counting)],
        "open_interest": [
            hourly(PERP, oi_base=counting, oi_usd=1000 * counting, **meaning),
            hourly(INVERSE, oi_base=counting, oi_usd=100 * counting, **meaning),
        ],
    }  # fmt: skip
    return write(tmp_path_factory.mktemp("recorded"), files)


def test_markets_of_all_kinds_are_listed_under_ccxt_default_options(folder: Path) -> None:
    markets = ask(folder, lambda client: client.load_markets())
    assert set(markets) == {"BTC/USDT", PERP, INVERSE, DATED}
    assert markets[PERP]["id"] == "BTC-USDT-SWAP" and markets[INVERSE]["id"] == "BTC-USD-SWAP"
    assert markets[DATED]["id"] == "BTC-USDT-240628" and markets[DATED]["expiry"] == ms(datetime(2024, 6, 28, 8))
    assert (markets[INVERSE]["contractSize"], markets[INVERSE]["inverse"], markets[PERP]["linear"]) == (100, True, True)


@pytest.mark.parametrize("symbol", ["BTC/USDT", PERP, DATED, INVERSE])
def test_candles_are_exact_and_their_volume_is_coins_for_ccxt(folder: Path, symbol: str) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(symbol, "1h", ms(START + 5 * HOUR), 2))
    assert [row[0] for row in rows] == [ms(START + 5 * HOUR), ms(START + 6 * HOUR)]
    assert [row[4] for row in rows] == [0.1 + 1 / 3 + 5.0, 0.1 + 1 / 3 + 6.0]
    assert rows[0][5] == 2.0


@pytest.mark.parametrize("price", ["mark", "index"])
def test_mark_and_index_candles_come_in_pages_of_a_hundred(folder: Path, price: str) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1h", None, 300, {"price": price}))
    assert len(rows) == 100 and rows[-1][0] == ms(NOW - HOUR / 2 - HOUR)


def test_a_candle_of_a_contract_has_contracts_coins_and_quote_currency(folder: Path) -> None:
    async def rows(client: Any) -> list:
        requests = [{"instId": name, "bar": "1H", "limit": 1} for name in ("BTC-USDT", "BTC-USD-SWAP")]
        return [(await client.publicGetMarketHistoryCandles(request))["data"][0] for request in requests]

    spot, inverse = ask(folder, rows)
    assert [float(cell) for cell in spot[5:8]] == [2.0, 500.0, 500.0]
    assert [float(cell) for cell in inverse[5:8]] == [5.0, 2.0, 500.0]  # 500 USD are 5 contracts of 100
    assert spot[8] == "1"


def test_the_newest_rows_come_first_and_both_bounds_are_left_out(folder: Path) -> None:
    request = {"instId": "BTC-USDT-SWAP", "bar": "1H", "after": ms(NOW - 3 * DAY + HOUR / 2)}
    request["before"] = request["after"] - 4 * 3_600_000

    async def stamps(client: Any) -> list:
        return [int(row[0]) for row in (await client.publicGetMarketCandles(request))["data"]]

    assert ask(folder, stamps) == [request["after"] - hours * 3_600_000 for hours in (1, 2, 3)]


def test_only_the_latest_candles_are_outside_of_the_history(folder: Path) -> None:
    request = {"instId": "BTC-USDT-SWAP", "bar": "1H", "after": ms(START + 10 * HOUR), "limit": 1}

    async def found(client: Any) -> list[int]:
        replies = [await client.publicGetMarketCandles(request), await client.publicGetMarketHistoryCandles(request)]
        return [len(reply["data"]) for reply in replies]

    assert ask(folder, found) == [0, 1]  # ten hours after the start are 2,150 hours ago


def test_a_day_that_is_not_asked_for_in_utc_opens_at_the_midnight_of_hong_kong(folder: Path) -> None:
    async def opened(client: Any) -> list[datetime]:
        found = []
        for bar in ("1D", "1Dutc"):
            reply = await client.publicGetMarketCandles({"instId": "BTC-USDT-SWAP", "bar": bar, "limit": 2})
            found.append(datetime.fromtimestamp(int(reply["data"][-1][0]) / 1000, UTC).replace(tzinfo=None))
        return found

    assert ask(folder, opened) == [datetime(2024, 3, 29, 16), datetime(2024, 3, 29)]


def test_the_candle_that_is_forming_is_not_confirmed(tmp_path: Path) -> None:
    now = datetime(2024, 1, 2, 12)
    hours = [datetime(2024, 1, 1) + HOUR * row for row in range(36)]
    frame = candles(PERP).head(36).with_columns(ts=pl.Series(hours))
    frame.write_parquet(tmp_path / "perp_ohlcv.parquet")
    reply = Okx(RecordedMarket(tmp_path, ms(now))).answer(
        "www.okx.com", "/api/v5/market/candles", {"instId": "BTC-USDT-SWAP", "bar": "1Dutc"}
    )
    assert [row[8] for row in json.loads(reply.body)["data"]] == ["0", "1"]


def test_funding_reaches_three_months_back_and_in_a_replay_as_far_as_the_data(folder: Path) -> None:
    async def oldest(client: Any) -> int:
        after, stamp = ms(START + 30 * HOUR), {"instId": "BTC-USDT-SWAP", "limit": 400}
        rows = (await client.publicGetPublicFundingRateHistory({**stamp, "after": after}))["data"]
        newest = (await client.publicGetPublicFundingRateHistory(stamp))["data"]
        assert len(newest) == 100 and newest[0]["realizedRate"] == repr(1e-6 * HOURS)
        return len(rows)

    # Ninety days before the 31st of March, 00:30, is the 1st of January, 00:30.
    assert ask(folder, oldest) == 29
    assert ask(folder, oldest, open_interest_history_days=None) == 30


def test_current_funding_of_all_contracts_names_interval_and_next_settlement(folder: Path) -> None:
    rates = ask(folder, lambda client: client.fetch_funding_rates())
    assert set(rates) == {PERP} and rates[PERP]["interval"] == "1h"
    assert rates[PERP]["fundingTimestamp"] == ms(datetime(2024, 3, 31, 1))
    history = ask(folder, lambda client: client.fetch_funding_rate_history(PERP, ms(NOW - 3 * HOUR), 10))
    assert [row["fundingRate"] for row in history] == [1e-6 * (HOURS - 1), 1e-6 * HOURS]


def test_open_interest_of_all_contracts_is_one_request_in_three_units(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_open_interests())
    assert rows[PERP]["openInterestValue"] == 1000.0 * HOURS and rows[PERP]["openInterestAmount"] == HOURS
    assert rows[INVERSE]["info"]["oi"] == repr(float(HOURS)), "100 USD each"


def test_a_period_of_open_interest_is_stamped_with_its_opening_and_holds_its_end(folder: Path) -> None:
    async def rows(client: Any) -> list:
        request = {"instId": "BTC-USDT-SWAP", "period": "1Dutc", "limit": 2}
        reply = await client.publicGetRubikStatContractsOpenInterestHistory(request)
        return [(datetime.fromtimestamp(int(row[0]) / 1000, UTC).day, float(row[2])) for row in reply["data"]]

    # Row i is stamped at hour i: the 30th of March ends at hour 2,160, which is not recorded; its newest is 2,159.
    assert ask(folder, rows) == [(30, 2160.0), (29, 2137.0)]


def test_what_okx_does_not_know_is_refused_with_its_own_codes(folder: Path) -> None:
    import ccxt

    with pytest.raises(ccxt.BadSymbol, match="51001"):
        ask(folder, lambda client: client.publicGetMarketCandles({"instId": "NONE-USDT"}))
    with pytest.raises(ccxt.BadSymbol, match="51014"):
        ask(folder, lambda client: client.publicGetMarketIndexCandles({"instId": "NONE-USDT"}))
    with pytest.raises(ccxt.BadRequest, match="51000"):
        ask(folder, lambda client: client.publicGetMarketCandles({"instId": "BTC-USDT", "bar": "7H"}))
    with pytest.raises(ccxt.BadRequest, match="50014"):
        ask(folder, lambda client: client.publicGetPublicInstruments({}))


def test_tickers_are_read_as_spot_and_as_contracts(folder: Path) -> None:
    tickers = ask(folder, lambda client: client.fetch_tickers(None, {"type": "spot"}))
    assert set(tickers) == {"BTC/USDT"} and tickers["BTC/USDT"]["baseVolume"] == 46.0  # 23 closed hours of 2 coins
