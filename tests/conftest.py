"""Shared by all tests: where real data lies, real runs in a Dagster home of their own, a small recorded market."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

PROJECT = Path(__file__).parents[1]
MARKET_BEGINS = date(2025, 1, 1)
MARKET_DAYS = 155
MARKET_ENDS = MARKET_BEGINS + timedelta(days=MARKET_DAYS - 1)
FIRST_DECIDABLE = MARKET_BEGINS + timedelta(days=132)  # the baseline of 90 days and the longest windows in it

# Coin to first price and first open interest in coins, sector by sector.
COINS = {
    "STORE_OF_VALUE": {"BTC": (60_000.0, 40_000.0)},
    "L1": {"ETH": (3_000.0, 500_000.0), "SOL": (150.0, 5e6), "AVAX": (30.0, 8e6), "ADA": (0.5, 3e8)},
    "DEFI": {"UNI": (8.0, 1.2e7), "AAVE": (90.0, 6e5), "LDO": (2.0, 2e7)},
    "INFRASTRUCTURE": {"LINK": (15.0, 1.5e7), "GRT": (0.3, 2e8)},
    "PAYMENTS": {"XRP": (0.6, 6e8), "LTC": (80.0, 2e6)},
}
LISTED_LATE = {"LDO": 20}
SETTLES_EVERY_4_HOURS = ("bybit", "UNI")
SILENT_OPEN_INTEREST = ("bybit", "SOL", 140)  # this series says nothing on this day of the market


REAL_DATA = Path(os.environ.get("ROTATION_REAL_DATA", PROJECT.parent / "shared" / "data" / "real"))


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of recorded real data; tests that need it are skipped where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}; set ROTATION_REAL_DATA to the folder that holds majors_8h")
    return REAL_DATA


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home set up like the project's own, so that no test writes into that one."""
    home = tmp_path_factory.mktemp("dagster_home")
    shutil.copy(PROJECT / "dagster.yaml", home)
    return home


@dataclass(frozen=True)
class Night:
    """A finished run.

    Attributes:
        outcome: What `nightly.run` gave back.
        steps: Keys of the steps that started, in order.
        checks: Check evaluations of the event log, as (check name, passed).
    """

    outcome: Any
    steps: list[str] = field(default_factory=list)
    checks: list[tuple[str, bool]] = field(default_factory=list)


