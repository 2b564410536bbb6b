"""What is asked of MEXC and what is made of its answers, over replies in the recorded shapes."""

import asyncio
from datetime import datetime

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.mexc import Mexc
from pipelines.exchanges.port import FUNDING_COLUMNS, FUTURES_CANDLE_COLUMNS, OPEN_INTEREST_COLUMNS, SPOT_CANDLE_COLUMNS
from pipelines.exchanges.retries import Caller, RetryPolicy

NOW = datetime(2024, 3, 10, 0, 15)
DAY = 86_400_000
SPOT = {"symbol": "BTC/USDT", "id": "BTCUSDT", "type": "spot", "spot": True, "linear": None, "inverse": None}
LINEAR = {
    "symbol": "BTC/USDT:USDT", "id": "BTC_USDT", "type": "swap", "spot": False, "linear": True, "inverse": False,
    "contractSize": 0.0001,
}  # fmt: skip
PEPE = LINEAR | {"symbol": "PEPE/USDT:USDT", "id": "PEPE_USDT", "contractSize": 10_000_000.0}
INVERSE = LINEAR | {
    "symbol": "BTC/USD:BTC", "id": "BTC_USD", "linear": False, "inverse": True, "contractSize": 100.0,
}  # fmt: skip
MARKETS = {market["symbol"]: market for market in (SPOT, LINEAR, PEPE, INVERSE)}


class Client:
    """Answers every endpoint from `answer(endpoint, params)` and remembers what was asked."""

    id = "mexc"

    def __init__(self, answer):
        self._answer, self.asked = answer, []

    def milliseconds(self):
        return to_milliseconds(NOW)

    def market(self, symbol):
        return MARKETS[symbol]

    def __getattr__(self, endpoint):
        async def call(params):
            self.asked.append((endpoint, params))
            return self._answer(endpoint, params)

        return call


def ask(answer, method, *arguments):
    client = Client(answer)
    adapter = Mexc(client, Caller("mexc", RetryPolicy(attempts=1, first_wait_s=0)))
    return asyncio.run(getattr(adapter, method)(*arguments)), client.asked


def day(number, hour=0):
    return datetime(2024, 3, number, hour)


def ms(number, hour=0):
    return to_milliseconds(day(number, hour))


