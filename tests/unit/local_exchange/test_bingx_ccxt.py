"""Unmodified ccxt clients against the local exchange: BingX."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.local_exchange.recordings import HOUR, Recorded, ms, write

START, NOW = datetime(2024, 1, 1), datetime(2024, 3, 5, 0, 30)
RECORDED = Recorded("bingx", START, NOW)
HOURS = RECORDED.hours  # 1536 closed hours, more than a page; row i opens i hours after START
candles, hourly, ask = RECORDED.candles, RECORDED.hourly, RECORDED.ask
SPOT, PERP, INVERSE, THOUSAND, TRUMP = (
    "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "1000PEPE/USDT:USDT", "TRUMP/USDT:USDT",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    meaning = {"period": "1h", "ts_semantics": "snapshot"}
    counting = np.arange(HOURS, dtype=float) + 1
    files = {
        "spot_ohlcv": [candles(SPOT)],
        "perp_ohlcv": [
            candles(PERP), candles(PERP, price_type="mark"), candles(INVERSE), candles(THOUSAND), candles(TRUMP),
        ],
        "funding": [
            hourly(PERP, funding_rate=1e-4 * counting).gather_every(8), hourly(THOUSAND, funding_rate=1e-4 * counting),
        ],
        "open_interest": [
            hourly(PERP, oi_base=None, oi_usd=1000 * counting, **meaning),
            hourly(INVERSE, oi_base=counting, oi_usd=None, **meaning),
        ],
    }  # fmt: skip
    return write(tmp_path_factory.mktemp("recorded"), files)


def test_markets_of_all_three_lists_are_read_and_the_coin_margined_ones_as_ccxt_misreads_them(folder: Path) -> None:
    markets = ask(folder, lambda client: client.load_markets())
    assert set(markets) == {SPOT, PERP, INVERSE, THOUSAND, TRUMP}
    assert markets[SPOT]["active"] and markets[PERP]["active"] and markets[PERP]["id"] == "BTC-USDT"
    assert markets[INVERSE]["active"] is False and markets[INVERSE]["contractSize"] == 1
    assert markets[INVERSE]["info"]["minTickSize"] == "100", "the truth stands in the exchange's own field"


def test_codes_that_mean_other_coins_go_both_ways(folder: Path) -> None:
    markets = ask(folder, lambda client: client.load_markets())
    assert markets[TRUMP]["id"] == "TRUMPSOL-USDT" and markets[TRUMP]["base"] == "TRUMP"


@pytest.mark.parametrize("symbol", [SPOT, PERP])
def test_with_a_start_alone_the_oldest_candles_come_and_their_numbers_are_exact(folder: Path, symbol: str) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(symbol, "1h", ms(START + 5 * HOUR), 2))
    assert [row[0] for row in rows] == [ms(START + 5 * HOUR), ms(START + 6 * HOUR)]
    assert [row[4] for row in rows] == [0.1 + 1 / 3 + 5.0, 0.1 + 1 / 3 + 6.0]
    assert rows[0][5] == 2.0


def test_the_start_of_spot_candles_is_left_out_in_both_versions(folder: Path) -> None:
    async def calls(client: Any) -> list:
        request = {"symbol": "BTC-USDT", "interval": "1h", "startTime": ms(START), "limit": 1}
        endpoints = (client.spotV1PublicGetMarketKline, client.spotV2PublicGetMarketKline)
        return [(await endpoint(request))["data"][0][0] for endpoint in endpoints]

    assert ask(folder, calls) == [ms(START + HOUR)] * 2


def test_a_lone_start_of_coin_margined_candles_does_nothing_and_their_end_is_left_out(folder: Path) -> None:
    async def calls(client: Any) -> tuple[list, list]:
        alone = await client.cswapV1PublicGetMarketKlines(
            {"symbol": "BTC-USD", "interval": "1h", "startTime": ms(START), "limit": 1}
        )
        both = {"startTime": ms(START), "endTime": ms(START + 2 * HOUR)}
        window = await client.cswapV1PublicGetMarketKlines({"symbol": "BTC-USD", "interval": "1h", **both})
        return alone["data"], window["data"]

    alone, window = ask(folder, calls)
    assert [int(row["time"]) for row in alone] == [ms(START + HOUR * (HOURS - 1))]
    assert [int(row["time"]) for row in window] == [ms(START + HOUR), ms(START)], "newest first"
    assert window[0]["volume"] == "5.0", "500 USD are 5 contracts of 100"


@pytest.mark.parametrize(
    ("endpoint", "symbol", "cap"),
    [
        ("swapV3PublicGetQuoteKlines", "BTC-USDT", 1440),
        ("spotV2PublicGetMarketKline", "BTC-USDT", 1440),
        ("swapV1PublicGetMarketMarkPriceKlines", "BTC-USDT", 1440),
        ("cswapV1PublicGetMarketKlines", "BTC-USD", 1000),
    ],
)
def test_a_page_of_candles_is_capped(folder: Path, endpoint: str, symbol: str, cap: int) -> None:
    request = {"symbol": symbol, "interval": "1h", "limit": 5000}
    reply = ask(folder, lambda client: getattr(client, endpoint)(request))
    assert len(reply["data"]) == cap


def test_mark_candles_are_read_by_ccxt_and_daily_ones_open_at_midnight_utc(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1d", None, 2, {"price": "mark"}))
    assert [row[0] for row in rows] == [ms(datetime(2024, 3, 3)), ms(datetime(2024, 3, 4))]
    assert rows[0][5] == 0.0


def test_ccxts_until_becomes_a_start_and_brings_what_comes_after_it(folder: Path) -> None:
    until = ms(datetime(2024, 3, 4))
    rows = ask(folder, lambda client: client.fetch_funding_rate_history(PERP, None, 100, {"until": until}))
    assert rows[0]["timestamp"] == until, "nothing before it: this is why the call is not used"


def test_funding_pages_hold_the_newest_rows_up_to_the_end(folder: Path) -> None:
    end = ms(START + 80 * HOUR)
    rows = ask(folder, lambda client: client.fetch_funding_rate_history(PERP, None, 3, {"endTime": end}))
    assert [row["timestamp"] for row in rows] == [ms(START + hours * HOUR) for hours in (64, 72, 80)]
    assert rows[-1]["fundingRate"] == 1e-4 * 81


def test_a_funding_page_is_capped_at_1000_rows(folder: Path) -> None:
    request = {"symbol": "1000PEPE-USDT", "limit": 5000}
    reply = ask(folder, lambda client: client.swapV2PublicGetQuoteFundingRate(request))
    assert len(reply["data"]) == 1000


def test_funding_is_null_after_the_newest_settlement_and_before_the_first(folder: Path) -> None:
    async def calls(client: Any) -> list:
        ends = (ms(NOW), ms(START) - 1, ms(START))
        requests = [{"symbol": "BTC-USDT", "endTime": end} for end in ends]
        return [(await client.swapV2PublicGetQuoteFundingRate(request))["data"] for request in requests]

    after, before, first = ask(folder, calls)
    assert after is None and before is None and len(first) == 1


def test_current_funding_names_the_next_settlement_and_the_interval_in_the_exchanges_own_field(folder: Path) -> None:
    rates = ask(folder, lambda client: client.fetch_funding_rates())
    assert rates[PERP]["nextFundingTimestamp"] == ms(datetime(2024, 3, 5, 8))
    assert (rates[PERP]["interval"], rates[PERP]["info"]["fundingIntervalHours"]) == (None, 8)
    assert rates[THOUSAND]["info"]["fundingIntervalHours"] == 1
    assert rates[PERP]["markPrice"] == 0.1 + 1 / 3 + HOURS - 1


def test_open_interest_is_usdt_for_swaps_and_coins_stamped_at_midnight_for_coin_margined_contracts(
    folder: Path,
) -> None:
    async def calls(client: Any) -> tuple[dict, dict]:
        return await client.fetch_open_interest(PERP), await client.fetch_open_interest(INVERSE)

    linear, inverse = ask(folder, calls)
    assert linear["openInterestValue"] == 1000.0 * HOURS and linear["timestamp"] == ms(NOW)
    assert inverse["openInterestValue"] == HOURS, "coins, although ccxt calls them value"
    assert inverse["timestamp"] == ms(datetime(2024, 3, 5))


def test_tickers_of_all_sides_are_read(folder: Path) -> None:
    async def calls(client: Any) -> list[dict]:
        inverse = {"type": "swap", "subType": "inverse"}
        return [
            await client.fetch_tickers(None, {"type": "spot"}),
            await client.fetch_tickers(None, {"type": "swap"}),
            await client.fetch_tickers(None, inverse),
        ]

    spot, swap, inverse = ask(folder, calls)
    assert spot[SPOT]["baseVolume"] == 46.0  # 23 closed hours of 2 coins
    assert set(swap) == {PERP, THOUSAND, TRUMP}
    assert inverse[INVERSE]["baseVolume"] == 115.0  # 23 hours of 500 USD in contracts of 100


def test_the_clock_is_served(folder: Path) -> None:
    assert ask(folder, lambda client: client.fetch_time()) == ms(NOW)


@pytest.mark.parametrize(
    ("endpoint", "request_", "code"),
    [
        ("swapV3PublicGetQuoteKlines", {"symbol": "NONE-USDT", "interval": "1h"}, "109425"),
        ("swapV3PublicGetQuoteKlines", {"symbol": "BTC-USDT", "interval": "61"}, "109400"),
        ("swapV3PublicGetQuoteKlines", {"symbol": "BTC-USDT", "interval": "1d", "timeZone": 8}, "109400"),
        ("swapV2PublicGetQuoteFundingRate", {"symbol": "BTC-USDT", "limit": 0}, "109400"),
        ("swapV2PublicGetQuoteOpenInterest", {"symbol": "1000PEPE-USDT"}, "OpenInterestNotExist"),
        ("swapV2PublicGetQuoteBookTicker", {}, "100400"),
    ],
)
def test_wrong_requests_are_refused_with_codes_of_bingx(folder: Path, endpoint: str, request_: dict, code: str) -> None:
    import ccxt

    with pytest.raises(ccxt.ExchangeError, match=code):
        ask(folder, lambda client: getattr(client, endpoint)(request_))
