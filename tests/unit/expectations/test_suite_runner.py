import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from expectations.gates import PAGE, gates_markdown
from expectations.model import Check, CheckResult, Parameters, Question, text_sql, timestamp_sql
from expectations.runner import NothingEvaluated, SuiteError, run_suites
from expectations.suites import SUITES

RUN = Parameters(
    as_of_date=date(2026, 3, 10),
    since=datetime(2026, 3, 11),
    now=datetime(2026, 3, 11),
    run_id="run",
    source="simulated",
)
Judge = Callable[..., CheckResult]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "build's.duckdb"
    with duckdb.connect(path) as con:
        con.execute("create table numbers as select n, n / 10 as tenth from range(10) as t (n)")
        con.execute("insert into numbers values (null, null)")
        con.execute("create table nobody as from numbers limit 0")
    return path


@pytest.fixture
def judge(database: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    def run(check: Check, sql: str = "select n, tenth as value from numbers") -> CheckResult:
        question = Question("t", sql, ("n",), (check,), ("main.numbers",))
        monkeypatch.setitem(SUITES, "one", lambda _: [question])
        (result,) = run_suites(database, ["one"], RUN)
        return result

    return run


def check(**columns: object) -> Check:
    return Check("value", "A value is out of bounds.", "Do this.", **columns)  # type: ignore[arg-type]


def test_result_counts_what_was_judged_and_shows_examples(judge: Judge) -> None:
    result = judge(check(minimum=0.2, maximum=0.7))
    assert (result.passed, result.evaluated, result.failed_rows) == (False, 10, 4)  # 0.0 0.1 0.8 0.9; NULL is no row
    assert result.details == (
        "4 of 10 rows. A value is out of bounds. For example: n=0, value=0.0; n=1, value=0.1; n=8, value=0.8. Do this."
    )


def test_rows_that_are_not_in_order_are_given_up_to_twenty(judge: Judge) -> None:
    result = judge(check(minimum=0.2, maximum=0.7))
    assert [dict(row) for row in result.failing] == [{"n": n, "value": n / 10} for n in (0, 1, 8, 9)]
    many = judge(check(maximum=0), "select n, 1 as value from range(25) as t (n)")
    assert (many.failed_rows, len(many.failing)) == (25, 20)
    assert judge(check(minimum=0)).failing == ()


def test_bounds_belong_to_what_is_allowed(judge: Judge) -> None:
    result = judge(check(minimum=0, maximum=0.9))
    assert (result.passed, result.evaluated, result.failed_rows, result.details) == (True, 10, 0, "")


@pytest.mark.parametrize(("mostly", "passed"), [(0.9, True), (0.95, False)])
def test_share_of_the_rows_may_be_enough(judge: Judge, mostly: float, passed: bool) -> None:
    result = judge(check(maximum=0.8, mostly=mostly))
    assert (result.passed, result.failed_rows) == (passed, 1)


def test_column_without_bounds_says_itself_whether_a_row_is_in_order(judge: Judge) -> None:
    result = judge(check(), "select n, cast(n <> 3 as integer) as value from numbers")
    assert (result.passed, result.evaluated, result.failed_rows) == (False, 10, 1)
    assert "n=3, value=0" in result.details


@pytest.mark.parametrize(
    ("weights", "is_one"),
    [
        (["1/3", "1/3", "1/3"], 1),
        (["3/10", "9/20", "1/4", "0"], 1),
        (["0.1"] * 10, 1),
        (["1/3", "1/3", "333333333333333333333/1000000000000000000000"], 0),
        (["1", None], 0),
        (["1", "a tenth"], 0),
        (["1", "1/0"], 0),
        ([], 0),
    ],
)
def test_fractions_are_added_exactly(judge: Judge, weights: list[str | None], is_one: int) -> None:
    items = ", ".join("null" if weight is None else text_sql(weight) for weight in weights)
    sql = f"select 1 as n, cast(exact_sum_is_one(cast([{items}] as varchar[])) as integer) as value"
    assert judge(check(), sql).passed is bool(is_one)


def test_suite_that_judged_nothing_does_not_pass(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question("t", "select n, n as value from nobody", ("n",), (check(minimum=0),), ())
    monkeypatch.setitem(SUITES, "empty", lambda _: [question])
    with pytest.raises(NothingEvaluated, match=r"Suite 'empty' found no row to judge in .*build's.duckdb"):
        run_suites(database, ["empty"], RUN)


def test_check_without_rows_passes_only_if_it_need_not_judge(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = Question("t", "select 1 as n, 1 as filled", ("n",), (Check("filled", "-", "-"),), ())
    empty = "select n, n as value from nobody"
    for must_evaluate in (False, True):
        asked = Question("t", empty, ("n",), (check(minimum=0, must_evaluate=must_evaluate),), ())
        monkeypatch.setitem(SUITES, "two", lambda _, asked=asked: [filled, asked])
        result = run_suites(database, ["two"], RUN)[1]
        assert (result.passed, result.evaluated) == (not must_evaluate, 0)
        assert result.details == ("There was no row to judge. Do this." if must_evaluate else "")


def test_question_that_cannot_be_asked_is_a_failure_with_its_reason(judge: Judge) -> None:
    with pytest.raises(NothingEvaluated, match=r"could not be asked: .*no_such_column"):
        judge(check(), "select n, no_such_column as value from numbers")


def test_missing_file_or_suite_is_said(database: Path, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"nothing.duckdb: there is no such file. Run the steps before"):
        run_suites(tmp_path / "nothing.duckdb", ["border"], RUN)
    with pytest.raises(SuiteError, match=r"no suites \['bordr'\]; the suites are border, release"):
        run_suites(database, ["bordr"], RUN)
    with pytest.raises(SuiteError, match="the suites are border, release"):
        run_suites(database, [], RUN)


def test_file_is_let_go_and_nothing_is_left_behind(
    judge: Judge, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def no_network(*_: object) -> None:
        raise AssertionError("the runner must not use the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    judge(check(minimum=0))
    assert list(here.iterdir()) == []
    assert capfd.readouterr().err == ""  # no progress bar
    with duckdb.connect(database) as con:  # for writing: refused while a reading connection is open
        con.execute("insert into numbers values (11, 1.1)")


def test_file_that_is_still_open_is_refused_with_a_remedy(judge: Judge, database: Path) -> None:
    with (
        duckdb.connect(database),
        pytest.raises(SuiteError, match=r"cannot be opened for checking .*Close every other"),
    ):
        judge(check(minimum=0))
    assert judge(check(minimum=0)).passed


def test_importing_the_package_does_not_import_great_expectations() -> None:
    program = (
        "import sys, expectations.runner, expectations.suites, expectations.rules, expectations.gates\n"
        "heavy = {'great_expectations', 'sqlalchemy', 'pandas', 'duckdb_sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_literals_are_safe() -> None:
    assert text_sql("o'clock") == "'o''clock'"
    assert timestamp_sql(datetime(2026, 3, 11, 0, 15)) == "timestamp '2026-03-11 00:15:00'"
    assert timestamp_sql(datetime.fromisoformat("2026-03-11T02:15:00+02:00")) == "timestamp '2026-03-11 00:15:00'"


def test_page_of_the_gates_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == gates_markdown(), "write it with: python -m expectations.gates"
