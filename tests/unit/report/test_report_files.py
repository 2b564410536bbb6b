"""The pages lie beside the release, are put in place whole, and are made from the release alone."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli.commands import main
from pipelines.policy import Policy
from pipelines.report import files
from pipelines.report.data import NoSuchNight
from pipelines.report.files import write_report
from warehouse.connection import Warehouse
from warehouse.contracts import DECISIONS, HEDGES, SECTOR_SIGNALS, TARGET_ALLOCATIONS
from warehouse.errors import NoRelease, WarehouseError
from warehouse.frames import frame_schema, insert
from warehouse.release import publish
from warehouse.schema import create_tables

FIRST, LAST = date(2026, 11, 19), date(2026, 11, 20)
MARTS = (
    "create schema marts",
    "create table marts.sector_weights as select 'L1' as sector, 'Layer 1' as name, "
    "1.0::double as strategic_weight_frac",
    "create table marts.sector_funding_daily as select date '2026-11-20' as date, 'L1' as sector, "
    "1.0::double as funding_8h_bps, 1.0::double as funding_3d_bps, ['ETH'] as leaders",
    "create table marts.sector_open_interest_daily as select date '2026-11-20' as date, 'L1' as sector, "
    "100.0::double as open_interest_index, 0.1::double as open_interest_change_7d_frac, "
    "0.1::double as momentum_14d_frac, 1.0::double as volume_ratio_7d_28d",
    "create table marts.sector_spreads_daily (date date, sector varchar, reference_sector varchar, "
    "spread_z_90d double, spread_change_14d_log double)",
    "create table marts.calendar_spreads_daily (date date, exchange varchar, asset varchar, "
    "front_basis_annualised double)",
    "create table marts.data_health_daily as select date '2026-11-20' as date, 'L1' as sector, "
    "1.0::double as coverage_frac, timestamp '2026-11-21' as newest_row_at, true as is_fresh, true as is_complete, "
    "'complete' as reason",
)


@pytest.fixture
def released(tmp_path: Path, night) -> Warehouse:
    """A release of two nights of one sector."""
    warehouse = Warehouse(tmp_path / "warehouse")
    with warehouse.open_build("test") as con:
        create_tables(con)
        for statement in MARTS:
            con.execute(statement)
        for day in (FIRST, LAST):
            at = datetime(2026, 11, 21, 0, 15)
            for table, row in (
                (DECISIONS, night.decision | {"decision_id": f"d-{day}", "decided_at": at}),
                (SECTOR_SIGNALS, next(row for row in night.signals if row["sector"] == "L1")),
                (TARGET_ALLOCATIONS, next(row for row in night.targets if row["sector"] == "L1")),
                (HEDGES, night.hedges[0]),
            ):
                full = {name: row.get(name) for name in table.columns} | {"as_of_date": day}
                insert(con, table, pl.DataFrame([full], schema=frame_schema(table)))
    publish(
        warehouse, as_of_date=LAST, source="simulated", git_sha=None, policy_hash="p", input_hash="i", checks_passed=1,
        keep=2, published_at=datetime(2026, 11, 21, 0, 20),
    )  # fmt: skip
    return warehouse


def test_the_newest_night_and_the_index_lie_beside_the_release(released):
    written = write_report(released, Policy())
    assert (written.day, written.page) == (LAST, released.directory / "reports" / "2026-11-20.html")
    assert sorted(path.name for path in written.page.parent.iterdir()) == ["2026-11-20.html", "index.html"]
    assert "Became no order: L1 +$8,000.00." in written.page.read_text()  # this release keeps orders and has none
    assert 'href="2026-11-20.html"' in written.index.read_text()
    assert 'href="2026-11-19.html"' not in written.index.read_text()


def test_a_night_links_the_one_before_where_that_has_a_page(released):
    assert 'href="2026-11-19.html"' not in write_report(released, Policy()).page.read_text()
    write_report(released, Policy(), FIRST)
    written = write_report(released, Policy())
    assert 'href="2026-11-19.html"' in written.page.read_text()
    assert 'href="2026-11-19.html"' in written.index.read_text()


def test_a_night_that_was_not_decided_is_refused_and_nothing_is_written(released):
    with pytest.raises(NoSuchNight, match="2 from 2026-11-19 to 2026-11-20"):
        write_report(released, Policy(), date(2020, 1, 1))
    assert not (released.directory / "reports").exists()


def test_without_a_release_there_is_no_page(tmp_path):
    with pytest.raises(NoRelease):
        write_report(Warehouse(tmp_path), Policy())
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_fails_half_way_leaves_the_old_one_whole(released, monkeypatch):
    before = write_report(released, Policy()).page.read_text()
    monkeypatch.setattr(files, "render_night", lambda *_: "<html>half")

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(WarehouseError, match="No space left on device"):
        write_report(released, Policy())
    folder = released.directory / "reports"
    assert (folder / "2026-11-20.html").read_text() == before
    assert sorted(path.name for path in folder.iterdir()) == ["2026-11-20.html", "index.html"]


def _rotation(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_the_command_prints_where_the_page_is(released, capsys):
    assert _rotation("report", "--date", FIRST, "--warehouse", released.directory) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == str(released.directory / "reports" / "2026-11-19.html")
    assert "night of 2026-11-19, release 000001-20261120" in out


def test_open_shows_the_page_in_the_browser_and_says_when_there_is_none(released, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)))
    assert _rotation("report", "--open", "--warehouse", released.directory) == 0
    assert opened == [(released.directory / "reports" / "2026-11-20.html").as_uri()]
    assert "open the file by hand" in capsys.readouterr().err


def test_a_day_without_a_decision_is_a_readable_error(released, capsys):
    assert _rotation("report", "--date", "2020-01-01", "--warehouse", released.directory) == 2
    assert "no decision about 2020-01-01 in the release" in capsys.readouterr().err
