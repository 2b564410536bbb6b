"""The systemd units: systemd itself accepts them, their commands parse, and they write where they may."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipelines.cli.commands import main
from pipelines.settings import dagster_home

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
def test_the_unit_becomes_a_program_of_dagster_with_options_that_it_has(unit, module, name, monkeypatch, tmp_path):
    for variable, value in _variables().items():
        monkeypatch.setenv(variable, value.replace("/var/lib/rotation", str(tmp_path)))
    became = []
    monkeypatch.setattr("os.execv", lambda program, words: became.extend([program, words]) or sys.exit(0))
    monkeypatch.setattr("pipelines.cli.ui._require_free", lambda host, port: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(_service(FOLDER / f"{unit}.service")["ExecStart"])[1:])
    program, (_, *words) = became
    assert ended.value.code == 0 and Path(program).exists() and Path.cwd() == PROJECT
    command = getattr(__import__(module, fromlist=[name]), name)
    context = command.make_context(command.name, words[1:] if words[0] == "run" else words, resilient_parsing=False)
    assert isinstance(context, click.Context) and Path("workspace.yaml").exists()
    assert (tmp_path / "warehouse" / "dagster" / "dagster.yaml").exists()


def test_the_interface_listens_on_loopback_only():
    service = _service(FOLDER / "rotation-webserver.service")
    assert "--host 127.0.0.1 " in service["ExecStart"]
    assert (service["IPAddressDeny"], service["IPAddressAllow"]) == ("any", "localhost")


def test_both_units_are_shut_in_the_same_way():
    daemon, webserver = (dict(_service(FOLDER / f"rotation-{name}.service")) for name in ("daemon", "webserver"))
    own = {"ExecStart", "TimeoutStopSec", "IPAddressDeny", "IPAddressAllow"}
    assert {key: value for key, value in daemon.items() if key not in own} == {
        key: value for key, value in webserver.items() if key not in own
    }
    assert daemon["ProtectSystem"] == "strict" and daemon["NoNewPrivileges"] == "true"


def test_the_units_write_only_where_they_may():
    service, given = _service(UNITS[0]), {name: Path(value) for name, value in _variables().items()}
    state = Path("/var/lib") / service["StateDirectory"]
    assert given["WAREHOUSE_DIR"].is_relative_to(state) and given["DAGSTER_HOME"].is_relative_to(state)
    assert all(Path(place).is_relative_to("/opt/rotation") for place in service["ReadWritePaths"].split())


def test_dagsters_own_programs_find_the_home_that_rotation_takes_by_itself(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    given = _variables()
    assert dagster_home(Path(given["WAREHOUSE_DIR"])) == Path(given["DAGSTER_HOME"])


def test_every_path_that_the_units_need_is_made_by_the_page_that_installs_them():
    page = (PROJECT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    section = page[page.index("## Run it by systemd") : page.index("## Upgrade")]
    for place in _service(UNITS[0])["ReadWritePaths"].split():
        assert place in section, place
    for file in (*UNITS, FOLDER / "rotation.env"):
        assert re.search(rf"docs/systemd/(\*|{re.escape(file.name)})", section), file.name
