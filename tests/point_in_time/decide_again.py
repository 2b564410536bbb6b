"""Decides single days again from what was available at their decision instant, and compares with the whole range.

`python decide_again.py REFERENCE SCRATCH TARGET DAY...`: the warehouse whose range was decided with all data at hand, a
folder for copies, a folder for dbt, and days. For every day one line of JSON: what differs, and the input hash.
"""

import json
import shutil
import sys
from contextlib import redirect_stdout
from datetime import date, datetime
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from pipelines.audit_trail.decide import decide_again
from pipelines.clock import decision_instant
from pipelines.policy import load_policy
from pipelines.settings import DBT_DIRECTORY, give_dbt, prepare_process_environment
from pipelines.transform.project import build_arguments
from warehouse.connection import Connection, Warehouse
from warehouse.contracts import PORTFOLIO
from warehouse.past import fill_raw, restore_decisions

DECIDED = [table for table in PORTFOLIO if "as_of_date" in table.columns and table.name != "allocation_snapshots"]
# When something was decided and by which code, not what.
NOT_THE_DECISION = {"decided_at", "code_version"}


def main(reference: Path, scratch: Path, target: Path, days: list[date]) -> None:
    prepare_process_environment(scratch)
    manifest = None
    for day in days:
        directory = scratch / day.isoformat()
        directory.mkdir(parents=True)
        warehouse, build = Warehouse(directory), reference / "build.duckdb"
        with redirect_stdout(sys.stderr):
            fill_raw(warehouse, build, datetime.max, decision_instant(day))
            restore_decisions(warehouse, build, before=day)
            give_dbt(warehouse.build_path)
            manifest = manifest or _dbt("parse", day, target).result
            _dbt("build", day, target, manifest)
            decide_again(warehouse, day, day, load_policy(), {"source": "recorded"}, with_marts=False)
        with warehouse.open_build() as connection:
            answer = compare(connection, build, day)
        print(json.dumps({"day": day.isoformat()} | answer), flush=True)
        shutil.rmtree(directory)


def _dbt(command: str, day: date, target: Path, manifest: Any = None) -> Any:
    """dbt as a night calls it, but in this process, without its tests, and read from disk only once."""
    _, *arguments = build_arguments(load_policy(), day)
    if command == "build":
        arguments += ["--exclude-resource-type", "test", "--full-refresh"]
    else:
        arguments = arguments[arguments.index("--vars") :]
    places = {"project-dir": DBT_DIRECTORY, "profiles-dir": DBT_DIRECTORY, "target-path": target, "log-path": target}
    options = [text for name, path in places.items() for text in (f"--{name}", str(path))]
    outcome = dbtRunner(manifest=manifest).invoke([command, *options, "--quiet", "--no-write-json", *arguments])
    if not outcome.success:
        raise RuntimeError(f"dbt {command} for {day} failed: {outcome.exception or outcome.result}")
    return outcome


def compare(connection: Connection, reference: Path, day: date) -> dict[str, Any]:
    """Rows that only one of the two files has: the marts up to the day, and what was decided about the day."""
    connection.execute(f"attach '{reference}' as whole (read_only)")
    here = connection.execute("select current_database()").fetchone()[0]
    marts = connection.execute(
        "select table_name from information_schema.columns where table_schema = 'marts' and column_name = 'date' "
        "and table_catalog = $here order by 1",
        {"here": here},
    ).fetchall()
    parts = {f"marts.{name}": "date <= $day" for (name,) in marts}
    parts |= {table.qualified_name: "as_of_date = $day" for table in DECIDED}
    differing = {}
    for table, condition in parts.items():
        one, other = (
            f"select {_columns(connection, table)} from {file}.{table} where {condition}" for file in (here, "whole")
        )
        rows = connection.execute(
            f"from (({one} except all {other}) union all ({other} except all {one})) limit 3", {"day": day}
        ).fetchall()
        if rows:
            differing[table] = [str(row)[:400] for row in rows]
    counts = {
        table: connection.execute(f"select count(*) from {here}.{table} where {condition}", {"day": day}).fetchone()[0]
        for table, condition in parts.items()
    }
    (input_hash,) = connection.execute(
        f"select input_hash from {here}.portfolio.decisions where as_of_date = $day", {"day": day}
    ).fetchone()
    return {"differing": differing, "rows": counts, "input_hash": input_hash}


def _columns(connection: Connection, table: str) -> str:
    schema, name = table.split(".")
    names = connection.execute(
        "select distinct column_name from information_schema.columns where table_schema = $1 and table_name = $2",
        [schema, name],
    ).fetchall()
    return ", ".join(sorted({column for (column,) in names} - NOT_THE_DECISION))


if __name__ == "__main__":
    places = [Path(argument).resolve() for argument in sys.argv[1:4]]
    main(*places, [date.fromisoformat(argument) for argument in sys.argv[4:]])
