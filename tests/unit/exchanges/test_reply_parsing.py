"""Replies in the shapes that the exchanges have been recorded to send."""

import polars as pl
import pytest

from pipelines.exchanges.parse import Shape, UnreadableReply, duration_ms, parse_rows

CANDLE = Shape(time=0, required={"open": 1, "close": 4}, optional={"volume": 5})
FUNDING = Shape(time="fundingTime", required={"rate": "fundingRate"}, optional={"mark_price": "markPrice"})
INTEREST = Shape(
    time="timestamp", optional={"amount": "sumOpenInterest", "value": "sumOpenInterestValue"}, needs_any=True
)


def candle(time=1591478520000, opened="0.025", close="0.026", volume="22.19"):
    return [time, opened, "0.03", "0.02", close, volume, 1591478579999, "0.55", 40, "10.9", "0.27", "0"]


def test_candles_written_as_text_are_read_as_numbers():
    parsed = parse_rows([candle(), candle(1591478580000)], CANDLE)
    assert parsed.frame.rows() == [(1591478520000, 0.025, 0.026, 22.19), (1591478580000, 0.025, 0.026, 22.19)]
    assert parsed.rejected == []


def test_numbers_and_text_side_by_side_are_both_read():
    parsed = parse_rows([candle("1591478520000", 0.025), candle(1591478580000, "0.025")], CANDLE)
    assert parsed.frame["open"].to_list() == [0.025, 0.025]
    assert parsed.frame["time_ms"].to_list() == [1591478520000, 1591478580000]


def test_a_time_above_1e14_is_read_as_microseconds_row_by_row():
    # 2025-01-01 00:00 in milliseconds, then 2025-01-02 in microseconds: the unit switched within one page.
    parsed = parse_rows([candle(1735689600000), candle(1735776000000000)], CANDLE)
    assert parsed.frame["time_ms"].to_list() == [1735689600000, 1735776000000]


@pytest.mark.parametrize("close", ["NaN", "Infinity", "", None, "n/a", [1]])
def test_a_row_without_a_readable_price_is_set_aside_and_its_neighbours_stay(close):
    parsed = parse_rows([candle(1), candle(2, close=close), candle(3)], CANDLE)
    assert parsed.frame["time_ms"].to_list() == [1, 3]
    assert len(parsed.rejected) == 1
    assert parsed.rejected[0].startswith("[2, ")


@pytest.mark.parametrize("row", [None, "row", [], [1], {"t": 1}, 7, [None] * 6])
def test_what_is_no_row_is_set_aside_as_it_came(row):
    parsed = parse_rows([candle(1), row], CANDLE)
    assert parsed.frame["time_ms"].to_list() == [1]
    assert len(parsed.rejected) == 1


@pytest.mark.parametrize("reply", ["<html>maintenance</html>", None, {"code": 0}, ""])
def test_a_page_of_html_is_an_error_and_not_an_empty_answer(reply):
    with pytest.raises(UnreadableReply):
        parse_rows(reply, CANDLE)


def test_an_empty_list_is_an_answer_without_rows():
    parsed = parse_rows([], CANDLE)
    assert parsed.frame.is_empty()
    assert parsed.span is None


def test_an_optional_number_that_is_missing_or_no_number_is_null():
    # The recorded history of Binance has no markPrice in its first years, and an empty one in others.
    rows = [
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": 1},
        {"symbol": "BTCUSDT", "fundingRate": "0.0002", "fundingTime": 2, "markPrice": ""},
        {"symbol": "BTCUSDT", "fundingRate": "0.0003", "fundingTime": 3, "markPrice": "50000.5"},
        {"symbol": "BTCUSDT", "fundingRate": "0.0004", "fundingTime": 4, "markPrice": "NaN"},
    ]
    parsed = parse_rows(rows, FUNDING)
    assert parsed.frame["mark_price"].to_list() == [None, None, 50000.5, None]
    assert parsed.frame["rate"].to_list() == [0.0001, 0.0002, 0.0003, 0.0004]


def test_a_row_of_open_interest_needs_an_amount_or_a_value():
    rows = [
        {"timestamp": 1, "sumOpenInterest": "10", "sumOpenInterestValue": "500"},
        {"timestamp": 2, "sumOpenInterestValue": "510"},
        {"timestamp": 3},
    ]
    parsed = parse_rows(rows, INTEREST)
    assert parsed.frame.rows() == [(1, 10.0, 500.0), (2, None, 510.0)]
    assert parsed.rejected == ['{"timestamp": 3}']


def test_columns_have_the_same_types_whatever_the_page_holds():
    types = {"time_ms": pl.Int64, "open": pl.Float64, "close": pl.Float64, "volume": pl.Float64}
    for rows in ([], [candle()], [candle(), None], [None], [candle(volume=None)]):
        assert dict(parse_rows(rows, CANDLE).frame.schema) == types


@pytest.mark.parametrize(("timeframe", "milliseconds"), [("1m", 60_000), ("4h", 14_400_000), ("1d", 86_400_000)])
def test_a_timeframe_has_a_length(timeframe, milliseconds):
    assert duration_ms(timeframe) == milliseconds


@pytest.mark.parametrize("timeframe", ["", "h", "0h", "1y", "d1", "1.5h"])
def test_a_timeframe_that_cannot_be_read_is_refused_with_an_example(timeframe):
    with pytest.raises(ValueError, match="for example 1h or 1d"):
        duration_ms(timeframe)
