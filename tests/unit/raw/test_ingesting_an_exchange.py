"""Reading a plan into a real warehouse file, from an adapter that answers from memory."""

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.exchanges.capabilities import BINANCE
from pipelines.exchanges.errors import ExchangeFailure, Rule
from pipelines.exchanges.port import (
    FUNDING_COLUMNS,
    INSTRUMENT_COLUMNS,
    OPEN_INTEREST_COLUMNS,
    SPOT_CANDLE_COLUMNS,
    Absence,
    Fetched,
    Gap,
)
from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp
from pipelines.raw.ingest import Limits, ingest_exchange, ingest_instruments
from pipelines.raw.plan import NotOffered, Plan, SeriesRequest, Wants, plan_series
from warehouse.connection import Warehouse
from warehouse.raw import RawWriter, coverage
from warehouse.schema import create_tables

FIRST, NOW = datetime(2024, 6, 1), datetime(2024, 6, 11, 0, 15)
CLOCK = datetime(2024, 6, 11, 0, 16)


def stamp(run="run-1", ingested_at=CLOCK):
    return Stamp(run, ingested_at, "simulated", LagMinutes())


def candles(symbol, days, close=10.0):
    rows = [
        ("binance", symbol, "1d", FIRST + timedelta(days=day), close, close, close, close, 1.0, close) for day in days
    ]
    return pl.DataFrame(rows, schema=SPOT_CANDLE_COLUMNS, orient="row")


def request(symbol, start=FIRST, end=NOW, dataset="spot_ohlcv", is_open=True):
    market_type, timeframe = ("spot", "1d") if dataset == "spot_ohlcv" else ("perpetual", None)
    if dataset == "open_interest":
        timeframe = "1d"
    return SeriesRequest(dataset, symbol, market_type, None, timeframe, start, end, is_open)


def plan_for(*requests, not_offered=()):
    return Plan(tuple(requests), tuple(not_offered))


def failure(kind, symbol, remedy="do nothing"):
    return ExchangeFailure("binance", "candles", symbol, Rule(kind, "it went wrong", remedy))


class MemoryAdapter:
    """Serves what it was given by symbol: a frame, a whole answer, or an error to raise."""

    exchange = "binance"
    capabilities = BINANCE

    def __init__(self, **answers):
        self.answers = {symbol.replace("_", "/"): answer for symbol, answer in answers.items()}
        self.asked, self.at_once, self.most_at_once = [], 0, 0

    async def _answer(self, symbol, start, end, time):
        self.asked.append((symbol, start, end))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        answer = self.answers[symbol]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Fetched):
            return answer
        return Fetched(answer.filter((pl.col(time) >= start) & (pl.col(time) < end)), 1, "digest")

    async def candles(self, symbol, market_type, price_type, timeframe, start, end):
        return await self._answer(symbol, start, end, "opened_at")

    async def funding_rates(self, symbol, start, end):
        return await self._answer(symbol, start, end, "settled_at")

    async def open_interest(self, symbol, period, start, end):
        return await self._answer(symbol, start, end, "observed_at")


@contextmanager
def open_warehouse(folder: Path):
    with Warehouse(folder).open_build("test") as connection:
        create_tables(connection)
        yield connection


@pytest.fixture
def warehouse(tmp_path):
    with open_warehouse(tmp_path) as connection:
        yield connection


def ingest(adapter, plan, sink, limits=None, run=None, progress=None):
    return asyncio.run(
        ingest_exchange(
            adapter, plan, sink, limits or Limits(), progress or (lambda _: None),
            stamp=run or stamp(), clock=lambda: CLOCK,
        )
    )  # fmt: skip


def log(warehouse, columns="symbol, status, error"):
    return warehouse.execute(f"select {columns} from raw.load_batches order by dataset, symbol, status").fetchall()


def test_candles_are_known_five_minutes_after_their_close_and_old_ones_are_called_assumed(warehouse):
    ingest(MemoryAdapter(A_USDT=candles("A/USDT", [8, 9])), plan_for(request("A/USDT")), RawWriter(warehouse))
    rows = warehouse.execute(
        "select opened_at, available_at, ingested_at, pit_quality, source from raw.spot_ohlcv order by all"
    ).fetchall()
    # Closed on the 10th and on the 11th at 00:00; it is the 11th, 00:16: the first is more than a day old.
    assert rows == [
        (datetime(2024, 6, 9), datetime(2024, 6, 10, 0, 5), CLOCK, "assumed", "simulated"),
        (datetime(2024, 6, 10), datetime(2024, 6, 11, 0, 5), CLOCK, "observed", "simulated"),
    ]


