"""Which decisions are made again together, and what is said of one that came out otherwise."""

import json
from datetime import date, datetime, timedelta

from pipelines.audit_trail.replay import judge, plan
from warehouse.provenance import Snapshot

DAY = date(2026, 11, 1)
NIGHT = datetime(2026, 11, 20, 0, 16)


def snapshot(number, known_until=NIGHT, is_current=True, previous=None, suffix="", **more) -> Snapshot:
    return Snapshot(
        as_of_date=DAY + timedelta(days=number),
        snapshot_id=f"s{number}{suffix}",
        decision_id=f"d{number}{suffix}",
        taken_at=known_until + timedelta(minutes=1),
        contents={"allocations": "[]", "hedges": "[]"},
        known_until=known_until,
        previous_decision_id=previous or (f"d{number - 1}" if number else None),
        is_current=is_current,
        **more,
    )


def ids(chains):
    return [[[one.snapshot_id for one in stretch.links] for stretch in chain] for chain in chains]


def never(*_):
    return False


def always(*_):
    return True


def test_days_of_one_run_are_made_again_in_one_build_with_those_between_them():
    stored = [snapshot(number) for number in range(6)]
    # 1 and 4 are wanted: 2 and 3 lie between and carry the book; 0 is published, 5 is not needed.
    assert ids(plan(stored, [stored[1], stored[4]], never)) == [[["s1", "s2", "s3", "s4"]]]


def test_nights_share_a_build_only_where_nothing_came_in_that_the_earlier_could_read():
    stored = [snapshot(number, NIGHT + timedelta(days=number)) for number in range(3)]
    assert ids(plan(stored, stored, always)) == [[["s0", "s1", "s2"]]]
    assert ids(plan(stored, stored, never)) == [[["s0"]], [["s1"]], [["s2"]]]


def test_what_may_have_come_in_is_asked_between_the_two_nights_for_the_earlier_day():
    asked = []
    stored = [snapshot(number, NIGHT + timedelta(days=number)) for number in range(2)]
    plan(stored, stored, lambda *question: asked.append(question) or True)
    assert asked == [(NIGHT, NIGHT + timedelta(days=1), DAY)]


def test_another_policy_is_another_build():
    stored = [snapshot(0, policy_hash="p"), snapshot(1, policy_hash="q")]
    assert ids(plan(stored, stored, always)) == [[["s0"]], [["s1"]]]


def test_a_replaced_decision_is_made_again_after_the_replaced_ones_it_rests_on():
    later = NIGHT + timedelta(days=2)
    stored = [
        snapshot(0),
        snapshot(1, is_current=False, suffix="old"),
        snapshot(1, later),
        snapshot(2, is_current=False, previous="d1old", suffix="old"),
        snapshot(2, later),
    ]
    assert ids(plan(stored, [stored[3]], never)) == [[["s1old", "s2old"]]]
    assert ids(plan(stored, [stored[1], stored[3]], never)) == [[["s1old", "s2old"]]]


def test_a_replaced_decision_that_knew_more_continues_the_stretch_before():
    stored = [
        snapshot(1, is_current=False, suffix="old", previous="none"),
        snapshot(2, NIGHT + timedelta(days=1), is_current=False, previous="d1old", suffix="old"),
    ]
    (chain,) = plan(stored, [stored[1]], never)
    assert [[one.snapshot_id for one in stretch.links] for stretch in chain] == [["s1old"], ["s2old"]]
    assert [stretch.continues for stretch in chain] == [False, True]


def rebuilt(one: Snapshot, **changed):
    contents = {f"{part}_json": text for part, text in one.contents.items()}
    return {"decision_id": one.decision_id, "input_hash": "i", "policy_hash": "p"} | contents | changed


def test_the_same_bytes_and_the_same_id_are_equal():
    one = snapshot(0, input_hash="i", policy_hash="p")
    assert judge(one, rebuilt(one)).outcome == "equal"


def test_the_first_value_that_differs_is_named():
    one = snapshot(0)
    verdict = judge(one, rebuilt(one, allocations_json=json.dumps([{"sector": "L1", "target_usd": 2}])))
    assert verdict.outcome == "different" and verdict.reason.startswith("allocations: L1 was None")


def test_the_same_targets_from_other_rows_are_not_equal():
    one = snapshot(0, input_hash="i", policy_hash="p")
    verdict = judge(one, rebuilt(one, decision_id="another", input_hash="j"))
    assert verdict.outcome == "different" and "input_hash was i and is j" in verdict.reason


def test_a_row_of_another_table_that_differs_is_not_equal():
    one = snapshot(0)
    verdict = judge(one, rebuilt(one, differing="portfolio.sector_signals: {...}"))
    assert verdict.outcome == "different" and verdict.reason.startswith("portfolio.sector_signals")


def test_no_decision_is_different():
    assert judge(snapshot(0), None).outcome == "different"
