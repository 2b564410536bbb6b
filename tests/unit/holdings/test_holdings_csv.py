"""A CSV file of holdings: what is taken, what is left out and said, and what is refused with its place."""

from datetime import date
from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.holdings.amounts import decimal_text, parse_amount
from pipelines.holdings.balances import from_balances
from pipelines.holdings.portfolio import PortfolioError
from pipelines.holdings.sectors import read_taxonomy
from pipelines.holdings.statement import parse_statement, read_statement

TAXONOMY = read_taxonomy(date(2026, 11, 22))
HEAD = "exchange,asset,quantity\n"


def test_holdings_are_read_in_any_order_of_columns_with_more_beside_them():
    statement = parse_statement(
        " Quantity ,note,ASSET,exchange\r\n0.5,mine,btc,Binance\r\n\r\n1e-8,,ETH,okx\r\n", TAXONOMY
    )
    assert statement.quantities == {("binance", "BTC"): F(1, 2), ("okx", "ETH"): F(1, 10**8)}
    assert statement.left_out == statement.notes == ()


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    file = tmp_path / "excel.csv"
    file.write_bytes(b"\xef\xbb\xbf" + (HEAD + "okx,BTC,1\n").encode())
    assert read_statement(file, TAXONOMY).quantities == {("okx", "BTC"): F(1)}


def test_a_coin_given_twice_is_summed_and_said_and_an_old_name_is_translated():
    statement = parse_statement(HEAD + "okx,BTC,0.1\nokx,SKY,1\nokx,BTC,0.2\nbybit,BTC,1\nokx,MKR,0.5\n", TAXONOMY)
    assert statement.quantities == {
        ("okx", "BTC"): F(3, 10), ("bybit", "BTC"): F(1), ("okx", "SKY"): F(12_001),
    }  # fmt: skip
    assert statement.notes == (
        "0.5 MKR on okx (line 6): counted as 12000 SKY",
        "BTC on okx: lines 2, 4 summed to 0.3",
        "SKY on okx: lines 3, 6 summed to 12001",
    )


def test_what_no_sector_has_and_what_is_zero_is_left_out_and_said():
    statement = parse_statement(HEAD + "okx,PAXG,2\nokx,ETH,0\nokx,USDT,5\n", TAXONOMY)
    assert statement.quantities == {("okx", "USDT"): F(5)}
    assert statement.left_out == ("2 PAXG on okx (line 2): no sector has it", "0 ETH on okx (line 3): nothing is held")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the column exchange is missing"),
        ("exchange,asset\nokx,BTC\n", "line 1: the column quantity is missing"),
        ("exchange,asset,quantity,asset\n", "line 1: the column asset is there twice"),
        ("exchange;asset;quantity\nokx;BTC;0,5\n", "line 1: the fields are not separated by commas"),
        (HEAD + "okx,BTC,0,5\n", "line 2: 4 fields where the header has 3; a decimal comma"),
        (HEAD + 'okx,BTC,"0,5"\n', "line 2, column quantity: '0,5' is no amount; .*with a point"),
        (HEAD + 'okx,BTC,"1 000"\n', "line 2, column quantity: '1 000' is no amount"),
        (HEAD + "okx,BTC,1\nokx,ETH,-1\n", "line 3, column quantity: -1 is negative"),
        (HEAD + "okx,BTC,\n", "line 2, column quantity: '' is no amount"),
        (HEAD + "okx,BTC,nan\n", "line 2, column quantity: 'nan' is no amount"),
        (HEAD + "okx,BTC,1e99999999\n", "line 2, column quantity: '1e99999999' is no amount"),
        (HEAD + "okx,BTC,٣\n", "line 2, column quantity: '٣' is no amount"),
        (HEAD + "kraken,BTC,1\n", "line 2, column exchange: 'kraken' is none of binance, bybit"),
        (HEAD + ",BTC,1\n", "line 2, column exchange: '' is none of"),
        (HEAD + "okx,,1\n", "line 2, column asset: '' is no coin"),
        (HEAD + "okx,BTC/USDT,1\n", "line 2, column asset: 'BTC/USDT' is no coin"),
        (HEAD + 'okx,"BTC,1\n', "line 2: is not CSV"),
        (HEAD, "has no holding that could be used; nothing was changed"),
        (HEAD + "okx,PAXG,1\n", r"has no holding that could be used: 1 PAXG on okx \(line 2\): no sector has it"),
    ],
)
def test_what_cannot_be_read_is_refused_with_line_and_column(text, message):
    with pytest.raises(PortfolioError, match=message):
        parse_statement(text, TAXONOMY)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ((HEAD + "okx,BTC,1").encode("utf-16"), "UTF-8")]
)
def test_a_file_that_is_missing_or_no_utf8_is_named(tmp_path, content, message):
    file = tmp_path / "mine.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PortfolioError, match=rf"mine\.csv: .*{message}"):
        read_statement(file, TAXONOMY)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.decimals(min_value=0, max_value=10**15, places=12))
def test_an_amount_written_and_read_again_is_the_same(amount):
    assert parse_amount(decimal_text(F(amount))) == F(amount)


def test_balances_leave_out_dust_by_its_last_price_and_only_where_there_is_one():
    balances = {"DOGE": "9", "ETH": "0.0001", "SOL": "0.000001", "USDT": "0.99", "USDC": "1"}
    statement = from_balances("okx", balances, TAXONOMY, {"DOGE": 0.1, "ETH": 10_000.0})
    # 9 DOGE are 0.90 USD, 0.0001 ETH is exactly 1 USD, SOL has no price
    assert statement.quantities == {("okx", "ETH"): F(1, 10**4), ("okx", "SOL"): F(1, 10**6), ("okx", "USDC"): F(1)}
    assert statement.left_out == (
        "9 DOGE: dust, worth less than 1 USD", "0.99 USDT: dust, worth less than 1 USD",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("balances", "message"),
    [({"USDT": "-12"}, "reports -12 USDT: a loan"), ({}, "no balance at all"), ({"BTC": "many"}, "balance of BTC: ")],
)
def test_balances_that_are_no_holdings_are_refused(balances, message):
    with pytest.raises(PortfolioError, match=message):
        from_balances("okx", balances, TAXONOMY, {})
