"""What the adapters ask for and what they make of the answer, over replies in the recorded shapes."""

import asyncio
from datetime import datetime

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.binance import Binance
from pipelines.exchanges.bybit import Bybit
from pipelines.exchanges.errors import ExchangeFailure, Reply
from pipelines.exchanges.port import (
    FUNDING_COLUMNS,
    FUTURES_CANDLE_COLUMNS,
    OPEN_INTEREST_COLUMNS,
    SPOT_CANDLE_COLUMNS,
)
from pipelines.exchanges.retries import Caller, RetryPolicy

NOW = datetime(2024, 3, 10, 0, 15)
DAY = 86_400_000
SPOT = {"symbol": "BTC/USDT", "id": "BTCUSDT", "type": "spot", "spot": True, "linear": None, "inverse": None}
LINEAR = SPOT | {"symbol": "BTC/USDT:USDT", "type": "swap", "spot": False, "linear": True, "inverse": False}
INVERSE = LINEAR | {
    "symbol": "BTC/USD:BTC", "id": "BTCUSD_PERP", "linear": False, "inverse": True,
    "contractSize": 100.0, "info": {"pair": "BTCUSD", "contractType": "PERPETUAL"},
}  # fmt: skip
MARKETS = {market["symbol"]: {"info": {}} | market for market in (SPOT, LINEAR, INVERSE)}


class ExchangeError(Exception):
    pass


class BadSymbol(ExchangeError):
    pass


class Client:
    """Answers every endpoint from `answer(endpoint, params)` and remembers what was asked."""

    def __init__(self, answer, now=NOW):
        self._answer, self._now, self.asked = answer, now, []

    def milliseconds(self):
        return to_milliseconds(self._now)

    def market(self, symbol):
        if symbol not in MARKETS:
            raise BadSymbol(symbol)
        return MARKETS[symbol]

    def __getattr__(self, endpoint):
        async def call(params):
            self.asked.append((endpoint, params))
            return self._answer(endpoint, params)

        return call


def ask(exchange, answer, method, *arguments, attempts=1, now=NOW):
    client = Client(answer, now)
    policy = RetryPolicy(attempts=attempts, first_wait_s=0)
    adapter = {"binance": Binance, "bybit": Bybit}[exchange](client, Caller(exchange, policy))
    return asyncio.run(getattr(adapter, method)(*arguments)), client.asked


def day(number, hour=0):
    return datetime(2024, 3, number, hour)


def ms(number, hour=0):
    return to_milliseconds(day(number, hour))


def binance_candles(*days):
    return lambda endpoint, params: [
        [ms(number), "10", "12", "9", "11", "5", ms(number) + DAY - 1, "55", 40, "1", "11", "0"] for number in days
    ]


def binance_rows(key, *rows):
    """The rows at or after the start that is asked for."""
    return lambda endpoint, params: [row for row in rows if row[key] >= params["startTime"]]


def bybit_list(*rows):
    return lambda endpoint, params: {"retCode": 0, "retMsg": "OK", "result": {"list": list(rows)}}


def test_the_candle_that_is_still_forming_is_not_stored():
    # It is 00:15 on the 10th: the candle of the 9th has closed, that of the 10th has not.
    answer = binance_candles(8, 9, 10)
    got, _ = ask("binance", answer, "candles", "BTC/USDT", "spot", "last", "1d", day(8), day(11))
    assert got.frame["opened_at"].to_list() == [day(8), day(9)]


def test_spot_candles_have_exactly_the_columns_of_their_table_and_both_volumes():
    got, asked = ask("binance", binance_candles(8), "candles", "BTC/USDT", "spot", "last", "1d", day(8), day(9))
    assert dict(got.frame.schema) == SPOT_CANDLE_COLUMNS
    assert got.frame.row(0) == ("binance", "BTC/USDT", "1d", day(8), 10.0, 12.0, 9.0, 11.0, 5.0, 55.0)
    # one candle is asked for one row, so that the exchange's limit is charged the least
    assert asked == [("publicGetKlines", {"symbol": "BTCUSDT", "interval": "1d", "startTime": ms(8), "limit": 1})]


