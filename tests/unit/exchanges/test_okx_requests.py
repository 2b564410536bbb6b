"""What the OKX adapter asks for and what it makes of replies in OKX's true shapes."""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.okx import Okx
from pipelines.exchanges.port import FUTURES_CANDLE_COLUMNS, OPEN_INTEREST_COLUMNS
from pipelines.exchanges.retries import Caller, RetryPolicy

NOW = datetime(2024, 3, 10, 0, 15)
SPOT = {"symbol": "BTC/USDT", "id": "BTC-USDT", "type": "spot", "spot": True, "linear": None, "inverse": None}
LINEAR = SPOT | {
    "symbol": "BTC/USDT:USDT", "id": "BTC-USDT-SWAP", "type": "swap", "spot": False, "linear": True, "inverse": False,
    "contractSize": 0.01, "info": {"uly": "BTC-USDT", "instFamily": "BTC-USDT"},
}  # fmt: skip
INVERSE = LINEAR | {
    "symbol": "BTC/USD:BTC", "id": "BTC-USD-SWAP", "linear": False, "inverse": True, "contractSize": 100.0,
    "info": {"uly": "BTC-USD"},
}  # fmt: skip
DATED = LINEAR | {"symbol": "BTC/USDT:USDT-240329", "id": "BTC-USDT-240329", "type": "future"}
MARKETS = {market["symbol"]: {"info": {}} | market for market in (SPOT, LINEAR, INVERSE, DATED)}
UNITS = ("open_interest_contracts", "open_interest_base", "open_interest_usd")
EIGHTH, NINTH = datetime(2024, 3, 8), datetime(2024, 3, 9)


class Client:
    id = "okx"

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
            return {"code": "0", "msg": "", "data": data}

        return call


def ask(rows, method, *arguments, markets=MARKETS):
    client = Client(rows, markets)
    adapter = Okx(client, Caller("okx", RetryPolicy(attempts=1, first_wait_s=0)))
    return asyncio.run(getattr(adapter, method)(*arguments)), client.asked


def day(number, hour=0):
    return datetime(2024, 3, number, hour)


def ms(number, hour=0):
    return to_milliseconds(day(number, hour))


def traded(number, confirm="1"):
    return [str(ms(number)), "10", "12", "9", "11", "500", "5", "55", confirm]


def earlier_than(rows, place=0):
    """The rows before `after`, as OKX serves them: newest first."""
    return lambda params: [row for row in rows if int(row[place]) < params.get("after", params.get("end"))]


def candles(rows, symbol="BTC/USDT:USDT", price_type="last", timeframe="1d", start=EIGHTH, end=NINTH):
    market_type = "spot" if ":" not in symbol else "perpetual"
    return ask(rows, "candles", symbol, market_type, price_type, timeframe, start, end)


def test_days_are_asked_for_in_utc_and_backward_from_the_end_of_the_window():
    _, asked = candles([traded(8)])
    assert asked == [
        ("publicGetMarketCandles", {"instId": "BTC-USDT-SWAP", "bar": "1Dutc", "after": ms(9), "limit": 1})
    ]


def test_volume_of_a_contract_is_coins_and_quote_currency_and_not_contracts():
    # vol 500 contracts of 0.01 BTC are volCcy 5 BTC and volCcyQuote 55 USDT; on spot vol is coins, volCcy is quote.
    got, _ = candles([traded(8)])
    assert dict(got.frame.schema) == FUTURES_CANDLE_COLUMNS
    assert got.frame.select("close", "volume_base", "volume_quote").row(0) == (11.0, 5.0, 55.0)
    got, _ = candles([traded(8)], symbol="BTC/USD:BTC")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (5.0, 55.0)
    spot = [str(ms(8)), "10", "12", "9", "11", "5", "55", "55", "1"]
    got, _ = candles([spot], symbol="BTC/USDT")
    assert got.frame.select("volume_base", "volume_quote").row(0) == (5.0, 55.0)


