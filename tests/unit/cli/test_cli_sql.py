"""`rotation sql`: any query on the release, and nothing else."""

import csv
import io
import json
import subprocess
import sys

import pytest


@pytest.fixture
def sql(rotation, released):
    return lambda query, form="json": rotation("sql", query, "--format", form, "--warehouse", released)


def test_rows_come_in_every_form(sql):
    query = "select sector, target_usd from portfolio.target_allocations where as_of_date = '2026-11-20' order by 1"
    assert json.loads(sql(query).out)[1] == {"sector": "L1", "target_usd": 24_000.0}
    assert sql(query, "csv").out.splitlines() == ["sector,target_usd", "CASH,8000.0", "L1,24000.0"]
    assert "24000" in sql(query, "table").out


def test_no_rows_are_valid_output_in_every_form(sql):
    query = "select sector from portfolio.sector_signals where false"
    assert json.loads(sql(query).out) == []
    assert sql(query, "csv").out == "sector\n"
    assert "sector" in sql(query, "table").out


def test_numbers_keep_every_digit_and_unknown_stays_unknown(sql):
    row = json.loads(
        sql("select 0.1::double + 0.2 as a, 1.50 as b, 12345678901234567890.12345::decimal(38, 5) as c, null as d").out
    )[0]
    # 0.1 + 0.2 in binary; 1.50 is exact in JSON; 25 digits are not, so they are text
    assert row == {"a": 0.30000000000000004, "b": 1.5, "c": "12345678901234567890.12345", "d": None}


def test_what_json_does_not_know_becomes_text(sql):
    row = json.loads(sql("select 'inf'::double as a, date '2026-11-20' as b, {'x': [1, 2]} as c, 'ab'::blob as d").out)
    assert row == [{"a": "Infinity", "b": "2026-11-20", "c": {"x": [1, 2]}, "d": "6162"}]


def test_two_columns_of_one_name_are_both_kept(sql):
    assert json.loads(sql("select 1 as a, 2 as a").out) == [{"a": 1, "a_1": 2}]


def test_csv_quotes_what_needs_it(sql):
    read = list(csv.reader(io.StringIO(sql("select 'a,b' as x, true as y, null as z", "csv").out)))
    assert read == [["x", "y", "z"], ["a,b", "true", ""]]


def test_a_table_that_is_too_wide_becomes_a_list_of_columns(sql):
    answer = sql("from portfolio.target_allocations limit 1", "table")
    assert "row 1" in answer.out
    assert any(line.split() == ["current_usd", "0"] for line in answer.out.splitlines())


def test_a_table_stops_after_1000_rows_and_says_so(sql):
    answer = sql("from range(1001)", "table")
    assert " 999" in answer.out and " 1000" not in answer.out
    assert "only the first 1,000 rows" in answer.err
    assert "only the first" not in sql("from range(1000)", "table").err


def test_control_characters_do_not_reach_the_terminal(sql):
    answer = sql("select chr(27) || '[2Jx' as a", "table")
    assert "\x1b" not in answer.out and "\\x1b[2Jx" in answer.out


@pytest.mark.parametrize(
    "query",
    [
        "from read_text('{file}')",
        "from read_csv('{file}')",
        "from '{file}'",
        "from glob('/*')",
        "copy (select 1) to '{file}.out'",
        "attach '{file}'",
        "install httpfs",
        "set enable_external_access = true",
        "pragma threads = 1",
        "create table marts.t as select 1",
        "drop table portfolio.hedges",
        "delete from portfolio.hedges",
        "create temp table t as select 1",
        "checkpoint",
        "select 1; drop table portfolio.hedges",
        "",
        "selec 1",
        "from marts.nothing",
        "select 'x'::int",
    ],
)
def test_whatever_is_no_query_on_the_release_ends_with_2_and_one_message(sql, tmp_path, query):
    file = tmp_path / "other.csv"
    file.write_text("a\nsecret\n")
    answer = sql(query.format(file=file))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("error:") == 1 and "Traceback" not in answer.err and "secret" not in answer.err
    assert not (tmp_path / "other.csv.out").exists()
    assert sql("select count(*) as n from portfolio.hedges").out == '[\n{"n": 1}\n]\n'


def test_a_variable_of_the_program_cannot_be_read(sql):
    # DuckDB looks for unknown tables among Python's variables; `rows` is one where the query is run
    assert sql("from parameters").code == 2


def test_describing_and_explaining_are_queries_too(sql):
    assert json.loads(sql("describe portfolio.hedges").out)[0]["column_name"] == "as_of_date"
    assert sql("explain from portfolio.hedges").code == 0
    assert any(row["name"] == "hedges" for row in json.loads(sql("show all tables").out))


def test_a_reader_that_stops_reading_causes_no_traceback(released):
    command = [sys.executable, "-c", "from pipelines.cli.commands import main; main()", "sql", "from range(200000)"]
    process = subprocess.Popen(
        [*command, "--format", "csv", "--warehouse", str(released)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(30)


def test_a_query_can_come_from_a_file_and_exactly_one_query_is_wanted(rotation, released, tmp_path):
    path = tmp_path / "one.sql"
    path.write_text("-- a comment first\nselect 1 as one;\n")
    given = ("--warehouse", released)
    assert json.loads(rotation("sql", "--file", path, "--format", "json", *given).out) == [{"one": 1}]
    assert rotation("sql", *given).code == 2
    assert rotation("sql", "select 1", "--file", path, *given).code == 2
