"""The server as HTTP clients, tests and parents see it."""

import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import polars as pl
import pytest

from pipelines.local_exchange.process import LocalExchangeFailed, LocalExchangeProcess

PROJECT = Path(__file__).parents[3]
NOW = datetime(2024, 3, 2)
KLINES = "fapi.binance.com/fapi/v1/klines"
QUERY = "?symbol=BTCUSDT&interval=1h&limit=5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded")
    columns = {
        "exchange": "binance",
        "symbol": "BTC/USDT:USDT",
        "ts": [datetime(2024, 3, 1) + timedelta(hours=hour) for hour in range(24)],
        "timeframe": "1h",
        **dict.fromkeys(("open", "high", "low", "close", "volume_base", "volume_quote"), [1.0] * 24),
        "price_type": "last",
    }
    frame = pl.DataFrame(columns)
    pl.concat([frame, frame.head(2)]).write_parquet(path / "perp_ohlcv.parquet")
    return path


@pytest.fixture(scope="module")
def running(folder: Path):
    with LocalExchangeProcess("recorded", folder, now=NOW) as process:
        yield process


@pytest.fixture
def exchange(running: LocalExchangeProcess):
    running.set_faults([])
    yield running
    running.set_faults([])


def get(exchange: LocalExchangeProcess, place: str = KLINES + QUERY, timeout_s: float = 10) -> bytes:
    with urlopen(f"{exchange.url}/{place}", timeout=timeout_s) as response:
        return response.read()


def test_the_first_line_tells_where_what_and_when(exchange: LocalExchangeProcess) -> None:
    assert exchange.url.startswith("http://127.0.0.1:") and exchange.now == NOW
    assert json.loads(get(exchange, "api.binance.com/api/v3/time")) == {"serverTime": 1_709_337_600_000}


def test_requests_and_rows_are_counted_by_host_and_path(exchange: LocalExchangeProcess) -> None:
    before, rows_before = exchange.request_counts().get(KLINES, 0), exchange.row_counts().get(KLINES, 0)
    get(exchange)
    assert exchange.request_counts()[KLINES] == before + 1 and exchange.row_counts()[KLINES] == rows_before + 5


def test_faults_are_set_counted_and_cleared_while_running(exchange: LocalExchangeProcess) -> None:
    exchange.set_faults([{"kind": "rate_limited", "path": "/klines", "first": 1}])
    with pytest.raises(HTTPError) as refusal:
        get(exchange)
    assert refusal.value.code == 429 and refusal.value.headers["Retry-After"] == "1"
    assert len(json.loads(get(exchange))) == 5
    assert [(rule["met"], rule["spoilt"]) for rule in exchange.faults()] == [(2, 1)]


def test_a_rule_that_cannot_be_used_is_refused_and_the_earlier_rules_stay(
    exchange: LocalExchangeProcess,
) -> None:
    exchange.set_faults([{"kind": "empty_body"}])
    with pytest.raises(ValueError, match="request body: fault rule: kind"):
        exchange.set_faults([{"kind": "nothing"}])
    assert get(exchange) == b""


def test_a_hanging_request_gives_no_answer_and_the_others_are_served(exchange: LocalExchangeProcess) -> None:
    exchange.set_faults([{"kind": "hang", "nth": 1}])
    with pytest.raises(TimeoutError):
        get(exchange, timeout_s=0.5)
    assert len(json.loads(get(exchange))) == 5


def test_a_reset_closes_the_connection_without_an_answer(exchange: LocalExchangeProcess) -> None:
    exchange.set_faults([{"kind": "connection_reset", "nth": 1}])
    with pytest.raises((URLError, ConnectionError)):
        get(exchange)
    assert len(json.loads(get(exchange))) == 5


def test_row_faults_reach_the_client_inside_a_valid_reply(exchange: LocalExchangeProcess) -> None:
    exchange.set_faults([{"kind": "duplicate_rows", "path": "/klines"}])
    assert len(json.loads(get(exchange))) == 6


@pytest.mark.parametrize(("place", "status"), [("api.kraken.com/api/v3/klines", 404), (f"{KLINES}X", 404), ("", 404)])
def test_what_is_not_spoken_for_is_not_found(exchange: LocalExchangeProcess, place: str, status: int) -> None:
    with pytest.raises(HTTPError) as refusal:
        get(exchange, place)
    assert refusal.value.code == status


def test_a_server_that_cannot_start_is_reported_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LocalExchangeFailed, match=r"ended with code 2(.|\n)*holds no recorded data"):
        LocalExchangeProcess("recorded", tmp_path, now=NOW).__enter__()
    with pytest.raises(LocalExchangeFailed, match="belongs to `--source recorded`"):
        LocalExchangeProcess("simulated", tmp_path, now=NOW).__enter__()


def test_the_server_is_gone_after_the_block(folder: Path) -> None:
    with LocalExchangeProcess("recorded", folder, now=NOW) as process:
        url = process.url
    with pytest.raises(URLError):
        urlopen(url + "/_control/log", timeout=2)


def start(folder: Path) -> tuple[subprocess.Popen, str]:
    command = [sys.executable, "-m", "pipelines.local_exchange", "serve", "--source", "recorded"]
    command += ["--data", str(folder), "--now", "2024-03-02", "--exit-with-stdin"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=PROJECT, text=True, **pipes)
    return process, process.stdout.readline()


def test_the_server_ends_with_its_parent_and_says_which_rows_it_left_out(folder: Path) -> None:
    process, line = start(folder)
    assert set(json.loads(line)) == {"url", "port", "market", "now"}
    process.stdin.close()  # what the operating system does when the parent dies
    assert process.wait(timeout=10) == 0
    assert "perp_ohlcv.parquet: 2 rows repeat the key of an earlier row" in process.stderr.read()


def test_a_signal_ends_the_server_while_its_parent_lives(folder: Path) -> None:
    process, _ = start(folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    process.stdin.close()


def test_importing_the_process_imports_neither_the_server_nor_ccxt() -> None:
    code = "import sys, pipelines.local_exchange.process; print({'ccxt', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
