"""ccxt's unified markets -> the columns of raw.instruments."""

import asyncio
from datetime import datetime

import pytest

from pipelines.exchanges.binance import Binance
from pipelines.exchanges.bitget import Bitget
from pipelines.exchanges.bybit import Bybit
from pipelines.exchanges.markets import coins_per_step, contract_multiplier
from pipelines.exchanges.mexc import Mexc
from pipelines.exchanges.port import INSTRUMENT_COLUMNS
from pipelines.exchanges.retries import Caller, RetryPolicy


@pytest.mark.parametrize(
    ("base", "coins"),
    [
        ("BTC", 1), ("1000PEPE", 1_000), ("10000LADYS", 10_000), ("1000000MOG", 1_000_000),
        ("1MBABYDOGE", 1_000_000), ("SHIB1000", 1_000), ("kPEPE", 1_000), ("1INCH", 1), ("KAS", 1),
        ("1000", 1), ("ALPACA", 1), ("kick", 1),
    ],
)  # fmt: skip
def test_coins_per_unit_are_read_from_the_name(base, coins):
    assert contract_multiplier(base) == coins


def market(symbol, kind, info=None, **changes):
    base = symbol.split("/")[0]
    settle = symbol.split(":")[1].split("-")[0] if ":" in symbol else None
    is_spot = kind == "spot"
    return {
        "symbol": symbol, "type": kind, "spot": is_spot, "base": base, "quote": "USDT", "settle": settle,
        "linear": None if is_spot else settle == "USDT", "inverse": None if is_spot else settle == base,
        "contractSize": None if is_spot else 1.0, "expiry": None, "created": None, "active": True,
        "precision": {"amount": 0.001, "price": 0.1}, "limits": {"cost": {"min": 5.0}}, "info": info or {},
    } | changes  # fmt: skip


def listed(exchange, *markets):
    class Client:
        async def load_markets(self):
            return {each["symbol"]: each for each in markets}

    adapters = {"binance": Binance, "bybit": Bybit, "mexc": Mexc, "bitget": Bitget}
    adapter = adapters[exchange](Client(), Caller(exchange, RetryPolicy(attempts=1)))
    return asyncio.run(adapter.instruments()).frame


def test_a_list_has_one_row_per_market_in_the_columns_of_its_table_and_no_options():
    frame = listed(
        "binance",
        market("BTC/USDT", "spot"),
        market("1000PEPE/USDT:USDT", "swap", created=1683244800000),
        market("BTC/USDT:USDT-241227", "future", expiry=1735286400000),
        market("BTC/USDT:USDT-241227-50000-C", "option"),
    )
    assert dict(frame.schema) == INSTRUMENT_COLUMNS
    rows = {row["symbol"]: row for row in frame.iter_rows(named=True)}
    assert set(rows) == {"BTC/USDT", "1000PEPE/USDT:USDT", "BTC/USDT:USDT-241227"}
    pepe = rows["1000PEPE/USDT:USDT"]
    assert (pepe["market_type"], pepe["is_linear"], pepe["contract_multiplier"]) == (
        "perpetual",
        True,
        1000.0,
    )
    assert (pepe["listed_at"], pepe["lot_step"], pepe["min_notional_usd"]) == (
        datetime(2023, 5, 5),
        0.001,
        5.0,
    )
    assert rows["BTC/USDT:USDT-241227"]["expiry_at"] == datetime(2024, 12, 27, 8)
    spot = rows["BTC/USDT"]
    assert (spot["market_type"], spot["is_linear"], spot["contract_size"]) == ("spot", None, None)


def test_a_perpetual_with_a_delivery_date_is_about_to_be_delisted_on_binance():
    never, soon = 4133404800000, 1736755200000  # 2025-01-13 08:00
    frame = listed(
        "binance",
        market("BTC/USDT:USDT", "swap", {"deliveryDate": never}),
        market("FTM/USDT:USDT", "swap", {"deliveryDate": soon, "status": "SETTLING"}, active=False),
        market("BTC/USDT:USDT-250113", "future", {"deliveryDate": soon}, expiry=soon),
    )
    times = dict(frame.select("symbol", "delist_at").iter_rows())
    assert times["BTC/USDT:USDT"] is None
    assert times["FTM/USDT:USDT"] == datetime(2025, 1, 13, 8)
    assert times["BTC/USDT:USDT-250113"] is None  # a dated contract expires, which is no delisting
    assert dict(frame.select("symbol", "is_active").iter_rows())["FTM/USDT:USDT"] is False


def test_bybit_says_the_delisting_the_least_order_and_a_contract_of_one_dollar():
    info = {"deliveryTime": "1736755200000", "lotSizeFilter": {"minNotionalValue": "5"}}
    inverse = market("BTC/USD:BTC", "swap", {"deliveryTime": "0"}, contractSize=10.0)
    frame = listed("bybit", market("FTM/USDT:USDT", "swap", info, limits={"cost": {"min": None}}), inverse)
    rows = {row["symbol"]: row for row in frame.iter_rows(named=True)}
    assert rows["FTM/USDT:USDT"]["delist_at"] == datetime(2025, 1, 13, 8)
    assert rows["FTM/USDT:USDT"]["min_notional_usd"] == 5.0
    # ccxt takes the least order for the size of a contract; a contract of Bybit's is one dollar
    assert (rows["BTC/USD:BTC"]["delist_at"], rows["BTC/USD:BTC"]["contract_size"]) == (None, 1.0)


def test_zero_is_how_exchanges_write_that_they_do_not_say():
    frame = listed("binance", market("BTC/USDT", "spot", precision={"amount": 0, "price": None}))
    assert frame.select("lot_step", "tick_size").row(0) == (None, None)


def test_a_step_in_contracts_is_turned_into_coins_without_a_rounding_error():
    contract = market("AAVE/USDT:USDT", "swap", contractSize=0.1, precision={"amount": 0.1, "price": 0.01})
    assert 0.1 * 0.1 != 0.01  # as floats
    assert coins_per_step(contract) == 0.01


def test_the_least_worth_of_an_order_is_known_only_where_it_is_in_dollars():
    pairs = [market("BTC/USDT", "spot"), market("ETH/BTC", "spot", quote="BTC", limits={"cost": {"min": 0.0001}})]
    smallest = dict(listed("binance", *pairs).select("symbol", "min_notional_usd").iter_rows())
    assert smallest == {"BTC/USDT": 5.0, "ETH/BTC": None}  # 0.0001 are bitcoin


def test_bitget_says_the_least_order_in_usdt_of_coin_margined_contracts_too():
    frame = listed("bitget", market("BTC/USD:BTC", "swap", {"minTradeUSDT": "5"}, limits={"cost": {"min": None}}))
    assert frame["min_notional_usd"].to_list() == [5.0]


@pytest.mark.parametrize(("least", "step"), [("0.01", 0.01), ("0.0001", 0.001), ("0", 0.001), (None, 0.001)])
def test_on_mexcs_spot_the_coarser_of_decimals_and_least_quantity_is_the_step(least, step):
    frame = listed("mexc", market("OGN/USDT", "spot", {"baseSizePrecision": least}))
    assert frame["lot_step"].to_list() == [step]
