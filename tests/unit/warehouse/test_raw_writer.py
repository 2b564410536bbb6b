import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from warehouse.connection import Connection
from warehouse.contracts import FUNDING_RATES, INSTRUMENTS, LOAD_BATCHES
from warehouse.errors import SchemaMismatch
from warehouse.frames import empty_frame, frame_schema
from warehouse.raw import RawWriter, SeriesBatch, coverage

NOW = datetime(2026, 1, 2, 0, 5)
REJECTED = {"row_number": pl.Int64, "row_json": pl.String, "rule": pl.String}


def funding(
    batch_id: str,
    rates: dict[int, float | None],
    *,
    ingested_at: datetime = NOW,
    symbol: str = "BTC/USDT:USDT",
    rejected: list[dict[str, object]] | None = None,
    **log: object,
) -> SeriesBatch:
    """One funding series: hour of 2026-01-01 to rate."""
    settled = [datetime(2026, 1, 1) + timedelta(hours=hour) for hour in rates]
    rows = [
        {
            "exchange": "binance",
            "symbol": symbol,
            "settled_at": at,
            "funding_rate": rate,
            "interval_hours": 8.0,
            "mark_price": None,
            "available_at": at + timedelta(minutes=1),
            "ingested_at": ingested_at,
            "pit_quality": "observed",
            "source": "simulated",
            "batch_id": batch_id,
        }
        for at, rate in zip(settled, rates.values(), strict=True)
    ]
    rejected_rows = pl.DataFrame(rejected or [], schema=REJECTED)
    return SeriesBatch(
        FUNDING_RATES,
        pl.DataFrame(rows, schema=frame_schema(FUNDING_RATES)),
        rejected_rows,
        {
            "batch_id": batch_id,
            "exchange": "binance",
            "dataset": "funding_rates",
            "symbol": symbol,
            "status": "ok",
            "rows_received": len(rows) + rejected_rows.height,
            "ended_at": ingested_at,
            **log,
        },
    )


def stored(con: Connection) -> list[tuple[object, ...]]:
    return con.execute(
        "select symbol, hour(settled_at), funding_rate, ingested_at from raw.funding_rates order by all"
    ).fetchall()


def logged(con: Connection) -> dict[str, tuple[int, int]]:
    rows = con.execute("select batch_id, rows_written, rows_quarantined from raw.load_batches").fetchall()
    return {batch_id: (written, quarantined) for batch_id, written, quarantined in rows}


def test_same_answer_twice_is_written_once(con: Connection) -> None:
    RawWriter(con).write([funding("a", {0: 0.0001, 8: None})])
    before = stored(con)
    RawWriter(con).write([funding("b", {0: 0.0001, 8: None}, ingested_at=NOW + timedelta(days=1))])
    assert stored(con) == before
    assert logged(con) == {"a": (2, 0), "b": (0, 0)}


def test_changed_value_is_a_new_row_and_the_old_one_stays(con: Connection) -> None:
    later = NOW + timedelta(days=1)
    RawWriter(con).write([funding("a", {0: 0.0001, 8: 0.0002})])
    RawWriter(con).write([funding("b", {0: 0.0001, 8: 0.0003, 16: 0.0004}, ingested_at=later)])
    name = "BTC/USDT:USDT"
    assert stored(con) == [
        (name, 0, 0.0001, NOW),
        (name, 8, 0.0002, NOW),
        (name, 8, 0.0003, later),
        (name, 16, 0.0004, later),
    ]
    assert logged(con)["b"] == (2, 0)


@pytest.mark.parametrize(("first", "second"), [(0.0001, None), (None, 0.0001)])
def test_unknown_and_known_are_different_values(con: Connection, first: float | None, second: float | None) -> None:
    RawWriter(con).write([funding("a", {0: first})])
    RawWriter(con).write([funding("b", {0: second}, ingested_at=NOW + timedelta(hours=1))])
    assert [row[2] for row in sorted(stored(con), key=lambda row: str(row[3]))] == [first, second]


def test_value_is_compared_with_the_newest_revision_only(con: Connection) -> None:
    # 1 -> 2 -> 1 is two changes: the third answer equals the first but not the newest.
    for day, rate in enumerate((1.0, 2.0, 1.0, 1.0)):
        RawWriter(con).write([funding(f"b{day}", {0: rate}, ingested_at=NOW + timedelta(days=day))])
    assert [row[2] for row in stored(con)] == [1.0, 1.0, 2.0]
    assert sorted(logged(con).items()) == [("b0", (1, 0)), ("b1", (1, 0)), ("b2", (1, 0)), ("b3", (0, 0))]


