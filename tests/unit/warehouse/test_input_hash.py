from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse import digest
from warehouse.connection import Connection, Warehouse
from warehouse.contracts import FACTS, FUNDING_RATES, INSTRUMENTS, OPEN_INTEREST
from warehouse.digest import input_hashes
from warehouse.frames import frame_schema, insert
from warehouse.schema import create_tables

K = datetime(2026, 2, 1)
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 5)


def add_funding(con: Connection, *rows: tuple[datetime, float | None], **columns: object) -> None:
    """Funding facts: settlement and rate; known a minute later unless told."""
    frame = [
        dict.fromkeys(FUNDING_RATES.columns)
        | {
            "exchange": "binance",
            "symbol": "BTC/USDT:USDT",
            "settled_at": at,
            "funding_rate": rate,
            "available_at": at + timedelta(minutes=1),
            "ingested_at": datetime(2026, 1, 31),
            "batch_id": "a",
        }
        | columns
        for at, rate in rows
    ]
    insert(con, FUNDING_RATES, pl.DataFrame(frame, schema=frame_schema(FUNDING_RATES)))


def hashes(con: Connection, knowledge_time: datetime = K) -> list[str]:
    found = input_hashes(con, FIRST, LAST, knowledge_time)
    assert list(found) == [FIRST + timedelta(days=n) for n in range(5)]
    return list(found.values())


def changed(before: list[str], after: list[str]) -> list[bool]:
    return [a != b for a, b in zip(before, after, strict=True)]


@pytest.fixture
def three_days(con: Connection) -> Connection:
    add_funding(con, *((datetime(2026, 1, day, 8), 0.0001 * day) for day in (1, 2, 3)))
    return con


def test_fact_changes_the_hash_of_its_day_and_of_every_later_one(three_days: Connection) -> None:
    before = hashes(three_days)
    assert len(set(before)) == 5
    add_funding(three_days, (datetime(2026, 1, 3, 16), 0.0001))
    assert changed(before, hashes(three_days)) == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("available_at", "first_changed"),
    [
        (datetime(2026, 1, 3, 0, 15), 1),  # the decision for 2 January is taken at exactly this instant
        (datetime(2026, 1, 3, 0, 15, 0, 1), 2),  # one microsecond late: the next day's input
    ],
)
def test_fact_belongs_to_the_first_decision_that_could_read_it(
    three_days: Connection, available_at: datetime, first_changed: int
) -> None:
    before = hashes(three_days)
    add_funding(three_days, (datetime(2026, 1, 2, 23), 0.0001), available_at=available_at)
    assert changed(before, hashes(three_days)).index(True) == first_changed


def test_what_was_learned_after_k_is_not_read(three_days: Connection) -> None:
    before = hashes(three_days)
    late = K + timedelta(microseconds=1)
    add_funding(three_days, (datetime(2026, 1, 2, 8), 9.0), (datetime(2026, 1, 1, 16), 9.0), ingested_at=late)
    assert hashes(three_days) == before
    assert changed(before, hashes(three_days, late)) == [True] * 5
    # A look back at the old K gives the old hashes, also after the new ones were stored.
    assert hashes(three_days) == before


def test_knowledge_time_may_carry_a_zone(three_days: Connection) -> None:
    add_funding(three_days, (datetime(2026, 1, 2, 8), 9.0), ingested_at=K + timedelta(minutes=30))
    assert hashes(three_days, K.replace(tzinfo=UTC)) == hashes(three_days, K)


def test_newest_revision_counts_and_an_older_one_that_comes_later_does_not(three_days: Connection) -> None:
    before = hashes(three_days)
    add_funding(three_days, (datetime(2026, 1, 2, 8), 5.0), ingested_at=datetime(2026, 1, 30))
    assert hashes(three_days) == before
    add_funding(three_days, (datetime(2026, 1, 2, 8), 5.0), ingested_at=datetime(2026, 1, 31, 1))
    assert changed(before, hashes(three_days)) == [False, True, True, True, True]


def test_batch_loading_time_source_and_order_do_not_matter(warehouse: Warehouse, three_days: Connection) -> None:
    other = Warehouse(warehouse.directory / "other")
    with other.open_build() as con:
        create_tables(con)
        for day in (3, 1, 2):
            add_funding(
                con,
                (datetime(2026, 1, day, 8), 0.0001 * day),
                batch_id=f"other {day}",
                ingested_at=datetime(2026, 1, 20),
                source="archive",
                pit_quality="assumed",
            )
        assert hashes(con) == hashes(three_days)


@pytest.mark.parametrize(
    "columns",
    [
        {"funding_rate": 0.0002 + 1e-19},  # the next double: 0.0002 has a spacing of 2.7e-20
        {"funding_rate": None},
        {"interval_hours": 8.0},
        {"mark_price": 0.0},
        {"exchange": "bybit"},
        {"symbol": "ETH/USDT:USDT"},
        {"settled_at": datetime(2026, 1, 2, 8, 0, 0, 1)},
    ],
)
def test_every_column_of_a_fact_is_part_of_the_hash(con: Connection, columns: dict[str, object]) -> None:
    def hash_of(**fact: object) -> str:
        con.execute("delete from raw.funding_rates; delete from quality.input_digests")
        at = datetime(2026, 1, 2, 8)
        add_funding(con, (at, 0.0002), available_at=at + timedelta(minutes=1), **fact)
        return hashes(con)[1]

    assert hash_of(**columns) != hash_of()
    assert hash_of(**columns) == hash_of(**columns)


