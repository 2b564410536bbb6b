"""What holds for the code as a whole: what an import costs, who may import whom, and that Dagster finds it all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
HEAVY = ("ccxt", "great_expectations", "pandas", "dbt.cli")


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_importing_the_definitions_imports_none_of_the_heavy_packages():
    program = f"import sys, pipelines.definitions; print([name for name in {HEAVY} if name in sys.modules])"
    answer = _run(sys.executable, "-W", "ignore", "-c", program)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_the_layers_keep_their_import_rules():
    answer = _run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("pattern", ["os.environ", "os.getenv"])
def test_the_environment_is_read_in_the_settings_only(pattern):
    assert _modules_with(pattern) <= {"pipelines/settings.py"}


@pytest.mark.parametrize("pattern", ["datetime.now(", "time.time(", "date.today(", "utcnow("])
def test_the_wall_clock_is_read_in_the_clock_only(pattern):
    assert _modules_with(pattern) <= {"pipelines/clock.py"}


def test_dagster_is_imported_by_the_shells_only():
    shells = {
        "assets", "checks", "cli", "decide", "definitions", "failures", "freshness", "jobs", "metadata", "nightly",
        "partitions", "report_asset", "resources", "run_queue", "run_storage", "schedules", "sensors", "upkeep",
    }  # fmt: skip
    importing = _modules_with("import dagster") | _modules_with("from dagster")
    assert {module for module in importing if Path(module).stem not in shells} == set()


def test_dagster_loads_the_workspace(dagster_home):
    dagster = str(Path(sys.executable).with_name("dagster"))
    answer = _run(dagster, "definitions", "validate", "-w", "workspace.yaml", DAGSTER_HOME=str(dagster_home))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def _modules_with(text: str) -> set[str]:
    modules = [
        path for package in ("pipelines", "warehouse", "expectations") for path in (PROJECT / package).rglob("*.py")
    ]
    return {str(path.relative_to(PROJECT)) for path in modules if text in path.read_text(encoding="utf-8")}
