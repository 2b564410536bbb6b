"""Unmodified ccxt clients against the local exchange: WEEX v3."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.local_exchange.market import Listing
from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.trading_rules import TradingRules
from pipelines.local_exchange.weex import Weex
from tests.unit.local_exchange.recordings import DAY, HOUR, Recorded, ms, write

START, NOW = datetime(2024, 1, 1), datetime(2024, 3, 5, 0, 30)
RECORDED = Recorded("weex", START, NOW)
HOURS = RECORDED.hours  # 1536 closed hours; row i opens i hours after START
candles, hourly, ask = RECORDED.candles, RECORDED.hourly, RECORDED.ask
SPOT, PERP, THOUSAND = "BTC/USDT", "BTC/USDT:USDT", "1000PEPE/USDT:USDT"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counting = np.arange(HOURS, dtype=float) + 1
    open_interest = hourly(PERP, oi_base=counting, period="1h", ts_semantics="snapshot")
    files = {
        "spot_ohlcv": [candles(SPOT)],
        "perp_ohlcv": [candles(PERP), candles(PERP, price_type="mark"), candles(THOUSAND)],
        "funding": [
            hourly(PERP, funding_rate=1e-4 * counting).gather_every(8),
            hourly(THOUSAND, funding_rate=1e-4 * counting),
        ],
        "open_interest": [open_interest.with_columns(oi_usd=pl.lit(None, pl.Float64))],
    }
    return write(tmp_path_factory.mktemp("recorded"), files)


def raw(folder: Path, endpoint: str, **params: Any) -> Any:
    return ask(folder, lambda client: getattr(client, endpoint)(params))


def test_markets_and_currencies_are_listed_under_ccxts_default_options(folder: Path) -> None:
    async def calls(client: Any) -> tuple[dict, dict]:
        return await client.load_markets(), client.currencies

    markets, currencies = ask(folder, calls)
    assert set(markets) == {SPOT, PERP, THOUSAND}
    assert markets[PERP]["id"] == markets[SPOT]["id"] == "BTCUSDT"
    assert markets[PERP]["active"] is True and markets[PERP]["created"] is None
    assert len(markets[PERP]["info"]["delivery"]) == 3 and len(markets[THOUSAND]["info"]["delivery"]) == 24
    assert {"BTC", "USDT"} <= set(currencies)


@pytest.mark.parametrize("symbol", [SPOT, PERP])
def test_ccxt_gets_the_newest_candles_in_order_and_its_since_is_ignored(folder: Path, symbol: str) -> None:
    # Asked for the oldest hours, the server still sends its newest ones: ccxt's own filter leaves the first of those.
    rows = ask(folder, lambda client: client.fetch_ohlcv(symbol, "1h", ms(START), 2))
    default = 100 if symbol == SPOT else 2  # for contracts ccxt sends its limit along
    assert [row[0] for row in rows] == [ms(START + HOUR * (HOURS - default + row)) for row in range(2)]
    assert rows[0][4] == 0.1 + 1 / 3 + HOURS - default and rows[0][5] == 2.0


def test_candles_come_newest_first_on_the_wire_with_eleven_cells(folder: Path) -> None:
    rows = raw(folder, "contractGetCapiV3MarketKlines", symbol="BTCUSDT", interval="1h", limit=3)
    assert [row[0] for row in rows] == [ms(START + HOUR * (HOURS - back)) for back in (1, 2, 3)]
    assert len(rows[0]) == 11 and rows[0][6] == rows[0][0] + 3_600_000 and rows[0][7] == "500.0"
    spot = raw(folder, "publicGetApiV3MarketKlines", symbol="BTCUSDT", interval="1h", limit=1)[0]
    assert spot[6] == spot[0] + 3_599_999


def test_a_window_that_is_sent_along_is_ignored_without_a_word(folder: Path) -> None:
    window = {"startTime": ms(START), "endTime": ms(START + DAY)}
    rows = raw(folder, "contractGetCapiV3MarketKlines", symbol="BTCUSDT", interval="1h", limit=1, **window)
    assert [row[0] for row in rows] == [ms(START + HOUR * (HOURS - 1))]


def test_historical_candles_have_a_window_and_a_price_type(folder: Path) -> None:
    params = {"historical": True, "price": "mark", "until": ms(START + 9 * HOUR)}
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1h", ms(START + 5 * HOUR), 50, params))
    assert [row[0] for row in rows] == [ms(START + hours * HOUR) for hours in range(5, 10)]
    assert rows[0][5] == 0.0  # ccxt shows the zeros that stand in for the volume of mark prices


def test_the_forming_candle_is_the_newest(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_ohlcv(PERP, "1d", None, 2))
    assert [row[0] for row in rows] == [ms(datetime(2024, 3, 3)), ms(datetime(2024, 3, 4))]
    newer = SimulatedMarket(7, ms(NOW))
    reply = Weex(newer).answer(
        "api-contract.weex.com", "/capi/v3/market/klines", {"symbol": "BTCUSDT", "interval": "1d", "limit": "2"}
    )
    assert reply.rows == 2 and str(ms(datetime(2024, 3, 5))) in reply.body.decode()


def test_mark_candles_are_served_and_unknown_index_candles_are_an_empty_list(folder: Path) -> None:
    async def calls(client: Any) -> list[list]:
        return [await client.fetch_ohlcv(PERP, "1d", None, 2, {"price": price}) for price in ("mark", "index")]

    mark, index = ask(folder, calls)
    assert len(mark) == 2 and index == []


def test_funding_without_times_is_the_newest_with_the_mark_price_of_its_hour(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_funding_rate_history(PERP, None, 2))
    assert [row["timestamp"] for row in rows] == [ms(datetime(2024, 3, 4, 8)), ms(datetime(2024, 3, 4, 16))]
    assert rows[-1]["fundingRate"] == 1e-4 * 1529  # row 1528 is 16:00 of the 4th of March
    assert rows[-1]["info"]["markPrice"] == repr(0.1 + 1 / 3 + 1528 - 0.25)


def test_funding_from_a_start_on_is_of_seven_days(folder: Path) -> None:
    rows = ask(folder, lambda client: client.fetch_funding_rate_history(THOUSAND, ms(START), 1000))
    assert len(rows) == 7 * 24 + 1 and rows[0]["timestamp"] == ms(START)
    until = {"until": ms(START + 10 * HOUR)}
    rows = ask(folder, lambda client: client.fetch_funding_rate_history(THOUSAND, ms(START), 5, until))
    assert [row["timestamp"] for row in rows] == [ms(START + hours * HOUR) for hours in range(6, 11)]


def test_funding_now_has_the_interval_and_ccxt_takes_the_present_for_its_time(folder: Path) -> None:
    rates = ask(folder, lambda client: client.fetch_funding_rates())
    assert rates[PERP]["interval"] == "8h" and rates[THOUSAND]["interval"] == "1h"
    assert rates[PERP]["fundingTimestamp"] == ms(NOW)
    assert rates[PERP]["nextFundingTimestamp"] == ms(datetime(2024, 3, 5, 8))
    assert rates[PERP]["nextFundingRate"] == rates[PERP]["fundingRate"] == 1e-4 * 1529
    assert rates[PERP]["indexPrice"] is None


def test_open_interest_is_coins_of_one_contract(folder: Path) -> None:
    now = ask(folder, lambda client: client.fetch_open_interest(PERP))
    assert (now["openInterestAmount"], now["openInterestValue"]) == (float(HOURS), None)
    assert now["timestamp"] == ms(NOW)
    assert "openInterest" not in raw(folder, "contractGetCapiV3MarketOpenInterest", symbol="1000PEPEUSDT")


def test_tickers_of_both_sides_are_read_as_what_they_are(folder: Path) -> None:
    async def calls(client: Any) -> tuple[dict, dict]:
        return (
            await client.fetch_tickers(None, {"type": "spot"}),
            await client.fetch_tickers(None, {"type": "swap"}),
        )

    spot, swap = ask(folder, calls)
    assert set(spot) == {SPOT} and set(swap) == {PERP, THOUSAND}
    assert spot[SPOT]["baseVolume"] == 46.0  # 23 closed hours of 2 coins
    assert swap[PERP]["markPrice"] == 0.1 + 1 / 3 + HOURS - 1


@pytest.mark.parametrize(
    ("endpoint", "params", "error", "code"),
    [
        ("publicGetApiV3MarketKlines", {"symbol": "NONEUSDT", "interval": "1h"}, "BadSymbol", "-1121"),
        ("contractGetCapiV3MarketKlines", {"symbol": "BTC-USDT", "interval": "1h"}, "BadRequest", "-1142"),
        ("contractGetCapiV3MarketKlines", {"symbol": "BTCUSDT", "interval": "8h"}, "BadRequest", "-1142"),
        (
            "contractGetCapiV3MarketKlines",
            {"symbol": "BTCUSDT", "interval": "1h", "limit": 1001},
            "BadRequest",
            "-1140",
        ),
        ("publicGetApiV3MarketKlines", {"symbol": "BTCUSDT", "interval": "1h", "limit": 301}, "BadRequest", "-1140"),
        ("contractGetCapiV3MarketOpenInterest", {}, "ArgumentsRequired", "-1141"),
        (
            "contractGetCapiV3MarketHistoryKlines",
            {"symbol": "BTCUSDT", "interval": "1h", "startTime": ms(START)},
            "ArgumentsRequired",
            "-1141",
        ),
        (
            "contractGetCapiV3MarketHistoryKlines",
            {"symbol": "BTCUSDT", "interval": "1h", "startTime": ms(START), "endTime": ms(NOW) + 1},
            "BadRequest",
            "-1142",
        ),
        (
            "contractGetCapiV3MarketHistoryKlines",
            {"symbol": "BTCUSDT", "interval": "1d", "startTime": ms(START - 91 * DAY), "endTime": ms(START)},
            "BadRequest",
            "-1170",
        ),
        (
            "contractGetCapiV3MarketFundingRate",
            {"symbol": "BTCUSDT", "startTime": ms(START), "endTime": ms(START + 7 * DAY) + 1},
            "BadRequest",
            "-1170",
        ),
        (
            "contractGetCapiV3MarketFundingRate",
            {"symbol": "BTCUSDT", "startTime": ms(NOW - 365 * DAY) - 1, "endTime": ms(NOW - 364 * DAY)},
            "BadRequest",
            "-1170",
        ),
        (
            "contractGetCapiV3MarketFundingRate",
            {"symbol": "BTCUSDT", "startTime": ms(NOW), "endTime": ms(START)},
            "BadRequest",
            "-1171",
        ),
    ],
)
def test_what_weex_refuses_is_refused_with_its_code(
    folder: Path, endpoint: str, params: dict, error: str, code: str
) -> None:
    import ccxt

    with pytest.raises(getattr(ccxt, error), match=code):
        raw(folder, endpoint, **params)


class OneDelisted:
    """A market of two contracts, one of which has ended."""

    now_ms = ms(NOW)

    def listings(self, exchange: str) -> list[Listing]:
        usual = {"kind": "perp", "quote": "USDT", "settle": "USDT", "contract_size": 1.0}
        usual["rules"] = TradingRules(1e-3, 0.1, None)
        return [
            Listing(symbol="BTC/USDT:USDT", base="BTC", **usual),
            Listing(symbol="ENS/USDT:USDT", base="ENS", delisted_ms=self.now_ms, **usual),
            Listing(symbol="BTC/USD:BTC", base="BTC", **(usual | {"quote": "USD", "settle": "BTC"})),
        ]


def test_a_delisted_contract_is_gone_from_the_list_and_refused() -> None:
    wire = Weex(OneDelisted())
    info = wire.answer("api-contract.weex.com", "/capi/v3/market/exchangeInfo", {})
    assert info.rows == 1 and b'"BTCUSDT"' in info.body
    refusal = wire.answer("api-contract.weex.com", "/capi/v3/market/openInterest", {"symbol": "ENSUSDT"})
    assert refusal.status == 400 and b"-1142" in refusal.body


def test_the_newest_rows_reach_across_a_hole() -> None:
    # The feeds of the perpetuals of OUTAGE_SECTORS were lost for 72 hours from 2026-09-19 18:00 (L2: ARB among them).
    market = SimulatedMarket(7, ms(datetime(2026, 9, 22, 20)))
    query = {"symbol": "ARBUSDT", "interval": "1h", "limit": "30"}
    reply = Weex(market).answer("api-contract.weex.com", "/capi/v3/market/klines", query)
    assert reply.rows == 30 and str(ms(datetime(2026, 9, 19, 17))) in reply.body.decode()


@pytest.mark.parametrize("now", [NOW, datetime(2026, 11, 22, 0, 15)])
def test_the_simulated_market_lists_what_both_other_exchanges_list(now: datetime) -> None:
    market = SimulatedMarket(7, ms(now))
    weex = {listing.symbol: listing for listing in market.listings("weex")}
    assert all(listing.kind in ("spot", "perp") and listing.settle in (None, "USDT") for listing in weex.values())
    assert {"TON/USDT", "KAS/USDT"}.isdisjoint(weex) and "1000SHIB/USDT:USDT" in weex
    assert weex["BTC/USDT:USDT"].contract_size == 1e-4 and weex["XRP/USDT:USDT"].contract_size == 1.0
    binance = {listing.symbol: listing for listing in market.listings("binance")}
    shared = set(weex) & set(binance)
    assert len(shared) == len(weex)
    assert {symbol for symbol in shared if weex[symbol].listed_ms != binance[symbol].listed_ms} == set()


def test_the_simulated_share_of_open_interest_is_a_tenth_of_binances() -> None:
    market = SimulatedMarket(7, ms(NOW))
    window = (PERP, ms(NOW - DAY), ms(NOW))
    usd = {name: market.open_interest(name, *window).usd.mean() for name in ("binance", "weex")}
    assert usd["weex"] / usd["binance"] == pytest.approx(0.06 / 0.6, rel=0.1)
