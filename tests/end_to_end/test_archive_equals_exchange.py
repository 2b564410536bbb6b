"""The same days out of the archive and out of the exchange's own interface: the same facts, the same marts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.clock import decision_instant
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy import Policy
from pipelines.raw.session import history_days

SERIES = {
    "spot_ohlcv": ("exchange, symbol, timeframe, opened_at", "open, high, low, close, volume_base, volume_quote"),
    "futures_ohlcv": (
        "exchange, symbol, price_type, timeframe, opened_at", "open, high, low, close, volume_base, volume_quote"
    ),
    "funding_rates": ("exchange, symbol, settled_at", "funding_rate, interval_hours, mark_price"),
    "open_interest": (
        "exchange, symbol, observed_at", "open_interest_contracts, open_interest_base, open_interest_usd"
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Both:
    """A warehouse that asked the exchange for everything, and one that had read the archive before.

    Attributes:
        connection: Their build files as `rest` and `files`.
        day: The day that both have decided.
    """

    connection: duckdb.DuckDBPyConnection
    day: date


@pytest.fixture(scope="module")
def both(run_nights, small_market, market_days, tmp_path_factory) -> Iterator[Both]:
    day = market_days[0]
    directories = {name: tmp_path_factory.mktemp(name) for name in ("rest", "files")}
    first = day - timedelta(days=history_days(Policy()))
    import_archive(small_market, directories["files"], first, day)
    with duckdb.connect() as connection:
        for name, directory in directories.items():
            night = run_nights(small_market, directory, day, day)
            assert night.outcome.exit_code == 0, night.outcome.message
            connection.execute(f"attach '{directory / 'build.duckdb'}' as {name} (read_only)")
        yield Both(connection, day)


def import_archive(market: Path, directory: Path, first: date, last: date) -> None:
    from pipelines.cli.commands import main

    with LocalExchangeProcess("recorded", market, now=decision_instant(last)) as exchange:
        with pytest.raises(SystemExit) as ended:
            main(["archive", "import", "--from", str(first), "--to", str(last), "--base-url", str(exchange.url),
                  "--warehouse", str(directory)])  # fmt: skip
        assert ended.value.code == 0


def differences(both: Both, select: Callable[[str], str]) -> int:
    rest, files = select("rest"), select("files")
    return both.connection.execute(
        f"select count(*) from ((({rest}) except all ({files})) union all (({files}) except all ({rest})))"
    ).fetchone()[0]


def count(both: Both, sql: str) -> int:
    return both.connection.execute(f"select count(*) from {sql}").fetchone()[0]


@pytest.mark.parametrize("table", SERIES)
def test_the_raw_rows_of_both_ways_are_the_same(both, table):
    key, values = SERIES[table]
    time = key.rsplit(", ", 1)[-1]

    def newest(name: str) -> str:
        return (
            f"select {key}, {values} from {name}.raw.{table} where exchange = 'binance' "
            f"and ({key}) in (select ({key}) from rest.raw.{table}) "
            f"qualify row_number() over (partition by {key} order by ingested_at desc) = 1"
        )

    archived = f"files.raw.{table} where exchange = 'binance' and source = 'archive'"
    asked = f"rest.raw.{table} where exchange = 'binance' and {time} < date '{both.day}'"
    assert count(both, archived) > 0.7 * count(both, asked) > 1000
    assert differences(both, newest) == 0


def test_nothing_of_the_archive_was_revised_by_asking_the_exchange(both):
    for table, (key, _) in SERIES.items():
        revised = f"(select {key} from files.raw.{table} group by all having count(*) > 1)"
        assert count(both, revised) == 0, table


def test_the_marts_of_both_ways_are_the_same(both):
    tables = [
        name
        for (name,) in both.connection.execute(
            "select table_name from duckdb_tables() where database_name = 'rest' and schema_name = 'marts'"
        ).fetchall()
    ]
    assert len(tables) >= 6
    for table in tables:
        assert count(both, f"rest.marts.{table}") > 0 or table == "calendar_spreads_daily"
        assert differences(both, lambda name, table=table: f"select * from {name}.marts.{table}") == 0, table


def test_the_decisions_of_both_ways_are_the_same(both):
    """But for the moment, and for the id, which names the raw rows: of open interest the archive has 288 a day."""
    for table in ("target_allocations", "sector_signals", "hedges"):
        columns = [
            name
            for (name,) in both.connection.execute(
                "select column_name from duckdb_columns() where database_name = 'rest' and table_name = $1 "
                "and column_name not in ('decision_id', 'decided_at')",
                [table],
            ).fetchall()
        ]
        chosen = f"select {', '.join(columns)}"
        assert differences(both, lambda n, t=table, c=chosen: f"{c} from {n}.portfolio.{t}") == 0, table
