"""What the BingX adapter asks for and what it makes of the answer, over replies in the exchange's own shapes."""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.bingx import BingX
from pipelines.exchanges.errors import ExchangeFailure, Reply, classify, pause_s
from pipelines.exchanges.port import FUNDING_COLUMNS, FUTURES_CANDLE_COLUMNS, OPEN_INTEREST_COLUMNS, SPOT_CANDLE_COLUMNS
from pipelines.exchanges.retries import Caller, RetryPolicy

NOW = datetime(2024, 3, 10, 0, 15)
HOUR, DAY = 3_600_000, 86_400_000
SPOT = {"symbol": "BTC/USDT", "id": "BTC-USDT", "type": "spot", "spot": True, "linear": None, "inverse": None}
LINEAR = SPOT | {"symbol": "BTC/USDT:USDT", "type": "swap", "spot": False, "linear": True, "inverse": False}
INVERSE = LINEAR | {
    "symbol": "BTC/USD:BTC", "id": "BTC-USD", "linear": False, "inverse": True, "active": False, "contractSize": 1.0,
    "info": {"symbol": "BTC-USD", "minTickSize": "100", "minQty": "1.00000000", "status": "1"},
}  # fmt: skip
OTHER = LINEAR | {"symbol": "ETH/USDT:USDT", "id": "ETH-USDT"}
MARKETS = {market["symbol"]: {"info": {}, "active": True} | market for market in (SPOT, LINEAR, INVERSE, OTHER)}


class ExchangeError(Exception):
    pass


class BadSymbol(ExchangeError):
    pass


class Client:
    """Answers every endpoint from `answer(endpoint, params)` and remembers what was asked."""

    id = "bingx"

    def __init__(self, answer):
        self._answer, self.asked = answer, []

    def milliseconds(self):
        return to_milliseconds(NOW)

    def market(self, symbol):
        return MARKETS[symbol]

    def __getattr__(self, endpoint):
        async def call(params):
            self.asked.append((endpoint, params))
            assert len(self.asked) < 500, "the loop does not end"
            return self._answer(endpoint, params)

        return call


def ask(answer, method, *arguments, attempts=1):
    client = Client(answer)
    adapter = BingX(client, Caller("bingx", RetryPolicy(attempts=attempts, first_wait_s=0)))
    return asyncio.run(getattr(adapter, method)(*arguments)), client.asked


def day(number, hour=0):
    return datetime(2024, 3, number, hour)


def ms(number, hour=0):
    return to_milliseconds(day(number, hour))


def data(*rows):
    return lambda endpoint, params: {"code": 0, "msg": "", "data": list(rows)}


def swap_candle(opened_ms, close="11"):
    return {"open": "10", "close": close, "high": "12", "low": "9", "volume": "5", "time": opened_ms}


LAST = ("BTC/USDT:USDT", "perpetual", "last", "1d")


def test_spot_candles_come_from_the_second_version_of_their_endpoint_with_both_volumes():
    row = [ms(8), 10.0, 12.0, 9.0, 11.0, 5.0, ms(9) - 1, 55.0]
    got, asked = ask(data(row), "candles", "BTC/USDT", "spot", "last", "1d", day(8), day(9))
    assert dict(got.frame.schema) == SPOT_CANDLE_COLUMNS
    assert got.frame.row(0) == ("bingx", "BTC/USDT", "1d", day(8), 10.0, 12.0, 9.0, 11.0, 5.0, 55.0)
    ((endpoint, params),) = asked
    assert endpoint == "spotV2PublicGetMarketKline"  # the first version fails now and then
    # startTime is exclusive on spot: a millisecond earlier takes the first candle in and no other
    assert params == {
        "symbol": "BTC-USDT", "interval": "1d", "timeZone": 0, "startTime": ms(8) - 1, "endTime": ms(9) - 1, "limit": 1,
    }  # fmt: skip


def test_swap_candles_have_coins_and_no_turnover_which_is_null_and_not_made_up():
    got, asked = ask(data(swap_candle(ms(8))), "candles", *LAST, day(8), day(9))
    assert dict(got.frame.schema) == FUTURES_CANDLE_COLUMNS
    assert got.frame.select("close", "volume_base", "volume_quote").row(0) == (11.0, 5.0, None)
    assert asked[0][0] == "swapV3PublicGetQuoteKlines"


