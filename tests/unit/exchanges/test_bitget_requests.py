"""What the Bitget adapter asks for and what it makes of replies in Bitget's true shapes."""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.bitget import Bitget
from pipelines.exchanges.port import OPEN_INTEREST_COLUMNS
from pipelines.exchanges.retries import Caller, RetryPolicy

NOW = datetime(2024, 3, 10, 0, 15)
SPOT = {
    "symbol": "BTC/USDT", "id": "BTCUSDT", "type": "spot", "spot": True, "linear": None, "inverse": None,
    "settle": None, "info": {},
}  # fmt: skip
LINEAR = SPOT | {
    "symbol": "BTC/USDT:USDT", "type": "swap", "spot": False, "linear": True, "inverse": False, "settle": "USDT",
    "info": {"fundInterval": "8"},
}  # fmt: skip
USDC = LINEAR | {"symbol": "BTC/USDC:USDC", "id": "BTCPERP", "settle": "USDC"}
INVERSE = LINEAR | {"symbol": "BTC/USD:BTC", "id": "BTCUSD", "linear": False, "inverse": True, "settle": "BTC"}
DATED = INVERSE | {"symbol": "BTC/USD:BTC-240329", "id": "BTCUSD_240329", "type": "future"}
MARKETS = {market["symbol"]: market for market in (SPOT, LINEAR, USDC, INVERSE, DATED)}
EIGHTH, NINTH = datetime(2024, 3, 8), datetime(2024, 3, 9)


class Client:
    id = "bitget"

    def __init__(self, rows, markets=MARKETS):
        self._rows, self._markets, self.asked = rows, markets, []

    def milliseconds(self):
        return to_milliseconds(NOW)

    def market(self, symbol):
        return self._markets[symbol]

    async def load_markets(self):
        return self._markets

    def __getattr__(self, endpoint):
        async def call(params):
            self.asked.append((endpoint, params))
            data = self._rows(params) if callable(self._rows) else self._rows
            return {"code": "00000", "msg": "success", "requestTime": to_milliseconds(NOW), "data": data}

        return call


def ask(rows, method, *arguments, markets=MARKETS):
    client = Client(rows, markets)
    adapter = Bitget(client, Caller("bitget", RetryPolicy(attempts=1, first_wait_s=0)))
    return asyncio.run(getattr(adapter, method)(*arguments)), client.asked


def day(number, hour=0):
    return datetime(2024, 3, number, hour)


def ms(number, hour=0):
    return to_milliseconds(day(number, hour))


def candles(rows, symbol="BTC/USDT:USDT", price_type="last", timeframe="1d", start=EIGHTH, end=NINTH):
    market_type = "spot" if ":" not in symbol else "perpetual"
    return ask(rows, "candles", symbol, market_type, price_type, timeframe, start, end)


def row(number, *volumes, close="11"):
    return [str(ms(number)), "10", "12", "9", close, *volumes]


def test_days_are_asked_for_in_utc_with_the_product_type_of_the_margin():
    _, asked = candles([row(8, "5", "55")])
    params = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "granularity": "1Dutc", "endTime": ms(9), "limit": 2}
    assert asked == [("publicMixGetV2MixMarketCandles", params)]
    _, asked = candles([row(8, "5", "55")], symbol="BTC/USDC:USDC")
    assert asked[0][1]["productType"] == "USDC-FUTURES"
    _, asked = candles([row(8, "5", "55")], symbol="BTC/USD:BTC")
    assert asked[0][1]["productType"] == "COIN-FUTURES"
    _, asked = candles([row(8, "5", "55", "55")], symbol="BTC/USDT", timeframe="1h", start=day(8), end=day(8, 1))
    assert asked == [
        ("publicSpotGetV2SpotMarketCandles",
         {"symbol": "BTCUSDT", "granularity": "1h", "endTime": ms(8, 1), "limit": 2})
    ]  # fmt: skip


def test_the_row_at_the_end_of_the_window_is_left_out_whether_or_not_the_exchange_counts_it_in():
    for extra in ([], [row(9, "6", "66")]):
        got, asked = candles([row(8, "5", "55"), *extra])
        assert got.frame["opened_at"].to_list() == [day(8)]
        assert len(asked) == 1


def test_the_latest_mark_candles_are_not_asked_of_the_history_which_leaves_out_the_last_one():
    got, asked = candles([row(8, "0", "0")], price_type="mark")
    assert (asked[0][0], asked[0][1]["kLineType"]) == ("publicMixGetV2MixMarketCandles", "MARK")
    assert got.frame.select("price_type", "volume_base", "volume_quote").row(0) == ("mark", None, None)