@pytest.mark.parametrize("back", [timedelta(0), timedelta(hours=1)])
def test_clock_that_was_set_back_does_not_hide_the_newer_answer(con: Connection, back: timedelta) -> None:
    RawWriter(con).write([funding("a", {0: 1.0})])
    RawWriter(con).write([funding("b", {0: 2.0}, ingested_at=NOW - back)])
    newest = "select arg_max(funding_rate, ingested_at), count(distinct ingested_at) from raw.funding_rates"
    assert con.execute(newest).fetchone() == (2.0, 2)


def test_nan_is_stored_as_unknown_and_is_no_change(con: Connection) -> None:
    RawWriter(con).write([funding("a", {0: float("nan")})])
    RawWriter(con).write([funding("b", {0: None}, ingested_at=NOW + timedelta(hours=1))])
    assert [row[2] for row in stored(con)] == [None]


def test_other_symbols_of_the_window_are_left_alone(con: Connection) -> None:
    RawWriter(con).write([funding("a", {0: 1.0}), funding("b", {0: 1.0}, symbol="ETH/USDT:USDT")])
    RawWriter(con).write([funding("c", {0: 2.0}, symbol="ETH/USDT:USDT", ingested_at=NOW + timedelta(hours=1))])
    assert [(row[0][:3], row[2]) for row in stored(con)] == [("BTC", 1.0), ("ETH", 1.0), ("ETH", 2.0)]


def test_group_is_written_whole_or_not_at_all(con: Connection) -> None:
    bad = funding("b", {0: 1.0}, no_such_column=1)
    with pytest.raises(SchemaMismatch, match=r"raw\.load_batches has no columns \['no_such_column'\]"):
        RawWriter(con).write([funding("a", {0: 1.0}), bad])
    assert stored(con) == [] and logged(con) == {}
    RawWriter(con).write([funding("a", {0: 1.0})])
    assert logged(con) == {"a": (1, 0)}


def test_rejected_rows_go_to_quarantine_with_their_batch(con: Connection) -> None:
    rejected = [{"row_number": 3, "row_json": '{"funding_rate": 7}', "rule": "funding_believable"}]
    RawWriter(con).write([funding("a", {0: 1.0, 8: 2.0}, rejected=rejected)])
    found = con.execute("select * from raw.quarantine").pl().to_dicts()
    assert found == [
        {
            "batch_id": "a",
            "row_number": 3,
            "dataset": "funding_rates",
            "exchange": "binance",
            "symbol": "BTC/USDT:USDT",
            "row_json": '{"funding_rate": 7}',
            "rule": "funding_believable",
            "quarantined_at": NOW,
        }
    ]
    assert logged(con) == {"a": (2, 1)}


def test_batches_of_a_group_that_agree_are_one_row_and_that_contradict_are_quarantined(con: Connection) -> None:
    RawWriter(con).write([funding("a", {0: 1.0, 8: 2.0}), funding("b", {0: 1.0, 8: 2.5})])
    assert [(hour, rate) for _, hour, rate, _ in stored(con)] == [(0, 1.0)]
    found = con.execute("select batch_id, row_number, rule, row_json from raw.quarantine order by all").fetchall()
    assert [row[:3] for row in found] == [("a", 3, "conflicting_duplicate"), ("b", 3, "conflicting_duplicate")]
    assert [json.loads(row[3])["funding_rate"] for row in found] == [2.0, 2.5]
    assert {key: value[1] for key, value in logged(con).items()} == {"a": 1, "b": 1}


def test_retried_step_replaces_its_log_and_does_not_double_its_rows(con: Connection) -> None:
    rejected = [{"row_number": 2, "row_json": "{}", "rule": "funding_known"}]
    for _ in range(2):
        RawWriter(con).write([funding("a", {0: 1.0}, rejected=rejected)])
    assert len(stored(con)) == 1
    assert con.execute("select count(*) from raw.quarantine").fetchone() == (1,)
    assert logged(con) == {"a": (1, 1)}


def test_answer_without_rows_is_logged(con: Connection) -> None:
    empty = SeriesBatch(
        FUNDING_RATES,
        empty_frame(FUNDING_RATES),
        pl.DataFrame(schema=REJECTED),
        {"batch_id": "a", "exchange": "mexc", "dataset": "funding_rates", "status": "failed", "error": "timed out"},
    )
    RawWriter(con).write([empty])
    RawWriter(con).write([])
    found = con.execute("select exchange, status, error, rows_written from raw.load_batches").fetchall()
    assert found == [("mexc", "failed", "timed out", 0)]