def test_mark_candles_are_stamped_by_their_opening_and_have_no_volume():
    row = {"open": "10", "close": "11", "high": "12", "low": "9", "volume": "0.00", "openTime": ms(8), "closeTime": 1}
    got, asked = ask(data(row), "candles", "BTC/USDT:USDT", "perpetual", "mark", "1d", day(8), day(9))
    assert got.frame.select("opened_at", "price_type", "close", "volume_base").row(0) == (day(8), "mark", 11.0, None)
    assert asked[0][0] == "swapV1PublicGetMarketMarkPriceKlines"
    renamed, _ = ask(data(swap_candle(ms(8))), "candles", "BTC/USDT:USDT", "perpetual", "mark", "1d", day(8), day(9))
    assert renamed.frame["opened_at"].to_list() == [day(8)]  # the newer documentation calls it `time`


def test_coin_margined_volume_is_contracts_worth_what_the_exchange_says_and_not_one_dollar():
    # 5 contracts of $100 are $500; ccxt would say that one is worth 1. The coins are not published.
    got, asked = ask(data(swap_candle(ms(8))), "candles", "BTC/USD:BTC", "perpetual", "last", "1d", day(8), day(9))
    assert got.frame.select("volume_base", "volume_quote").row(0) == (None, 500.0)
    assert asked[0][0] == "cswapV1PublicGetMarketKlines"


def test_coin_margined_candles_are_always_asked_for_with_both_bounds_and_a_thousand_at_most():
    # 2,000 hours are two pages there, and two pages of 1,440 elsewhere; a start alone would be ignored.
    window = (day(8) - timedelta(hours=2000), day(8))
    served = []

    def answer(endpoint, params):
        first = params["startTime"] + 1
        opened = range(first, params["endTime"] + 1, HOUR)
        served.append(params["limit"])
        return {"code": 0, "data": [swap_candle(time) for time in opened][::-1]}

    got, asked = ask(answer, "candles", "BTC/USD:BTC", "perpetual", "last", "1h", *window)
    assert (got.frame.height, served) == (2000, [1000, 1000])
    assert all({"startTime", "endTime"} <= set(params) for _, params in asked)


@pytest.mark.parametrize(
    ("symbol", "price_type", "reason"),
    [
        ("BTC/USDT:USDT", "index", "bingx has no index candles"),
        ("BTC/USD:BTC", "index", "bingx has no index candles"),
        ("BTC/USD:BTC", "mark", "bingx has no mark candles of coin-margined contracts"),
    ],
)
def test_candles_that_do_not_exist_are_absent_with_a_reason_and_not_asked_for(symbol, price_type, reason):
    got, asked = ask(data(), "candles", symbol, "perpetual", price_type, "1d", day(8), day(9))
    assert (asked, got.requests, got.frame.height) == ([], 0, 0)
    assert [(absence.start, absence.end, absence.reason) for absence in got.absences] == [(day(8), day(9), reason)]


def test_days_that_open_at_16_utc_are_refused_and_not_stored_as_days():
    def answer(endpoint, params):
        opened = [ms(number, 16) for number in (7, 8, 9)]
        rows = [swap_candle(time) for time in opened if params["startTime"] <= time <= params["endTime"]]
        return {"code": 0, "data": rows}

    with pytest.raises(ExchangeFailure, match=r"1d candles open at 16:00 UTC") as caught:
        ask(answer, "candles", *LAST, day(7), day(10))
    assert caught.value.kind == "malformed"


def test_the_history_of_open_interest_is_absent_with_a_reason():
    got, asked = ask(data(), "open_interest", "BTC/USDT:USDT", "1d", day(8), day(9))
    assert asked == [] and dict(got.frame.schema) == OPEN_INTEREST_COLUMNS
    assert "open interest of this moment only" in got.absences[0].reason


def settlement(number, hour, rate="0.0001", **more):
    return {"symbol": "BTC-USDT", "fundingRate": rate, "fundingTime": ms(number, hour), **more}


def funding_of(*rows):
    """Newest first, up to the end; none at all for an end after the newest settlement (as seen live)."""

    def answer(endpoint, params):
        end = params.get("endTime")
        if end is not None and end > max(row["fundingTime"] for row in rows):
            return {"code": 0, "msg": "", "data": None}
        inside = [row for row in rows if end is None or row["fundingTime"] <= end]
        inside = sorted(inside, key=lambda row: -row["fundingTime"])[: params["limit"]]
        return {"code": 0, "msg": "", "data": inside or None}

    return answer