@pytest.mark.parametrize(
    ("symbol", "price_type", "endpoint"),
    [
        ("BTC/USDT", "last", "publicSpotGetV2SpotMarketHistoryCandles"),
        ("BTC/USDT:USDT", "last", "publicMixGetV2MixMarketHistoryCandles"),
        ("BTC/USDT:USDT", "mark", "publicMixGetV2MixMarketHistoryMarkCandles"),
        ("BTC/USDT:USDT", "index", "publicMixGetV2MixMarketHistoryIndexCandles"),
    ],
)
def test_older_candles_are_asked_of_the_history_of_their_price(symbol, price_type, endpoint):
    window = {"timeframe": "1h", "start": datetime(2023, 5, 1), "end": datetime(2023, 5, 2)}
    _, asked = candles([], symbol=symbol, price_type=price_type, **window)
    assert asked[0][0] == endpoint and "kLineType" not in asked[0][1]


def test_a_year_of_a_contracts_days_is_asked_for_in_windows_of_less_than_ninety_days():
    start = day(10) - timedelta(days=365)

    def days_before(params):
        last = params["endTime"]
        return [[str(last - number * 86_400_000), "1", "2", "0.5", "1", "5", "5"] for number in range(1, 90)]

    got, asked = candles(days_before, start=start, end=day(10))
    assert got.frame["opened_at"].to_list() == [start + timedelta(days=number) for number in range(365)]
    assert [params["limit"] for _, params in asked] == [90, 90, 90, 90, 10]  # one more than the rows wanted


def test_a_window_without_a_candle_does_not_end_the_search_in_the_others():
    old = row(1, "5", "55")
    old[0] = str(to_milliseconds(datetime(2023, 3, 11)))
    first = to_milliseconds(datetime(2023, 7, 1))  # the first of five windows ends on the 7th of June
    window = {"start": datetime(2023, 3, 10), "end": day(9)}
    got, _ = candles(lambda params: [old] if params["endTime"] < first else [], **window)
    assert got.frame["opened_at"].to_list() == [datetime(2023, 3, 11)]


def test_quote_volume_of_spot_is_in_the_quote_currency_and_not_in_usdt():
    got, _ = candles([row(8, "5", "9999", "55")], symbol="BTC/USDT")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (5.0, 55.0)


@pytest.mark.parametrize("volumes", [("5", "55"), ("55", "5")])
def test_coins_of_a_coin_margined_candle_are_told_by_the_price(volumes):
    # 5 coins at about 11 USD are 55 USD; documentation and ccxt name the two cells the other way round.
    got, _ = candles([row(8, *volumes)], symbol="BTC/USD:BTC")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (5.0, 55.0)
    got, _ = candles([row(8, *volumes, close="0.1")], symbol="BTC/USD:BTC")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (55.0, 5.0)


def settlements(times):
    """Pages as Bitget serves them: counted from the newest on, and no time in them."""
    newest_first = [
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": str(to_milliseconds(time))}
        for time in sorted(times, reverse=True)
    ]

    def page(params):
        assert set(params) == {"symbol", "productType", "pageSize", "pageNo"}
        first = (params["pageNo"] - 1) * params["pageSize"]
        return newest_first[first : first + params["pageSize"]]

    return page


def test_funding_is_paged_by_number_until_the_window_is_reached():
    times = [day(9, 16) - timedelta(hours=8 * number) for number in range(250)]
    start = day(9, 16) - timedelta(hours=8 * 249)
    got, asked = ask(settlements(times), "funding_rates", "BTC/USDT:USDT", start, day(10))
    assert got.frame["settled_at"].to_list() == sorted(times)
    assert [params["pageNo"] for _, params in asked] == [1, 2, 3]


def test_one_night_of_funding_is_one_page():
    times = [day(9, 16) - timedelta(hours=8 * number) for number in range(250)]
    _, asked = ask(settlements(times), "funding_rates", "BTC/USDT:USDT", day(8), NOW)
    assert len(asked) == 1


def test_a_window_in_the_past_passes_by_the_newer_pages_and_holds_none_of_their_rows():
    times = [day(9, 16) - timedelta(hours=8 * number) for number in range(250)]
    window = (times[230], times[220])
    got, asked = ask(settlements(times), "funding_rates", "BTC/USDT:USDT", *window)
    assert got.frame["settled_at"].to_list() == sorted(times[221:231])
    assert len(asked) == 3 and got.gaps == ()