def test_funding_is_known_after_one_minute_and_a_snapshot_at_once(warehouse):
    settled = datetime(2024, 6, 11)
    funding = pl.DataFrame([("binance", "F", settled, 0.0001, None, None)], schema=FUNDING_COLUMNS, orient="row")
    interest = pl.DataFrame(
        [
            ("binance", "O", datetime(2024, 6, 10), None, 5.0, None, "history"),
            ("binance", "O", datetime(2024, 6, 11), None, 6.0, None, "snapshot"),
        ],
        schema=OPEN_INTEREST_COLUMNS,
        orient="row",
    )
    plan = plan_for(request("F", dataset="funding_rates"), request("O", dataset="open_interest"))
    ingest(MemoryAdapter(F=funding, O=interest), plan, RawWriter(warehouse))
    assert warehouse.execute("select available_at from raw.funding_rates").fetchall() == [
        (datetime(2024, 6, 11, 0, 1),)
    ]
    known = warehouse.execute("select observed_at, available_at from raw.open_interest order by 1").fetchall()
    assert known == [
        (datetime(2024, 6, 10), datetime(2024, 6, 10, 0, 5)),
        (datetime(2024, 6, 11), datetime(2024, 6, 11)),
    ]


def test_the_load_log_says_where_the_next_run_resumes(warehouse):
    old = request("B/USDT", end=datetime(2024, 6, 5), is_open=False)
    adapter = MemoryAdapter(A_USDT=candles("A/USDT", [0, 1, 2]), B_USDT=candles("B/USDT", [0]))
    ingest(adapter, plan_for(request("A/USDT"), old), RawWriter(warehouse))
    assert log(warehouse, "symbol, status, rows_received, rows_written, covered_until_at, payload_sha256") == [
        ("A/USDT", "ok", 3, 3, datetime(2024, 6, 4), "digest"),  # the candle of the 3rd ends on the 4th
        ("B/USDT", "ok", 1, 1, datetime(2024, 6, 5), "digest"),  # a window of the past is answered to its end
    ]


def test_one_symbols_failure_does_not_stop_the_others(warehouse):
    adapter = MemoryAdapter(A_USDT=failure("bad_symbol", "A/USDT"), B_USDT=candles("B/USDT", [0]))
    report = ingest(adapter, plan_for(request("A/USDT"), request("B/USDT")), RawWriter(warehouse))
    assert [row[:2] for row in log(warehouse)] == [("A/USDT", "failed"), ("B/USDT", "ok")]
    assert log(warehouse)[0][2] == "binance candles A/USDT: it went wrong. What to do: do nothing."
    assert report.failures == [log(warehouse)[0][2]]
    assert report.blocked is None


def test_silence_is_logged_as_empty_and_covers_nothing(warehouse):
    ingest(MemoryAdapter(A_USDT=candles("A/USDT", [])), plan_for(request("A/USDT")), RawWriter(warehouse))
    assert log(warehouse, "status, covered_until_at") == [("empty", None)]
    assert coverage(warehouse, "binance").is_empty()


def test_silence_of_what_no_longer_trades_is_no_alarm(warehouse):
    ended = replace(request("A/USDT"), is_trading=False)
    ingest(MemoryAdapter(A_USDT=candles("A/USDT", [])), plan_for(ended), RawWriter(warehouse))
    ((status, error),) = log(warehouse, "status, error")
    assert status == "absent" and error.startswith("it does not trade any more")


def test_a_refused_part_is_absent_with_its_reason_and_is_not_asked_for_again(warehouse):
    kept_from = datetime(2024, 6, 5)
    interest = pl.DataFrame(
        [("binance", "O", datetime(2024, 6, 10), None, 5.0, None, "history")],
        schema=OPEN_INTEREST_COLUMNS,
        orient="row",
    )
    fetched = Fetched(interest, 2, "digest", absences=(Absence(FIRST, kept_from, "30 days only"),))
    adapter = MemoryAdapter(O=fetched)
    ingest(adapter, plan_for(request("O", dataset="open_interest")), RawWriter(warehouse))
    assert log(warehouse, "status, window_start_at, window_end_at, error") == [
        ("absent", FIRST, kept_from, "30 days only"),
        ("ok", FIRST, NOW, None),
    ]
    instrument = {"symbol": ["O"], "market_type": ["perpetual"], "is_active": [True]}
    instruments = pl.DataFrame(instrument).with_columns(
        pl.lit(None, pl.Datetime("us")).alias(name) for name in ("listed_at", "delist_at", "expiry_at")
    )
    wants = Wants(futures_timeframes=())
    again = plan_series(instruments, coverage(warehouse, "binance"), BINANCE, wants, FIRST, NOW)
    starts = {each.dataset: each.start for each in again.series}
    assert starts["open_interest"] == datetime(2024, 6, 8)


