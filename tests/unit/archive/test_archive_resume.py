"""What an import does the second time, and whose warehouse it may write."""

from datetime import date, timedelta

import pytest

from pipelines.archive.errors import ArchiveError
from warehouse.archive import imported_files
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError, WarehouseLocked
from warehouse.origin import claim_origin
from warehouse.raw import coverage
from warehouse.schema import create_tables

DAY = date(2024, 2, 16)
NEXT = DAY + timedelta(days=1)


def test_what_is_stored_is_not_read_again_and_changes_nothing(archive, import_days, query):
    for day in (DAY, NEXT):
        archive.put_metrics(day, archive.metrics_rows(day))
    import_days(DAY, DAY, kinds=("metrics",))
    report = import_days(DAY, NEXT, kinds=("metrics",)).report
    assert (report.files, report.known, report.read, report.rows_written) == (2, 1, 1, 288)
    before = query("select * from raw.open_interest order by all")
    assert import_days(DAY, NEXT, kinds=("metrics",)).report.known == 2
    assert query("select * from raw.open_interest order by all").equals(before)
    assert query("select count(*) from raw.load_batches").item() == 2


def test_a_stored_file_is_not_even_fetched(archive, import_days):
    archive.put_metrics(DAY, archive.metrics_rows(DAY))
    import_days(DAY, DAY, kinds=("metrics",))
    packed = next(archive.root.rglob("*.zip"))
    packed.write_bytes(b"gone")  # its checksum stays
    assert import_days(DAY, DAY, kinds=("metrics",)).report.known == 1


def test_a_file_that_was_exchanged_and_exchanged_back_is_read_both_times(archive, import_days, query):
    first = archive.metrics_rows(DAY)
    second = [first[0].replace(",100.0,", ",99.0,"), *first[1:]]
    for rows, written in ((first, 288), (second, 1), (first, 1), (first, 0)):
        archive.put_metrics(DAY, rows)
        assert import_days(DAY, DAY, kinds=("metrics",)).report.rows_written == written
    sql = "select open_interest_base from raw.open_interest where observed_at = '2024-02-16' order by ingested_at"
    assert query(sql)["open_interest_base"].to_list() == [100.0, 99.0, 100.0]


def test_a_refused_file_is_read_once_it_is_right(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY))
    packed = next(archive.root.rglob("*.zip"))
    good = packed.read_bytes()
    packed.write_bytes(good[:-5])
    assert len(import_days(DAY, DAY, kinds=("metrics",)).report.refused) == 1
    assert query("select count(*) from raw.open_interest").item() == 0
    packed.write_bytes(good)
    assert import_days(DAY, DAY, kinds=("metrics",)).report.rows_written == 288


def test_candles_and_funding_of_the_archive_count_as_covered_for_the_nightly_run(archive, import_days, directory):
    row = "1706745600000,8,0.0001"
    archive.put_table("data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-02.zip", [row])
    import_days(DAY, DAY, kinds=("funding",))
    with Warehouse(directory).open_build() as connection:
        span = coverage(connection, "binance").row(0, named=True)
        assert len(imported_files(connection, "binance")) == 1
    assert (span["dataset"], span["symbol"]) == ("funding_rates", "BTC/USDT:USDT")
    assert [f"{span[name]:%m-%d}" for name in ("covered_from_at", "covered_until_at")] == ["02-01", "03-01"]


def test_a_second_writer_is_kept_out(archive, import_days, directory):
    archive.put_metrics(DAY, archive.metrics_rows(DAY))
    with Warehouse(directory).write_lock("somebody else"), pytest.raises(WarehouseLocked, match="somebody else"):
        import_days(DAY, DAY, kinds=("metrics",))


def test_real_files_do_not_go_into_a_simulated_warehouse(archive, import_days, directory, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY))
    with Warehouse(directory).open_build() as connection:
        create_tables(connection)
        claim_origin(connection, "simulated", "seed 7", next_midnight())
    with pytest.raises(WarehouseError, match=r"simulated data \(seed 7\), not from live data"):
        import_days(DAY, DAY, kinds=("metrics",))
    assert query("select count(*) from raw.open_interest").item() == 0


def next_midnight():
    from datetime import datetime

    return datetime(2024, 2, 17)


def test_a_window_without_files_says_what_to_check_and_makes_no_warehouse(archive, import_days, directory):
    with pytest.raises(ArchiveError, match=r"has no file of .* from 2024-02-16 to 2024-02-16"):
        import_days(DAY, DAY)
    assert not (directory / "build.duckdb").exists()


def test_a_day_that_is_not_over_has_no_files_yet(import_days):
    with pytest.raises(ArchiveError, match="a day's files appear on the day after"):
        import_days(DAY, date(2999, 1, 1))


def test_a_day_that_is_set_aside_every_time_stands_in_quarantine_once(archive, import_days, query):
    archive.put_metrics(DAY, archive.metrics_rows(DAY, 163))
    for _ in range(2):
        assert len(import_days(DAY, DAY, kinds=("metrics",)).report.incomplete) == 1
    assert query("select count(*) from raw.quarantine").item() == 163
    assert query("select count(*) from raw.load_batches").item() == 1
