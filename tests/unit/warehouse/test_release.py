from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from warehouse import release as release_module
from warehouse.connection import Warehouse
from warehouse.contracts import DECISIONS, FUNDING_RATES, LOAD_BATCHES, QUARANTINE
from warehouse.errors import NoRelease, WarehouseError, WarehouseLocked
from warehouse.frames import frame_schema, insert
from warehouse.portfolio import read
from warehouse.release import Release, current_release, list_releases, publish, rollback
from warehouse.schema import create_tables

Publish = Callable[..., Release]


@pytest.fixture
def built(warehouse: Warehouse) -> Warehouse:
    with warehouse.open_build() as con:
        create_tables(con)
        con.execute("create schema marts")
        con.execute("create table marts.weights as select 'L1' as sector, ['BTC', 'ETH'] as leaders")
        con.execute("create view marts.leaders as select unnest(leaders) as asset from marts.weights")
    return warehouse


@pytest.fixture
def release(built: Warehouse) -> Publish:
    def make(day: int = 1, **changes: object) -> Release:
        arguments = {
            "as_of_date": date(2026, 1, day),
            "source": "simulated",
            "git_sha": "abc",
            "policy_hash": "p",
            "input_hash": "i",
            "checks_passed": 7,
            "keep": 3,
            "published_at": datetime(2026, 1, day, 0, 30, tzinfo=UTC) + timedelta(days=1),
        }
        return publish(built, **(arguments | changes))  # type: ignore[arg-type]

    return make


def ids(warehouse: Warehouse) -> list[str]:
    return [release.release_id for release in list_releases(warehouse)]


def test_release_holds_marts_portfolio_and_quality(built: Warehouse, release: Publish) -> None:
    made = release(3)
    assert made.release_id == "000001-20260103" and made.is_current and made.is_kept
    assert made.path == built.release_path.resolve()
    assert made.row_counts["marts.weights"] == 1 and made.row_counts["marts.leaders"] == 2
    assert made.published_at == datetime(2026, 1, 4, 0, 30)
    with built.open_release() as con:
        assert read(con, "from marts.weights").to_dicts() == [{"sector": "L1", "leaders": ["BTC", "ETH"]}]
        tables = con.execute("select table_schema from information_schema.tables").fetchall()
        assert {schema for (schema,) in tables} == {"marts", "portfolio", "quality", "raw"}


def test_view_of_the_build_is_a_table_in_the_release(built: Warehouse, release: Publish) -> None:
    release()
    with built.open_release() as con:
        assert con.execute("from marts.leaders").fetchall() == [("BTC",), ("ETH",)]
        assert con.execute("select count(*) from duckdb_views() where schema_name = 'marts'").fetchone() == (0,)


@pytest.mark.parametrize("source", ["live", "recorded", "simulated"])
def test_every_reader_can_see_what_the_numbers_are_made_from(built: Warehouse, release: Publish, source: str) -> None:
    release(source=source)
    with built.open_release() as con:
        info = read(con, "from quality.release_info").to_dicts()
        log = read(con, "from quality.release_log").to_dicts()
    assert len(info) == len(log) == 1
    assert info[0]["source"] == log[0]["source"] == source
    assert info[0]["is_simulated"] is (source == "simulated")
    assert info[0]["release_id"] == log[0]["release_id"] and log[0]["checks_passed"] == 7


def test_source_that_does_not_exist_is_refused(built: Warehouse, release: Publish) -> None:
    with pytest.raises(WarehouseError, match="'real': a release is made from one of live, recorded, simulated"):
        release(source="real")
    assert list_releases(built) == []


def test_build_without_marts_is_not_published(warehouse: Warehouse) -> None:
    with warehouse.open_build() as con:
        create_tables(con)
    with pytest.raises(WarehouseError, match="no marts yet"):
        publish(
            warehouse,
            as_of_date=date(2026, 1, 1),
            source="live",
            git_sha=None,
            policy_hash=None,
            input_hash=None,
            checks_passed=0,
            keep=1,
            published_at=datetime(2026, 1, 2),
        )
    assert list(warehouse.releases_dir.iterdir()) == []