def test_instruments_are_facts_without_an_event_time(con: Connection) -> None:
    def instruments(batch_id: str, is_active: bool, at: datetime) -> SeriesBatch:
        row = dict.fromkeys(INSTRUMENTS.columns) | {
            "exchange": "binance", "symbol": "BTC/USDT", "is_active": is_active, "ingested_at": at,
            "batch_id": batch_id,
        }  # fmt: skip
        frame = pl.DataFrame([row], schema=frame_schema(INSTRUMENTS))
        log = {"batch_id": batch_id, "exchange": "binance", "dataset": "instruments", "status": "ok"}
        return SeriesBatch(INSTRUMENTS, frame, pl.DataFrame(schema=REJECTED), log)

    for day, is_active in enumerate((True, True, False)):
        RawWriter(con).write([instruments(f"b{day}", is_active, NOW + timedelta(days=day))])
    rows = con.execute("select is_active, ingested_at from raw.instruments order by ingested_at").fetchall()
    assert rows == [(True, NOW), (False, NOW + timedelta(days=2))]


def test_worker_threads_may_write_at_once(con: Connection) -> None:
    writer = RawWriter(con)
    threads = [
        threading.Thread(target=writer.write, args=([funding(f"b{n}", {0: 1.0}, symbol=f"S{n}/USDT:USDT")],))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(con)) == 8 and len(logged(con)) == 8


def test_times_with_a_zone_are_stored_in_utc(con: Connection) -> None:
    RawWriter(con).write([funding("a", {0: 1.0}, window_end_at=datetime(2026, 1, 2, tzinfo=UTC))])
    assert con.execute("select window_end_at from raw.load_batches").fetchone() == (datetime(2026, 1, 2),)


Log = Callable[..., None]


@pytest.fixture
def log(con: Connection) -> Log:
    def write(start: int, until: int | None, **columns: object) -> None:
        """One load of a funding series, from day to day of January 2026."""
        row = {
            "batch_id": f"{start}-{until}-{columns}",
            "exchange": "binance",
            "dataset": "funding_rates",
            "symbol": "BTC/USDT:USDT",
            "window_start_at": datetime(2026, 1, start),
            "covered_until_at": None if until is None else datetime(2026, 1, until),
            "window_end_at": datetime(2026, 1, 31),
            "status": "ok",
            **columns,
        }
        frame = pl.DataFrame([row], schema=frame_schema(LOAD_BATCHES))
        con.register("frame", frame)
        con.execute("insert into raw.load_batches by name select * from frame")

    return write


def covered(con: Connection) -> list[tuple[int, int]]:
    frame = coverage(con, "binance")
    assert frame.columns == [
        "dataset", "symbol", "price_type", "timeframe", "covered_from_at", "covered_until_at",
    ]  # fmt: skip
    return [(row["covered_from_at"].day, row["covered_until_at"].day) for row in frame.to_dicts()]


def test_windows_that_touch_or_overlap_are_one_span(con: Connection, log: Log) -> None:
    log(5, 10)
    log(1, 5)
    log(8, 12)
    log(2, 3)
    assert covered(con) == [(1, 12)]


def test_after_a_hole_only_the_newest_span_is_covered(con: Connection, log: Log) -> None:
    log(1, 5)
    log(6, 8)
    log(8, 9)
    assert covered(con) == [(6, 9)]


def test_long_window_before_a_short_one_leaves_no_hole(con: Connection, log: Log) -> None:
    # 1..10 holds 2..3, so 9..12 touches: compared with the last window alone it would not.
    log(1, 10)
    log(2, 3)
    log(9, 12)
    assert covered(con) == [(1, 12)]


def test_loads_that_did_not_succeed_cover_nothing(con: Connection, log: Log) -> None:
    log(1, 5)
    log(5, 9, status="failed")
    log(5, 9, status="empty")
    log(5, 9, exchange="bybit")
    assert covered(con) == [(1, 5)]


def test_load_without_newest_row_covers_its_window(con: Connection, log: Log) -> None:
    log(1, None)
    assert covered(con) == [(1, 31)]


def test_series_are_told_apart_by_symbol_price_and_timeframe(con: Connection, log: Log) -> None:
    log(1, 2)
    log(3, 4, symbol=None)
    log(5, 6, price_type="mark", timeframe="1h")
    log(7, 8, price_type="mark", timeframe="1d")
    log(9, 10, dataset="open_interest")
    assert sorted(covered(con)) == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]
    assert coverage(con, "mexc").is_empty()
