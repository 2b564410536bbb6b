"""`rotation archive import` as a person meets it: over HTTP from either market, from a folder, and its mistakes."""

import json
import re
from datetime import date, datetime, timedelta

import pytest

from pipelines.archive.names import ArchiveFile, Series, read_asked
from pipelines.local_exchange.process import LocalExchangeProcess
from warehouse.connection import Warehouse

WEEK = ("--from", "2025-02-03", "--to", "2025-02-09")
NOW = datetime(2025, 3, 10, 0, 15)


@pytest.fixture(scope="module")
def simulated():
    with LocalExchangeProcess("simulated", seed=7, now=NOW) as exchange:
        yield exchange


@pytest.fixture
def exchange(simulated):
    simulated.set_faults([])
    yield simulated
    simulated.set_faults([])


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("ROTATION_INGEST__RETRY_SECONDS", "0")


def ask(tmp_path, sql):
    with Warehouse(tmp_path / "warehouse").open_build() as connection:
        return connection.execute(sql).fetchall()


def test_a_week_of_a_coin_comes_in_whole_and_the_second_time_nothing_is_read(rotation, exchange, tmp_path):
    command = ("archive", "import", *WEEK, "--symbols", "BTC", "--base-url", exchange.url)
    answer = rotation(*command)
    assert (answer.code, answer.err.count("error")) == (0, 0)
    # klines of 3 instruments, mark and index and metrics of 2, each 7 days; funding of 2 is a month's file
    assert "65 files; 65 read, 0 stored already, 0 refused" in answer.out
    stored = "select count(*), count(distinct symbol), min(source), min(source_kind) from raw.open_interest"
    assert ask(tmp_path, stored) == [(2 * 7 * 288, 2, "simulated", "archive")]
    shas = ask(tmp_path, "select count(distinct payload_sha256) from raw.load_batches where status = 'ok'")
    assert shas == [(65,)]
    again = json.loads(rotation(*command, "--format", "json").out)
    assert (again["files_known"], again["files_read"], again["rows_written"]) == (65, 0, 0)


def test_a_recorded_market_is_served_and_imported_too(rotation, small_market, tmp_path):
    with LocalExchangeProcess("recorded", small_market, now=NOW) as exchange:
        base_url = f"{exchange.url}/data.binance.vision"
        answer = rotation("archive", "import", *WEEK, "--symbols", "ETHUSDT", "--base-url", base_url)
    assert (answer.code, answer.err.count("error")) == (0, 0)
    assert ask(tmp_path, "select source, count(*) from raw.open_interest group by source") == [("archive", 7 * 288)]
    assert ask(tmp_path, "select source, detail from quality.warehouse_origin") == [("recorded", "small")]


def test_the_same_files_from_a_folder_are_the_same_files(rotation, exchange, tmp_path):
    from urllib.request import urlopen

    series = Series(read_asked("BTC/USDT:USDT")[0], "metrics", "5m")
    for number in range(7):
        key = ArchiveFile(series, "daily", date(2025, 2, 3) + timedelta(days=number)).key
        for name in (key, f"{key}.CHECKSUM"):
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with urlopen(f"{exchange.url}/data.binance.vision/{name}") as reply:
                path.write_bytes(reply.read())
    command = ("archive", "import", *WEEK, "--symbols", "BTC/USDT:USDT", "--kinds", "metrics")
    answer = rotation(*command, "--dir", tmp_path / "mine")
    assert answer.code == 0 and "7 files; 7 read" in answer.out
    # a folder may be the real archive's: what is known to be simulated does not go beside it
    refused = rotation(*command, "--base-url", exchange.url)
    assert refused.code == 2 and "filled from live data, not from simulated data (seed 7)" in refused.err