def test_build_with_marts_and_nothing_else_is_published(warehouse: Warehouse, release: Publish) -> None:
    with warehouse.open_build() as con:
        for schema in ("raw", "portfolio", "quality"):
            con.execute(f"drop schema {schema} cascade")
    made = release()
    assert set(made.row_counts) == {"marts.weights", "marts.leaders"}


def test_raw_is_cut_to_the_last_days(built: Warehouse, release: Publish) -> None:
    with built.open_build() as con:
        for day in (1, 9, 10):
            at = datetime(2026, 1, day, 12)
            for table, column in (
                (FUNDING_RATES, "available_at"), (LOAD_BATCHES, "window_end_at"), (QUARANTINE, "quarantined_at"),
            ):  # fmt: skip
                row = dict.fromkeys(table.columns) | {column: at, "batch_id": str(day)}
                insert(con, table, pl.DataFrame([row], schema=frame_schema(table)))
        con.execute("insert into raw.instruments (symbol, available_at) values ('BTC', '2020-01-01')")

    def days(table: str) -> list[str]:
        with built.open_release() as con:
            return [row[0] for row in con.execute(f"select batch_id from raw.{table} order by all").fetchall()]

    release(10, raw_days=2)  # 9 and 10 January
    assert days("funding_rates") == days("load_batches") == days("quarantine") == ["10", "9"]
    with built.open_release() as con:
        assert con.execute("select symbol from raw.instruments").fetchall() == [("BTC",)]
    release(10, raw_days="all")
    assert days("funding_rates") == ["1", "10", "9"]
    release(10, raw_days=None)
    with built.open_release() as con:
        assert con.execute("select 1 from duckdb_schemas() where schema_name = 'raw'").fetchall() == []


def test_old_releases_go_and_the_last_ones_stay(built: Warehouse, release: Publish) -> None:
    for day in (1, 2, 3, 4):
        release(day, keep=2)
    assert [(r.release_id, r.is_kept, r.is_current) for r in list_releases(built)] == [
        ("000001-20260101", False, False),
        ("000002-20260102", False, False),
        ("000003-20260103", True, False),
        ("000004-20260104", True, True),
    ]
    with pytest.raises(WarehouseError, match="keep = 0"):
        release(5, keep=0)


def test_rollback_goes_back_one_release_and_says_when_there_is_none(built: Warehouse, release: Publish) -> None:
    for day in (1, 2, 3):
        release(day)
    assert rollback(built).release_id == "000002-20260102"
    assert rollback(built).release_id == "000001-20260101"
    with pytest.raises(NoRelease, match="no release before 000001-20260101 is kept"):
        rollback(built)
    assert rollback(built, "000003-20260103").is_current
    with pytest.raises(NoRelease, match=r"'000009-20260109' is not kept here. Kept: 000001-20260101"):
        rollback(built, "000009-20260109")
    with built.open_release() as con:
        assert con.execute("select as_of_date from quality.release_info").fetchone() == (date(2026, 1, 3),)


def test_release_after_a_rollback_gets_a_higher_number_and_the_current_one_is_kept(
    built: Warehouse, release: Publish
) -> None:
    for day in (1, 2, 3):
        release(day)
    rollback(built, "000001-20260101")
    assert release(4).release_id == "000004-20260104"
    rollback(built, "000002-20260102")
    release_module._prune(built, 1)
    assert [r.release_id for r in list_releases(built) if r.is_kept] == ["000002-20260102", "000004-20260104"]


def test_rollback_waits_for_no_run(built: Warehouse, release: Publish) -> None:
    release(1)
    release(2)
    lock = built.lock_path
    with lock.open("a") as other:  # somebody else's lock
        import fcntl

        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(WarehouseLocked):
            rollback(built)
    current = current_release(built)
    assert current is not None and current.release_id == "000002-20260102"


