"""What is asked for tonight, given what is stored."""

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from pipelines.exchanges.capabilities import BINANCE, BYBIT
from pipelines.raw.plan import Wants, plan_series

START, NOW = datetime(2024, 1, 1), datetime(2024, 6, 30, 0, 15)
INSTRUMENT = {
    "symbol": pl.String, "market_type": pl.String, "listed_at": pl.Datetime("us"),
    "delist_at": pl.Datetime("us"), "expiry_at": pl.Datetime("us"), "is_active": pl.Boolean,
}  # fmt: skip
COVERAGE = {
    "dataset": pl.String, "symbol": pl.String, "price_type": pl.String, "timeframe": pl.String,
    "covered_from_at": pl.Datetime("us"), "covered_until_at": pl.Datetime("us"),
}  # fmt: skip
SPOT = ("BTC/USDT", "spot", None, None, None, True)
PERPETUAL = ("BTC/USDT:USDT", "perpetual", None, None, None, True)


def plan(*instruments, stored=(), wants=None, capabilities=BINANCE, start=START, end=NOW, in_vain=None):
    return plan_series(
        pl.DataFrame(instruments, schema=INSTRUMENT, orient="row"),
        pl.DataFrame(stored, schema=COVERAGE, orient="row"),
        capabilities,
        wants or Wants(),
        start,
        end,
        in_vain,
    )


def windows(found):
    return [(request.start, request.end) for request in found.series]


def spot_stored(start, until):
    return ("spot_ohlcv", "BTC/USDT", None, "1d", start, until)


def test_an_empty_warehouse_asks_for_every_series_of_an_instrument_over_the_whole_window():
    dated = ("BTC/USDT:USDT-240927", "dated", None, None, datetime(2024, 9, 27, 8), True)
    found = plan(SPOT, PERPETUAL, dated)
    assert [(each.dataset, each.symbol, each.price_type, each.timeframe) for each in found.series] == [
        ("spot_ohlcv", "BTC/USDT", None, "1d"),
        ("futures_ohlcv", "BTC/USDT:USDT", "last", "1d"),
        ("futures_ohlcv", "BTC/USDT:USDT", "mark", "1d"),
        ("futures_ohlcv", "BTC/USDT:USDT", "index", "1d"),
        ("futures_ohlcv", "BTC/USDT:USDT-240927", "last", "1d"),
        ("funding_rates", "BTC/USDT:USDT", None, None),
        ("open_interest", "BTC/USDT:USDT", None, "1d"),
    ]
    assert set(windows(found)) == {(START, NOW)}
    assert all(each.is_open for each in found.series)


def test_stored_candles_are_resumed_with_the_last_two_read_again():
    # the candle of the 28th is the newest: it ends on the 29th, and 29 - 2 = 27
    found = plan(SPOT, stored=[spot_stored(START, datetime(2024, 6, 29))])
    assert windows(found) == [(datetime(2024, 6, 27), NOW)]


def test_stored_funding_and_open_interest_are_resumed_with_two_days_read_again():
    newest = datetime(2024, 6, 29, 16)
    stored = [
        ("funding_rates", "BTC/USDT:USDT", None, None, START, newest),
        ("open_interest", "BTC/USDT:USDT", None, "1h", START, newest),
    ]
    wants = Wants(futures_timeframes=(), open_interest_period="1h")
    assert windows(plan(PERPETUAL, stored=stored, wants=wants)) == [(newest - timedelta(days=2), NOW)] * 2


def test_a_night_costs_the_same_after_a_year_as_after_a_week():
    newest = datetime(2024, 6, 29)
    week = plan(SPOT, stored=[spot_stored(datetime(2024, 6, 22), newest)], start=datetime(2024, 6, 22))
    year = plan(SPOT, stored=[spot_stored(datetime(2023, 6, 22), newest)], start=datetime(2023, 6, 22))
    assert windows(week) == windows(year)
    assert len(year.series) == 1


def test_an_earlier_beginning_asks_only_for_the_part_before_what_is_stored():
    stored = [spot_stored(datetime(2024, 3, 1), datetime(2024, 6, 29))]
    found = plan(SPOT, stored=stored)
    assert windows(found) == [(START, datetime(2024, 3, 1)), (datetime(2024, 6, 27), NOW)]
    assert [each.is_open for each in found.series] == [False, True]