def test_a_blocked_exchange_stops_and_says_how_much_was_left_unread(warehouse):
    symbols = [f"S{number}" for number in range(30)]
    answers = {symbol: failure("blocked", symbol) for symbol in symbols} | {"S0": candles("S0", [0])}
    adapter = MemoryAdapter(**answers)
    plan = plan_for(*map(request, symbols))
    report = ingest(adapter, plan, RawWriter(warehouse), Limits(concurrency=2))
    assert report.blocked is not None
    assert len(adapter.asked) < 5
    rows = log(warehouse)
    assert ("S0", "ok", None) in rows
    (given_up,) = [row for row in rows if row[1] == "failed"]
    assert given_up[0] is None
    assert given_up[2].endswith("29 series were not read.")


def test_what_is_not_offered_is_logged_once_with_its_reason(warehouse):
    plan = plan_for(not_offered=[NotOffered("open_interest", None, "only the current value")])
    report = ingest(MemoryAdapter(), plan, RawWriter(warehouse))
    assert log(warehouse, "dataset, status, error") == [("open_interest", "absent", "only the current value")]
    assert report.statuses["open_interest", "absent"] == 1


def test_a_bad_row_goes_to_quarantine_under_its_own_batch_and_the_rest_is_stored(warehouse):
    bad = candles("A/USDT", [0, 1]).with_columns(
        close=pl.when(pl.col("opened_at") == FIRST).then(-1.0).otherwise("close")
    )
    unreadable = pl.DataFrame({"row_number": [0], "row_json": ['["?"]'], "rule": ["row_readable"]})
    answer = Fetched(bad, 1, "digest", rejected=unreadable)
    report = ingest(
        MemoryAdapter(A_USDT=answer, B_USDT=candles("B/USDT", [0])),
        plan_for(request("A/USDT"), request("B/USDT")),
        RawWriter(warehouse),
    )
    found = warehouse.execute(
        "select symbol, row_number, rule, row_json "
        "from raw.quarantine join raw.load_batches using (batch_id, symbol) order by row_number"
    ).fetchall()
    assert [(row[0], row[1], row[2]) for row in found] == [
        ("A/USDT", 1, "price_positive"),
        ("A/USDT", 3, "row_readable"),  # after the two rows that could be read
    ]
    assert json.loads(found[0][3])["close"] == -1.0
    assert log(warehouse, "symbol, rows_received, rows_written, rows_quarantined") == [
        ("A/USDT", 3, 1, 2),
        ("B/USDT", 1, 1, 0),
    ]
    assert report.rows_quarantined == 2


def test_an_answer_of_unreadable_rows_only_has_failed_and_is_in_quarantine(warehouse):
    unreadable = pl.DataFrame({"row_number": [0], "row_json": ["null"], "rule": ["row_readable"]})
    answer = Fetched(candles("A/USDT", []), 1, "digest", rejected=unreadable)
    ingest(MemoryAdapter(A_USDT=answer), plan_for(request("A/USDT")), RawWriter(warehouse))
    ((status, error),) = log(warehouse, "status, error")
    assert status == "failed" and "none of the 1 rows that arrived can be used" in error
    assert warehouse.execute("select count(*) from raw.quarantine").fetchone() == (1,)


def test_an_incomplete_answer_keeps_its_rows_and_covers_nothing(warehouse):
    unreadable = pl.DataFrame({"row_number": [0], "row_json": ["null"], "rule": ["row_readable"]})
    answer = Fetched(candles("A/USDT", [0]), 2, "digest", rejected=unreadable, is_complete=False)
    ingest(MemoryAdapter(A_USDT=answer), plan_for(request("A/USDT")), RawWriter(warehouse))
    assert log(warehouse, "status, rows_written, rows_quarantined, covered_until_at") == [("failed", 1, 1, None)]


def test_rows_that_all_break_a_rule_cover_nothing_and_are_asked_for_again(warehouse):
    zero = pl.DataFrame(
        [("binance", "O", datetime(2024, 6, 10), None, 0.0, None, "history")],
        schema=OPEN_INTEREST_COLUMNS,
        orient="row",
    )
    report = ingest(MemoryAdapter(O=zero), plan_for(request("O", dataset="open_interest")), RawWriter(warehouse))
    assert log(warehouse, "status, covered_until_at, rows_quarantined") == [("failed", None, 1)]
    assert "none of the 1 rows that arrived can be used" in report.failures[0]
    assert coverage(warehouse, "binance").is_empty()


