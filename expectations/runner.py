"""Runs the suites: Great Expectations validates query assets inside DuckDB; no row is copied into Python.

Importing this module is cheap. Great Expectations (4 to 9 s to import) is imported by `run_suites`, once per
process.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.model import MAX_FAILING_ROWS, Check, CheckResult, Parameters, Question
from expectations.suites import SUITES

if TYPE_CHECKING:
    import great_expectations as gx
    from sqlalchemy import Engine


_EXAMPLES = 3


class NothingEvaluated(RuntimeError):
    """A suite judged no row at all: it must not pass for a suite that found everything in order."""


class SuiteError(RuntimeError):
    """The suites cannot be run; the message says why and what to do."""


def run_suites(database_path: Path, suites: Sequence[str], parameters: Parameters) -> list[CheckResult]:
    """Judge a warehouse file.

    Args:
        database_path: A build file or a release; it is only read. It must not be open for writing anywhere, nor
            open at all in this process: close the connection of the step before.
        suites: Names from `expectations.suites.SUITES`. Give all suites of a stage in one call.
        parameters: The run that is judged.

    Returns:
        One result per check, in the suites' order.

    Raises:
        NothingEvaluated: a suite found no row to judge.
        SuiteError: the file is not there or cannot be opened, or there is no such suite.
    """
    if not database_path.is_file():
        raise SuiteError(f"{database_path}: there is no such file. Run the steps before this gate first.")
    unknown = [name for name in suites if name not in SUITES]
    if unknown or not suites:
        raise SuiteError(f"There are no suites {unknown}; the suites are {', '.join(SUITES)}.")

    with _Session(database_path) as session:
        results: list[CheckResult] = []
        for name in suites:
            found = [result for question in SUITES[name](parameters) for result in session.ask(question)]
            if sum(result.evaluated for result in found) == 0:
                first = next((result.details for result in found if result.details), "No table holds a row.")
                raise NothingEvaluated(
                    f"Suite {name!r} found no row to judge in {database_path}, so it proves nothing and nothing "
                    f"may be published. {first} Run the steps before this gate, or check the run's parameters."
                )
            results += found
    return results


class _Session:
    """One Great Expectations context over one database file, closed at the end."""

    def __init__(self, database_path: Path) -> None:
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        from expectations import dialect

        dialect.register()
        self._context = gx.get_context(mode="ephemeral")
        self._context.enable_analytics(False)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        try:
            self._source: Any = self._context.data_sources.add_sql(
                name="warehouse",
                connection_string=f"{dialect.URL_SCHEME}:///{database_path.resolve()}",
                create_temp_table=False,
                kwargs={"connect_args": {"read_only": True}},
            )
        except ConnectionError as error:
            raise SuiteError(
                f"{database_path}: cannot be opened for checking ({error}). Close every other connection to it, also "
                "in this process, and run again."
            ) from None
        self._engine: Engine = self._source.get_engine()
        self._existing = {
            f"{schema}.{table}"
            for schema, table in self._rows("select table_schema, table_name from information_schema.tables")
        }

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._source.get_execution_engine().close()
        self._engine.dispose()

    def ask(self, question: Question) -> list[CheckResult]:
        """The results of one question's checks."""
        missing = sorted(set(question.tables) - self._existing)
        if missing:
            return [
                _result(check, question, False, 0, 0, f"{', '.join(missing)} does not exist. {check.remedy}")
                for check in question.checks
            ]
        asset = self._source.add_query_asset(name="question", query=question.sql)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        validated = batch.validate(_suite(question), result_format="BASIC")
        self._source.delete_asset("question")  # every addition writes out all assets that are there
        by_column = {result.expectation_config.kwargs["column"]: result for result in validated.results}
        return [self._judge(check, question, by_column[check.name]) for check in question.checks]

    def _judge(self, check: Check, question: Question, found: Any) -> CheckResult:
        if found.exception_info.get("raised_exception") or not found.result:
            return _result(check, question, False, 0, 0, f"The question could not be asked: {_why(found)}")
        evaluated = int(found.result["element_count"] or 0) - int(found.result["missing_count"] or 0)
        failed = int(found.result["unexpected_count"] or 0)
        if evaluated == 0:
            details = f"There was no row to judge. {check.remedy}" if check.must_evaluate else ""
            return _result(check, question, not check.must_evaluate, 0, 0, details)
        failing = self._failing(check, question) if failed else ()
        details = _explain(check, evaluated, failed, failing) if failed else ""
        return _result(check, question, bool(found.success), evaluated, failed, details, failing)

    def _failing(self, check: Check, question: Question) -> tuple[dict[str, Any], ...]:
        """The first rows that are not in order."""
        columns = list(dict.fromkeys([*question.key, check.name]))
        low = "1" if check.minimum is None and check.maximum is None else check.minimum
        broken = " or ".join(
            [
                *([] if low is None else [f"{check.name} < {low}"]),
                *([] if check.maximum is None else [f"{check.name} > {check.maximum}"]),
            ]
        )
        rows = self._rows(
            f"select {', '.join(columns)} from ({question.sql}) where {broken} order by all limit {MAX_FAILING_ROWS}"
        )
        return tuple(dict(zip(columns, row, strict=True)) for row in rows)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        from sqlalchemy import text

        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]


def _suite(question: Question) -> "gx.ExpectationSuite":
    import great_expectations as gx
    from great_expectations import expectations as gxe

    def expectation(check: Check) -> Any:
        if check.minimum is None and check.maximum is None:
            return gxe.ExpectColumnValuesToBeInSet(column=check.name, value_set=[1], mostly=check.mostly)
        return gxe.ExpectColumnValuesToBeBetween(
            column=check.name, min_value=check.minimum, max_value=check.maximum, mostly=check.mostly
        )

    return gx.ExpectationSuite(name="question", expectations=[expectation(c) for c in question.checks])


def _why(found: Any) -> str:
    messages = [
        info["exception_message"]
        for info in (found.exception_info, *found.exception_info.values())
        if isinstance(info, dict) and info.get("exception_message")
    ]
    return (messages[0] if messages else "no result came back").splitlines()[0]


def _explain(check: Check, evaluated: int, failed: int, failing: Sequence[Mapping[str, Any]]) -> str:
    examples = "; ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in failing[:_EXAMPLES])
    return f"{failed} of {evaluated} rows. {check.meaning} For example: {examples}. {check.remedy}"


def _result(
    check: Check,
    question: Question,
    passed: bool,
    evaluated: int,
    failed_rows: int,
    details: str,
    failing: tuple[Mapping[str, Any], ...] = (),
) -> CheckResult:
    return CheckResult(
        name=check.name,
        asset_key=question.asset_key,
        severity=check.severity,
        is_blocking=check.is_blocking,
        passed=passed,
        evaluated=evaluated,
        failed_rows=failed_rows,
        details=details,
        failing=failing,
    )
