"""What two snapshots say otherwise, row by row."""

import json

from pipelines.audit_trail.contents import Change, changes


def test_only_the_values_that_differ_are_named():
    before = {"allocations": json.dumps([{"sector": "L1", "state": "NEUTRAL", "target_usd": 2.0}])}
    after = {"allocations": json.dumps([{"sector": "L1", "state": "STALE", "target_usd": 2.0}])}
    assert changes(before, after) == [Change("allocations", "L1", "state", "NEUTRAL", "STALE")]


def test_a_row_that_only_one_of_them_has_is_given_whole():
    hedge = {"hedge_id": "BTC-1", "side": "short"}
    before, after = {"hedges": "[]"}, {"hedges": json.dumps([hedge])}
    assert changes(before, after) == [Change("hedges", "BTC-1", None, None, hedge)]
    assert changes(after, before) == [Change("hedges", "BTC-1", None, hedge, None)]


def test_rows_are_matched_by_name_and_not_by_place():
    rows = [{"sector": "DEFI", "target_usd": 1.0}, {"sector": "L1", "target_usd": 2.0}]
    before = {"allocations": json.dumps(rows)}
    after = {"allocations": json.dumps([{"sector": "CASH", "target_usd": 3.0}, *rows])}
    assert [(one.row, one.column) for one in changes(before, after)] == [("CASH", None)]


def test_a_part_that_an_older_snapshot_does_not_have_is_not_compared():
    assert changes({"allocations": "[]"}, {"allocations": "[]", "orders": '[{"trade_id": "1"}]'}) == []
