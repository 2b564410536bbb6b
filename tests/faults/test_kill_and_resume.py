"""Killed at any moment, an ingestion is finished by the next one: the same facts as without the kill, nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from warehouse.connection import Warehouse
from warehouse.contracts import FACTS, QUARANTINE

PROJECT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
KILLS_ALONE, KILLS_IN_A_ROW = 5, 5
# Which load brought a fact, and when: the only things that a kill may change.
LINEAGE = {"ingested_at", "batch_id", "quarantined_at"}


@pytest.fixture(scope="module")
def market(small_market, tmp_path_factory) -> Path:
    """The small market, of which three more exchanges have two coins, so that all default exchanges are read."""
    folder = tmp_path_factory.mktemp("market") / "five"
    folder.mkdir()
    for path in small_market.glob("*.parquet"):
        rows = pl.read_parquet(path)
        some = rows.filter(pl.col("exchange") == "bybit", pl.col("symbol").str.contains("^(BTC|ETH)/"))
        if "oi_usd" in some.columns:  # what bingx shows
            some = some.with_columns(oi_usd=pl.col("oi_base") * 1000)
        more = [some.with_columns(exchange=pl.lit(name)) for name in ("bingx", "weex", "mexc")]
        pl.concat([rows, *more]).write_parquet(folder / path.name)
    return folder


@pytest.fixture(scope="module")
def ingest(market, market_days) -> Iterator[Callable[..., dict[str, Any]]]:
    """Ingests the market into a warehouse, or is killed: `ingest(directory, kill_after, wait_s)`."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("ingest_in_a_child.py"))],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ingest(directory: Path, kill_after: int | None = None, wait_s: float = 0.0) -> dict[str, Any]:
        first_day, last_day = (day.isoformat() for day in market_days)
        order = {"data": str(market), "warehouse": str(directory), "first_day": first_day, "last_day": last_day}
        process.stdin.write(json.dumps(order | {"kill_after": kill_after, "wait_s": wait_s}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    with process:
        yield ingest
        process.stdin.close()


@pytest.fixture(scope="module")
def undisturbed(ingest, tmp_path_factory) -> tuple[int, dict[str, pl.DataFrame]]:
    """How many reports an ingestion makes, and the facts that it leaves."""
    directory = tmp_path_factory.mktemp("undisturbed")
    done = ingest(directory)
    assert done["ended"] == 0
    facts = _facts(directory)
    assert facts["raw.funding_rates"].height > 10_000
    assert set(facts["raw.spot_ohlcv"]["exchange"]) == {"binance", "bybit", "bingx", "weex", "mexc"}
    return done["reports"], facts


@pytest.mark.parametrize("seed", range(KILLS_ALONE))
def test_an_ingestion_killed_at_a_random_moment_is_finished_by_the_next(ingest, undisturbed, tmp_path, seed):
    reports, facts = undisturbed
    draw = random.Random(seed)
    assert ingest(tmp_path, draw.randint(0, reports - 1), draw.uniform(0, 0.1))["ended"] == KILLED
    assert ingest(tmp_path)["ended"] == 0
    _assert_same(_facts(tmp_path), facts)


def test_an_ingestion_killed_many_times_in_a_row_is_finished_in_the_end(ingest, undisturbed, tmp_path):
    reports, facts = undisturbed
    draw = random.Random(KILLS_ALONE)
    for _ in range(KILLS_IN_A_ROW):
        assert ingest(tmp_path, draw.randint(0, reports - 1), draw.uniform(0, 0.1))["ended"] == KILLED
    assert ingest(tmp_path)["ended"] == 0
    _assert_same(_facts(tmp_path), facts)


def test_a_kill_leaves_neither_the_lock_nor_the_local_exchange_behind(ingest, undisturbed, market, tmp_path):
    reports, _ = undisturbed
    ingest(tmp_path, reports // 2)
    warehouse = Warehouse(tmp_path)
    assert warehouse.lock_holder() is None
    with warehouse.open_build() as connection:
        assert connection.execute("select count(*) from raw.load_batches").fetchone()[0] > 0
    servers = [process for process in psutil.process_iter() if _serves(process, market)]
    assert psutil.wait_procs(servers, timeout=10)[1] == []


def _serves(process: psutil.Process, market: Path) -> bool:
    """Whether the process is a local exchange over this market."""
    try:
        return {"pipelines.local_exchange", str(market)} <= set(process.cmdline())
    except psutil.Error:
        return False


def _facts(directory: Path) -> dict[str, pl.DataFrame]:
    """Every raw fact in key order, without what the moment of loading wrote on it."""
    facts = {}
    with Warehouse(directory).open_build() as connection:
        for table in (*FACTS, QUARANTINE):
            lineage = LINEAGE | ({"available_at"} if table.event_column is None else set())
            columns = [column for column in table.columns if column not in lineage]
            frame = connection.execute(f"select {', '.join(columns)} from {table.qualified_name}").pl()
            facts[table.qualified_name] = frame.sort(columns)
    return facts


def _assert_same(found: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame]) -> None:
    for table in FACTS:
        name, key = table.qualified_name, list(table.natural_key)
        assert not found[name].select(key).is_duplicated().any(), f"{name}: a fact stands there twice"
    for name, frame in expected.items():
        assert found[name].equals(frame), f"{name}: {found[name].height} rows instead of {frame.height}, or others"