def test_funding_up_to_now_is_asked_for_without_an_end_as_one_after_the_last_settlement_brings_nothing():
    rows = [settlement(9, hour) for hour in (0, 8, 16)] + [settlement(10, 0, "-0.0003", markPrice="68000.5")]
    got, asked = ask(funding_of(*rows), "funding_rates", "BTC/USDT:USDT", day(9), NOW)
    assert dict(got.frame.schema) == FUNDING_COLUMNS
    assert got.frame["settled_at"].to_list() == [day(9), day(9, 8), day(9, 16), day(10)]
    assert got.frame.row(3) == ("bingx", "BTC/USDT:USDT", day(10), -0.0003, None, 68000.5)
    ((endpoint, params),) = asked
    assert endpoint == "swapV2PublicGetQuoteFundingRate"
    assert set(params) == {"symbol", "limit"} and params["limit"] >= 24  # as many as an hourly contract has


def test_ccxts_until_is_not_used_as_it_would_be_sent_as_a_start():
    rows = [settlement(number, 0) for number in range(1, 10)]
    got, asked = ask(funding_of(*rows), "funding_rates", "BTC/USDT:USDT", day(2), day(4))
    assert got.frame["settled_at"].to_list() == [day(2), day(3)]
    # a minute wider than the window on either side, as stamps may be off
    assert [params["endTime"] for _, params in asked] == [ms(4) + 60_000 - 1]
    assert all("startTime" not in params and "until" not in params for _, params in asked)


def test_a_window_of_the_past_day_whose_rows_are_all_newer_than_it_is_empty_and_no_error():
    got, _ = ask(funding_of(settlement(9, 16)), "funding_rates", "BTC/USDT:USDT", day(9, 9), day(9, 12), attempts=3)
    assert got.frame.height == 0


def test_data_that_is_null_once_is_asked_for_again_and_the_rows_are_not_lost():
    replies = [{"code": 0, "data": None}, funding_of(settlement(9, 0))("", {"limit": 9})]
    got, asked = ask(lambda *_: replies.pop(0), "funding_rates", "BTC/USDT:USDT", day(9), NOW, attempts=5)
    assert got.frame["settled_at"].to_list() == [day(9)]
    assert len(asked) == 2


def test_data_that_stays_null_is_no_data():
    got, asked = ask(lambda *_: {"code": 0, "data": None}, "funding_rates", "BTC/USDT:USDT", day(1), day(2), attempts=5)
    assert (got.frame.height, len(asked), got.is_complete) == (0, 3, True)
    candles, asked = ask(lambda *_: {"code": 0, "data": None}, "candles", *LAST, day(1), day(2), attempts=5)
    assert (candles.frame.height, len(asked)) == (0, 3)


def test_a_reply_without_data_is_unreadable_and_not_empty():
    with pytest.raises(ExchangeFailure, match="cannot be read") as caught:
        ask(lambda *_: {"code": 0}, "funding_rates", "BTC/USDT:USDT", day(1), day(2), attempts=5)
    assert caught.value.kind == "malformed"


def test_funding_of_coin_margined_contracts_has_no_history_and_says_so():
    got, asked = ask(data(), "funding_rates", "BTC/USD:BTC", day(8), day(9))
    assert asked == [] and got.frame.height == 0
    assert "no history of the funding of coin-margined contracts" in got.absences[0].reason


def test_open_interest_now_is_in_usdt_for_swaps_and_in_coins_for_coin_margined_contracts():
    def answer(endpoint, params):
        if endpoint.startswith("cswap"):
            # stamped with the start of the day, whenever it was counted
            row = {"symbol": "BTC-USD", "openInterest": "749.1160", "timestamp": ms(10)}
            return {"code": 0, "timestamp": ms(10) + 1, "data": [row]}
        row = {"openInterest": "3289641547.10", "symbol": params["symbol"], "time": ms(10) + 5000}
        return {"code": 0, "data": row}

    got, asked = ask(answer, "open_interest_now", ["BTC/USDT:USDT", "BTC/USD:BTC"])
    units = ("symbol", "observed_at", "open_interest_contracts", "open_interest_base", "open_interest_usd")
    assert got.frame.select(units).rows() == [
        ("BTC/USD:BTC", NOW, None, 749.116, None),
        ("BTC/USDT:USDT", day(10) + timedelta(seconds=5), None, None, 3289641547.10),
    ]
    assert [endpoint for endpoint, _ in asked] == [
        "swapV2PublicGetQuoteOpenInterest", "cswapV1PublicGetMarketOpenInterest",
    ]  # fmt: skip