@pytest.fixture(scope="session")
def run_nights(dagster_home: Path) -> Callable[..., Night]:
    """Runs the nightly job for real: `run_nights(data, warehouse_dir, first_day, last_day, environment, **more)`."""
    import dagster as dg

    from pipelines.nightly import run
    from pipelines.settings import load_settings

    def run_nights(
        data: Path,
        warehouse_dir: Path,
        first_day: date,
        last_day: date,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> Night:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", str(dagster_home))
            patch.setenv("ROTATION_PUBLISH__REPORT", "false")  # seconds a night; the report has tests of its own
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            chosen = load_settings(source="recorded", data=data, warehouse_dir=warehouse_dir, **settings)
            outcome = run(chosen, first_day=first_day, last_day=last_day)
            with dg.DagsterInstance.get() as instance:
                events = [entry.dagster_event for entry in instance.all_logs(outcome.run_id) if entry.dagster_event]
        steps = [event.step_key for event in events if event.event_type == dg.DagsterEventType.STEP_START]
        evaluations = [
            event.asset_check_evaluation_data
            for event in events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        return Night(outcome, steps, [(check.check_name, check.passed) for check in evaluations])

    return run_nights


@pytest.fixture(scope="session")
def write_market() -> Callable[[Path], Path]:
    """Writes the small recorded market into a folder and gives the folder; every call writes the same rows."""
    return write_recording


@pytest.fixture(scope="session")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recorded market; not to be changed (write another one with `write_market`)."""
    return write_recording(tmp_path_factory.mktemp("market") / "small")


@pytest.fixture(scope="session")
def market_days() -> tuple[date, date]:
    """First and last day of the small market that can be decided."""
    return FIRST_DECIDABLE, MARKET_ENDS


@pytest.fixture(scope="session")
def small_release(
    run_nights: Callable[..., Night],
    small_market: Path,
    market_days: tuple[date, date],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A warehouse whose release has decided the small market up to two days before its end; copy it to change it.

    The workers of a parallel run share one: the first that asks makes it.
    """
    first_day, last_day = market_days
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    directory = shared / "small_release"
    with (shared / "small_release.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (directory / "warehouse.duckdb").exists():
            night = run_nights(small_market, directory, first_day, last_day - timedelta(days=2))
            assert night.outcome.exit_code == 0, night.outcome.message
    return directory


@pytest.fixture
def yesterday(small_release: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of `small_release` to run the next day in."""
    directory = tmp_path / "warehouse"
    shutil.copytree(small_release, directory, symlinks=True)
    yield directory
    shutil.rmtree(directory)


@dataclass(frozen=True)
class DecidedRange:
    """Days decided in one run: where, which (both ends included), and the run."""

    directory: Path
    first_day: date
    last_day: date
    night: Night


@pytest.fixture(scope="session")
def decided_range(
    run_nights: Callable[..., Night],
    small_market: Path,
    market_days: tuple[date, date],
    tmp_path_factory: pytest.TempPathFactory,
) -> DecidedRange:
    """The last quarter of 2024 of 15 real majors, decided in one run; the small market where real data is absent."""
    directory = tmp_path_factory.mktemp("decided_range")
    majors = REAL_DATA / "majors_8h"
    market, days = (majors, (date(2024, 10, 1), date(2024, 12, 31))) if majors.is_dir() else (small_market, market_days)
    night = run_nights(market, directory, *days)
    assert night.outcome.exit_code == 0, night.outcome.message
    return DecidedRange(directory, *days, night)


def write_recording(folder: Path) -> Path:
    """155 days of 12 coins in 5 sectors on two exchanges, the same rows on every call.

    Near the end DEFI rises quietly, L1 cools down after a crowded rally and PAYMENTS swings: every day that can be
    decided has several states. LDO is listed late, UNI settles every 4 hours on bybit, one open interest is missing.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(20250101)
    moves, funding_bps, interest, volume = _sector_paths(random)
    tables: dict[str, list[pl.DataFrame]] = {"spot_ohlcv": [], "perp_ohlcv": [], "funding": [], "open_interest": []}
    for sector, coins in COINS.items():
        for coin, (price, coins_open) in coins.items():
            own = moves[sector] + random.normal(0, 0.004, MARKET_DAYS * 3)
            closes = price * np.exp(np.cumsum(own))
            since = LISTED_LATE.get(coin, 0)
            for exchange, share in (("binance", 0.6), ("bybit", 0.4)):
                traded = np.repeat(coins_open * share * volume[sector], 3) * np.exp(random.normal(0, 0.1, len(own)))
                held = coins_open * share * interest[sector] * np.exp(random.normal(0, 0.004, MARKET_DAYS))
                settled = funding_bps[sector] + random.normal(0, 0.05, MARKET_DAYS * 3)
                perp = f"{coin}/USDT:USDT"
                tables["spot_ohlcv"].append(_candles(exchange, f"{coin}/USDT", closes, traded / 3, since))
                tables["perp_ohlcv"].append(_candles(exchange, perp, closes * 1.0002, traded, since))
                tables["funding"].append(_funding(exchange, coin, settled, since))
                tables["open_interest"].append(_open_interest(exchange, coin, held, since))
            if coin == "BTC":
                tables["dated_ohlcv"] = [
                    _candles("binance", f"BTC/USDT:USDT-{expiry:%y%m%d}", closes * basis, traded / 10, 80).with_columns(
                        expiry=pl.lit(expiry).cast(pl.Datetime("us"))
                    )
                    for expiry, basis in ((datetime(2025, 6, 27, 8), 1.02), (datetime(2025, 9, 26, 8), 1.04))
                ]
    for name, frames in tables.items():
        pl.concat(frames).write_parquet(folder / f"{name}.parquet")
    return folder


def _sector_paths(random: np.random.Generator) -> tuple[dict[str, np.ndarray], ...]:
    """Per sector: log returns and funding (bp) every 8 hours; open interest and volume, as multiples, every day."""
    thirds, days = np.arange(MARKET_DAYS * 3) / 3, np.arange(MARKET_DAYS)
    moves, funding, interest, volume = {}, {}, {}, {}
    for sector in COINS:
        moves[sector] = random.normal(0, 0.006, len(thirds))
        funding[sector] = 0.6 + random.normal(0, 0.15, len(thirds))
        interest[sector] = np.exp(np.cumsum(random.normal(0, 0.008, MARKET_DAYS)))
        volume[sector] = np.exp(random.normal(0, 0.1, MARKET_DAYS))
    moves["DEFI"] += np.where(thirds >= 125, 0.004, 0.0)
    volume["DEFI"] *= np.where(days >= 128, 1.8, 1.0)
    moves["L1"] += np.where((thirds >= 118) & (thirds < 134), 0.007, 0.0) - np.where(thirds >= 134, 0.004, 0.0)
    funding["L1"] += np.interp(thirds, [118, 134, 136, 140], [0, 5.0, 5.0, 0.4], left=0, right=0.4)
    interest["L1"] *= np.interp(days, [118, 135, 151], [1, 1.7, 0.9], left=1)
    swing = np.where(thirds >= 120, 1.0, 0.0)
    funding["PAYMENTS"] += swing * 3.0 * np.sign(np.sin(thirds * np.pi / 2))
    moves["PAYMENTS"] += swing * random.normal(0, 0.02, len(thirds))
    return moves, funding, interest, volume


def _instants(exchange: str, symbol: str, count: int, hours: int, first: timedelta) -> pl.DataFrame:
    begins = datetime.combine(MARKET_BEGINS, datetime.min.time()) + first
    stamps = [begins + timedelta(hours=hours * step) for step in range(count)]
    return pl.DataFrame({"ts": stamps}, schema={"ts": pl.Datetime("us")}).select(
        exchange=pl.lit(exchange), symbol=pl.lit(symbol), ts="ts"
    )


def _candles(exchange: str, symbol: str, closes: np.ndarray, volume_base: np.ndarray, since: int) -> pl.DataFrame:
    opens = np.concatenate([closes[:1], closes[:-1]])
    return _instants(exchange, symbol, len(closes), 8, timedelta(0)).with_columns(
        timeframe=pl.lit("8h"),
        open=opens,
        high=np.maximum(opens, closes) * 1.001,
        low=np.minimum(opens, closes) * 0.999,
        close=closes,
        volume_base=volume_base,
        volume_quote=volume_base * closes,
        price_type=pl.lit("last"),
    )[3 * since :]


def _funding(exchange: str, coin: str, bps_per_8h: np.ndarray, since: int) -> pl.DataFrame:
    hours = 4 if (exchange, coin) == SETTLES_EVERY_4_HOURS else 8
    rates = np.repeat(bps_per_8h, 8 // hours) * 1e-4 * hours / 8
    frame = _instants(exchange, f"{coin}/USDT:USDT", len(rates), hours, timedelta(hours=hours))
    return frame.with_columns(funding_rate=rates)[24 // hours * since :]


def _open_interest(exchange: str, coin: str, held: np.ndarray, since: int) -> pl.DataFrame:
    """Stamped at the end of each day."""
    frame = _instants(exchange, f"{coin}/USDT:USDT", len(held), 24, timedelta(days=1)).with_columns(
        oi_base=held, oi_usd=pl.lit(None, pl.Float64), period=pl.lit("1d"), ts_semantics=pl.lit("snapshot")
    )
    if (exchange, coin) == SILENT_OPEN_INTEREST[:2]:
        silent_at = datetime.combine(MARKET_BEGINS, datetime.min.time()) + timedelta(days=SILENT_OPEN_INTEREST[2] + 1)
        frame = frame.filter(pl.col("ts") != silent_at)
    return frame[since:]
