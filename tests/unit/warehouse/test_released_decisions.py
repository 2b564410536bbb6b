"""Only what the current release says is continued."""

from datetime import date, datetime

import polars as pl
import pytest

from warehouse.connection import Warehouse
from warehouse.contracts import DECISIONS
from warehouse.errors import WarehouseError
from warehouse.frames import frame_schema
from warehouse.portfolio import read, replace_days
from warehouse.release import publish, rollback
from warehouse.released import begin_deciding, released_as
from warehouse.schema import create_tables

FIRST, SECOND, THIRD = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)


@pytest.fixture
def warehouse(tmp_path):
    files = Warehouse(tmp_path)
    with files.open_build() as con:
        create_tables(con)
        con.execute("create schema marts; create table marts.sector_weights as select 'L1' as sector")
    return files


def decide(con, warehouse, run_id, day, label):
    begin_deciding(con, warehouse, run_id, day)
    row = {"decision_id": f"{label}-{day}", "as_of_date": day, "status": "decided", "source": "simulated"}
    replace_days(con, DECISIONS, pl.DataFrame([row], schema=frame_schema(DECISIONS)), day, day)


def night(warehouse, run_id, day, label="good", is_published=True):
    with warehouse.open_build() as con:
        decide(con, warehouse, run_id, day, label)
    if is_published:
        release = publish(
            warehouse, as_of_date=day, source="simulated", git_sha=None, policy_hash=None, input_hash=None,
            checks_passed=1, keep=5, published_at=datetime(2024, 1, day.day + 1),
        )  # fmt: skip
        with warehouse.open_build() as con:
            released_as(con, release.release_id)


def decisions(warehouse):
    with warehouse.open_build() as con:
        return read(con, "select decision_id from portfolio.decisions order by 1")["decision_id"].to_list()


def test_a_refused_night_is_forgotten_when_the_next_one_begins(warehouse):
    night(warehouse, "r1", FIRST)
    night(warehouse, "r2", SECOND, "refused", is_published=False)
    night(warehouse, "r3", THIRD)
    assert decisions(warehouse) == [f"good-{FIRST}", f"good-{THIRD}"]


def test_a_released_day_that_a_refused_run_has_rewritten_stands_again_as_released(warehouse):
    night(warehouse, "r1", FIRST)
    night(warehouse, "r2", FIRST, "refused", is_published=False)
    night(warehouse, "r3", SECOND)
    assert decisions(warehouse) == [f"good-{FIRST}", f"good-{SECOND}"]


def test_a_refused_first_night_leaves_nothing(warehouse):
    night(warehouse, "r1", FIRST, "refused", is_published=False)
    night(warehouse, "r2", SECOND)
    assert decisions(warehouse) == [f"good-{SECOND}"]


def test_after_a_rollback_the_withdrawn_decision_is_not_continued(warehouse):
    night(warehouse, "r1", FIRST)
    night(warehouse, "r2", SECOND)
    rollback(warehouse)
    night(warehouse, "r3", THIRD)
    assert decisions(warehouse) == [f"good-{FIRST}", f"good-{THIRD}"]


def test_the_steps_of_one_run_go_on_from_one_another(warehouse):
    with warehouse.open_build() as con:
        decide(con, warehouse, "r1", FIRST, "first")
        begin_deciding(con, warehouse, "r1", FIRST)
    assert decisions(warehouse) == [f"first-{FIRST}"]


def test_an_old_day_alone_cannot_be_decided_again(warehouse):
    night(warehouse, "r1", FIRST)
    night(warehouse, "r2", SECOND)
    with warehouse.open_build() as con, pytest.raises(WarehouseError, match="needs a range that reaches 2024-01-02"):
        begin_deciding(con, warehouse, "r3", FIRST)
    assert len(decisions(warehouse)) == 2
