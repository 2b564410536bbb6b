"""`rotation doctor`: how old the data are, per exchange and kind, and what takes room."""

import json
from datetime import date, datetime

import pytest

from pipelines.cli.condition import data_ages
from warehouse.connection import Warehouse
from warehouse.schema import create_tables

NOW = datetime(2026, 11, 21, 20, 0)


_LOADS = (
    ("snapshot", "okx", "open_interest", "ok", "2026-11-21 00:02:00"),
    ("night", "binance", "funding_rates", "ok", "2026-11-21 00:15:00"),
    ("night", "bybit", "funding_rates", "ok", "2026-11-21 00:15:00"),
    ("night", "weex", "open_interest", "absent", "2026-11-21 00:15:00"),
)


@pytest.fixture
def connection(tmp_path):
    """The night asked binance, which settled 20 hours ago, bybit (30 hours), and weex, which has no open interest."""
    with Warehouse(tmp_path).open_build("test") as con:
        create_tables(con)
        columns = "run_id, exchange, dataset, status, started_at"
        con.executemany(f"insert into raw.load_batches ({columns}) values (?, ?, ?, ?, ?)", _LOADS)
        for exchange, settled_at in (("binance", "2026-11-21 00:00:00"), ("bybit", "2026-11-20 14:00:00")):
            con.execute("insert into raw.funding_rates (exchange, settled_at) values (?, ?)", [exchange, settled_at])
        yield con


def test_the_newest_row_of_every_exchange_and_kind_has_an_age_and_a_verdict(connection):
    at, rows = data_ages(connection, "live", date(2026, 11, 20), 26, NOW)
    assert at == NOW
    funding = {row["exchange"]: (row["age_hours"], row["verdict"]) for row in rows if row["kind"] == "funding rates"}
    assert funding == {"binance": (20.0, "fresh"), "bybit": (30.0, "STALE"), "weex": (None, "STALE")}
    assert {row["exchange"] for row in rows if row["kind"] == "open interest"} == {"binance", "bybit"}  # weex has none
    assert len(rows) == 8


def test_a_recorded_market_has_its_own_present(connection):
    at, rows = data_ages(connection, "recorded", date(2026, 11, 20), 26, datetime(2030, 1, 1))
    assert at == datetime(2026, 11, 21, 0, 15)
    ages = {(row["exchange"], row["age_hours"]) for row in rows if row["age_hours"]}
    assert ages == {("binance", 0.2), ("bybit", 10.2)}


def test_a_release_without_raw_facts_says_that_ages_are_not_known(connection):
    connection.execute("drop schema raw cascade")
    assert data_ages(connection, "live", date(2026, 11, 20), 26, NOW) == (NOW, None)


def test_a_fresh_warehouse_says_that_there_is_nothing_yet(rotation):
    found = json.loads(rotation("doctor", "--format", "json").out)
    assert found["data_age"] == {"rows": "nothing has been published yet, so there are no data to be too old"}
    assert found["disk"]["build"] == 0 and found["disk"]["free"] > 0


def test_the_disk_has_units_for_people_and_bytes_for_programs(rotation, released):
    people = rotation("doctor", "--warehouse", released)
    programs = rotation("doctor", "--format", "json", "--warehouse", released)
    size = json.loads(programs.out)["disk"]["releases"]
    assert size > 100_000 and f"{size / 1e6:,.1f} MB" in people.out