def test_mark_candles_have_no_volume_although_the_exchange_writes_zeros():
    arguments = ("BTC/USDT:USDT", "perpetual", "mark", "1d", day(8), day(9))
    got, asked = ask("binance", binance_candles(8), "candles", *arguments)
    assert dict(got.frame.schema) == FUTURES_CANDLE_COLUMNS
    assert got.frame.select("price_type", "close", "volume_base", "volume_quote").row(0) == (
        "mark",
        11.0,
        None,
        None,
    )
    assert asked[0][0] == "fapiPublicGetMarkPriceKlines"


def test_index_candles_are_asked_for_by_pair():
    arguments = ("BTC/USD:BTC", "perpetual", "index", "1d", day(8), day(9))
    _, asked = ask("binance", binance_candles(8), "candles", *arguments)
    endpoint, params = asked[0]
    assert (endpoint, params["pair"], "symbol" in params) == (
        "dapiPublicGetIndexPriceKlines",
        "BTCUSD",
        False,
    )


def test_volume_of_a_coin_margined_contract_is_coins_and_dollars_and_not_contracts():
    # 5 contracts of $100 are $500; what Binance writes in the place of the quote volume are coins.
    arguments = ("BTC/USD:BTC", "perpetual", "last", "1d", day(8), day(9))
    got, _ = ask("binance", binance_candles(8), "candles", *arguments)
    assert got.frame.select("volume_base", "volume_quote").row(0) == (55.0, 500.0)
    row = [str(ms(8)), "10", "12", "9", "11", "500", "55"]  # Bybit: dollars, then coins
    got, _ = ask("bybit", bybit_list(row), "candles", *arguments)
    assert got.frame.select("volume_base", "volume_quote").row(0) == (55.0, 500.0)


def test_a_page_of_html_with_status_200_fails_and_stores_nothing():
    for exchange in ("binance", "bybit"):
        with pytest.raises(ExchangeFailure, match="cannot be read as this endpoint's data") as caught:
            ask(exchange, lambda *_: "<html>", "candles", "BTC/USDT", "spot", "last", "1d", day(8), day(9))
        assert caught.value.kind == "malformed"


def test_a_symbol_that_is_not_listed_names_itself_and_the_seed_to_look_at():
    with pytest.raises(ExchangeFailure, match=r"XYZ/USDT: the exchange does not list.*asset_symbols\.csv") as caught:
        ask("binance", binance_candles(8), "candles", "XYZ/USDT", "spot", "last", "1d", day(8), day(9))
    assert caught.value.kind == "bad_symbol"


def test_a_timeframe_that_an_exchange_lacks_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="bybit has no 8h candles; choose one of 1m, "):
        ask("bybit", bybit_list(), "candles", "BTC/USDT", "spot", "last", "8h", day(8), day(9))


def test_funding_stamped_some_milliseconds_late_is_moved_onto_its_hour():
    rows = [
        {"symbol": "BTCUSDT", "fundingTime": ms(8, 8) + 3, "fundingRate": "0.0001", "markPrice": "68000.5"},
        {"symbol": "BTCUSDT", "fundingTime": ms(8, 16) - 2, "fundingRate": "-0.0002", "markPrice": ""},
    ]
    got, _ = ask("binance", binance_rows("fundingTime", *rows), "funding_rates", "BTC/USDT:USDT", day(8), day(9))
    assert dict(got.frame.schema) == FUNDING_COLUMNS
    assert got.frame.rows() == [
        ("binance", "BTC/USDT:USDT", day(8, 8), 0.0001, None, 68000.5),
        ("binance", "BTC/USDT:USDT", day(8, 16), -0.0002, None, None),
    ]


def test_funding_far_from_a_full_hour_is_left_as_it_was_said():
    rows = [{"fundingTime": ms(8, 8) + 20 * 60_000, "fundingRate": "0.0001"}]
    got, _ = ask("binance", binance_rows("fundingTime", *rows), "funding_rates", "BTC/USDT:USDT", day(8), day(9))
    assert got.frame["settled_at"].to_list() == [datetime(2024, 3, 8, 8, 20)]