def columns(*days, **changes):
    """Candles of contracts as they are sent: a list per column, times in seconds, contracts, quote currency."""
    data = {"time": [ms(number) // 1000 for number in days]}
    data |= {"open": 10.0, "close": 11.0, "high": 12.0, "low": 9.0, "vol": 500.0, "amount": 0.55}
    data |= changes
    lists = {name: value if isinstance(value, list) else [value] * len(days) for name, value in data.items()}

    def answer(endpoint, params):
        """All of it to the first request, nothing to those about what is left at its edges."""
        is_first = params["start"] == ms(8) // 1000
        return {"success": True, "code": 0, "data": lists if is_first else {name: [] for name in lists}}

    return answer


def spot_rows(*days):
    return lambda endpoint, params: [
        [ms(number), "10", "12", "9", "11", "5", ms(number) + DAY, "55"] for number in days
    ]


def candles(answer, symbol, price_type="last", start=8, end=10):
    market_type = "spot" if symbol == "BTC/USDT" else "perpetual"
    return ask(answer, "candles", symbol, market_type, price_type, "1d", day(start), day(end))


def test_spot_candles_are_asked_for_with_both_times_because_a_start_alone_is_ignored():
    got, asked = candles(spot_rows(8, 9), "BTC/USDT")
    assert dict(got.frame.schema) == SPOT_CANDLE_COLUMNS
    assert got.frame.row(0) == ("mexc", "BTC/USDT", "1d", day(8), 10.0, 12.0, 9.0, 11.0, 5.0, 55.0)
    window = {"startTime": ms(8), "endTime": ms(10) - 1, "limit": 2}
    assert asked == [("spotPublicGetKlines", {"symbol": "BTCUSDT", "interval": "1d"} | window)]


def test_contract_candles_have_their_times_in_seconds_and_come_as_one_list_per_column():
    got, asked = candles(columns(8, 9), "BTC/USDT:USDT")
    assert dict(got.frame.schema) == FUTURES_CANDLE_COLUMNS
    assert got.frame["opened_at"].to_list() == [day(8), day(9)]
    assert got.frame.select("open", "high", "low", "close").row(0) == (10.0, 12.0, 9.0, 11.0)
    window = {"interval": "Day1", "start": ms(8) // 1000, "end": (ms(10) - 1) // 1000}
    assert asked == [("contractPublicGetKlineSymbol", {"symbol": "BTC_USDT"} | window)]


def test_volume_of_a_linear_contract_is_contracts_times_the_coins_of_one():
    # 500 contracts of 0.0001 BTC are 0.05 BTC; 500 of ten million PEPE are five thousand million PEPE
    got, _ = candles(columns(8), "BTC/USDT:USDT")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (pytest.approx(0.05), 0.55)
    got, _ = candles(columns(8), "PEPE/USDT:USDT")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (5e9, 0.55)


def test_volume_of_a_coin_margined_contract_is_dollars_and_its_coins_are_not_guessed():
    got, _ = candles(columns(8), "BTC/USD:BTC")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (None, 50_000.0)  # 500 contracts of $100


@pytest.mark.parametrize(
    ("price_type", "endpoint"),
    [("mark", "contractPublicGetKlineFairPriceSymbol"), ("index", "contractPublicGetKlineIndexPriceSymbol")],
)
def test_mark_is_the_fair_price_and_neither_mark_nor_index_has_a_volume(price_type, endpoint):
    got, asked = candles(columns(8), "BTC/USDT:USDT", price_type)
    assert got.frame.select("price_type", "close", "volume_base", "volume_quote").row(0) == (
        price_type, 11.0, None, None,
    )  # fmt: skip
    assert asked[0][0] == endpoint


def test_times_that_switch_to_milliseconds_are_read_as_such():
    got, _ = candles(columns(8, 9, time=[ms(8), ms(9)]), "BTC/USDT:USDT")
    assert got.frame["opened_at"].to_list() == [day(8), day(9)]


def test_columns_of_different_lengths_are_no_answer():
    with pytest.raises(ExchangeFailure, match="cannot be read as this endpoint's data"):
        candles(columns(8, 9, close=[11.0]), "BTC/USDT:USDT")


def test_a_number_that_is_missing_in_a_column_sets_its_candle_aside_and_no_other():
    got, _ = candles(columns(8, 9, close=[11.0, None]), "BTC/USDT:USDT")
    assert got.frame["opened_at"].to_list() == [day(8)]
    assert got.rejected.height == 1


@pytest.mark.parametrize(("symbol", "days"), [("BTC/USDT", 500), ("BTC/USDT:USDT", 2000)])
def test_no_window_is_longer_than_one_reply_holds(symbol, days):
    market_type = "spot" if symbol == "BTC/USDT" else "perpetual"
    window = (datetime(2016, 1, 1), datetime(2024, 1, 1))
    empty = columns() if market_type == "perpetual" else lambda *_: []
    _, asked = ask(empty, "candles", symbol, market_type, "last", "1d", *window)
    first = asked[0][1]
    seconds = (first["end"] - first["start"]) if "end" in first else (first["endTime"] - first["startTime"]) / 1000
    assert days - 1 <= seconds / 86_400 < days
    assert len(asked) == -(-2922 // days)  # days from 2016 to 2024


def test_after_the_last_candle_it_is_asked_from_the_next_opening_on():
    # a start inside the candle of the 8th might be answered with that candle
    _, asked = candles(columns(8), "BTC/USDT:USDT")
    assert [params["start"] for _, params in asked] == [ms(8) // 1000, ms(9) // 1000]


def history(*pages, total=None):
    """Numbered pages of settlements, each a list of (day, hour); `total`: what is said about their number."""

    def answer(endpoint, params):
        number = params["page_num"]
        rows = [
            {"symbol": "BTC_USDT", "fundingRate": 0.0001, "settleTime": ms(*when), "collectCycle": 8}
            for when in (pages[number - 1] if number <= len(pages) else [])
        ]
        return {"success": True, "code": 0, "data": {"totalPage": total, "currentPage": number, "resultList": rows}}

    return answer


def funding(answer, start, end):
    return ask(answer, "funding_rates", "BTC/USDT:USDT", start, end)


def test_settlements_are_read_from_the_newest_page_on_until_the_start_has_been_passed():
    pages = [(9, 16), (9, 8)], [(9, 0), (8, 16)], [(8, 8), (8, 0)], [(7, 16), (7, 8)]
    got, asked = funding(history(*pages, total=400), day(8, 8), day(9, 8))
    assert dict(got.frame.schema) == FUNDING_COLUMNS
    assert got.frame["settled_at"].to_list() == [day(8, 8), day(8, 16), day(9)]
    assert [params["page_num"] for _, params in asked] == [1, 2, 3]
    assert asked[0][1] == {"symbol": "BTC_USDT", "page_num": 1, "page_size": 100}


def test_the_interval_of_a_settlement_is_left_open():
    got, _ = funding(history([(9, 8), (9, 0)], total=1), day(8), day(10))
    assert got.frame["interval_hours"].to_list() == [None, None]


def test_the_last_page_is_believed_and_without_a_number_of_pages_an_empty_one_is_the_end():
    _, asked = funding(history([(9, 16)], [(9, 8)], total=2), day(1), day(10))
    assert len(asked) == 2
    _, asked = funding(history([(9, 16)], [(9, 8)]), day(1), day(10))
    assert len(asked) == 3


def test_a_settlement_that_arrives_between_two_pages_costs_no_row_and_doubles_none():
    # while page 1 was read the settlement of 16:00 arrived, so page 2 begins with the last row of page 1
    got, _ = funding(history([(9, 8), (9, 0)], [(9, 0), (8, 16)], [(8, 8)], total=3), day(8), day(10))
    assert got.frame["settled_at"].to_list() == [day(8, 8), day(8, 16), day(9, 0), day(9, 8)]


def test_an_exchange_that_ignores_the_page_number_ends_in_an_error_and_not_in_a_loop():
    page = [(9, 8), (9, 0)]
    with pytest.raises(ExchangeFailure, match="nothing older than the page before") as caught:
        funding(history(*[page] * 50, total=50), day(1), day(10))
    assert caught.value.kind == "malformed"


def test_a_page_of_unreadable_settlements_alone_leaves_the_window_incomplete():
    def answer(endpoint, params):
        reply = history([(9, 16), (9, 8)], [(9, 0), (8, 16)], [(8, 8)], total=3)(endpoint, params)
        for row in reply["data"]["resultList"] if params["page_num"] == 2 else []:
            row["fundingRate"] = None
        return reply

    got, _ = funding(answer, day(8), day(10))
    assert (got.frame["settled_at"].to_list(), got.rejected.height, got.is_complete) == (
        [day(9, 8), day(9, 16)], 2, False,
    )  # fmt: skip


def test_a_reply_without_a_page_is_no_answer():
    with pytest.raises(ExchangeFailure, match="cannot be read as this endpoint's data"):
        funding(lambda *_: {"success": True, "code": 0, "data": None}, day(8), day(10))


def test_history_of_open_interest_is_absent_with_a_reason_and_without_a_request():
    got, asked = ask(columns(8), "open_interest", "BTC/USDT:USDT", "1d", day(8), day(10))
    assert (asked, got.frame.height, dict(got.frame.schema)) == ([], 0, OPEN_INTEREST_COLUMNS)
    (absence,) = got.absences
    assert (absence.start, absence.end) == (day(8), day(10)) and "of this moment only" in absence.reason


TICKERS = [
    {"symbol": "BTC_USDT", "holdVol": 381485808, "fairPrice": 109168.9, "fundingRate": 0.0001, "timestamp": ms(9)},
    {"symbol": "BTC_USD", "holdVol": 5000, "fairPrice": 109000.0, "fundingRate": -0.0002, "timestamp": ms(9) + 7},
    {"symbol": "ETH_USDT", "holdVol": 1, "fairPrice": 3000.0, "fundingRate": 0.0, "timestamp": ms(9)},
]


def tickers(endpoint, params):
    return {"success": True, "code": 0, "data": TICKERS}


def test_open_interest_now_is_one_request_for_all_and_counted_in_contracts():
    got, asked = ask(tickers, "open_interest_now", ["BTC/USDT:USDT", "BTC/USD:BTC", "PEPE/USDT:USDT"])
    assert asked == [("contractPublicGetTicker", {})]
    units = ("symbol", "open_interest_contracts", "open_interest_base", "open_interest_usd", "source_kind")
    assert got.frame.select(units).rows() == [
        ("BTC/USD:BTC", 5000.0, None, None, "snapshot"),
        ("BTC/USDT:USDT", 381485808.0, None, None, "snapshot"),
    ]
    assert got.frame["observed_at"].to_list() == [datetime(2024, 3, 9, 0, 0, 0, 7000), day(9)]


def test_funding_now_is_one_request_for_all():
    got, asked = ask(tickers, "funding_now", ["BTC/USDT:USDT", "BTC/USD:BTC"])
    assert len(asked) == 1
    assert got.frame.select("symbol", "funding_rate").rows() == [("BTC/USD:BTC", -0.0002), ("BTC/USDT:USDT", 0.0001)]
