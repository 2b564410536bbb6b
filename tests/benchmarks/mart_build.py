"""The dbt models against one hand-written DuckDB script over 12 million raw rows; nights over long and short history.

`python -m tests.benchmarks mart_build` writes some 600 MB into a temporary folder and takes a few minutes.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.policy import load_policy
from pipelines.settings import DBT_DIRECTORY
from pipelines.transform.variables import dbt_vars
from tests.benchmarks.report import Ratio
from warehouse.contracts import RAW
from warehouse.schema import create_tables

FIVE_YEARS, SHORT = 5 * 365, 120
ASSETS, NIGHTS, REPEATS = 36, 3, 3
SCRIPT = Path(__file__).parent / "hand_written_marts.sql"
# Runs a command and writes its peak memory in KiB. Started from here, the command would count this process's own
# peak as its own, for it begins as a copy of it.
LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@dataclass(frozen=True)
class Built:
    """A dbt command's seconds, those of them in which any model was being built, and its peak memory in MiB."""

    command: float
    models: float
    peak: float


def main() -> list[Ratio]:
    """Both ways build the same asset days and sector series from the same file; the results are compared, too."""
    with tempfile.TemporaryDirectory() as folder:
        long, short = Path(folder) / "long", Path(folder) / "short"
        rows = make_raw(long, FIVE_YEARS)
        make_raw(short, SHORT)
        # By turns, so that a busy minute of the machine meets both.
        turns = [(hand_written(long), dbt_build(long, "--full-refresh")) for _ in range(REPEATS)]
        floor, built = min(seconds for seconds, _ in turns), min(build.models for _, build in turns)
        peak = max(build.peak for _, build in turns)
        compare(long)
        dbt_build(short, "--full-refresh")
        nights: dict[Path, list[Built]] = {long: [], short: []}
        for number in range(NIGHTS):
            for place, measured in nights.items():
                add_night(place, number)
                measured.append(dbt_build(place))
    slow, quick = (min(measured, key=lambda build: build.command) for measured in nights.values())
    return [
        Ratio("marts, dbt models / hand-written script", built, floor, 2.0,
              f"{rows:,} raw rows, {built:.1f} s against {floor:.1f} s"),
        Ratio("marts, peak memory of dbt / 1536 MiB", peak, 1536, 1.0, f"{peak:.0f} MiB"),
        Ratio("marts, a night's dbt build over 5 years / over 120 days", slow.command, quick.command, 1.3,
              f"{slow.command:.1f} s against {quick.command:.1f} s; models {slow.models:.1f}, {quick.models:.1f} s"),
    ]  # fmt: skip


def make_raw(place: Path, days: int) -> int:
    """Hourly candles and open interest of 36 assets on three exchanges, 1% of the rows revised; gives the row count."""
    place.mkdir()
    with (DBT_DIRECTORY / "seeds" / "asset_sectors.csv").open() as file:
        assets = list(dict.fromkeys(row["asset"] for row in csv.DictReader(file)))[:ASSETS]
    with duckdb.connect(str(place / "build.duckdb"), config={"preserve_insertion_order": False}) as con:
        create_tables(con, RAW)
        con.execute("create temp table assets as select unnest($1) as base, unnest(range(len($1))) as i", [assets])
        con.execute(
            "create temp table exchanges as "
            "select * from (values (0, 'binance'), (1, 'bybit'), (2, 'okx')) as e (n, exchange)"
        )
        con.execute(
            "create temp table hours as "
            f"select timestamp '2021-01-01' + to_hours(cast(k as int)) as ts, k from range({days} * 24 + 1) as t (k)"
        )
        con.execute(
            """
            create temp view prices as
            select *, (50 + i) * exp(0.2 * sin(k / 500.0 + i)) * (1 + (hash(k, i) % 1000) / 50000.0) as p
            from assets, exchanges, hours
            """
        )
        loaded = """
            timestamp '2026-06-01' as ingested_at, 'assumed' as pit_quality, 'simulated' as source,
            'first' as batch_id
        """
        con.execute(
            f"""
            insert into raw.instruments by name
            select exchange, base || '/USDT:USDT' as symbol, 'perpetual' as market_type, base, 'USDT' as quote,
                'USDT' as settle, true as is_linear, 1 as contract_size, 1 as contract_multiplier,
                timestamp '2020-01-01' as listed_at, timestamp '2021-01-01' as available_at, {loaded}
            from assets, exchanges
            """
        )
        candle = f"p as open, p as high, p as low, p as close, 1000.0 + hash(k, n) % 1000 as volume_base, {loaded}"
        con.execute(
            f"""
            insert into raw.futures_ohlcv by name
            select exchange, base || '/USDT:USDT' as symbol, 'perpetual' as market_type, 'last' as price_type,
                '1h' as timeframe, ts as opened_at, ts + interval 65 minute as available_at, {candle}
            from prices order by exchange, symbol, opened_at
            """
        )
        for kind in ("mark", "index"):
            con.execute(
                f"""
                insert into raw.futures_ohlcv by name
                select exchange, base || '/USDT:USDT' as symbol, 'perpetual' as market_type, '{kind}' as price_type,
                    '1d' as timeframe, ts as opened_at, ts + interval 1445 minute as available_at, {candle}
                from prices where k % 24 = 0
                """
            )
        con.execute(
            f"""
            insert into raw.spot_ohlcv by name
            select exchange, base || '/USDT' as symbol, '1h' as timeframe, ts as opened_at,
                ts + interval 65 minute as available_at, {candle}
            from prices where n < 2 order by exchange, symbol, opened_at
            """
        )
        con.execute(
            f"""
            insert into raw.funding_rates by name
            select exchange, base || '/USDT:USDT' as symbol, ts as settled_at,
                (hash(k, i, n) % 200 - 80.0) * 1e-6 as funding_rate, case when n < 2 then 8 end as interval_hours,
                ts + interval 1 minute as available_at, {loaded}
            from prices where k % 8 = 0
            """
        )
        con.execute(
            f"""
            insert into raw.open_interest by name
            select exchange, base || '/USDT:USDT' as symbol, ts as observed_at, 1e5 * (1 + 0.1 * sin(k / 700.0 + i))
                as open_interest_base, 'history' as source_kind, ts + interval 5 minute as available_at, {loaded}
            from prices where n < 2 or k % 24 = 0
            """
        )
        for table in ("futures_ohlcv", "spot_ohlcv", "funding_rates", "open_interest"):
            con.execute(
                f"insert into raw.{table} select * replace (ingested_at + interval 1 hour as ingested_at) "
                f"from raw.{table} where hash(exchange, symbol, available_at) % 100 = 0"
            )
        return sum(con.execute(f"select count(*) from {table.qualified_name}").fetchone()[0] for table in RAW)