def test_bybits_funding_is_asked_for_from_its_end_backward():
    def answer(endpoint, params):
        return bybit_list({"fundingRate": "0.0001", "fundingRateTimestamp": str(ms(8, 0))})(endpoint, params)

    _, asked = ask("bybit", answer, "funding_rates", "BTC/USDT:USDT", day(8), day(9))
    endpoint, params = asked[0]
    assert endpoint == "publicGetV5MarketFundingHistory"
    assert "startTime" not in params and params["category"] == "linear"


def test_open_interest_of_each_kind_of_contract_stands_in_its_own_unit():
    rows = [{"timestamp": ms(8), "sumOpenInterest": "7", "sumOpenInterestValue": "350"}]
    units = ("open_interest_contracts", "open_interest_base", "open_interest_usd")
    window = ("1d", day(8), day(9))
    linear, _ = ask("binance", lambda *_: rows, "open_interest", "BTC/USDT:USDT", *window)
    assert linear.frame.select(units).row(0) == (None, 7.0, 350.0)
    inverse, asked = ask("binance", lambda *_: rows, "open_interest", "BTC/USD:BTC", *window)
    assert inverse.frame.select(units).row(0) == (7.0, 350.0, None)  # contracts, and coins called "value"
    assert asked[0][1]["pair"] == "BTCUSD" and asked[0][1]["contractType"] == "PERPETUAL"
    answer = bybit_list({"openInterest": "900", "timestamp": str(ms(8))})
    linear, _ = ask("bybit", answer, "open_interest", "BTC/USDT:USDT", *window)
    assert linear.frame.select(units).row(0) == (None, 900.0, None)
    inverse, _ = ask("bybit", answer, "open_interest", "BTC/USD:BTC", *window)
    assert inverse.frame.select(units).row(0) == (900.0, None, 900.0)  # one contract is one dollar
    assert dict(inverse.frame.schema) == OPEN_INTEREST_COLUMNS
    assert inverse.frame["source_kind"].to_list() == ["history"]


def refusing_before(earliest):
    def answer(endpoint, params):
        if params["startTime"] < to_milliseconds(earliest):
            error = ExchangeError()
            error.reply = Reply(400, None, '{"code":-1130,"msg":"parameter \'startTime\' is invalid."}')
            raise error
        row = {"timestamp": ms(9), "sumOpenInterest": "7", "sumOpenInterestValue": "350"}
        return [row] if params["startTime"] <= ms(9) <= params["endTime"] else []

    return answer


def test_open_interest_older_than_the_exchange_keeps_is_absent_with_a_reason():
    # It is the 10th of March, 00:15; thirty days back is the 9th of February, 00:15, and an hour to spare.
    kept_from = datetime(2024, 2, 9, 1, 15)
    answer = refusing_before(datetime(2024, 2, 9, 0, 15))
    window = ("1d", datetime(2024, 1, 1), NOW)
    got, asked = ask("binance", answer, "open_interest", "BTC/USDT:USDT", *window)
    assert got.frame["observed_at"].to_list() == [day(9)]
    (absence,) = got.absences
    assert (absence.start, absence.end) == (datetime(2024, 1, 1), kept_from)
    assert "last 30 days" in absence.reason
    assert asked[1][1]["startTime"] == to_milliseconds(kept_from)


def test_after_one_refusal_no_other_symbol_is_asked_for_old_open_interest():
    client = Client(refusing_before(datetime(2024, 2, 9, 0, 15)))
    adapter = Binance(client, Caller("binance", RetryPolicy(attempts=1)))

    async def both():
        for symbol in ("BTC/USDT:USDT", "BTC/USD:BTC"):
            await adapter.open_interest(symbol, "1d", datetime(2024, 1, 1), datetime(2024, 2, 1))

    asyncio.run(both())
    assert len(client.asked) == 1


