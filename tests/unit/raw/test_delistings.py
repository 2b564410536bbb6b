"""What is gone from an exchange's list has ended; a broken list ends nothing."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from pipelines.exchanges.port import INSTRUMENT_COLUMNS
from pipelines.raw.delistings import gone_from_the_list, trading_until_now
from warehouse.connection import Warehouse
from warehouse.contracts import INSTRUMENTS
from warehouse.frames import insert
from warehouse.schema import create_tables

NOW = datetime(2024, 6, 11, 0, 15)
YESTERDAY = NOW - timedelta(days=1)


def instruments(*symbols, **columns):
    rows = [{"exchange": "weex", "symbol": symbol, "is_active": True} | columns for symbol in symbols]
    return pl.DataFrame(rows, schema=INSTRUMENT_COLUMNS)


def test_what_is_gone_ends_when_it_is_missed_and_keeps_its_terms():
    known = instruments("A/USDT", "B/USDT", "C/USDT", contract_size=0.1)
    gone = gone_from_the_list(known, instruments("A/USDT", "C/USDT", "NEW/USDT"), NOW)
    assert gone.select("symbol", "is_active", "delist_at", "contract_size").rows() == [("B/USDT", False, NOW, 0.1)]


def test_an_end_that_was_announced_is_kept():
    known = pl.concat([instruments("A/USDT"), instruments("B/USDT", delist_at=YESTERDAY)])
    assert gone_from_the_list(known, instruments("A/USDT"), NOW)["delist_at"].to_list() == [YESTERDAY]


@pytest.mark.parametrize("listed", [(), ("A/USDT",)])
def test_a_list_that_lacks_most_of_them_ends_nothing(listed):
    known = instruments("A/USDT", "B/USDT", "C/USDT")
    assert gone_from_the_list(known, instruments(*listed), NOW).is_empty()


def test_only_what_traded_by_the_newest_list_can_go(tmp_path):
    with Warehouse(tmp_path).open_build("test") as connection:
        create_tables(connection)

        def store(frame, ingested_at):
            lineage = {"available_at": ingested_at, "ingested_at": ingested_at, "pit_quality": "observed"}
            lineage |= {"source": "simulated", "batch_id": "b"}
            insert(connection, INSTRUMENTS, frame.with_columns(pl.lit(value).alias(k) for k, value in lineage.items()))

        store(instruments("A/USDT", "B/USDT", "D/USDT:USDT-240610", "E/USDT"), YESTERDAY)
        store(instruments("B/USDT", is_active=False), NOW)
        store(instruments("D/USDT:USDT-240610", expiry_at=YESTERDAY), NOW)
        store(instruments("E/USDT", delist_at=NOW + timedelta(days=3)), NOW)
        assert sorted(trading_until_now(connection, "weex", NOW)["symbol"]) == ["A/USDT", "E/USDT"]
        assert trading_until_now(connection, "mexc", NOW).is_empty()
