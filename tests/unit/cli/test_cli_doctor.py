"""`rotation doctor`: says what is wrong, whatever is wrong, and ends."""

import json
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from warehouse.connection import Warehouse


@pytest.fixture
def examined(rotation):
    """The doctor's JSON with its exit code."""

    def call(*options):
        answer = rotation("doctor", "--format", "json", *options)
        assert "Traceback" not in answer.err
        return answer.code, json.loads(answer.out)

    return call


@pytest.fixture
def exchange_clocks(monkeypatch):
    """Live exchanges without a network: by name, milliseconds to answer with or an error to raise."""
    clocks: dict[str, int | Exception] = {}

    class Client:
        def __init__(self, name):
            self.name = name

        async def fetch_time(self):
            if isinstance(clocks[self.name], Exception):
                raise clocks[self.name]
            return clocks[self.name]

    @asynccontextmanager
    async def open_client(exchange, **_):
        yield Client(exchange)

    monkeypatch.setattr("pipelines.exchanges.client.open_client", open_client)
    return clocks


def test_a_fresh_checkout_is_usable_and_says_what_is_not_there_yet(examined):
    code, found = examined()
    assert (code, found["usable"], found["problems"]) == (0, True, [])
    assert found["release"] == {"release_id": None}
    assert any("does not exist yet" in warning for warning in found["warnings"])
    assert any("nothing has been published" in warning for warning in found["warnings"])
    assert found["settings"]["source"] == "simulated"
    assert "local exchange starts with a run" in found["exchanges"]["binance"]


def test_versions_policy_release_and_lock_are_named(examined, released):
    code, found = examined("--warehouse", released)
    assert code == 0
    assert {"python", "rotation", "dagster", "dbt-core", "duckdb", "polars", "ccxt", "great-expectations"} <= set(
        found["versions"]
    )
    assert len(found["policy"]["policy_hash"]) == 64
    release = found["release"]
    assert (release["release_id"], release["source"], release["as_of_date"]) == (
        "000001-20261120", "simulated", "2026-11-20",
    )  # fmt: skip
    assert release["rows"]["portfolio.target_allocations"] == 4
    assert isinstance(release["age_hours"], float)
    assert found["writer"]["write_lock"] == "nobody is writing"


def test_the_table_for_people_has_the_same_and_fits(rotation, released):
    answer = rotation("doctor", "--warehouse", released)
    assert answer.code == 0
    assert "000001-20261120" in answer.out and answer.out.rstrip().endswith("usable")


def test_who_writes_is_named(examined, released):
    with Warehouse(released).write_lock("test run"):
        _, found = examined("--warehouse", released)
    assert found["writer"]["write_lock"]["command"] == "test run"


def test_a_wrong_setting_ends_with_2_and_is_named(examined, monkeypatch):
    monkeypatch.setenv("ROTATION_SEDE", "7")
    code, found = examined()
    assert code == 2
    assert "ROTATION_SEDE" in found["problems"][0]


def test_a_wrong_policy_ends_with_2_and_the_rest_is_looked_at(examined, monkeypatch, tmp_path, released):
    policy = tmp_path / "mine.yml"
    policy.write_text("limits: {turnover_cup: '1/4'}\n")
    monkeypatch.setenv("ROTATION_POLICY", str(policy))
    code, found = examined("--warehouse", released)
    assert code == 2
    assert "turnover_cup" in found["problems"][0]
    assert found["release"]["release_id"] == "000001-20261120"


def test_a_broken_release_file_ends_with_2_without_a_traceback(examined, tmp_path):
    (tmp_path / "warehouse.duckdb").write_bytes(b"this is no database" * 500)
    code, found = examined("--warehouse", tmp_path)
    assert code == 2
    assert any("release" in problem for problem in found["problems"])


def test_a_warehouse_that_is_a_file_ends_with_2(examined, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    code, found = examined("--warehouse", file / "below")
    assert code == 2
    assert "is a file" in found["problems"][0]


def test_a_missing_folder_of_recorded_data_ends_with_2(examined, monkeypatch, tmp_path):
    monkeypatch.setenv("ROTATION_SOURCE", "recorded")
    monkeypatch.setenv("ROTATION_DATA", str(tmp_path / "nowhere"))
    code, found = examined()
    assert code == 2
    assert "is no folder" in found["problems"][0]


def test_a_live_exchange_that_answers_gives_its_clock(examined, monkeypatch, exchange_clocks):
    monkeypatch.setenv("ROTATION_SOURCE", "live")
    exchange_clocks.update(binance=1_795_219_200_000, bybit=OSError("no route"))  # 2026-11-21 00:00:00 UTC
    code, found = examined()
    assert code == 0  # one is enough to go on with
    assert "2026-11-21 00:00:00 UTC" in found["exchanges"]["binance"]
    assert found["exchanges"]["bybit"] == "no answer"
    assert any("bybit" in warning for warning in found["warnings"])


def test_no_live_exchange_answering_ends_with_4(examined, monkeypatch, exchange_clocks):
    monkeypatch.setenv("ROTATION_SOURCE", "live")
    exchange_clocks.update(binance=OSError("no route"), bybit=TimeoutError())
    code, found = examined()
    assert (code, found["usable"]) == (4, False)


def test_an_exchange_that_never_answers_does_not_hang_it(examined, monkeypatch):
    import asyncio

    @asynccontextmanager
    async def never(*_, **__):
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr("pipelines.exchanges.client.open_client", never)
    monkeypatch.setattr("pipelines.cli.doctor.EXCHANGE_TIMEOUT_S", 0.05)
    monkeypatch.setenv("ROTATION_SOURCE", "live")
    code, found = examined()
    assert code == 4
    assert any("no reply in time" in warning for warning in found["warnings"])


def test_it_reads_versions_without_loading_the_packages(tmp_path):
    script = (
        "import sys\nfrom pipelines.cli.doctor import examine\nexamine(None)\n"
        "print(sorted({'dagster', 'dbt', 'ccxt', 'great_expectations', 'pandas'} & set(sys.modules)))"
    )
    environment = {"WAREHOUSE_DIR": str(tmp_path), "DAGSTER_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