def add_night(place: Path, number: int) -> None:
    """One more day of every series, loaded a day later than all before."""
    tables = {"futures_ohlcv": "opened_at", "spot_ohlcv": "opened_at", "funding_rates": "settled_at"}
    tables |= {"open_interest": "observed_at"}
    with duckdb.connect(str(place / "build.duckdb")) as con:
        for table, event in tables.items():
            con.execute(
                f"""
                insert into raw.{table}
                select * replace (
                    {event} + interval 1 day as {event}, available_at + interval 1 day as available_at,
                    timestamp '2026-06-02' + interval {number} day as ingested_at
                )
                from raw.{table}
                where {event} > (select max({event}) - interval 1 day from raw.{table})
                    and extract(minute from ingested_at) = 0 and extract(hour from ingested_at) = 0
                """
            )


def hand_written(place: Path) -> float:
    """Seconds of the script in a copy of the file, under the memory limit of the dbt profile."""
    copy = place / "script.duckdb"
    shutil.copy(place / "build.duckdb", copy)
    settings = {"memory_limit": "900MB", "preserve_insertion_order": False}
    with duckdb.connect(str(copy), config=settings) as con:
        con.execute(
            "create table asset_sectors as select * from read_csv($1)",
            [str(DBT_DIRECTORY / "seeds" / "asset_sectors.csv")],
        )
        started = time.perf_counter()
        # Statement by statement: DuckDB's parser takes the named windows of a whole text for one query's.
        for statement in SCRIPT.read_text().split(";\n"):
            con.execute(statement)
        return time.perf_counter() - started


def dbt_build(place: Path, *options: str) -> Built:
    """Seeds, models and tests, as a night builds them."""
    arguments = ["--project-dir", DBT_DIRECTORY, "--profiles-dir", DBT_DIRECTORY, "--quiet"]
    arguments += ["--target-path", place / "target", "--log-path", place / "logs"]
    arguments += ["--exclude-resource-type", "unit_test", "--vars", json.dumps(dbt_vars(load_policy()))]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, Path(sys.executable).parent / "dbt", "build", *options, *arguments],
        env=os.environ | {"ROTATION_BUILD_PATH": str(place / "build.duckdb")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    command = time.perf_counter() - began
    results = json.loads((place / "target" / "run_results.json").read_text())["results"]
    spans = sorted(
        (datetime.fromisoformat(phase["started_at"]), datetime.fromisoformat(phase["completed_at"]))
        for result in results
        if result["unique_id"].startswith("model.")
        for phase in result["timing"]
        if phase["name"] == "execute"
    )
    models, until = 0.0, spans[0][0]
    for started, completed in spans:
        models += max(0.0, (completed - max(started, until)).total_seconds())
        until = max(until, completed)
    return Built(command, models, int(done.stdout.split()[-1]) / 1024)


def compare(place: Path) -> None:
    """The script and the models must have made the same numbers, or the ratio says nothing."""
    with duckdb.connect(str(place / "build.duckdb"), read_only=True) as con:
        con.execute(f"attach '{place / 'script.duckdb'}' as script (read_only)")
        for mart, key, columns in (
            ("asset_futures_daily", "date, asset", ("funding_8h_bps", "open_interest_usd", "perp_close_usd")),
            ("sector_funding_daily", "date, sector", ("funding_8h_bps", "funding_pctl_90d", "funding_stdev_14d_bps")),
            (
                "sector_open_interest_daily",
                "date, sector",
                ("open_interest_z_90d", "momentum_14d_frac", "volume_ratio_7d_28d"),
            ),
            ("sector_spreads_daily", "date, sector, reference_sector", ("spread_z_90d",)),
            ("data_health_daily", "date, sector", ("coverage_frac",)),
        ):
            for column in columns:
                compared, wrong = con.execute(
                    f"""
                    select count(ours.{column}), count(case when
                        abs(ours.{column} - theirs.{column}) > 1e-8 * greatest(1, abs(theirs.{column}))
                        or (ours.{column} is null) <> (theirs.{column} is null) then 1 end)
                    from marts.{mart} as ours full join script.{mart} as theirs using ({key})
                    """
                ).fetchone()
                if wrong or not compared:
                    raise RuntimeError(f"{mart}.{column}: {wrong} of {compared} rows differ from the script")