def test_coverage_of_one_series_says_nothing_about_another():
    stored = [
        ("futures_ohlcv", "BTC/USDT:USDT", "last", "1d", START, datetime(2024, 6, 29)),
        ("futures_ohlcv", "BTC/USDT:USDT", "mark", "1h", START, datetime(2024, 6, 29)),
    ]
    found = plan(PERPETUAL, stored=stored)
    starts = {each.price_type: each.start for each in found.series if each.dataset == "futures_ohlcv"}
    assert starts == {"last": datetime(2024, 6, 27), "mark": START, "index": START}


def test_nothing_is_asked_from_before_a_listing():
    listed = ("NEW/USDT:USDT", "perpetual", datetime(2024, 5, 1, 9, 30), None, None, True)
    assert set(windows(plan(listed))) == {(datetime(2024, 5, 1), NOW)}


def test_what_has_ended_and_been_silent_for_a_week_is_left_alone():
    gone = ("BTC/USDT", "spot", None, datetime(2024, 5, 1), None, False)
    stored = [spot_stored(START, datetime(2024, 5, 1))]
    assert windows(plan(gone, stored=stored)) == []
    unknown_end = ("BTC/USDT", "spot", None, None, None, False)
    assert windows(plan(unknown_end, stored=stored)) == []
    # what trades is asked for, however long it has been silent: its next candle may come tonight
    assert windows(plan(SPOT, stored=stored)) == [(datetime(2024, 4, 29), NOW)]


def test_only_what_trades_is_expected_to_have_rows():
    gone = ("OLD/USDT", "spot", None, None, None, False)
    expired = ("BTC/USDT:USDT-240329", "dated", None, None, datetime(2024, 3, 29, 8), None)
    trading = {each.symbol: each.is_trading for each in plan(SPOT, gone, expired).series}
    assert trading == {"BTC/USDT": True, "OLD/USDT": False, "BTC/USDT:USDT-240329": False}


def test_what_has_ended_lately_is_still_asked_for():
    gone = ("BTC/USDT", "spot", None, datetime(2024, 6, 26), None, False)
    stored = [spot_stored(START, datetime(2024, 6, 26))]
    assert windows(plan(gone, stored=stored)) == [(datetime(2024, 6, 24), NOW)]


def test_what_an_exchange_does_not_offer_is_named_once_with_its_reason_and_not_asked_for():
    without = replace(BYBIT, absences={"open_interest": "only the current value is published"})
    other = ("ETH/USDT:USDT", "perpetual", None, None, None, True)
    found = plan(PERPETUAL, other, capabilities=without)
    (missing,) = found.not_offered
    assert (missing.dataset, missing.reason) == ("open_interest", "only the current value is published")
    assert "open_interest" not in {each.dataset for each in found.series}


def test_a_timeframe_that_an_exchange_lacks_is_not_offered_instead_of_failing():
    found = plan(SPOT, capabilities=BYBIT, wants=Wants(spot_timeframes=("8h", "1d")))
    assert [each.timeframe for each in found.series] == ["1d"]
    assert "has no 8h" in found.not_offered[0].reason


def test_prices_that_are_left_out_to_save_requests_are_named_with_the_reason():
    found = plan(PERPETUAL, wants=Wants(left_out={"mark": "saved", "index": "saved"}))
    assert {each.price_type for each in found.series if each.dataset == "futures_ohlcv"} == {"last"}
    assert [(each.dataset, each.price_type, each.reason) for each in found.not_offered] == [
        ("futures_ohlcv", "mark", "saved"),
        ("futures_ohlcv", "index", "saved"),
    ]


def test_what_had_ended_and_gave_nothing_is_not_asked_for_again():
    ended = (*SPOT[:-1], False)
    nothing = pl.DataFrame(
        [("spot_ohlcv", "BTC/USDT", None, "1d", START)],
        schema=["dataset", "symbol", "price_type", "timeframe", "absent_from_at"], orient="row",
    )  # fmt: skip
    assert windows(plan(ended)) == [(START, NOW)]
    assert windows(plan(ended, in_vain=nothing)) == []
    # A longer history is another question, and so is an instrument that trades.
    earlier = START - timedelta(days=1)
    assert windows(plan(ended, in_vain=nothing, start=earlier)) == [(earlier, NOW)]
    assert windows(plan(SPOT, in_vain=nothing)) == [(START, NOW)]
