"""A decision rests on what was available at its instant: with everything later removed it comes out the same."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
DECIDE_AGAIN = Path(__file__).with_name("decide_again.py")
DAYS = 20
WORKERS = 2
FACTS = ("spot_ohlcv", "futures_ohlcv", "funding_rates", "open_interest")


@pytest.fixture(scope="module")
def decided_again(decided_range, tmp_path_factory) -> dict[date, dict[str, Any]]:
    """Seeded days of the range, each decided again from what was available by then, compared with the range."""
    count = (decided_range.last_day - decided_range.first_day).days + 1
    offsets = random.Random(20241231).sample(range(count), DAYS)
    days = [decided_range.first_day + timedelta(days=offset) for offset in offsets]

    def worker(number: int) -> list[dict[str, Any]]:
        scratch = tmp_path_factory.mktemp(f"decided_again_{number}")
        command = [sys.executable, "-W", "ignore", str(DECIDE_AGAIN), str(decided_range.directory), str(scratch)]
        command += [str(scratch / "dbt"), *(day.isoformat() for day in days[number::WORKERS])]
        done = subprocess.run(command, cwd=PROJECT, env=_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(WORKERS) as pool:
        answers = [answer for part in pool.map(worker, range(WORKERS)) for answer in part]
    return {date.fromisoformat(answer["day"]): answer for answer in answers}


def test_twenty_days_are_decided_again_row_for_row_the_same(decided_again):
    assert len(decided_again) == DAYS
    assert {day: answer["differing"] for day, answer in decided_again.items() if answer["differing"]} == {}


def test_every_day_had_rows_to_compare(decided_again):
    for day, answer in decided_again.items():
        for table in ("marts.sector_funding_daily", "portfolio.sector_signals", "portfolio.target_allocations"):
            assert answer["rows"][table] > 0, (day, table)
        assert answer["rows"]["portfolio.decisions"] == 1


def test_no_two_days_rest_on_the_same_facts(decided_again):
    assert len({answer["input_hash"] for answer in decided_again.values()}) == DAYS


def test_a_market_read_later_says_the_same_about_the_past(small_market, market_days, tmp_path):
    from pipelines.clock import decision_instant

    first_day, last_day = market_days
    early, late = (
        _read(small_market, tmp_path / name, first_day, day) for name, day in (("early", first_day), ("late", last_day))
    )
    instant = decision_instant(first_day)
    for fact in FACTS:
        one, other = (_known_by(warehouse, fact, instant) for warehouse in (early, late))
        assert len(one) > 0
        assert one == other


def _environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(PROJECT)}


def _read(market: Path, directory: Path, first_day: date, last_day: date):
    """A warehouse with the raw facts that a run over these days reads."""
    from pipelines.policy import load_policy
    from pipelines.raw.session import IngestSession
    from pipelines.settings import load_settings
    from warehouse.connection import Warehouse

    settings = load_settings(source="recorded", data=market, warehouse_dir=directory)
    warehouse = Warehouse(directory)
    days = (first_day, last_day)
    with IngestSession(settings, load_policy(), warehouse, "test", settings.exchanges, *days) as session:
        assert not any(session.report(exchange).failures for exchange in settings.exchanges)
    return warehouse


def _known_by(warehouse, fact: str, instant) -> set[tuple]:
    with warehouse.open_build() as connection:
        return set(
            connection.execute(
                f"select * exclude (ingested_at, batch_id, pit_quality) from raw.{fact} where available_at <= $1",
                [instant],
            ).fetchall()
        )
