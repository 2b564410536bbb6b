"""Exports of a release: whole files, true manifests, and nothing outside the folder."""

import csv
import hashlib
import json
from datetime import date, datetime

import polars as pl
import pytest

from warehouse import export as exporting
from warehouse.connection import Warehouse
from warehouse.errors import NoRelease
from warehouse.export import ExportError, export
from warehouse.release import publish
from warehouse.schema import create_tables

FIRST, LAST = date(2026, 11, 19), date(2026, 11, 20)


@pytest.fixture
def released(warehouse: Warehouse) -> Warehouse:
    _publish(warehouse)
    return warehouse


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def _publish(warehouse: Warehouse, source: str = "simulated") -> None:
    with warehouse.open_build("test") as con:
        create_tables(con)
        con.execute("create schema if not exists marts")
        con.execute(
            "create or replace table marts.daily as from (values "
            "(date '2026-11-20', 'b', 0.1::double, ['x', 'y,z'], null), "
            "(date '2026-11-19', 'a', 1e-17::double, null, ''), "
            "(date '2026-11-20', 'a', null, [], 'say \"no\"')) as t(date, sector, funding_bps, leaders, note)"
        )
        con.execute("create or replace table marts.weights as select 'a' as sector, 0.5 as weight")
        con.execute("delete from raw.funding_rates")
        for instant in ("2026-11-19 23:59:59.5", "2026-11-20 00:00:00", "2026-11-20 23:59:59"):
            con.execute(f"insert into raw.funding_rates (settled_at) values (timestamp '{instant}')")
    publish(
        warehouse, as_of_date=LAST, source=source, git_sha=None, policy_hash=None, input_hash=None, checks_passed=1,
        keep=3, published_at=datetime(2026, 11, 21), raw_days="all",
    )  # fmt: skip


def _manifest(folder) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_a_parquet_file_holds_the_very_rows_and_says_what_they_are_made_from(released, folder):
    export(released, folder, "parquet", ["marts.daily"])
    path = folder / "marts.daily.parquet"
    with released.open_release() as con:
        expected = con.execute("from marts.daily order by all").pl()
        labels = con.execute(f"select decode(key), decode(value) from parquet_kv_metadata('{path}')").fetchall()
    assert pl.read_parquet(path).equals(expected) and expected.height == 3
    assert dict(labels)["source"] == "simulated"


def test_csv_keeps_every_digit_tells_unknown_from_empty_and_has_lists_as_json(released, folder):
    export(released, folder, "csv", ["marts.daily"])
    path = folder / "marts.daily.csv"
    rows = list(csv.reader(path.open(newline="")))
    assert rows[0] == ["date", "sector", "funding_bps", "leaders", "note"]
    assert rows[1] == ["2026-11-19", "a", "1e-17", "", ""] and path.read_text().splitlines()[1].endswith(',""')
    assert json.loads(rows[3][3]) == ["x", "y,z"] and rows[2][4] == 'say "no"'