def test_funding_now_takes_one_request_per_side_and_the_interval_where_it_is_said():
    linear = {
        "symbol": "BTC-USDT", "markPrice": "1", "indexPrice": "1", "lastFundingRate": "0.0002",
        "nextFundingTime": ms(10, 4), "fundingIntervalHours": 4,
    }  # fmt: skip
    inverse = {"symbol": "BTC-USD", "lastFundingRate": "0.0001", "nextFundingTime": ms(10, 8)}
    got, asked = ask(
        lambda endpoint, _: data(inverse if endpoint.startswith("cswap") else linear)(endpoint, _),
        "funding_now", ["BTC/USDT:USDT", "BTC/USD:BTC"],
    )  # fmt: skip
    rows = got.frame.select("symbol", "funding_rate", "interval_hours", "next_settlement_at").rows()
    assert rows == [("BTC/USD:BTC", 0.0001, None, day(10, 8)), ("BTC/USDT:USDT", 0.0002, 4.0, day(10, 4))]
    assert len(asked) == 2


def failure(body, error=None):
    error = error or ExchangeError()
    error.reply = Reply(200, None, body)
    return classify(error, "bingx", "candles", "BTC/USDT")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"code":100410,"msg":"rate limited"}', "retryable"),
        ('{"code":109429,"msg":"Too many invalid requests"}', "retryable"),
        ('{"code":100500,"msg":"The current system is busy, please try again later"}', "retryable"),
        ('{"code":109701,"msg":"Network issue"}', "retryable"),
        ('{"code":109415,"msg":"Trading pair is suspended"}', "bad_symbol"),
        ('{"code":109425,"msg":"Trading pair does not exist"}', "bad_symbol"),
        ('{"code":109419,"msg":"Trading pair not supported"}', "bad_symbol"),
        ('{"code":109400,"msg":"OpenInterestNotExist"}', "bad_symbol"),
        ('{"code":109400,"msg":"Invalid parameters"}', "permanent"),
        ('{"code":100400,"msg":"this api is not exist"}', "permanent"),
    ],
)
def test_what_a_code_of_bingx_means(body, kind):
    assert failure(body).kind == kind


def test_a_wrong_clock_is_not_taken_for_a_delisted_symbol_although_ccxt_calls_it_bad_symbol():
    got = failure('{"code":100421,"msg":"Null timestamp or timestamp mismatch"}', BadSymbol())
    assert got.kind == "permanent" and "set the clock" in str(got)


def test_the_pause_that_bingx_asks_for_stands_in_the_body():
    body = (
        '{"code":100410,"msg":"code:100410:The endpoint trigger frequency limit rule is currently in the disabled '
        'period and will be unblocked after 1727193814249"}'
    )
    assert pause_s(body, 1727193814249 - 30_000) == 30.0
    assert pause_s(body, 1727193814249 + 1) is None  # over already: asked again as usual
    assert pause_s('{"code":100410,"msg":"rate limited"}', 1) is None
    assert (
        pause_s('{"msg":"requests within 480000 ms, can retry after time: 1727193970155"}', 1727193970155 - 500) == 0.5
    )


def listed(**info):
    info = {"status": "1", "launchTime": "1586275200000", "offTime": "0"} | info
    is_inverse = "minTickSize" in info
    market = (INVERSE if is_inverse else LINEAR) | {
        "base": "BTC", "quote": "USD" if is_inverse else "USDT", "settle": "BTC" if is_inverse else "USDT",
        "expiry": None, "created": None, "active": not is_inverse, "contractSize": 1.0, "info": info,
        "precision": {"amount": None, "price": 0.1}, "limits": {"cost": {"min": 2.0}},
    }  # fmt: skip
    client = Client(None)

    async def load_markets():
        return {market["symbol"]: market}

    client.load_markets = load_markets
    adapter = BingX(client, Caller("bingx", RetryPolicy(attempts=1)))
    return asyncio.run(adapter.instruments()).frame.row(0, named=True)


def test_a_contract_is_listed_since_its_launch_which_ccxt_leaves_out():
    assert listed()["listed_at"] == datetime(2020, 4, 7, 16)
    assert listed(launchTime="0")["listed_at"] is None


def test_a_contract_that_is_not_online_does_not_trade():
    assert listed()["is_active"] is True
    assert listed(status="25")["is_active"] is False


def test_coin_margined_contracts_trade_and_are_worth_what_the_exchange_says():
    row = listed(minTickSize="100", minQty="1.00000000")
    assert (row["is_active"], row["contract_size"], row["lot_step"], row["is_linear"]) == (True, 100.0, 1.0, False)
    assert listed(minTickSize="10", status="0")["is_active"] is False


def test_the_end_of_a_contract_counts_unless_it_came_back():
    past, future = str(ms(1)), str(ms(20))
    assert listed(offTime=future)["delist_at"] == day(20)
    assert listed(offTime=past, status="0")["delist_at"] == day(1)
    assert listed(offTime=past)["delist_at"] is None  # it trades
