"""`rotation query`: questions by name, with a label, in every form."""

import csv
import io
import json

import pytest

from warehouse.named_queries import list_queries


@pytest.fixture
def query(rotation, released):
    return lambda *arguments: rotation("query", *arguments, "--warehouse", released)


def test_without_a_name_every_question_is_listed_and_no_release_is_needed(rotation):
    rows = json.loads(rotation("query", "--format", "json").out)
    assert [(row["name"], row["question"]) for row in rows] == [(q.name, q.question) for q in list_queries()]
    assert "sector=DEFI" in next(row for row in rows if row["name"] == "funding_history")["parameters and defaults"]


def test_an_answer_for_people_has_question_label_rows_and_how_to_read_it(query):
    answer = query("tonight")
    assert answer.code == 0 and "24000" in answer.out
    text = " ".join(answer.out.split())
    for words in ("What should each sector hold tonight", "SIMULATED", "proposals on paper", "not investment advice"):
        assert words in text


def test_rows_for_programs_are_clean_and_the_label_stands_beside_them(query):
    answer = query("tonight", "--format", "json")
    assert [row["sector"] for row in json.loads(answer.out)] == ["L1", "CASH"]
    assert "SIMULATED" in answer.err
    read = list(csv.DictReader(io.StringIO(query("tonight", "--format", "csv").out)))
    assert [row["target_usd"] for row in read] == ["24000.0", "8000.0"]


def test_parameters_are_taken_as_key_and_value(query):
    given = ("--param", "date=2026-11-19", "--format", "json")
    assert len(json.loads(query("tonight", *given).out)) == 2
    assert json.loads(query("tonight", "-p", "date=2026-11-18", "--format", "json").out) == []


def test_an_empty_answer_says_what_that_means(query):
    answer = query("halted_decisions")
    assert answer.code == 0 and "NOT_A_DECISION_DAY" in answer.out  # the first day of the small release
    assert "no rows: there was no hedge, or none of that name" in query("hedge_scenarios", "-p", "hedge_id=none").out


def test_the_file_of_a_question_is_printed_as_it_is_and_runs_with_sql(query, rotation, released, tmp_path):
    text = query("tonight", "--sql").out
    assert text == next(q.sql for q in list_queries() if q.name == "tonight")
    path = tmp_path / "copy.sql"
    path.write_text(text)
    answer = rotation("sql", "--file", path, "--format", "json", "--warehouse", released)
    assert [row["sector"] for row in json.loads(answer.out)] == ["L1", "CASH"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tonigth",), "did you mean tonight"),
        (("tonight", "--param", "day=2026-11-20"), "it takes: date"),
        (("tonight", "--param", "date=soon"), "a day such as 2026-11-21"),
        (("tonight", "--param", "date"), "write it as sector=DEFI"),
        (("tonight", "--param", "date=2026-11-20", "--param", "date=2026-11-19"), "given twice"),
        (("--param", "date=2026-11-20"), "name of a question"),
        (("--sql",), "name of a question"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_says_what_to_write(query, arguments, message):
    answer = query(*arguments)
    assert (answer.code, answer.out) == (2, "") and message in " ".join(answer.err.replace("│", "").split())


def test_a_table_that_the_release_lacks_is_told_without_a_traceback(query):
    answer = query("leaders")  # the small release has one mart only
    assert answer.code == 2 and "marts.asset_futures_daily" in answer.err and "rotation run" in answer.err
