"""A year of all coins from every default exchange in one ingestion: exactly what the server holds, and few requests."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from pipelines.clock import decision_instant, from_milliseconds, to_milliseconds
from pipelines.exchanges.capabilities import CAPABILITIES
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.policy import load_policy
from pipelines.raw.session import IngestSession, history_days
from pipelines.settings import load_settings
from tests.benchmarks.request_budget import BUDGET
from warehouse.connection import Warehouse

SEED, LAST_DAY = 7, date(2026, 11, 20)
NOW = decision_instant(LAST_DAY)
EXCHANGES = load_settings().exchanges
YEAR = 365
DAY_MS = 86_400_000
TIMES = {"spot_ohlcv": "opened_at", "futures_ohlcv": "opened_at", "funding_rates": "settled_at"}
TIMES |= {"open_interest": "observed_at"}


def ingest(folder: Any, url: str, first_day: date, last_day: date, mark_and_index: tuple[str, ...]) -> dict[str, int]:
    """One ingestion; gives the requests per exchange, instruments included."""
    settings = load_settings(
        warehouse_dir=folder, exchange_url=url, exchanges=EXCHANGES,
        ingest={"rate_limit": "off", "mark_and_index": mark_and_index},
    )  # fmt: skip
    warehouse = Warehouse(folder)
    arguments = (settings, load_policy(), warehouse, f"run to {last_day}", EXCHANGES, first_day, last_day)
    with IngestSession(*arguments) as session:
        session.wait()
    with warehouse.open_build() as connection:
        counted = connection.execute(
            "select exchange, sum(requests) from raw.load_batches where run_id = $1 group by all",
            [f"run to {last_day}"],
        ).fetchall()
    return {exchange: int(requests) for exchange, requests in counted}


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """The warehouse's folder after a year was read."""
    folder = tmp_path_factory.mktemp("year")
    first_day = LAST_DAY - timedelta(days=YEAR - 1 - history_days(load_policy()))
    with LocalExchangeProcess("simulated", seed=SEED, now=NOW) as server:
        ingest(folder, server.url, first_day, LAST_DAY, EXCHANGES)
    return folder


def held(market: SimulatedMarket, row: dict[str, Any]) -> set[datetime]:
    """Times of a series in a window of the load log, as the market behind the server holds them."""
    first, last = to_milliseconds(row["window_start_at"]), to_milliseconds(row["window_end_at"]) - 1
    exchange, symbol = row["exchange"], row["symbol"]
    if row["dataset"] == "funding_rates":
        times = market.settlements(exchange, symbol, first, last).settled_ms
    elif row["dataset"] == "open_interest":
        times = market.open_interest(exchange, symbol, first, last).stamped_ms
        times = times[times % DAY_MS == 0]
    else:
        times = market.candles(exchange, symbol, "1d", row["price_type"] or "last", first, last).open_ms
        times = times[times + DAY_MS <= market.now_ms]
    return {from_milliseconds(int(time)) for time in times}


def test_every_row_that_the_server_holds_is_stored_once(year):
    market = SimulatedMarket(SEED, to_milliseconds(NOW))
    expected: dict[tuple, set[datetime]] = defaultdict(set)
    absent: dict[tuple, list[tuple[datetime, datetime]]] = defaultdict(list)
    stored: dict[tuple, list[datetime]] = defaultdict(list)
    with Warehouse(year).open_build() as connection:
        log = connection.execute(
            "select * from raw.load_batches where symbol is not null and coalesce(timeframe, '') <> 'now'"
        ).pl()
        for dataset, time in TIMES.items():
            price = "price_type" if dataset == "futures_ohlcv" else "null"
            kept = "where source_kind = 'history'" if dataset == "open_interest" else ""
            rows = connection.execute(f"select exchange, symbol, {price}, {time} from raw.{dataset} {kept}").fetchall()
            for exchange, symbol, price_type, at in rows:
                stored[exchange, dataset, symbol, price_type].append(at)
        quarantined = connection.execute("select count(*) from raw.quarantine").fetchone()
    assert quarantined == (0,)
    assert set(log["status"].unique()) <= {"ok", "absent"}, log.filter(log["status"] == "failed")["error"].to_list()[:3]
    for row in log.iter_rows(named=True):
        key = (row["exchange"], row["dataset"], row["symbol"], row["price_type"])
        if row["status"] == "ok":
            expected[key] |= held(market, row)
        else:
            absent[key].append((row["window_start_at"], row["window_end_at"]))
    for key, windows in absent.items():
        for start, end in windows:
            expected[key] = {time for time in expected[key] if not start <= time < end}
    assert {exchange for exchange, *_ in stored} == set(EXCHANGES)
    for key, times in expected.items():
        assert len(stored[key]) == len(set(stored[key])), f"{key}: a row twice"
        assert set(stored[key]) == times, f"{key}: {sorted(set(stored[key]) ^ times)[:3]}"
    assert sum(map(len, stored.values())) > 50_000 * len(EXCHANGES)