def test_coverage_ends_with_the_newest_row_that_keeps_the_rules(warehouse):
    # The candle of the 2nd is impossible: what is stored ends with that of the 1st, on the 2nd at 00:00.
    bad = candles("A/USDT", [1]).with_columns(low=pl.lit(99.0))
    adapter = MemoryAdapter(A_USDT=pl.concat([candles("A/USDT", [0]), bad]))
    ingest(adapter, plan_for(request("A/USDT")), RawWriter(warehouse))
    assert log(warehouse, "status, covered_until_at") == [("ok", datetime(2024, 6, 2))]


def test_contradicting_rows_of_one_answer_are_both_set_aside(warehouse):
    both = pl.concat([candles("A/USDT", [0], 10.0), candles("A/USDT", [0], 11.0), candles("A/USDT", [1])])
    ingest(MemoryAdapter(A_USDT=both), plan_for(request("A/USDT")), RawWriter(warehouse))
    assert warehouse.execute("select opened_at from raw.spot_ohlcv").fetchall() == [(datetime(2024, 6, 2),)]
    assert warehouse.execute("select rule, count(*) from raw.quarantine group by all").fetchall() == [
        ("conflicting_duplicate", 2)
    ]


class Recording:
    """A sink that remembers the groups it was given, or breaks on the nth."""

    def __init__(self, sink=None, breaks_at=None):
        self.sink, self.breaks_at, self.groups = sink, breaks_at, []

    def write(self, batches):
        if self.breaks_at is not None and len(self.groups) >= self.breaks_at:
            raise OSError("disk full")
        self.groups.append([batch.batch["symbol"] for batch in batches])
        return self.sink.write(batches) if self.sink else 0


def test_series_are_written_in_groups_and_not_one_by_one():
    symbols = [f"S{number}" for number in range(40)]
    adapter = MemoryAdapter(**{symbol: candles(symbol, range(10)) for symbol in symbols})
    sink = Recording()
    # 40 series of 10 rows in groups of at least 100: four groups of ten
    report = ingest(adapter, plan_for(*map(request, symbols)), sink, Limits(concurrency=4, flush_rows=100))
    assert [len(group) for group in sink.groups] == [10, 10, 10, 10]
    assert report.rows_received == 400
    assert adapter.most_at_once <= 4


def test_a_dataset_is_written_when_it_is_complete():
    funding = pl.DataFrame([("binance", "F", FIRST, 0.0001, None, None)], schema=FUNDING_COLUMNS, orient="row")
    plan = plan_for(request("A/USDT"), request("F", dataset="funding_rates"))
    sink = Recording()
    ingest(MemoryAdapter(A_USDT=candles("A/USDT", [0]), F=funding), plan, sink, Limits(concurrency=1))
    assert sink.groups == [["A/USDT"], ["F"]]


def test_an_error_of_the_warehouse_ends_the_run_instead_of_hanging_it():
    symbols = [f"S{number}" for number in range(200)]
    adapter = MemoryAdapter(**{symbol: candles(symbol, [0]) for symbol in symbols})
    with pytest.raises(OSError, match="disk full"):
        ingest(adapter, plan_for(*map(request, symbols)), Recording(breaks_at=0), Limits(2, flush_rows=1))


def test_a_mistake_of_ours_is_raised_and_not_logged_as_the_exchanges():
    adapter = MemoryAdapter(A_USDT=ValueError("binance has no 3d candles"))
    with pytest.raises(ValueError, match="no 3d candles"):
        ingest(adapter, plan_for(request("A/USDT")), Recording())


def test_progress_is_told_after_every_series():
    told = []
    adapter = MemoryAdapter(A_USDT=candles("A/USDT", [0, 1]), B_USDT=failure("permanent", "B/USDT"))
    ingest(adapter, plan_for(request("A/USDT"), request("B/USDT")), Recording(), Limits(1), progress=told.append)
    assert [(each.series_done, each.series_planned, each.rows_received) for each in told] == [
        (1, 2, 2),
        (2, 2, 2),
    ]


def test_holes_are_reported_with_their_symbol():
    hole = Gap(FIRST, FIRST + timedelta(days=3))
    adapter = MemoryAdapter(A_USDT=Fetched(candles("A/USDT", [0, 3]), 1, "digest", gaps=(hole,)))
    assert ingest(adapter, plan_for(request("A/USDT")), Recording()).gaps == [("A/USDT", hole)]