def test_the_manifest_counts_the_rows_and_its_digests_are_those_of_the_files(released, folder):
    done = export(released, folder, "parquet")
    manifest = _manifest(folder)
    assert (manifest["release_id"], manifest["source"]) == ("000001-20261120", "simulated")
    assert manifest["is_simulated"] is True and len(manifest["files"]) == len(done.files) > 10
    for entry in manifest["files"]:
        data = (folder / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["rows"] == pl.read_parquet(data).height
    assert {path.name for path in folder.glob("*.parquet")} == {entry["file"] for entry in manifest["files"]}
    assert list(folder.glob(".*")) == []


def test_the_same_release_exported_twice_gives_the_same_bytes(released, tmp_path):
    one, two = (export(released, tmp_path / name, "parquet") for name in ("one", "two"))
    assert [file.sha256 for file in one.files] == [file.sha256 for file in two.files]


@pytest.mark.parametrize(
    ("first_day", "last_day", "daily", "settlements"),
    [(None, None, 3, 3), (LAST, None, 2, 2), (None, FIRST, 1, 1), (FIRST, LAST, 3, 3), (date(2027, 1, 1), None, 0, 0)],
)
def test_a_range_has_both_its_days_to_their_last_second(released, folder, first_day, last_day, daily, settlements):
    done = export(
        released, folder, "parquet", ["marts.daily", "raw.funding_rates", "marts.weights", "quality.release_info"],
        first_day, last_day,
    )  # fmt: skip
    # Tables without days, and the line that says which release it is, belong to every range.
    assert {file.table: (file.rows, file.day_column) for file in done.files} == {
        "marts.daily": (daily, "date"), "raw.funding_rates": (settlements, "settled_at"),
        "marts.weights": (1, None), "quality.release_info": (1, None),
    }  # fmt: skip


def test_a_later_export_replaces_its_tables_and_keeps_the_others(released, folder):
    export(released, folder, "parquet", ["marts.daily", "marts.weights"])
    _publish(released)
    export(released, folder, "parquet", ["marts.daily"], last_day=FIRST)
    files = {entry["table"]: entry for entry in _manifest(folder)["files"]}
    assert (files["marts.daily"]["release_id"], files["marts.daily"]["rows"]) == ("000002-20261120", 1)
    assert files["marts.weights"]["release_id"] == "000001-20261120"


def test_simulated_and_recorded_numbers_are_never_put_into_one_folder(released, folder):
    export(released, folder, "csv", ["marts.weights"])
    before = (folder / "manifest.json").read_bytes()
    _publish(released, source="recorded")
    with pytest.raises(ExportError, match="holds an export of source simulated"):
        export(released, folder, "csv", ["marts.weights"])
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("manifest", [None, "", "[]", '{"kind": "of another program"}', '{"kind": "rotation export"}'])
def test_a_folder_that_is_no_export_is_refused(released, folder, manifest):
    folder.mkdir()
    (folder / "mine.csv").write_text("a")
    if manifest is not None:
        (folder / "manifest.json").write_text(manifest)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(ExportError, match="holds no export of this program"):
        export(released, folder, "csv", ["marts.weights"])
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_file_in_the_place_of_the_folder_is_refused(released, tmp_path):
    (tmp_path / "out").write_text("a")
    with pytest.raises(ExportError, match="cannot be used as a folder"):
        export(released, tmp_path / "out", "csv")
    assert (tmp_path / "out").read_text() == "a"


@pytest.mark.parametrize("link", ["marts.weights.csv", ".marts.weights.csv.partial", "manifest.json"])
def test_a_link_in_the_folder_does_not_lead_the_export_outside(released, tmp_path, folder, link):
    outside = tmp_path / "outside.txt"
    export(released, folder, "csv", ["marts.weights"])
    outside.write_bytes((folder / "manifest.json").read_bytes() if link == "manifest.json" else b"mine")
    before = outside.read_bytes()
    (folder / link).unlink(missing_ok=True)
    (folder / link).symlink_to(outside)
    export(released, folder, "csv", ["marts.weights"])
    assert outside.read_bytes() == before and not (folder / "manifest.json").is_symlink()
    assert (folder / "marts.weights.csv").read_text() == "sector,weight\na,0.5\n"


def test_a_table_with_a_hostile_name_stays_inside_the_folder(warehouse, tmp_path):
    with warehouse.open_build("test") as con:
        create_tables(con)
        con.execute("create schema marts")
        con.execute("""create table marts."../../it's" as select 1 as "a""b" """)
    publish(
        warehouse, as_of_date=LAST, source="live", git_sha=None, policy_hash=None, input_hash=None, checks_passed=1,
        keep=1, published_at=datetime(2026, 11, 21),
    )  # fmt: skip
    export(warehouse, tmp_path / "deep" / "out", "csv", ["marts.../../it's"])
    names = {path.name for path in (tmp_path / "deep" / "out").iterdir()}
    assert names == {"manifest.json", "marts..._.._it_s.csv"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


@pytest.mark.parametrize("moment", ["_put_in_place", "_sha256"])
def test_an_export_that_is_broken_off_leaves_whole_files_and_can_be_repeated(released, folder, monkeypatch, moment):
    export(released, folder, "csv", ["marts.weights"])
    whole, real = (folder / "marts.weights.csv").read_bytes(), getattr(exporting, moment)

    def break_off(*arguments):
        raise KeyboardInterrupt if arguments[-1].name == "marts.weights.csv" else AssertionError

    monkeypatch.setattr(exporting, moment, break_off)
    with pytest.raises(KeyboardInterrupt):
        export(released, folder, "csv", ["marts.weights"])
    assert (folder / "marts.weights.csv").read_bytes() == whole
    monkeypatch.setattr(exporting, moment, real)
    export(released, folder, "csv", ["marts.weights"])
    assert sorted(path.name for path in folder.glob("*.csv")) == ["marts.weights.csv"]
    assert list(folder.glob(".*")) == []


def test_a_disk_that_cannot_be_written_is_one_message_and_no_half_file(released, folder, monkeypatch):
    export(released, folder, "csv", ["marts.weights"])

    def full(partial, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "_put_in_place", full)
    with pytest.raises(ExportError, match="No space left on device.*export again"):
        export(released, folder, "csv", ["marts.weights"])
    assert list(folder.glob(".*")) == []


def test_nothing_published_is_said_and_no_folder_is_made(warehouse, folder):
    with pytest.raises(NoRelease):
        export(warehouse, folder, "csv")
    assert not (folder).exists()