def test_every_exchange_and_kind_is_filled_or_absent_with_a_reason(year):
    with Warehouse(year).open_build() as connection:
        filled = connection.execute(
            "select exchange, dataset, price_type from raw.load_batches where status = 'ok' group by all"
        ).fetchall()
        absent = connection.execute(
            "select exchange, dataset, price_type from raw.load_batches "
            "where status = 'absent' and length(error) > 20 group by all"
        ).fetchall()
    kinds = [("spot_ohlcv", None), ("funding_rates", None), ("open_interest", None)]
    kinds += [("futures_ohlcv", price) for price in ("last", "mark", "index")]
    for exchange in EXCHANGES:
        for dataset, price_type in kinds:
            assert (exchange, dataset, price_type) in filled or (exchange, dataset, price_type) in absent
            if CAPABILITIES[exchange].absence(dataset, price_type, "1d" if dataset.endswith("ohlcv") else None) is None:
                assert (exchange, dataset, price_type) in filled


def test_contracts_that_settle_hourly_or_change_their_interval_are_complete(year):
    with Warehouse(year).open_build() as connection:
        per_day = {
            (exchange, symbol): (least, most)
            for exchange, symbol, least, most in connection.execute(
                """
                select exchange, symbol, min(n), max(n) from (
                    select exchange, symbol, cast(settled_at as date) as day, count(*) as n from raw.funding_rates
                    where settled_at between '2025-11-23' and '2026-11-19 23:59' group by all
                ) where symbol in ('FLOKI/USDT:USDT', '1000FLOKI/USDT:USDT', 'XRP/USDT:USDT') group by all
                """
            ).fetchall()
        }
    for exchange in EXCHANGES:
        floki = "1000FLOKI" if (exchange, "1000FLOKI/USDT:USDT") in per_day else "FLOKI"
        assert per_day[exchange, f"{floki}/USDT:USDT"][1] == 24
        # Every four hours for four weeks in December, every eight before and after.
        assert per_day[exchange, "XRP/USDT:USDT"][1] == 6


def test_a_night_keeps_to_the_budget_of_requests(year, tmp_path):
    eve, coins = LAST_DAY - timedelta(days=1), 40
    folder = tmp_path / "night"
    for day in (eve, LAST_DAY):
        with LocalExchangeProcess("simulated", seed=SEED, now=decision_instant(day)) as server:
            requests = ingest(folder, server.url, day, day, load_settings().ingest.mark_and_index)
    with Warehouse(folder).open_build() as connection:
        listed = dict(
            connection.execute(
                "select exchange, count(distinct symbol) from raw.futures_ohlcv "
                "where price_type = 'last' and market_type = 'perpetual' and opened_at = $1 group by all",
                [datetime.combine(LAST_DAY, datetime.min.time())],
            ).fetchall()
        )
    assert set(requests) == set(EXCHANGES)
    for exchange, made in requests.items():
        assert made * min(1, coins / listed[exchange]) <= BUDGET[exchange], (exchange, made, listed[exchange])
