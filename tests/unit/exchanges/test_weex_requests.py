"""WEEX: what its adapter asks for and what it makes of the answer, over replies in the recorded shapes."""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.errors import ExchangeFailure, Reply
from pipelines.exchanges.port import (
    FUNDING_COLUMNS,
    FUNDING_NOW_COLUMNS,
    FUTURES_CANDLE_COLUMNS,
    INSTRUMENT_COLUMNS,
    OPEN_INTEREST_COLUMNS,
    SPOT_CANDLE_COLUMNS,
)
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.exchanges.weex import Weex

NOW = datetime(2026, 3, 10, 0, 15)
HOUR, DAY = 3_600_000, 86_400_000
SPOT = {"symbol": "BTC/USDT", "id": "BTCUSDT", "type": "spot", "spot": True, "linear": None, "inverse": None}
PERP = SPOT | {"symbol": "BTC/USDT:USDT", "type": "swap", "spot": False, "linear": True, "inverse": False}
MARKETS = {market["symbol"]: {"info": {}, "contractSize": 0.0001} | market for market in (SPOT, PERP)}
MARKETS["ETH/USDT:USDT"] = MARKETS["BTC/USDT:USDT"] | {"symbol": "ETH/USDT:USDT", "id": "ETHUSDT"}


class ExchangeError(Exception):
    pass


class BadSymbol(ExchangeError):
    pass


class Client:
    """Answers every endpoint from `answer(endpoint, params)` and remembers what was asked."""

    id = "weex"

    def __init__(self, answer):
        self._answer, self.asked = answer, []

    def milliseconds(self):
        return to_milliseconds(NOW)

    def market(self, symbol):
        if symbol not in MARKETS:
            raise BadSymbol(symbol)
        return MARKETS[symbol]

    def __getattr__(self, endpoint):
        async def call(params):
            self.asked.append((endpoint, params))
            return self._answer(endpoint, params)

        return call


def ask(answer, method, *arguments):
    client = Client(answer)
    adapter = Weex(client, Caller("weex", RetryPolicy(attempts=1, first_wait_s=0)))
    return asyncio.run(getattr(adapter, method)(*arguments)), client.asked


def day(number, hour=0):
    return datetime(2026, 3, number, hour)


def ms(number, hour=0):
    return to_milliseconds(day(number, hour))


def candle(time, close="11"):
    """A row as the vendor documents it: close time at 6, quote volume at 7, taker volumes that nobody reads."""
    return [time, "10", "12", "9", close, "5", time + DAY - 1, "55", 40, "1", "11"]


def newest(count, last=None):
    """The newest daily candles, newest first, whatever the window: as many as asked for, at most `count`."""
    latest = ms(10) if last is None else last
    return lambda endpoint, params: [candle(latest - back * DAY) for back in range(min(params["limit"], count))]


def test_a_night_asks_the_cheap_endpoint_for_a_handful_of_rows_and_filters_them():
    # The 8th and the 9th are wanted; with the forming 10th and one to spare that makes four rows for 5 units.
    got, asked = ask(newest(1000), "candles", "BTC/USDT:USDT", "perpetual", "last", "1d", day(8), NOW)
    assert asked == [("contractGetCapiV3MarketKlines", {"symbol": "BTCUSDT", "interval": "1d", "limit": 4})]
    assert dict(got.frame.schema) == FUTURES_CANDLE_COLUMNS
    assert got.frame["opened_at"].to_list() == [day(8), day(9)]  # the 7th was served, the 10th is still forming
    assert got.frame.row(0, named=True) | {"opened_at": None} == {
        "exchange": "weex", "symbol": "BTC/USDT:USDT", "market_type": "perpetual", "price_type": "last",
        "timeframe": "1d", "opened_at": None, "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0,
        "volume_base": 5.0, "volume_quote": 55.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("price_type", "endpoint"),
    [("mark", "contractGetCapiV3MarketMarkPriceKlines"), ("index", "contractGetCapiV3MarketIndexPriceKlines")],
)
def test_mark_and_index_candles_have_endpoints_of_their_own_and_no_volume(price_type, endpoint):
    got, asked = ask(newest(1000), "candles", "BTC/USDT:USDT", "perpetual", price_type, "1d", day(8), NOW)
    assert asked[0][0] == endpoint
    assert got.frame.select("volume_base", "volume_quote").row(0) == (None, None)


