from datetime import date, datetime

import polars as pl
import pytest

from warehouse import portfolio
from warehouse.connection import Connection
from warehouse.contracts import ALLOCATION_SNAPSHOTS, TARGET_ALLOCATIONS
from warehouse.errors import SchemaMismatch, WarehouseError
from warehouse.frames import frame_schema
from warehouse.portfolio import append, read, replace_days


def targets(*rows: tuple[int, str, float], **columns: object) -> pl.DataFrame:
    """Day of January 2026, sector, weight."""
    return pl.DataFrame(
        [
            dict.fromkeys(TARGET_ALLOCATIONS.columns)
            | {"as_of_date": date(2026, 1, day), "sector": sector, "target_weight_frac": weight}
            | columns
            for day, sector, weight in rows
        ],
        schema=frame_schema(TARGET_ALLOCATIONS),
    )


def replace(con: Connection, frame: pl.DataFrame, first: int, last: int) -> int:
    return replace_days(con, TARGET_ALLOCATIONS, frame, date(2026, 1, first), date(2026, 1, last))


def stored(con: Connection) -> list[tuple[int, str, float]]:
    return read(
        con, "select day(as_of_date), sector, target_weight_frac from portfolio.target_allocations order by all"
    ).rows()


def test_days_are_replaced_and_their_neighbours_stay(con: Connection) -> None:
    assert replace(con, targets((1, "L1", 0.1), (2, "L1", 0.2), (2, "DEFI", 0.8), (3, "L1", 0.3)), 1, 3) == 4
    assert replace(con, targets((2, "L1", 1.0)), 2, 2) == 1
    assert stored(con) == [(1, "L1", 0.1), (2, "L1", 1.0), (3, "L1", 0.3)]


def test_no_rows_clear_the_days(con: Connection) -> None:
    replace(con, targets((1, "L1", 0.1), (2, "L1", 0.2)), 1, 2)
    replace(con, targets(), 2, 2)
    assert stored(con) == [(1, "L1", 0.1)]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (targets((4, "L1", 1.0)), "1 rows lie outside 2026-01-01..2026-01-03, the first on 2026-01-04"),
        (targets((2, "L1", 1.0), (2, "L1", 0.5)), "2 rows have a key that another row has too"),
        (targets((2, "L1", 1.0), sector=None), "1 rows have a key that is not known"),
        (targets((2, "L1", 1.0)).drop("state"), r"lacks \['state'\]"),
    ],
)
def test_rows_that_do_not_fit_change_nothing(con: Connection, frame: pl.DataFrame, said: str) -> None:
    replace(con, targets((1, "L1", 0.1)), 1, 3)
    with pytest.raises((WarehouseError, SchemaMismatch), match=f"portfolio.target_allocations: .*{said}"):
        replace(con, frame, 1, 3)
    assert stored(con) == [(1, "L1", 0.1)]


def test_days_are_replaced_whole_or_not_at_all(con: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(con, targets((1, "L1", 0.1)), 1, 1)

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(portfolio, "insert", full_disk)
    with pytest.raises(OSError, match="no space left"):
        replace(con, targets((1, "L1", 0.2)), 1, 1)
    assert stored(con) == [(1, "L1", 0.1)]


def test_lists_come_back_as_lists(con: Connection) -> None:
    replace(con, targets((1, "L1", 0.1), reason_codes=["FLOOR", "BAND"]), 1, 1)
    assert read(con, "select reason_codes from portfolio.target_allocations").item().to_list() == ["FLOOR", "BAND"]


def snapshot(snapshot_id: str, allocations: str) -> pl.DataFrame:
    row = {
        "as_of_date": date(2026, 1, 1),
        "snapshot_id": snapshot_id,
        "decision_id": "d",
        "taken_at": datetime(2026, 1, 2),
        "allocations_json": allocations,
        "hedges_json": "[]",
    }
    return pl.DataFrame([row], schema=frame_schema(ALLOCATION_SNAPSHOTS))


def test_snapshot_is_never_changed_and_a_second_one_stands_beside_it(con: Connection) -> None:
    assert append(con, ALLOCATION_SNAPSHOTS, snapshot("first", "[1]")) == 1
    assert append(con, ALLOCATION_SNAPSHOTS, snapshot("first", "[2]")) == 0
    assert append(con, ALLOCATION_SNAPSHOTS, snapshot("second", "[3]")) == 1
    found = read(con, "select snapshot_id, allocations_json from portfolio.allocation_snapshots order by all")
    assert found.rows() == [("first", "[1]"), ("second", "[3]")]


def test_read_takes_named_parameters(con: Connection) -> None:
    assert read(con, "select $day + 1 as next", {"day": 1})["next"].to_list() == [2]