def test_every_fact_table_is_part_of_the_hash(con: Connection) -> None:
    seen = [hashes(con)[0]]
    for table in FACTS:
        row = dict.fromkeys(table.columns) | {
            "exchange": "binance",
            "symbol": "BTC",
            "available_at": datetime(2026, 1, 1, 9),
            "ingested_at": datetime(2026, 1, 1, 9),
        }
        if table.event_column:
            row[table.event_column] = datetime(2026, 1, 1, 8)
        insert(con, table, pl.DataFrame([row], schema=frame_schema(table)))
        seen.append(hashes(con)[0])
    assert len(set(seen)) == 1 + len(FACTS)


def test_instrument_counts_for_every_day_as_its_newest_description(con: Connection) -> None:
    """The list of instruments is read whole by every decision, also by those of days before it was read."""

    def describe(is_active: bool, at: datetime) -> None:
        row = dict.fromkeys(INSTRUMENTS.columns) | {
            "exchange": "binance", "symbol": "BTC/USDT", "is_active": is_active, "available_at": at,
            "ingested_at": at,
        }  # fmt: skip
        insert(con, INSTRUMENTS, pl.DataFrame([row], schema=frame_schema(INSTRUMENTS)))

    describe(True, datetime(2026, 1, 2, 8))
    before = hashes(con, datetime(2026, 1, 3))
    describe(False, datetime(2026, 1, 4, 8))
    assert hashes(con, datetime(2026, 1, 3)) == before
    assert changed(before, hashes(con)) == [True] * 5


def test_history_is_read_once_and_then_only_the_days_that_were_touched(
    three_days: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[date]] = []
    original = digest._digest_days

    def spy(con: Connection, table: object, days: list[date], known_until: datetime) -> pl.DataFrame:
        read.append(days)
        return original(con, table, days, known_until)  # type: ignore[arg-type]

    monkeypatch.setattr(digest, "_digest_days", spy)
    first = hashes(three_days)
    assert read == [[date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]]
    read.clear()
    assert hashes(three_days) == first and read == []
    add_funding(three_days, (datetime(2026, 1, 2, 16), 1.0), ingested_at=K)
    second = hashes(three_days)
    assert read == [[date(2026, 1, 2)]]
    # A look back at what was known before reads that day again, and leaves tonight's digests in place.
    assert hashes(three_days, K - timedelta(hours=1)) == first
    read.clear()
    assert hashes(three_days) == second and read == []


def test_zero_has_no_sign(con: Connection) -> None:
    add_funding(con, (datetime(2026, 1, 1, 8), 0.0))
    plus = hashes(con)
    con.execute("delete from raw.funding_rates; delete from quality.input_digests")
    add_funding(con, (datetime(2026, 1, 1, 8), -0.0))
    assert hashes(con) == plus


def test_days_read_in_portions_give_the_same_hash(three_days: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hashes(three_days)
    three_days.execute("delete from quality.input_digests")
    monkeypatch.setattr(digest, "_ROWS_AT_A_TIME", 1)
    assert hashes(three_days) == whole


def test_digest_of_a_table_that_gained_a_column_is_not_reused(three_days: Connection) -> None:
    whole = hashes(three_days)
    three_days.execute("update quality.input_digests set layout = 'older columns', digest = 'older digest'")
    assert hashes(three_days) == whole


facts = st.lists(
    st.tuples(
        st.integers(0, 4),  # day
        st.sampled_from([0, 8, 16, 23]),  # hour
        st.sampled_from(["BTC", "ETH"]),
        st.sampled_from([0.0, -0.0, 0.0001, None]),
        st.integers(0, 2),  # revision: days of loading
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda fact: (fact[0], fact[1], fact[2], fact[4]),
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(facts=facts, order=st.randoms(use_true_random=False), cut=st.integers(0, 12))
def test_hash_depends_on_what_is_known_and_not_on_how_it_came(facts: list[tuple], order: object, cut: int) -> None:
    """Loaded at once, or in another order with hashes taken in between: the same hashes for every K."""

    def row(fact: tuple) -> dict[str, object]:
        day, hour, symbol, coins, revision = fact
        at = datetime(2026, 1, 1 + day, hour)
        return dict.fromkeys(OPEN_INTEREST.columns) | {
            "exchange": "bybit", "symbol": symbol, "observed_at": at, "open_interest_base": coins,
            "available_at": at + timedelta(minutes=5), "ingested_at": datetime(2026, 1, 6 + revision),
        }  # fmt: skip

    def frame(some: list[tuple]) -> pl.DataFrame:
        return pl.DataFrame([row(fact) for fact in some], schema=frame_schema(OPEN_INTEREST))

    shuffled = list(facts)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    loading_days = [datetime(2026, 1, 6 + revision) for revision in range(3)]
    with duckdb.connect() as con:
        create_tables(con)
        insert(con, OPEN_INTEREST, frame(facts))
        whole = [hashes(con, known) for known in loading_days]
    with duckdb.connect() as con:
        create_tables(con)
        for part in (shuffled[:cut], shuffled[cut:]):
            insert(con, OPEN_INTEREST, frame(part))
            hashes(con, loading_days[cut % 3])
        assert [hashes(con, known) for known in loading_days] == whole
