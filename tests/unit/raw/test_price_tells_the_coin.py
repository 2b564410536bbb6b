"""A ticker is believed to mean a coin only at about the coin's price."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp, build_batches
from pipelines.raw.identity import set_aside, strangers
from warehouse.connection import Warehouse
from warehouse.contracts import FUTURES_OHLCV, SPOT_OHLCV
from warehouse.frames import frame_schema, insert
from warehouse.raw import RawWriter
from warehouse.schema import create_tables

NOW = datetime(2024, 6, 11, 0, 15)
YESTERDAY = datetime(2024, 6, 10)
STAMP = Stamp("run-1", NOW, "simulated", LagMinutes())


@pytest.fixture
def warehouse(tmp_path):
    with Warehouse(tmp_path).open_build("test") as connection:
        create_tables(connection)
        yield connection


def listed(connection, *instruments, opened_at=YESTERDAY):
    """(exchange, symbol, close, coins per unit), each with one daily candle; the coin is always PEPE."""
    names = []
    for exchange, symbol, close, units in instruments:
        table = FUTURES_OHLCV if ":" in symbol else SPOT_OHLCV
        row = {"exchange": exchange, "symbol": symbol, "timeframe": "1d", "opened_at": opened_at, "close": close}
        row |= {"ingested_at": NOW, "price_type": "last"} if table is FUTURES_OHLCV else {"ingested_at": NOW}
        frame = pl.DataFrame([row], schema={k: v for k, v in frame_schema(table).items() if k in row})
        insert(connection, table, frame.with_columns(pl.lit(None).alias(k) for k in table.columns if k not in row))
        names.append((exchange, symbol, "PEPE", "perpetual" if ":" in symbol else "spot", units))
    schema = ("exchange", "symbol", "asset", "market_type", "coins_per_unit")
    return pl.DataFrame(names, schema=schema, orient="row")


def found(connection, named):
    return [row["exchange"] for row in strangers(connection, named, NOW, 0.02).iter_rows(named=True)]


def test_the_one_of_three_exchanges_whose_price_is_another_is_a_stranger(warehouse):
    # 1.04 against 1.005 of the two others and 1.01 of all: off. 1.00 is 2.4% off the others, but 1% off all: right.
    prices = (("a", "PEPE/USDT", 1.0, 1), ("b", "PEPE/USDT", 1.01, 1), ("c", "PEPE/USDT", 1.04, 1))
    assert found(warehouse, listed(warehouse, *prices)) == ["c"]


def test_two_exchanges_do_not_tell_which_of_them_is_wrong(warehouse):
    assert found(warehouse, listed(warehouse, ("a", "PEPE/USDT", 1.0, 1), ("b", "PEPE/USDT", 1.5, 1))) == []


def test_contracts_on_a_thousand_coins_are_compared_per_coin(warehouse):
    named = listed(
        warehouse,
        ("a", "1000PEPE/USDT:USDT", 1.001, 1000), ("b", "1000PEPE/USDT:USDT", 1.0, 1000),
        ("c", "PEPE/USDT:USDT", 0.001, 1),
    )  # fmt: skip
    assert found(warehouse, named) == []


def test_a_contract_whose_unit_is_not_known_is_told_by_the_spot_price(warehouse):
    named = listed(warehouse, ("a", "PEPE/USDT", 0.001, 1), ("b", "XPEPE/USDT:USDT", 1.0, 1))
    assert found(warehouse, named) == ["b"]
    (load,) = set_aside(strangers(warehouse, named, NOW, 0.02), stamp=STAMP, clock=lambda: NOW)
    assert "units of 1,000 coins" in load.log["error"]


def test_prices_of_other_days_and_of_another_kind_are_not_compared(warehouse):
    old = listed(warehouse, ("a", "PEPE/USDT", 2.0, 1), opened_at=YESTERDAY - timedelta(days=9))
    # A perpetual 3% above spot is a premium, not another coin.
    new = listed(warehouse, ("b", "PEPE/USDT", 1.0, 1), ("c", "PEPE/USDT", 1.0, 1), ("d", "PEPE/USDT:USDT", 1.03, 1))
    assert found(warehouse, pl.concat([old, new])) == []


def test_a_stranger_stands_in_quarantine_and_in_the_load_log_with_both_prices(warehouse):
    named = listed(warehouse, *((name, "PEPE/USDT", price, 1) for name, price in (("a", 1.0), ("b", 1.0), ("c", 4.0))))
    loads = set_aside(strangers(warehouse, named, NOW, 0.02), stamp=STAMP, clock=lambda: NOW)
    RawWriter(warehouse).write(build_batches(loads, STAMP))
    ((exchange, symbol, rule),) = warehouse.execute("select exchange, symbol, rule from raw.quarantine").fetchall()
    assert (exchange, symbol, rule) == ("c", "PEPE/USDT", "price_of_its_coin")
    ((status, error),) = warehouse.execute("select status, error from raw.load_batches").fetchall()
    assert status == "failed" and "another coin" in error and "4 USD here and 1 elsewhere" in error