def test_funding_that_is_no_longer_served_is_absent_with_the_reason():
    times = [day(9, 16) - timedelta(hours=8 * number) for number in range(250)]
    start = datetime(2023, 3, 10)
    got, _ = ask(settlements(times), "funding_rates", "BTC/USDT:USDT", start, day(10))
    (absence,) = got.absences
    assert (absence.start, absence.end) == (start, times[-1])
    assert "bitget keeps no older funding" in absence.reason


def test_no_page_beyond_the_hundredth_is_asked_for():
    # Hourly: 99 pages of 100 settlements are 9,900 hours.
    times = [day(10) - timedelta(hours=number) for number in range(12_000)]
    markets = {"BTC/USDT:USDT": LINEAR | {"info": {"fundInterval": "1"}}}
    start = day(10) - timedelta(hours=12_000)
    got, asked = ask(settlements(times), "funding_rates", "BTC/USDT:USDT", start, NOW, markets=markets)
    assert max(params["pageNo"] for _, params in asked) <= 100
    assert got.frame.height == 9_900
    assert [(each.start, each.end) for each in got.absences] == [(start, got.frame["settled_at"].min())]


def test_a_history_of_open_interest_is_an_absence_and_no_request():
    got, asked = ask([], "open_interest", "BTC/USDT:USDT", "1d", day(1), day(9))
    assert dict(got.frame.schema) == OPEN_INTEREST_COLUMNS and got.frame.is_empty()
    assert [(each.start, each.end) for each in got.absences] == [(day(1), day(9))]
    assert "no history" in got.absences[0].reason and asked == []


def test_open_interest_now_is_coins_from_the_tickers_of_each_product_type():
    names = {"USDT-FUTURES": "BTCUSDT", "COIN-FUTURES": "BTCUSD"}

    def tickers(params):
        return [{"symbol": names[params["productType"]], "holdingAmount": "7.5", "ts": str(ms(10)), "markPrice": "1"}]

    got, asked = ask(tickers, "open_interest_now", ["BTC/USDT:USDT", "BTC/USD:BTC"])
    columns = ("symbol", "observed_at", "open_interest_contracts", "open_interest_base", "open_interest_usd")
    assert got.frame.select(columns).rows() == [
        ("BTC/USD:BTC", day(10), None, 7.5, None),
        ("BTC/USDT:USDT", day(10), None, 7.5, None),
    ]
    assert [params for _, params in asked] == [{"productType": "USDT-FUTURES"}, {"productType": "COIN-FUTURES"}]


def test_funding_now_names_interval_and_next_settlement():
    row = {
        "symbol": "BTCUSDT", "fundingRate": "-0.000024", "fundingRateInterval": "4", "nextUpdate": str(ms(10, 4)),
    }  # fmt: skip
    got, _ = ask([row], "funding_now", ["BTC/USDT:USDT"])
    assert got.frame.select("funding_rate", "interval_hours", "next_settlement_at").row(0) == (
        -0.000024, 4.0, day(10, 4),
    )  # fmt: skip


def test_a_coin_margined_contract_has_no_size_in_usd_and_an_off_time_is_a_delisting():
    listed = {
        "base": "BTC", "quote": "USD", "expiry": None, "created": None, "active": True, "contractSize": 1,
        "precision": {"amount": 0.001, "price": 0.1}, "limits": {"cost": {"min": None}},
    }  # fmt: skip
    off = str(to_milliseconds(datetime(2024, 4, 1)))
    markets = {
        "BTC/USD:BTC": INVERSE | listed | {"info": {"offTime": "-1"}},
        "BTC/USDT:USDT": LINEAR | listed | {"info": {"offTime": off}},
    }
    got, _ = ask([], "instruments", markets=markets)
    rows = {row[0]: row[1:] for row in got.frame.select("symbol", "contract_size", "delist_at").rows()}
    # ccxt says 1 for all, which on a coin-margined contract would be read as one USD; it is traded in coins.
    assert rows == {"BTC/USD:BTC": (None, None), "BTC/USDT:USDT": (1.0, datetime(2024, 4, 1))}


def test_the_latest_candles_reach_no_further_than_the_exchange_keeps_them():
    # 1,400 hours before the 10th of March, 00:15, is the 11th of January, 16:15.
    _, asked = candles([], timeframe="1h", start=datetime(2024, 1, 11, 17), end=datetime(2024, 1, 12))
    assert asked[0][0] == "publicMixGetV2MixMarketCandles"
    _, asked = candles([], timeframe="1h", start=datetime(2024, 1, 11, 16), end=datetime(2024, 1, 12))
    assert asked[0][0] == "publicMixGetV2MixMarketHistoryCandles"
