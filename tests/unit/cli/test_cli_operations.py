"""`rotation rollback`, `policy`, `exchange serve` and `ui`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import yaml


def test_rollback_gives_readers_the_release_before_and_one_that_is_named(rotation, publish_release, tmp_path):
    first, second = publish_release(tmp_path), publish_release(tmp_path)

    def current():
        query = "select release_id from quality.release_info"
        return json.loads(rotation("sql", query, "--format", "json", "--warehouse", tmp_path).out)[0]["release_id"]

    assert current() == second
    answer = rotation("rollback", "--warehouse", tmp_path)
    assert answer.code == 0 and f"readers now get release {first} (was {second})" in answer.out
    assert current() == first
    rotation("rollback", second, "--warehouse", tmp_path)
    assert current() == second


def test_rollback_list_changes_nothing_and_marks_the_current_release(rotation, publish_release, tmp_path):
    first, second = publish_release(tmp_path), publish_release(tmp_path)
    answer = rotation("rollback", "--list", "--warehouse", tmp_path)
    lines = {line.split()[0]: line for line in answer.out.splitlines() if line.strip()}
    assert "this one" in lines[second] and "this one" not in lines[first]


def test_rollback_to_nothing_ends_with_2(rotation, released, tmp_path):
    assert rotation("rollback", "000009-20261120", "--warehouse", released).code == 2
    answer = rotation("rollback", "--warehouse", tmp_path)
    assert answer.code == 2 and "Traceback" not in answer.err
    assert "nothing has been published" in rotation("rollback", "--list", "--warehouse", tmp_path).out


def test_policy_show_prints_a_policy_file_with_the_same_hash(rotation, tmp_path):
    mine = tmp_path / "mine.yml"
    mine.write_text("limits: {turnover_cap: '1/10'}\n")
    shown = rotation("policy", "show", mine)
    policy_hash = re.search(r"policy_hash: (\w{64})", shown.out)[1]
    assert yaml.safe_load(shown.out)["limits"]["turnover_cap"] == "1/10"
    again = tmp_path / "again.yml"
    again.write_text(shown.out)
    assert policy_hash in rotation("policy", "check", again).out
    assert policy_hash not in rotation("policy", "show").out


def test_policy_check_of_a_wrong_file_ends_with_2_and_names_the_key(rotation, tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("over: {f: high}\n")
    answer = rotation("policy", "check", wrong)
    assert (answer.code, answer.out) == (2, "")
    assert "over.f" in answer.err


def test_exchange_serve_prints_its_address_and_four_lines_that_reach_it():
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli.commands import main; main()",
        "exchange",
        "serve",
        "--seed",
        "1",
    ]
    with subprocess.Popen(
        [*command, "--now", "2026-11-21T00:15:00+00:00"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            head = server.stdout.readline()
            assert server.stdout.readline() == "\n"
            snippet = [server.stdout.readline() for _ in range(4)]
            url = re.search(r"http://127\.0\.0\.1:\d+", head)[0]
            assert "simulated" in head and "2026-11-21T00:15:00" in head
            # the third line rewrites ccxt's addresses; here it does so without ccxt
            exchange = type("Exchange", (), {"urls": {"api": {"public": "https://api.binance.com/api/v3"}}})
            exec(snippet[2], {"exchange": exchange})
            address = exchange.urls["api"]["public"]
            assert address == f"{url}/api.binance.com/api/v3"
            with urlopen(f"{address}/time", timeout=20) as reply:
                assert json.load(reply)["serverTime"] > 0
        finally:
            server.terminate()
        assert server.wait(30) == 0
    assert [line.split()[0] for line in snippet] == [
        "import",
        "exchange",
        'exchange.urls["api"]',
        snippet[3].split()[0],
    ]


def test_exchange_serve_of_a_recording_without_its_folder_ends_with_2(rotation):
    answer = rotation("exchange", "serve", "--source", "recorded")
    assert answer.code == 2 and "--data" in answer.err


def test_ui_on_a_taken_port_ends_with_2_and_names_another(rotation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = rotation("ui", "--port", port)
    assert answer.code == 2 and f"--port {port + 1}" in answer.err


def test_ui_starts_dagster_on_loopback_and_leaves_nothing_behind_when_it_is_ended(rotation, monkeypatch, tmp_path):
    started, ready = {}, tmp_path / "ready"
    # it starts a process of its own and ends on SIGINT without ending that one
    script = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(ready)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)"
    )
    popen = subprocess.Popen

    def start(command, **options):
        started.update(command=command, options=options)
        process = popen([sys.executable, "-c", script], **options)
        threading.Thread(target=end_me, daemon=True).start()
        return process

    def end_me():
        while not (ready.exists() and ready.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("pipelines.cli.ui.subprocess.Popen", start)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    answer = rotation("ui", "--port", port)
    assert answer.code == 0
    assert started["command"][-6:] == ["-w", "workspace.yaml", "--host", "127.0.0.1", "--port", str(port)]
    assert f"http://127.0.0.1:{port}" in answer.err
    assert not is_alive(int(ready.read_text()))


def is_alive(pid: int) -> bool:
    for _ in range(100):  # the kill has been sent; its effect may take a moment
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.05)
    return True


def test_ui_on_an_outside_address_warns_that_it_has_no_login(rotation, monkeypatch):
    def start(*_, **__):
        raise OSError("not started in this test")

    monkeypatch.setattr("pipelines.cli.ui.subprocess.Popen", start)
    assert "no login" in rotation("ui", "--host", "0.0.0.0", "--port", free_port()).err
    assert "no login" not in rotation("ui", "--host", "localhost", "--port", free_port()).err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
