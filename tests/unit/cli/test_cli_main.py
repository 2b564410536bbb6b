"""The program as a whole: help, version, errors, and what it costs to start."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipelines.cli.commands import app

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "commands.md"


def commands(group=None, prefix=()):
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name)


def test_help_starts_without_the_heavy_packages():
    script = (
        "import sys\nfrom pipelines.cli.commands import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "heavy = {'dagster', 'polars', 'duckdb', 'ccxt', 'dbt', 'great_expectations', 'pandas', 'pydantic'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stderr


def test_every_command_teaches_by_example_and_stands_in_the_documentation(rotation):
    names = list(commands())
    assert {("exchange", "serve"), ("archive", "import")} <= set(names) and len(names) == 25
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in names:
        answer = rotation(*name, "--help")
        assert "Examples:" in answer.out and f"rotation {' '.join(name)}" in answer.out, name
        assert f"## `rotation {' '.join(name)}" in text, name


def test_help_and_documentation_name_the_exit_codes(rotation):
    for text in (rotation("--help").out, DOCUMENT.read_text(encoding="utf-8")):
        for words in ("a gate said no", "bad usage or configuration", "could not be reached"):
            assert words in text


def test_version_is_the_packages(rotation):
    from importlib.metadata import version

    answer = rotation("--version")
    assert answer.code == 0 and answer.out.startswith(f"rotation {version('rotation')}")


def test_an_unknown_command_ends_with_2(rotation):
    answer = rotation("runn")
    assert answer.code == 2 and "runn" in answer.err


@pytest.fixture
def broken(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("never foreseen")

    monkeypatch.setattr("pipelines.cli.doctor.examine", fail)


def test_an_unexpected_error_is_one_message_and_its_traceback_is_in_the_log(rotation, broken, tmp_path):
    answer = rotation("doctor")
    log = tmp_path / "logs" / "rotation.log"
    assert answer.code == 1
    assert "ZeroDivisionError: never foreseen" in answer.err and str(log) in answer.err
    assert "Traceback" not in answer.err
    assert "Traceback" in log.read_text()


def test_debug_shows_the_traceback(rotation, broken, tmp_path):
    answer = rotation("--debug", "doctor")
    assert answer.code == 1
    assert "Traceback" in answer.err and "ZeroDivisionError: never foreseen" in answer.err


def test_a_log_that_cannot_be_written_does_not_hide_the_error(rotation, broken, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("pipelines.cli.commands.ERROR_LOG", tmp_path / "file" / "rotation.log")
    answer = rotation("doctor")
    assert answer.code == 1 and "never foreseen" in answer.err
