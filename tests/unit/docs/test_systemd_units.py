"""The systemd units: systemd itself accepts them, their commands parse, and they set what `rotation` sets by itself."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipelines.settings import prepare_process_environment

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / "docs" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSURE = 35  # tenths: systemd's scale ends at 10.0, and up to 5.0 it says OK
every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here; apt-get install systemd")


def _service(unit: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(unit, encoding="utf-8")
    return parser["Service"]


def _variables() -> dict[str, str]:
    lines = (FOLDER / "rotation.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@needs_systemd
@every_unit
def test_systemd_accepts_the_unit(unit, tmp_path):
    # the same unit with this machine's programs, for systemd looks whether a command is there
    text = unit.read_text(encoding="utf-8").replace("/opt/rotation/.venv/bin", str(Path(sys.executable).parent))
    (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = subprocess.run([ANALYZE, "verify", "--man=no", str(tmp_path / unit.name)], capture_output=True, text=True)
    # words about units of this machine are not about ours
    words = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert (done.returncode, words) == (0, [])


@needs_systemd
@every_unit
def test_systemd_calls_the_unit_well_shut(unit):
    done = subprocess.run(
        [ANALYZE, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("unit", "module", "name"),
    [
        ("rotation-daemon", "dagster._daemon.cli", "run_command"),
        ("rotation-webserver", "dagster_webserver.cli", "dagster_webserver"),
    ],
)
def test_the_unit_starts_a_command_of_dagster_with_options_that_it_has(unit, module, name):
    command = getattr(__import__(module, fromlist=[name]), name)
    program, *words = shlex.split(_service(FOLDER / f"{unit}.service")["ExecStart"])
    assert Path(program).name == ("dagster-daemon" if unit == "rotation-daemon" else "dagster-webserver")
    assert (Path(sys.executable).parent / Path(program).name).exists()
    if words[0] == "run":
        words = words[1:]
    context = command.make_context(command.name, words, resilient_parsing=False)
    assert isinstance(context, click.Context) and (PROJECT / "workspace.yaml").exists()


def test_the_interface_listens_on_loopback_only():
    service = _service(FOLDER / "rotation-webserver.service")
    assert "-h 127.0.0.1 " in service["ExecStart"]
    assert (service["IPAddressDeny"], service["IPAddressAllow"]) == ("any", "localhost")


def test_both_units_are_shut_in_the_same_way():
    daemon, webserver = (dict(_service(FOLDER / f"rotation-{name}.service")) for name in ("daemon", "webserver"))
    own = {"ExecStart", "TimeoutStopSec", "IPAddressDeny", "IPAddressAllow"}
    assert {key: value for key, value in daemon.items() if key not in own} == {
        key: value for key, value in webserver.items() if key not in own
    }
    assert daemon["ProtectSystem"] == "strict" and daemon["NoNewPrivileges"] == "true"


def test_the_units_set_what_rotation_sets_by_itself(monkeypatch, tmp_path):
    given = _variables()
    for name in given:
        monkeypatch.delenv(name, raising=False)
    before = set(os.environ)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    prepare_process_environment()
    set_by_rotation = {name: value for name, value in os.environ.items() if name not in before}
    for name in set_by_rotation:
        monkeypatch.delenv(name)
    assert {**given, "DAGSTER_HOME": str(tmp_path)} == {
        **set_by_rotation, "ROTATION_SOURCE": "live", "WAREHOUSE_DIR": "/var/lib/rotation/warehouse",
    }  # fmt: skip


def test_what_the_units_write_to_is_what_they_may_write_to():
    service = _service(UNITS[0])
    writable = [Path(place) for place in service["ReadWritePaths"].split()]
    assert Path(_variables()["DAGSTER_HOME"]) in writable
    assert Path(_variables()["WAREHOUSE_DIR"]).is_relative_to(Path("/var/lib") / service["StateDirectory"])


def test_every_path_that_the_units_need_is_made_by_the_page_that_installs_them():
    page = (PROJECT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    section = page[page.index("## Run it by systemd") : page.index("## Upgrade")]
    for place in _service(UNITS[0])["ReadWritePaths"].split():
        assert place in section, place
    for file in (*UNITS, FOLDER / "rotation.env"):
        assert re.search(rf"docs/systemd/(\*|{re.escape(file.name)})", section), file.name
