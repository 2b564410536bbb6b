"""The trace shows every predicate with its value, its limit and how far apart they are."""

import pytest

from pipelines.signals.states import rule_trace

EXPECTED = {
    "STALE": ["is_fresh"],
    "NO_DATA": ["health.coverage", "missing"],
    "OVERLEVERAGED": [
        *("over.f", "over.pct", "over.ex", "over.oi_z", "over.oi_usd_z", "over.oi_chg"),
        *("over.stay_f", "over.stay_oi_z", "over.stay_oi_usd_z", "over.stay_oi_chg"),
    ],
    "LOSING_MOMENTUM": [
        *("lose.oi_chg", "lose.peak_f", "lose.pump", "lose.f_lo", "lose.norm"),
        *("lose.mom", "lose.f_min"),
    ],
    "UNSTABLE": [
        *("unstable.rv_pct", "unstable.fvol", "unstable.mult", "unstable.flips"),
        *("unstable.stay_rv_pct", "unstable.stay_fvol"),
    ],
    "CAPITULATION": ["capitulation.f", "capitulation.pct"],
    "ACCUMULATION": [
        "accum.f_min",
        "accum.f_max",
        "accum.fvol",
        "accum.mom_above",
        "accum.vr",
        "accum.oi_chg",
    ],
}


def traced(metrics, rules, name, latch=None):
    return next(entry for entry in rule_trace(metrics, rules, latch) if entry.predicate == name)


def test_the_trace_holds_every_predicate_of_every_state(sector, rules):
    by_state: dict[str, list[str]] = {}
    for entry in rule_trace(sector(), rules, None):
        by_state.setdefault(entry.state, []).append(entry.predicate)
    assert by_state == EXPECTED


def test_every_threshold_of_the_state_sections_of_the_policy_is_in_the_trace(sector, rules, policy):
    sections = ("over", "lose", "unstable", "capitulation", "accum")
    keys = {f"{section}.{key}" for section in sections for key in getattr(policy, section).model_dump()}
    assert keys <= {entry.predicate for entry in rule_trace(sector(), rules, None)}


@pytest.mark.parametrize(
    ("changes", "name", "slack", "satisfied"),
    [
        ({"f": 3.25}, "over.f", 0.25, True),  # at least: value - limit
        ({"f": 2.75}, "over.f", -0.25, False),
        ({"f": 3.0}, "over.f", 0.0, True),
        ({"oi_chg7": -0.08}, "lose.oi_chg", 0.03, True),  # at most: limit - value
        ({"f": 1.0, "f_peak28": 5.0}, "lose.norm", 2.0, True),  # 0.6 * 5 - 1
        ({"mom14": 0.0}, "accum.mom_above", 0.0, False),  # strict: no slack is not enough
        ({"ex": None}, "over.ex", None, False),
        ({"f_peak28": None}, "lose.norm", None, False),
        ({"coverage": 0.5}, "health.coverage", 0.1, True),
        ({"vr": None}, "missing", 0, True),
        ({"vr": None, "oi_z": None}, "missing", 1, True),
        ({}, "missing", -1, False),
        ({"is_fresh": False}, "is_fresh", None, True),
    ],
)
def test_slack_is_positive_inside_the_limit_and_none_where_unknown(sector, rules, changes, name, slack, satisfied):
    entry = traced(sector(**changes), rules, name)
    assert (entry.slack, entry.satisfied) == (slack, satisfied)


def test_the_limit_of_a_multiple_is_the_product_of_the_day(sector, rules):
    entry = traced(sector(fvol_med=0.4), rules, "unstable.mult")
    assert (entry.value, entry.threshold, entry.slack) == (0.3, 0.8, -0.5)


def test_conditions_to_stay_apply_only_to_the_remembered_state(sector, rules):
    trace = rule_trace(sector(), rules, "UNSTABLE")
    assert {entry.state: entry.applies for entry in trace if entry.role == "stay"} == {
        "OVERLEVERAGED": False,
        "UNSTABLE": True,
    }
    assert all(entry.applies for entry in trace if entry.role == "enter")


def test_a_predicate_used_in_two_branches_is_traced_once(sector, rules):
    names = [entry.predicate for entry in rule_trace(sector(), rules, None)]
    assert len(names) == len(set(names))