FACTS = """
    select symbol, opened_at, open, high, low, close, volume_base, volume_quote, available_at
    from raw.spot_ohlcv order by all
"""


def instruments_of(symbols):
    return pl.DataFrame({"symbol": symbols, "market_type": "spot", "is_active": True}).with_columns(
        pl.lit(None, pl.Datetime("us")).alias(name) for name in ("listed_at", "delist_at", "expiry_at")
    )


def test_a_run_that_broke_off_and_is_resumed_ends_with_the_rows_of_an_undisturbed_one(tmp_path):
    symbols = [f"S{number}" for number in range(6)]
    data = {symbol: candles(symbol, range(10)) for symbol in symbols}
    instruments = instruments_of(symbols)

    def run(connection, sink, name, at):
        plan = plan_series(instruments, coverage(connection, "binance"), BINANCE, Wants(), FIRST, NOW)
        return ingest(MemoryAdapter(**data), plan, sink, Limits(1, flush_rows=20), stamp(name, at))

    with open_warehouse(tmp_path / "undisturbed") as connection:
        run(connection, RawWriter(connection), "run-1", CLOCK)
        expected = connection.execute(FACTS).fetchall()
    with open_warehouse(tmp_path / "resumed") as connection:
        with pytest.raises(OSError, match="disk full"):
            run(connection, Recording(RawWriter(connection), breaks_at=2), "run-1", CLOCK)
        assert 0 < connection.execute("select count(*) from raw.spot_ohlcv").fetchone()[0] < 60
        report = run(connection, RawWriter(connection), "run-2", CLOCK + timedelta(minutes=5))
        assert connection.execute(FACTS).fetchall() == expected
    assert len(expected) == 60
    assert report.rows_written == 20


def test_a_second_night_writes_only_what_is_new_and_a_revised_candle_becomes_a_revision(tmp_path):
    instruments = instruments_of(["S"])
    tomorrow, later = NOW + timedelta(days=1), CLOCK + timedelta(days=1)
    with open_warehouse(tmp_path) as connection:

        def run(data, now, name, at):
            plan = plan_series(instruments, coverage(connection, "binance"), BINANCE, Wants(), FIRST, now)
            adapter = MemoryAdapter(S=data)
            return ingest(adapter, plan, RawWriter(connection), run=stamp(name, at)), adapter.asked

        run(candles("S", range(10)), NOW, "run-1", CLOCK)
        # The candle of the 10th is revised from 10 to 10.5 by the next night, when that of the 11th has come.
        revised = pl.concat([candles("S", range(9)), candles("S", [9], 10.5), candles("S", [10])])
        report, asked = run(revised, tomorrow, "run-2", later)
        assert asked == [("S", datetime(2024, 6, 9), tomorrow)]
        assert (report.rows_received, report.rows_written) == (3, 2)
        closes = connection.execute(
            "select close, ingested_at from raw.spot_ohlcv where opened_at = '2024-06-10' order by all"
        ).fetchall()
    assert closes == [(10.0, CLOCK), (10.5, later)]


def test_a_step_that_is_run_again_does_not_double_its_lines(warehouse):
    for _ in range(2):
        ingest(MemoryAdapter(A_USDT=candles("A/USDT", [0])), plan_for(request("A/USDT")), RawWriter(warehouse))
    assert log(warehouse, "symbol, status, rows_written") == [("A/USDT", "ok", 1)]


def test_a_list_of_instruments_is_known_when_it_is_read(warehouse):
    row = dict.fromkeys(INSTRUMENT_COLUMNS) | {
        "exchange": "binance", "symbol": "A/USDT", "market_type": "spot", "base": "A", "quote": "USDT",
        "contract_multiplier": 1.0, "is_active": True,
    }  # fmt: skip
    fetched = Fetched(pl.DataFrame([row], schema=INSTRUMENT_COLUMNS, orient="row"), 3, "digest")
    writer = RawWriter(warehouse)
    written = asyncio.run(ingest_instruments(MemoryAdapter(), fetched, writer, stamp=stamp(), clock=lambda: CLOCK))
    assert written == 1
    known = warehouse.execute("select available_at, ingested_at, pit_quality from raw.instruments").fetchall()
    assert known == [(CLOCK, CLOCK, "observed")]
    assert log(warehouse, "dataset, symbol, status, requests") == [("instruments", None, "ok", 3)]
