"""Snapshots are decided once and never changed."""

from datetime import date, datetime

import polars as pl

from pipelines.publish.snapshots import snapshot_rows

DAY = date(2024, 1, 2)
NOW = datetime(2024, 1, 3, 0, 20)


def rows(target_usd=5.0, decision_id="d1", taken_at=NOW):
    decisions = pl.DataFrame({"as_of_date": [DAY], "decision_id": [decision_id]})
    targets = pl.DataFrame(
        {"as_of_date": [DAY], "sector": ["L1"], "target_usd": [target_usd], "reason_codes": [["BAND"]]}
    )
    hedges = pl.DataFrame({"as_of_date": [], "hedge_id": []}, schema={"as_of_date": pl.Date, "hedge_id": pl.String})
    orders = pl.DataFrame({"as_of_date": [DAY], "trade_id": ["t1"], "side": ["buy"]})
    return snapshot_rows(decisions, targets, orders, hedges, taken_at)


def test_a_snapshot_holds_what_was_decided_and_an_empty_list_where_nothing_is_hedged():
    (row,) = rows()
    assert row["allocations_json"] == '[{"reason_codes":["BAND"],"sector":"L1","target_usd":5.0}]'
    assert row["orders_json"] == '[{"side":"buy","trade_id":"t1"}]'
    assert row["hedges_json"] == "[]"


def test_the_same_decision_taken_later_is_the_same_snapshot_and_another_one_is_new():
    (first,), (again,), (other,) = rows(), rows(taken_at=datetime(2024, 1, 4)), rows(target_usd=6.0)
    assert first["snapshot_id"] == again["snapshot_id"] != other["snapshot_id"]
    assert rows(decision_id="d2")[0]["snapshot_id"] != first["snapshot_id"]