def test_index_candles_are_asked_for_by_the_underlying_and_in_pages_of_a_hundred():
    row = [str(ms(8)), "10", "12", "9", "11", "1"]
    got, asked = candles(earlier_than([row]), price_type="index", timeframe="1h", start=day(2), end=day(9))
    endpoint, params = asked[0]
    assert (endpoint, params["instId"], params["bar"], params["limit"]) == (
        "publicGetMarketIndexCandles", "BTC-USDT", "1H", 100,
    )  # fmt: skip
    assert got.frame.select("price_type", "volume_base", "volume_quote").row(0) == ("index", None, None)


def test_mark_candles_have_their_own_endpoint_and_the_contracts_name():
    _, asked = candles([[str(ms(8)), "10", "12", "9", "11", "1"]], price_type="mark")
    assert (asked[0][0], asked[0][1]["instId"]) == ("publicGetMarketMarkPriceCandles", "BTC-USDT-SWAP")


@pytest.mark.parametrize("price_type", ["last", "mark"])
def test_a_candle_that_is_not_confirmed_is_not_stored_although_its_time_is_up(price_type):
    cells = 9 if price_type == "last" else 6
    rows = [[*traded(number)[: cells - 1], confirm] for number, confirm in ((9, "0"), (8, "1"))]
    got, _ = candles(earlier_than(rows), price_type=price_type, end=day(10))
    assert got.frame["opened_at"].to_list() == [day(8)]
    assert got.rejected.is_empty() and got.is_complete


def test_what_is_older_than_the_latest_candles_is_asked_of_the_history():
    # 1,400 hours before the 10th of March is the 11th of January, 16:15.
    _, asked = candles([], timeframe="1h", start=datetime(2024, 1, 11, 17), end=datetime(2024, 1, 12))
    assert asked[0][0] == "publicGetMarketCandles"
    _, asked = candles([], timeframe="1h", start=datetime(2024, 1, 11, 16), end=datetime(2024, 1, 12))
    assert asked[0][0] == "publicGetMarketHistoryCandles"


def test_funding_is_what_was_settled_and_not_what_was_predicted():
    rows = [
        {"instId": "X", "fundingRate": "0.018", "realizedRate": "", "fundingTime": str(ms(8, 16))},
        {"instId": "X", "fundingRate": "0.018", "realizedRate": "0.017", "fundingTime": str(ms(8, 8))},
    ]
    got, asked = ask(earlier_than(rows, "fundingTime"), "funding_rates", "BTC/USDT:USDT", day(8), day(9))
    assert got.frame.select("settled_at", "funding_rate").rows() == [(day(8, 8), 0.017), (day(8, 16), 0.018)]
    endpoint, params = asked[0]
    assert (endpoint, params["instId"], "before" in params) == (
        "publicGetPublicFundingRateHistory", "BTC-USDT-SWAP", False,
    )  # fmt: skip


def test_funding_older_than_three_months_is_absent_with_the_reason():
    first = datetime(2023, 12, 11, 8)  # the exchange keeps three months before the 10th of March
    times = [first + timedelta(hours=8 * number) for number in range(268)]
    rows = [{"fundingRate": "0.1", "realizedRate": "0.1", "fundingTime": to_milliseconds(time)} for time in times]

    def page(params):
        return [row for row in rows if row["fundingTime"] < params["after"]][-100:][::-1]

    got, asked = ask(page, "funding_rates", "BTC/USDT:USDT", datetime(2023, 3, 10), day(10))
    assert got.frame["settled_at"].to_list() == [time for time in times if time < day(10)]
    (absence,) = got.absences
    assert (absence.start, absence.end) == (datetime(2023, 3, 10), first)
    assert "last three months" in absence.reason
    assert len(asked) == 4  # 100, 100, 67, and nothing before

    got, _ = ask([], "funding_rates", "BTC/USDT:USDT", datetime(2023, 3, 10), datetime(2023, 6, 1))
    assert [(each.start, each.end) for each in got.absences] == [(datetime(2023, 3, 10), datetime(2023, 6, 1))]


def test_a_series_that_begins_late_within_the_last_month_is_no_absence():
    rows = [{"fundingRate": "0.1", "realizedRate": "0.1", "fundingTime": str(ms(9))}]
    got, _ = ask(earlier_than(rows, "fundingTime"), "funding_rates", "BTC/USDT:USDT", day(1), day(10))
    assert got.absences == ()