def test_release_file_is_never_changed(built: Warehouse, release: Publish) -> None:
    first = release(1)
    before = (first.path.read_bytes(), first.path.stat().st_mtime_ns)
    with built.open_build() as con:
        con.execute("insert into marts.weights values ('DEFI', ['UNI'])")
    release(2)
    rollback(built)
    with built.open_release() as con, pytest.raises(Exception, match="read-only"):
        con.execute("drop table marts.weights")
    assert (first.path.read_bytes(), first.path.stat().st_mtime_ns) == before
    assert first.path.stat().st_mode & 0o222 == 0


def test_open_reader_keeps_its_release_and_a_new_one_gets_the_new_release(built: Warehouse, release: Publish) -> None:
    """Also within one process, where opening by the link would answer from the old file."""

    def rows(con: object) -> list[tuple[str]]:
        return con.execute("select release_id from quality.release_info").fetchall()  # type: ignore[attr-defined]

    release(1, keep=1)
    with built.open_release() as old:
        release(2, keep=1)  # removes the file that `old` reads
        with built.open_release() as new:
            assert rows(old) == [("000001-20260101",)]
            assert rows(new) == [("000002-20260102",)]


def test_log_line_lost_by_a_killed_run_is_taken_from_the_release(built: Warehouse, release: Publish) -> None:
    release(1)
    with built.open_build() as con:
        con.execute("delete from quality.release_log")
    release(2)
    assert ids(built) == ["000001-20260101", "000002-20260102"]
    with built.open_build() as con:
        assert con.execute("select count(*) from quality.release_log").fetchone() == (2,)


def test_new_build_file_goes_on_counting(built: Warehouse, release: Publish) -> None:
    release(1)
    built.build_path.unlink()
    with built.open_build() as con:
        con.execute("create schema marts; create table marts.weights as select 1 as a")
    assert release(2).release_id == "000002-20260102"
    assert ids(built) == ["000001-20260101", "000002-20260102"]


def test_left_over_write_ahead_log_stops_the_publication(
    built: Warehouse, release: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(1)
    original = release_module._put_in_place

    def with_wal(warehouse: Warehouse, partial: Path, release_id: str) -> None:
        partial.with_name(partial.name + ".wal").write_text("replayed into the new release")
        original(warehouse, partial, release_id)

    monkeypatch.setattr(release_module, "_put_in_place", with_wal)
    with pytest.raises(WarehouseError, match="write-ahead log"):
        release(2)
    monkeypatch.undo()
    assert ids(built) == ["000001-20260101"]
    assert release(3).release_id == "000002-20260103"
    assert sorted(path.suffix for path in built.releases_dir.iterdir()) == [".duckdb", ".duckdb"]


def test_failure_while_copying_leaves_the_old_release(
    built: Warehouse, release: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(1)
    with built.open_build() as con:
        con.execute("create view marts.broken as select cast(sector as integer) as n from marts.weights")
    with pytest.raises(WarehouseError, match=r"000002-20260102.duckdb.tmp: .*last release is still in place"):
        release(2)
    assert ids(built) == ["000001-20260101"]
    with built.open_build() as con:
        con.execute("drop view marts.broken")
    assert release(2).is_current


def test_check_results_and_decisions_are_in_the_release(built: Warehouse, release: Publish) -> None:
    with built.open_build() as con:
        con.execute("insert into quality.check_results (check_name) values ('a')")
        insert(con, DECISIONS, pl.DataFrame([dict.fromkeys(DECISIONS.columns)], schema=frame_schema(DECISIONS)))
    made = release()
    assert made.row_counts["portfolio.decisions"] == 1
    with built.open_release() as con:
        assert con.execute("select check_name from quality.check_results").fetchall() == [("a",)]
        found = con.execute("select 1 from duckdb_tables() where table_name = 'input_digests'").fetchall()
        assert found == []