def test_an_exchange_that_has_older_open_interest_is_believed():
    rows = [{"timestamp": to_milliseconds(datetime(2023, 1, 1)), "sumOpenInterest": "7"}]
    window = ("1d", datetime(2023, 1, 1), datetime(2023, 1, 2))
    got, _ = ask("binance", lambda *_: rows, "open_interest", "BTC/USDT:USDT", *window)
    assert got.frame.height == 1
    assert got.absences == ()


def test_a_row_that_is_served_twice_is_kept_once_and_a_contradiction_is_kept_whole():
    twice = [str(ms(8)), "10", "12", "9", "11", "5", "55"]
    other = [str(ms(9)), "10", "12", "9", "11", "5", "55"]
    changed = [str(ms(9)), "10", "12", "9", "10.5", "5", "55"]
    arguments = ("BTC/USDT", "spot", "last", "1d", day(8), day(10))
    got, _ = ask("bybit", bybit_list(twice, other, twice, changed), "candles", *arguments)
    assert got.frame.select("opened_at", "close").rows() == [(day(8), 11.0), (day(9), 10.5), (day(9), 11.0)]


def test_an_unreadable_row_goes_along_and_the_others_are_stored():
    broken = [str(ms(9)), None, "12", "9", "11", "5", "55"]
    whole = [str(ms(8)), "10", "12", "9", "11", "5", "55"]
    arguments = ("BTC/USDT", "spot", "last", "1d", day(8), day(10))
    got, _ = ask("bybit", bybit_list(broken, whole), "candles", *arguments)
    assert got.frame["opened_at"].to_list() == [day(8)]
    assert got.rejected.rows() == [(0, f'["{ms(9)}", null, "12", "9", "11", "5", "55"]', "row_readable")]


def test_a_later_page_of_unreadable_rows_alone_leaves_the_window_incomplete():
    whole = [ms(8), "10", "12", "9", "11", "5", ms(9) - 1, "55"]
    broken = [ms(9), None, "12", "9", "11", "5", ms(10) - 1, "55"]
    arguments = ("BTC/USDT", "spot", "last", "1d", day(8), day(10))
    got, _ = ask(
        "binance", lambda _, params: [whole] if params["startTime"] == ms(8) else [broken], "candles", *arguments
    )
    assert (got.frame["opened_at"].to_list(), got.rejected.height, got.is_complete) == ([day(8)], 1, False)


def test_equal_data_has_an_equal_digest_in_whatever_order_it_came():
    first = [str(ms(8)), "10", "12", "9", "11", "5", "55"]
    second = [str(ms(9)), "10", "12", "9", "11", "5", "55"]
    arguments = ("BTC/USDT", "spot", "last", "1d", day(8), day(10))
    one, _ = ask("bybit", bybit_list(first, second), "candles", *arguments)
    other, _ = ask("bybit", bybit_list(second, first), "candles", *arguments)
    changed, _ = ask("bybit", bybit_list(second, [*first[:4], "11.5", "5", "55"]), "candles", *arguments)
    assert one.payload_sha256 == other.payload_sha256
    assert one.payload_sha256 != changed.payload_sha256


def test_what_is_shown_of_this_moment_has_an_equal_digest_when_it_is_equal():
    def tickers(amount):
        rows = bybit_list({"symbol": "BTCUSDT", "openInterest": amount, "fundingRate": "0.0001"})
        methods = ("open_interest_now", "funding_now")
        return [ask("bybit", rows, method, ["BTC/USDT:USDT"])[0].payload_sha256 for method in methods]

    first, second, changed = tickers("12"), tickers("12"), tickers("13")
    assert first == second
    assert changed[0] != first[0] and changed[1] == first[1]


def test_a_missing_candle_is_reported_as_a_gap_between_its_neighbours():
    got, _ = ask("binance", binance_candles(5, 6, 9), "candles", "BTC/USDT", "spot", "last", "1d", day(5), day(10))
    assert [(gap.after, gap.before) for gap in got.gaps] == [(day(6), day(9))]


def test_a_window_in_which_nothing_can_have_closed_asks_nothing():
    got, asked = ask("binance", binance_candles(10), "candles", "BTC/USDT", "spot", "last", "1d", day(10), day(11))
    assert asked == [] and got.frame.is_empty()