def test_a_day_of_open_interest_counts_from_its_end_because_the_row_moves_until_then():
    # Stamped with the opening; that of the 9th ended at the 10th, 00:00, that of the 10th still runs.
    rows = [[str(ms(number)), "700", "7", "350"] for number in (10, 9, 8)]
    got, asked = ask(earlier_than(rows), "open_interest", "BTC/USDT:USDT", "1d", day(9), NOW)
    assert dict(got.frame.schema) == OPEN_INTEREST_COLUMNS
    assert got.frame.select("observed_at", *UNITS).rows() == [
        (day(9), 700.0, 7.0, 350.0),
        (day(10), 700.0, 7.0, 350.0),
    ]
    endpoint, params = asked[0]
    assert (endpoint, params["instId"], params["period"]) == (
        "publicGetRubikStatContractsOpenInterestHistory", "BTC-USDT-SWAP", "1Dutc",
    )  # fmt: skip


def test_open_interest_now_takes_one_request_per_kind_of_contract():
    row = {"oi": "700", "oiCcy": "7", "oiUsd": "", "ts": str(ms(10))}
    names = {"SWAP": ["BTC-USDT-SWAP", "ETH-USDT-SWAP"], "FUTURES": ["BTC-USDT-240329"]}
    got, asked = ask(
        lambda params: [row | {"instId": name} for name in names[params["instType"]]],
        "open_interest_now",
        ["BTC/USDT:USDT", "BTC/USDT:USDT-240329"],
    )
    assert got.frame.select("symbol", "observed_at", *UNITS).rows() == [
        ("BTC/USDT:USDT", day(10), 700.0, 7.0, None),
        ("BTC/USDT:USDT-240329", day(10), 700.0, 7.0, None),
    ]
    assert [params for _, params in asked] == [{"instType": "SWAP"}, {"instType": "FUTURES"}]


def test_funding_now_is_one_request_for_all_and_names_the_next_settlement():
    row = {"instId": "BTC-USDT-SWAP", "fundingRate": "0.0001", "fundingTime": str(ms(10, 8)), "nextFundingTime": "1"}
    got, asked = ask([row], "funding_now", ["BTC/USDT:USDT", "BTC/USDT:USDT-240329"])
    assert got.frame.select("symbol", "funding_rate", "next_settlement_at").row(0) == (
        "BTC/USDT:USDT", 0.0001, day(10, 8),
    )  # fmt: skip
    assert asked == [("publicGetPublicFundingRate", {"instId": "ANY"})]


def test_the_lot_step_of_a_usdt_margined_contract_is_in_coins_and_an_offline_time_is_a_delisting():
    listed = {
        "base": "BTC", "quote": "USDT", "settle": "USDT", "expiry": None, "created": None, "active": True,
        "precision": {"amount": 0.5, "price": 0.1}, "limits": {"cost": {"min": None}},
    }  # fmt: skip
    ends = str(to_milliseconds(datetime(2024, 4, 1)))
    markets = {
        "BTC/USDT:USDT": MARKETS["BTC/USDT:USDT"] | listed | {"info": {"expTime": ends}},
        "BTC/USD:BTC": MARKETS["BTC/USD:BTC"] | listed | {"info": {"expTime": ""}},
        "BTC/USDT:USDT-240329": MARKETS["BTC/USDT:USDT-240329"] | listed | {"info": {"expTime": ends}},
    }
    got, _ = ask([], "instruments", markets=markets)
    rows = {row[0]: row[1:] for row in got.frame.select("symbol", "lot_step", "contract_size", "delist_at").rows()}
    assert rows["BTC/USDT:USDT"] == (0.005, 0.01, datetime(2024, 4, 1))  # 0.5 contracts of 0.01 BTC
    assert rows["BTC/USD:BTC"] == (0.5, 100.0, None)  # contracts
    assert rows["BTC/USDT:USDT-240329"][2] is None  # a delivery is no delisting


def test_a_page_of_html_fails_and_stores_nothing():
    client = Client([])
    client.publicGetMarketCandles = lambda params: html()

    async def html():
        return "<html>"

    adapter = Okx(client, Caller("okx", RetryPolicy(attempts=1)))
    with pytest.raises(ExchangeFailure, match="cannot be read as this endpoint's data"):
        asyncio.run(adapter.candles("BTC/USDT", "spot", "last", "1d", day(8), day(9)))
