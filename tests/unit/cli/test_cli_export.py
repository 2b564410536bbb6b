"""`rotation export`: what can be typed, and what is said."""

import json

import pytest

DAY = "2026-11-20"


@pytest.fixture
def export(rotation, released):
    return lambda *arguments: rotation("export", *arguments, "--warehouse", released)


def test_a_table_becomes_a_file_and_the_label_is_said(export, tmp_path):
    to = tmp_path / "out"
    answer = export("--to", to, "--format", "csv", "--table", "portfolio.target_allocations", "--from", DAY)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[0] == "portfolio.target_allocations.csv: 2 rows" and "SIMULATED" in answer.err
    assert len((to / "portfolio.target_allocations.csv").read_text().splitlines()) == 3
    assert json.loads((to / "manifest.json").read_text())["is_simulated"] is True


def test_everything_can_be_exported_at_once(export, tmp_path):
    answer = export("--to", tmp_path / "out", "--all")
    assert answer.code == 0, answer.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"marts.data_health_daily.parquet", "quality.release_info.parquet", "manifest.json"} <= names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --table NAME"),
        (("--all", "--table", "portfolio.hedges"), "give --table NAME"),
        (("--table", "portfolio.hedge"), "did you mean portfolio.hedges"),
        (("--all", "--from", "2026-11-20", "--to-date", "2026-11-19"), "lies after"),
        (("--all", "--from", "yesterday"), "is no day"),
        (("--all", "--format", "xlsx"), "xlsx"),
    ],
)
def test_what_cannot_be_exported_ends_with_2_and_writes_nothing(export, tmp_path, arguments, message):
    answer = export("--to", tmp_path / "out", *arguments)
    assert answer.code == 2 and message in " ".join(answer.err.replace("│", "").split())
    assert "Traceback" not in answer.err and not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_left_alone(export, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    answer = export("--to", tmp_path / "mine", "--all")
    assert answer.code == 2 and "holds no export" in answer.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
