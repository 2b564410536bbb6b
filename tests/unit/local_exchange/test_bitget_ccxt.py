"""Unmodified ccxt clients against the local exchange: Bitget v2, from recorded data."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.local_exchange.recordings import DAY, HOUR, Calls, Recorded, ms, write

START, NOW = datetime(2024, 1, 1), datetime(2024, 3, 31, 0, 30)
RECORDED = Recorded("bitget", START, NOW)
HOURS = RECORDED.hours  # 2160 closed hours; row i opens i hours after START
candles, hourly, ask = RECORDED.candles, RECORDED.hourly, RECORDED.ask
PERP, DATED, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC-240628", "BTC/USD:BTC"


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


def test_markets_of_all_product_types_are_listed_under_ccxt_default_options(folder: Path) -> None:
    async def listed(client: Any) -> dict:
        client.has["fetchCurrencies"] = False
        return await client.load_markets()

    markets = ask(folder, listed)
    assert set(markets) == {"BTC/USDT", PERP, INVERSE, DATED}
    assert markets[PERP]["id"] == "BTCUSDT" and markets[INVERSE]["id"] == "BTCUSD"
    assert markets[DATED]["id"] == "BTCUSD_240628" and markets[DATED]["expiry"] == ms(datetime(2024, 6, 28, 8))
    assert (markets[INVERSE]["inverse"], markets[PERP]["linear"], markets[PERP]["info"]["fundInterval"]) == (
        True, True, "1",
    )  # fmt: skip


def loaded(call: Calls) -> Calls:
    async def calls(client: Any) -> Any:
        client.has["fetchCurrencies"] = False
        return await call(client)

    return calls


@pytest.mark.parametrize("symbol", ["BTC/USDT", PERP, DATED, INVERSE])
def test_candles_are_exact_and_their_volume_is_coins_for_ccxt(folder: Path, symbol: str) -> None:
    since = ms(NOW - 50 * HOUR + HOUR / 2)
    rows = ask(folder, loaded(lambda client: client.fetch_ohlcv(symbol, "1h", since, 2)))
    assert [row[0] for row in rows] == [since, since + 3_600_000]
    assert [row[4] for row in rows] == [0.1 + 1 / 3 + HOURS - 49, 0.1 + 1 / 3 + HOURS - 48]
    assert rows[0][5] == 2.0


@pytest.mark.parametrize("price", ["mark", "index"])
def test_old_mark_and_index_candles_come_from_their_histories(folder: Path, price: str) -> None:
    since = ms(START + 5 * HOUR)
    rows = ask(folder, loaded(lambda client: client.fetch_ohlcv(PERP, "1h", since, 2, {"price": price})))
    assert [row[4] for row in rows] == [0.1 + 1 / 3 + 5.0, 0.1 + 1 / 3 + 6.0]


CONTRACT = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "granularity": "1H"}


def stamps(reply: dict) -> list[datetime]:
    return [datetime.fromtimestamp(int(row[0]) / 1000, UTC).replace(tzinfo=None) for row in reply["data"]]


def test_the_newest_candles_before_the_end_come_oldest_first_and_the_end_is_left_out(folder: Path) -> None:
    request = CONTRACT | {"endTime": ms(datetime(2024, 2, 1)), "limit": 3}
    reply = ask(folder, lambda client: client.publicMixGetV2MixMarketHistoryCandles(request))
    assert stamps(reply) == [datetime(2024, 1, 31, hour) for hour in (21, 22, 23)]


def test_the_history_comes_in_pages_of_two_hundred_and_reaches_ninety_days_back(folder: Path) -> None:
    request = CONTRACT | {"limit": 1000}
    reply = ask(folder, lambda client: client.publicMixGetV2MixMarketHistoryCandles(request))
    assert len(reply["data"]) == 200
    far = request | {"endTime": ms(NOW + 85 * DAY)}
    reply = ask(folder, lambda client: client.publicMixGetV2MixMarketHistoryCandles(far))
    assert stamps(reply)[0] == datetime(2024, 3, 26, 1)  # 90 days before the 24th of June, 00:30


def test_the_forming_candle_is_in_the_latest_candles_and_not_in_the_history(folder: Path) -> None:
    request = CONTRACT | {"granularity": "1Dutc", "limit": 1, "endTime": ms(NOW)}
    middle = datetime(2024, 3, 30, 12)

    async def newest(client: Any) -> list[datetime]:
        replies = [
            await client.publicMixGetV2MixMarketCandles(request),
            await client.publicMixGetV2MixMarketHistoryCandles(request),
            await client.publicMixGetV2MixMarketCandles({**request, "kLineType": "MARK"}),
        ]
        return [stamps(reply)[0] for reply in replies]

    assert ask(folder, newest, now=middle) == [datetime(2024, 3, 30), datetime(2024, 3, 29), datetime(2024, 3, 30)]


def test_a_day_that_is_not_asked_for_in_utc_opens_at_the_midnight_of_hong_kong(folder: Path) -> None:
    request = CONTRACT | {"granularity": "1D", "limit": 1}
    reply = ask(folder, lambda client: client.publicMixGetV2MixMarketHistoryCandles(request))
    assert stamps(reply) == [datetime(2024, 3, 29, 16)]


def test_funding_is_paged_by_number_and_ignores_any_time(folder: Path) -> None:
    request = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "pageSize": 500, "startTime": ms(START)}

    async def rates(client: Any) -> list[float]:
        rows = []
        for number in range(1, 24):
            reply = await client.publicMixGetV2MixMarketHistoryFundRate({**request, "pageNo": number})
            assert len(reply["data"]) <= 100
            rows += reply["data"]
        return [float(row["fundingRate"]) for row in rows]

    assert ask(folder, rates) == [1e-6 * (HOURS - back) for back in range(HOURS)]


def test_no_page_beyond_the_hundredth_is_served(folder: Path) -> None:
    import ccxt

    request = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "pageNo": 101}
    with pytest.raises(ccxt.ExchangeError, match="40808"):
        ask(folder, lambda client: client.publicMixGetV2MixMarketHistoryFundRate(request))


def test_current_funding_of_a_product_type_names_interval_and_next_settlement(folder: Path) -> None:
    method = {"method": "publicMixGetV2MixMarketCurrentFundRate"}
    rates = ask(folder, loaded(lambda client: client.fetch_funding_rates([PERP], method)))
    assert rates[PERP]["fundingRate"] == 1e-6 * HOURS and rates[PERP]["interval"] == "1h"
    assert rates[PERP]["fundingTimestamp"] == ms(datetime(2024, 3, 31, 1))


def test_open_interest_is_coins_on_every_contract(folder: Path) -> None:
    async def amounts(client: Any) -> list[float]:
        client.has["fetchCurrencies"] = False
        single = await client.fetch_open_interest(PERP)
        tickers = await client.fetch_tickers(None, {"productType": "COIN-FUTURES", "type": "swap"})
        return [single["openInterestAmount"], float(tickers[INVERSE]["info"]["holdingAmount"])]

    assert ask(folder, amounts) == [float(HOURS), float(HOURS)]


def test_what_bitget_does_not_know_is_refused_with_its_own_codes(folder: Path) -> None:
    import ccxt

    for change, code in (({"symbol": "NONE"}, "40034"), ({"granularity": "7H"}, "40020"), ({"symbol": ""}, "40019")):
        request = CONTRACT | change
        with pytest.raises(ccxt.ExchangeError, match=code):
            ask(folder, lambda client, request=request: client.publicMixGetV2MixMarketCandles(request))
    request = {"symbol": "BTCUSDT", "granularity": "1h"}
    with pytest.raises(ccxt.ExchangeError, match="40019"):
        ask(folder, lambda client: client.publicSpotGetV2SpotMarketHistoryCandles(request))


def test_spot_tickers_are_read_as_spot(folder: Path) -> None:
    tickers = ask(folder, loaded(lambda client: client.fetch_tickers(None, {"type": "spot"})))
    assert set(tickers) == {"BTC/USDT"} and tickers["BTC/USDT"]["baseVolume"] == 46.0  # 23 closed hours of 2 coins