def test_a_year_of_daily_candles_is_one_request():
    start = NOW - timedelta(days=365)
    got, asked = ask(newest(1000), "candles", "BTC/USDT:USDT", "perpetual", "last", "1d", start, NOW)
    assert got.frame.height == 364 and len(asked) == 1  # the start is at 00:15, so its own day is not wanted


def test_only_what_the_newest_thousand_do_not_reach_is_asked_of_the_dear_endpoint():
    # 1,100 hours back: 1,000 rows (999 closed ones) from the cheap endpoint, the 101 before them in two pages.
    now_ms = to_milliseconds(NOW)

    def answer(endpoint, params):
        if "History" not in endpoint:
            return [candle(now_ms // HOUR * HOUR - back * HOUR) for back in range(params["limit"])]
        assert params["endTime"] - params["startTime"] < 100 * HOUR and params["priceType"] == "MARK"
        return [candle(time) for time in range(params["startTime"], params["endTime"], HOUR)][::-1]

    start = datetime(2026, 3, 10) - timedelta(hours=1100)
    got, asked = ask(answer, "candles", "BTC/USDT:USDT", "perpetual", "mark", "1h", start, NOW)
    assert [endpoint.removeprefix("contractGetCapiV3Market") for endpoint, _ in asked] == [
        "MarkPriceKlines", "HistoryKlines", "HistoryKlines",
    ]  # fmt: skip
    assert asked[0][1]["limit"] == 1000
    assert got.frame.height == 1100 and got.gaps == ()


def test_a_window_that_is_out_of_the_cheap_endpoints_reach_does_not_ask_it():
    def answer(endpoint, params):
        return [candle(params["startTime"])]

    start = datetime(2020, 1, 1)
    _, asked = ask(answer, "candles", "BTC/USDT:USDT", "perpetual", "last", "1d", start, start + timedelta(days=90))
    assert {endpoint for endpoint, _ in asked} == {"contractGetCapiV3MarketHistoryKlines"}
    # ninety days are the longest window that is accepted, although a hundred rows fit
    assert asked[0][1]["limit"] == 90


def test_a_window_that_ends_where_the_newest_thousand_begin_does_not_ask_for_them():
    # The forming candle is of the 10th: the oldest of a thousand is 999 days older, and not wanted here.
    def answer(endpoint, params):
        return [candle(params["startTime"])]

    reach = datetime(2026, 3, 10) - timedelta(days=999)
    arguments = ("BTC/USDT:USDT", "perpetual", "last", "1d", reach - timedelta(days=1))
    _, asked = ask(answer, "candles", *arguments, reach)
    assert [endpoint for endpoint, _ in asked] == ["contractGetCapiV3MarketHistoryKlines"]
    _, asked = ask(newest(1000), "candles", *arguments[:4], reach, reach + timedelta(days=1))
    assert [endpoint for endpoint, _ in asked] == ["contractGetCapiV3MarketKlines"]


def test_candles_newer_than_the_window_are_no_error_and_not_stored():
    def answer(endpoint, params):
        return [] if "History" in endpoint else newest(2)(endpoint, params)

    got, asked = ask(answer, "candles", "BTC/USDT:USDT", "perpetual", "last", "1d", day(1), day(5))
    assert got.frame.is_empty() and got.is_complete
    # listed on the 9th, as far as the newest rows tell: what lies before is asked for all the same
    assert asked[1][1]["startTime"] == ms(1) and asked[1][1]["endTime"] == ms(5) - 1


def test_spot_candles_out_of_reach_are_absent_with_the_reason():
    # 300 rows with the forming one of the 10th of March 2026: the first is of the 15th of May 2025.
    start, kept_from = datetime(2025, 1, 1), datetime(2025, 5, 15)
    got, asked = ask(newest(300), "candles", "BTC/USDT", "spot", "last", "1d", start, NOW)
    assert asked == [("publicGetApiV3MarketKlines", {"symbol": "BTCUSDT", "interval": "1d", "limit": 300})]
    assert dict(got.frame.schema) == SPOT_CANDLE_COLUMNS
    assert (got.frame["opened_at"][0], got.frame.height) == (kept_from, 299)
    (absence,) = got.absences
    assert (absence.start, absence.end) == (start, kept_from)
    assert absence.reason == "weex serves the newest 300 spot candles only"


def test_a_spot_window_that_is_out_of_reach_as_a_whole_costs_no_request():
    got, asked = ask(
        newest(300), "candles", "BTC/USDT", "spot", "last", "1d", datetime(2024, 1, 1), datetime(2025, 1, 1)
    )
    assert asked == [] and got.frame.is_empty() and dict(got.frame.schema) == SPOT_CANDLE_COLUMNS
    assert (got.absences[0].start, got.absences[0].end) == (datetime(2024, 1, 1), datetime(2025, 1, 1))


def test_spot_candles_that_begin_inside_the_reach_say_where():
    # Listed on the 3rd, or a server that keeps less than it says: nothing else can be asked.
    got, asked = ask(newest(8), "candles", "BTC/USDT", "spot", "last", "1d", day(1), NOW)
    assert len(asked) == 1 and got.frame["opened_at"][0] == day(3)
    assert [(absence.start, absence.end) for absence in got.absences] == [(day(1), day(3))]


def settlement(time, rate="0.0001", mark="69250.0"):
    return {"symbol": "BTCUSDT", "fundingRate": rate, "fundingTime": time, "markPrice": mark}


def funding_server(hours=8, since=0, newest_days=None, kept_days=365):
    """Settlements every `hours`, newest first: the newest of `newest_days` without times, seven days with them."""

    def answer(endpoint, params):
        now_ms = to_milliseconds(NOW)
        if "startTime" not in params:
            first, last = now_ms - (newest_days or 10_000) * DAY, now_ms
        else:
            first, last = params["startTime"], params["endTime"]
            assert last - first <= 7 * DAY and last <= now_ms
            if first < now_ms - kept_days * DAY:
                error = ExchangeError()
                error.reply = Reply(400, None, '{"code":-1170,"msg":"startTime must be within the last 365 days."}')
                raise error
        step = hours * HOUR
        times = range(max(first, since, 0) // step * step, last + 1, step)
        return [settlement(time) for time in times if time >= max(first, since)][-params["limit"] :][::-1]

    return answer


def test_a_night_of_funding_is_one_request_of_at_most_seven_days():
    got, asked = ask(funding_server(), "funding_rates", "BTC/USDT:USDT", day(8), NOW)
    ((endpoint, params),) = asked
    assert endpoint == "contractGetCapiV3MarketFundingRate"
    # a minute wider at its beginning, and not into the future at its end
    assert (params["startTime"], params["endTime"]) == (ms(8) - 60_000, to_milliseconds(NOW))
    assert dict(got.frame.schema) == FUNDING_COLUMNS
    assert got.frame.height == 7  # 0, 8 and 16 o'clock of two days, and midnight of the 10th
    assert got.frame.row(0) == ("weex", "BTC/USDT:USDT", day(8), 0.0001, None, 69250.0)


@pytest.mark.parametrize(("hours", "newest_days"), [(8, None), (8, 7), (4, None), (1, None), (1, 7)])
def test_months_of_funding_are_complete_whatever_the_newest_rows_reach(hours, newest_days):
    start = datetime(2026, 3, 10) - timedelta(days=200)
    got, asked = ask(funding_server(hours, newest_days=newest_days), "funding_rates", "BTC/USDT:USDT", start, NOW)
    assert got.frame.height == 200 * 24 // hours + 1 and got.gaps == ()
    if (hours, newest_days) == (8, None):
        assert [params for _, params in asked] == [{"symbol": "BTCUSDT", "limit": 1000}]


def test_an_empty_newest_reply_says_nothing_about_the_months_before():
    # Halted ten days ago, and without times only seven days are served: the windows still bring the rest.
    def answer(endpoint, params):
        rows = funding_server(newest_days=7)(endpoint, params)
        return [row for row in rows if row["fundingTime"] < to_milliseconds(NOW) - 10 * DAY]

    got, _ = ask(answer, "funding_rates", "BTC/USDT:USDT", datetime(2026, 2, 1), NOW)
    assert got.frame["settled_at"][0] == datetime(2026, 2, 1) and got.frame.height == 27 * 3 + 1


def test_rows_without_times_that_turn_out_to_be_the_oldest_lose_nothing():
    step, first = 8 * HOUR, to_milliseconds(datetime(2025, 6, 1))

    def answer(endpoint, params):
        if "startTime" in params:
            return funding_server()(endpoint, params)
        return [settlement(first + index * step) for index in range(100)]

    got, _ = ask(answer, "funding_rates", "BTC/USDT:USDT", datetime(2025, 6, 1), NOW)
    days = (datetime(2026, 3, 10) - datetime(2025, 6, 1)).days
    assert got.frame.height == 3 * days + 1 and got.gaps == ()


def test_funding_older_than_a_year_is_absent_with_the_reason():
    start = datetime(2025, 1, 1)
    got, asked = ask(funding_server(newest_days=7), "funding_rates", "BTC/USDT:USDT", start, NOW)
    kept_from = NOW - timedelta(days=365) + timedelta(hours=1)  # an hour to spare: the limit moves on
    (absence,) = got.absences
    assert (absence.start, absence.end) == (start, kept_from)
    assert "funding of the last 365 days" in absence.reason
    assert got.frame["settled_at"][0] == datetime(2025, 3, 10, 8)
    # The newest rows and one request that is refused; the newest rows again, a window up to midnight of the 17th of
    # March 2025 and the hours before its first row, 51 windows from there to the 3rd of March 2026.
    assert len(asked) == 2 + 1 + 2 + 51


def test_an_older_part_of_a_year_ago_is_absent_without_a_second_refusal():
    got, asked = ask(funding_server(), "funding_rates", "BTC/USDT:USDT", datetime(2024, 1, 1), datetime(2024, 1, 5))
    assert len(asked) == 1 and got.frame.is_empty()
    assert (got.absences[0].start, got.absences[0].end) == (datetime(2024, 1, 1), datetime(2024, 1, 5))


def test_settlements_a_few_milliseconds_late_are_moved_onto_their_hour():
    stamps = [ms(9, 8) + 456, ms(9, 16) - 3]

    def answer(endpoint, params):
        return [settlement(time, mark="") for time in stamps if params["startTime"] <= time <= params["endTime"]]

    got, _ = ask(answer, "funding_rates", "BTC/USDT:USDT", day(9), NOW)
    assert got.frame["settled_at"].to_list() == [day(9, 8), day(9, 16)]
    assert got.frame["mark_price"].to_list() == [None, None]


def test_open_interest_has_no_history_and_says_so_without_a_request():
    got, asked = ask(newest(1), "open_interest", "BTC/USDT:USDT", "1d", day(1), NOW)
    assert asked == [] and got.frame.is_empty() and dict(got.frame.schema) == OPEN_INTEREST_COLUMNS
    (absence,) = got.absences
    assert (absence.start, absence.end) == (day(1), NOW)
    assert absence.reason == "weex publishes the open interest of this moment only, no history"


def test_open_interest_now_is_asked_for_one_by_one_and_is_coins():
    def answer(endpoint, params):
        return {"symbol": params["symbol"], "openInterest": "1772356.352", "time": ms(10) + 598}

    got, asked = ask(answer, "open_interest_now", ["BTC/USDT:USDT", "ETH/USDT:USDT"])
    assert asked == [("contractGetCapiV3MarketOpenInterest", {"symbol": name}) for name in ("BTCUSDT", "ETHUSDT")]
    assert got.frame.row(0, named=True) == {
        "exchange": "weex", "symbol": "BTC/USDT:USDT", "observed_at": datetime(2026, 3, 10, 0, 0, 0, 598_000),
        "open_interest_contracts": None, "open_interest_base": 1772356.352, "open_interest_usd": None,
        "source_kind": "snapshot",
    }  # fmt: skip


def test_funding_now_is_the_forecast_and_its_time_is_the_next_settlement():
    # ccxt takes what has been settled for the current rate, and the moment of the reply for the settlement.
    row = {
        "symbol": "BTCUSDT", "markPrice": "2133.71", "indexPrice": "2134.44", "forecastFundingRate": "0.00005618",
        "lastFundingRate": "0.00001031", "interestRate": "0.001", "nextFundingTime": ms(10, 4), "time": ms(10) + 265,
        "collectCycle": 240,
    }  # fmt: skip
    got, asked = ask(lambda *_: [row, row | {"symbol": "OTHERUSDT"}], "funding_now", ["BTC/USDT:USDT"])
    assert asked == [("contractGetCapiV3MarketPremiumIndex", {})]  # one request for all contracts
    assert dict(got.frame.schema) == FUNDING_NOW_COLUMNS
    assert got.frame.rows() == [
        ("weex", "BTC/USDT:USDT", datetime(2026, 3, 10, 0, 0, 0, 265_000), 0.00005618, 4.0, day(10, 4))
    ]


def listed(*infos):
    """The instruments that the real ccxt makes of these rows of the two lists."""
    from pipelines.exchanges.client import open_client

    async def run():
        async with open_client("weex", base_url="http://127.0.0.1:9") as client:
            client.set_markets([client.parse_market(info) for info in infos])
            return (await Weex(client, Caller("weex", RetryPolicy(attempts=1))).instruments()).frame

    return asyncio.run(run())


SPOT_INFO = {
    "symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "baseAssetPrecision": "8", "quoteAsset": "USDT",
    "tickSize": "0.01", "stepSize": "0.00001", "minTradeAmount": "0.0001", "enableTrade": True,
}  # fmt: skip
CONTRACT_INFO = {
    "symbol": "ETHUSDT", "baseAsset": "ETH", "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": "2",
    "quantityPrecision": "3", "contractVal": "0.001", "delivery": ["00:00:00"], "forwardContractFlag": True,
}  # fmt: skip


def test_the_list_of_instruments_knows_no_date_of_listing_and_no_delisting():
    frame = listed(
        SPOT_INFO, SPOT_INFO | {"symbol": "OLDUSDT", "baseAsset": "OLD", "enableTrade": False}, CONTRACT_INFO
    )
    assert dict(frame.schema) == INSTRUMENT_COLUMNS
    rows = {row["symbol"]: row for row in frame.iter_rows(named=True)}
    contract = rows["ETH/USDT:USDT"]
    assert (contract["market_type"], contract["is_linear"], contract["contract_size"]) == ("perpetual", True, 0.001)
    assert (contract["listed_at"], contract["delist_at"], contract["is_active"]) == (None, None, True)
    assert (contract["lot_step"], contract["tick_size"]) == (0.001, 0.01)
    assert (rows["OLD/USDT"]["is_active"], rows["ETH/USDT"]["is_active"]) == (False, True)


def test_contracts_on_shares_and_metals_are_no_instruments_of_ours():
    share = CONTRACT_INFO | {"symbol": "AUSDT", "baseAsset": "A", "contractType": "TRADIFI_PERPETUAL"}
    frame = listed(CONTRACT_INFO | {"contractType": "PERPETUAL"}, share)
    assert frame["symbol"].to_list() == ["ETH/USDT:USDT"]


def test_a_timeframe_that_contracts_lack_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="weex has no 8h candles; choose one of 1m, 5m, 15m, 30m, 1h, 4h, 12h, 1d"):
        ask(newest(1), "candles", "BTC/USDT", "spot", "last", "8h", day(1), NOW)


@pytest.mark.parametrize("reply", ["<html>Maintenance</html>", "", {"code": 0}, None])
def test_a_reply_without_rows_fails_and_stores_nothing(reply):
    with pytest.raises(ExchangeFailure) as caught:
        ask(lambda *_: reply, "candles", "BTC/USDT:USDT", "perpetual", "last", "1d", day(8), NOW)
    assert caught.value.kind == "malformed"
