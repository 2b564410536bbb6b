"""Decides single days again from what was available at their decision instant, and compares with the whole range.

`python decide_again.py REFERENCE SCRATCH TARGET DAY...`: the warehouse whose range was decided with all data at hand, a
folder for copies, a folder for dbt, and days. For every day one line of JSON: what differs, and the input hash.
"""

import json
import shutil
import sys
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from pipelines.clock import decision_instant
from pipelines.policy import load_policy
from pipelines.settings import DBT_DIRECTORY, give_dbt, prepare_process_environment
from pipelines.transform.project import build_arguments
from warehouse.connection import Connection, Warehouse
from warehouse.contracts import FACTS, INPUT_DIGESTS, PORTFOLIO, PORTFOLIO_BASIS

STEPS = [["portfolio", name] for name in ("sector_signals", "target_allocations", "hedges")]
DECIDED = [table for table in PORTFOLIO if table.name != "allocation_snapshots"]
# When something was decided and by which code, not what.
NOT_THE_DECISION = {"decided_at", "code_version"}


def main(reference: Path, scratch: Path, target: Path, days: list[date]) -> None:
    prepare_process_environment(scratch)
    manifest = None
    for day in days:
        directory = scratch / day.isoformat()
        directory.mkdir(parents=True)
        warehouse = Warehouse(directory)
        shutil.copy(reference / "build.duckdb", warehouse.build_path)
        with redirect_stdout(sys.stderr):
            with warehouse.open_build() as connection:
                forget(connection, day)
            give_dbt(warehouse.build_path)
            manifest = manifest or _dbt("parse", day, target).result
            _dbt("build", day, target, manifest)
            _decide(warehouse, day)
        with warehouse.open_build() as connection:
            answer = compare(connection, reference / "build.duckdb", day)
        print(json.dumps({"day": day.isoformat()} | answer), flush=True)
        shutil.rmtree(directory)


def forget(connection: Connection, day: date) -> None:
    """Leave only what could be known when `day` was decided: its raw facts and the decisions before it.

    The list of instruments stays: it says what a contract is, and a recording has only the one of its end.
    """
    for fact in FACTS:
        if fact.event_column is not None:
            connection.execute(
                f"delete from {fact.qualified_name} where available_at > $instant", {"instant": decision_instant(day)}
            )
    for table in PORTFOLIO:
        connection.execute(f"delete from {table.qualified_name} where as_of_date >= $day", {"day": day})
    connection.execute(f"delete from {INPUT_DIGESTS.qualified_name}")
    # The copy has no releases; without this the decisions before the day would be forgotten as unreleased ones.
    connection.execute(f"update {PORTFOLIO_BASIS.qualified_name} set release_id = null, run_id = null")
    for schema in ("staging", "intermediate", "marts", "seeds"):
        connection.execute(f"drop schema {schema} cascade")


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


def _decide(warehouse: Warehouse, day: date) -> None:
    """The nightly job's own steps over the marts, for one day."""
    import dagster as dg

    from pipelines.definitions import defs
    from pipelines.jobs import NIGHTLY

    with dg.DagsterInstance.ephemeral() as instance:
        defs.resolve_job_def(NIGHTLY).execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(step) for step in STEPS],
            partition_key=day.isoformat(),
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {
                    "settings": {"config": {"source": "recorded", "data": "."}},
                    "warehouse": {"config": {"directory": str(warehouse.directory)}},
                },
            },
        )


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
