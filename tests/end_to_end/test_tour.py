"""The tour and the page on keeping it running: every line that they print is a command that exists, and the quick ones
are run in their order."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import click
import pytest
from dagster._cli import create_dagster_cli

from warehouse.connection import Warehouse
from warehouse.release import current_release

PROJECT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
# What takes minutes, asks the exchanges, or does not come back by itself, and who runs it instead.
RUN_ELSEWHERE = {
    "make run": ("tests/end_to_end/test_queries_on_the_simulated_market.py", '"simulated"'),
    "rotation doctor --live": ("tests/faults/test_exchange_probes.py", "rotation doctor --live"),
    "rotation run": ("tests/unit/cli/test_cli_run.py", 'rotation("run"'),
    "make ui": ("tests/browser/test_dagster_ui.py", '"ui"'),
}


def _lines(page: str) -> list[str]:
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    lines = [shlex.join(shlex.split(line, comments=True)) for block in blocks for line in block.splitlines()]
    return [line.replace(".venv/bin/", "", 1) for line in lines if line]


TOUR = _lines("tour.md")
QUICK = [line for line in TOUR if line not in RUN_ELSEWHERE and not line.startswith("export ")]


@pytest.fixture(scope="module")
def visitor(small_release, small_market, dagster_home, tmp_path_factory):
    """Runs a line of the tour as the shell would, over a copy of a real release; gives what it printed."""
    place = tmp_path_factory.mktemp("tour")
    warehouse = shutil.copytree(small_release, place / "warehouse", symlinks=True)
    surroundings = {
        "WAREHOUSE_DIR": str(warehouse), "DAGSTER_HOME": str(dagster_home), "ROTATION_SOURCE": "recorded",
        "ROTATION_DATA": str(small_market), "ROTATION_PORTFOLIO": str(place / "portfolio.yml"),
    }  # fmt: skip

    def run(line: str, **more: str) -> subprocess.CompletedProcess[str]:
        program, *words = shlex.split(line)
        environment = os.environ | surroundings | more
        if "portfolio init" not in line and not (place / "portfolio.yml").exists():
            del environment["ROTATION_PORTFOLIO"]
        return subprocess.run(
            [str(PROGRAMS / program), *words], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def test_the_quick_lines_of_the_tour_work_in_their_order(visitor):
    said = {}
    for line in QUICK:
        done = visitor(line)
        assert done.returncode == 0, f"{line}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
        said[line] = done.stdout + done.stderr
    assert "L1" in said["rotation show signals"]
    assert said["dagster schedule list -w workspace.yaml"].count("[RUNNING]") == 2
    assert ".html" in said["rotation report"]
    assert "usable" in said["rotation doctor"]


def test_every_line_of_the_tour_is_run_here_or_by_a_test_that_is_named():
    assert set(RUN_ELSEWHERE) <= set(TOUR)
    assert len(QUICK) >= 11
    for line, (test, words) in RUN_ELSEWHERE.items():
        assert words in (PROJECT / test).read_text(encoding="utf-8"), line


def test_the_variables_that_the_tour_exports_are_known():
    (line,) = [line for line in TOUR if line.startswith("export ")]
    names = {word.partition("=")[0] for word in shlex.split(line)[1:]}
    described = (PROJECT / "docs" / "configure.md").read_text(encoding="utf-8")
    assert names == {name for name in names if f"`{name}`" in described} and len(names) == 3


@pytest.mark.parametrize(
    "line",
    sorted({line for page in ("tour.md", "upgrading.md") for line in _lines(page) if line.startswith("dagster ")}),
)
def test_every_line_for_dagster_can_be_parsed(line):
    command, words = create_dagster_cli(), shlex.split(line)[1:]
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(click.Context(command), words)
        assert command is not None, name
    command.make_context(command.name, words)


def test_a_copy_of_the_folder_is_a_whole_warehouse_that_goes_on(
    small_release, small_market, dagster_home, market_days, tmp_path, visitor
):
    (line,) = [line for line in _lines("upgrading.md") if line.startswith("flock ")]
    original = shutil.copytree(small_release, tmp_path / "warehouse" / "data", symlinks=True)
    shutil.copytree(dagster_home, original / "dagster")
    home = {"DAGSTER_HOME": str(original / "dagster")}
    assert visitor("dagster schedule start --start-all -w workspace.yaml", **home).returncode == 0
    if shutil.which("flock") is None:
        pytest.skip("no flock here; it is part of util-linux")
    subprocess.run(shlex.split(line), cwd=tmp_path, check=True)
    shutil.rmtree(original)
    backup = tmp_path / "backup"
    assert (backup / "warehouse.duckdb").is_symlink()
    here = {"WAREHOUSE_DIR": str(backup), "DAGSTER_HOME": ""}  # nothing is named but the folder
    shown = visitor("rotation show allocations --format csv", **here)
    asked = visitor("rotation show allocations --format csv", WAREHOUSE_DIR=str(small_release))
    assert (shown.returncode, shown.stdout) == (0, asked.stdout)
    doctor = visitor("rotation doctor --format json", **here)
    assert doctor.returncode == 0
    assert json.loads(doctor.stdout)["paths"]["dagster_home"] == str(backup / "dagster")
    day = market_days[1] - timedelta(days=1)
    night = visitor(f"rotation run --date {day}", **here, ROTATION_PUBLISH__REPORT="false")
    assert night.returncode == 0, night.stderr
    switches = visitor("dagster schedule list -w workspace.yaml", DAGSTER_HOME=str(backup / "dagster"))
    assert switches.stdout.count("[RUNNING]") == 2
    assert current_release(Warehouse(backup)).as_of_date == day