def test_refused_files_are_named_the_rest_is_stored_and_the_next_import_makes_up_for_them(rotation, exchange, tmp_path):
    exchange.set_faults([{"kind": "truncated_json", "path": r"metrics-2025-02-05\.zip\?$"}])
    command = ("archive", "import", *WEEK, "--symbols", "BTC/USDT:USDT", "--kinds", "metrics", "--base-url")
    answer = rotation(*command, exchange.url)
    assert answer.code == 4
    assert "7 files; 6 read, 0 stored already, 1 refused" in answer.out
    assert "BTCUSDT-metrics-2025-02-05.zip: its SHA-256 is" in answer.out
    assert "the rest is stored" in answer.err and "Traceback" not in answer.err
    exchange.set_faults([])
    again = rotation(*command, exchange.url)
    assert again.code == 0 and "1 read, 6 stored already, 0 refused" in again.out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "server_error"}, "HTTP 500, however often it was asked"),
        ({"kind": "connection_reset"}, "no answer"),
        ({"kind": "geo_blocked"}, "does not serve this country"),
    ],
)
def test_an_archive_out_of_reach_ends_with_4_and_no_traceback(rotation, exchange, impatient, tmp_path, fault, said):
    exchange.set_faults([fault | {"host": "s3-ap-northeast-1"}])
    answer = rotation(
        "archive", "import", *WEEK, "--symbols", "BTC", "--base-url", f"{exchange.url}/data.binance.vision"
    )
    assert answer.code == 4 and said in answer.err and "Traceback" not in answer.err
    assert not (tmp_path / "warehouse" / "build.duckdb").exists()


def test_files_that_nobody_answers_for_end_the_import_early_with_4(rotation, exchange, impatient):
    exchange.set_faults([{"kind": "server_error", "host": "^data.binance.vision", "path": r"metrics-2025-02-0[6-9]"}])
    answer = rotation(
        "archive", "import", *WEEK, "--symbols", "BTC/USDT:USDT", "--kinds", "metrics", "--base-url", exchange.url
    )
    assert answer.code == 4 and "given up" in answer.err
    assert "3 read, 0 stored already, 3 refused, 1 not looked at" in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2025-02-09", "--to", "2025-02-03"), "lies after"),
        (("--from", "2025-02-03"), "--to"),
        ((*WEEK, "--kinds", "trades"), "choose from funding, metrics, klines, mark, index"),
        ((*WEEK, "--kinds", ","), "choose from"),
        ((*WEEK, "--symbols", "../../etc"), "names no instrument"),
        ((*WEEK, "--symbols", " , "), "names nothing"),
        ((*WEEK, "--base-url", "x", "--dir", "y"), "give one"),
        ((*WEEK, "--base-url", "data.binance.vision"), "is no address"),
        ((*WEEK, "--dir", "nowhere"), "no such folder"),
        (("--from", "2025-02-03", "--to", "2999-01-01", "--dir", "."), "appear on the day after"),
        (("--from", "yesterday", "--to", "2025-02-03"), "is no day"),
    ],
)
def test_a_mistake_ends_with_2_and_says_what_to_write(rotation, arguments, said):
    answer = rotation("archive", "import", *arguments)
    words = " ".join(re.sub(r"[│\n]", " ", answer.err).split())
    assert answer.code == 2 and said in words and "Traceback" not in answer.err


def test_days_without_files_are_named(rotation, exchange):
    answer = rotation("archive", "import", "--from", "2025-03-08", "--to", "2025-03-11", "--symbols", "BTC/USDT:USDT",
                      "--kinds", "metrics", "--base-url", exchange.url)  # fmt: skip
    assert answer.code == 0
    assert "BTC/USDT:USDT metrics: 2 days, 2025-03-10 to 2025-03-11" in answer.out
    none = rotation("archive", "import", *WEEK, "--symbols", "NOSUCHCOIN", "--base-url", exchange.url)
    assert none.code == 2 and "has no file of" in none.err


def test_the_settings_address_is_taken_where_none_is_given(rotation, exchange, monkeypatch):
    monkeypatch.setenv("ROTATION_EXCHANGE_URL", exchange.url)
    answer = rotation("archive", "import", *WEEK, "--symbols", "BTC/USDT", "--kinds", "klines")
    assert answer.code == 0 and "7 files; 7 read" in answer.out


def test_the_help_teaches(rotation):
    answer = rotation("archive", "import", "--help")
    words = " ".join(re.sub(r"[│\n]", " ", answer.out).split())
    for word in ("--from", "--kinds", "--dir", "5 minutes", "checksum", "revisions", "rotation archive import --from"):
        assert word in words
    assert "archive" in rotation("--help").out
