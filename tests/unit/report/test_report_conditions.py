"""The rules on the page are those of the program, and the way to a cut is the shortest there is."""

import pytest

from pipelines.policy import Policy
from pipelines.report.conditions import RULES, flip_sentence, groups, ways_to_be_cut
from pipelines.signals.rules import AllOf, Predicate, build_rules


def shape(condition):
    if isinstance(condition, Predicate):
        return condition.name
    return ("all" if isinstance(condition, AllOf) else "one", *map(shape, condition.parts))


def test_the_shapes_on_the_page_are_those_of_the_rules():
    expected = []
    for rule in build_rules(Policy()).states:
        expected.append((rule.state, "enter", shape(rule.enter)))
        if rule.stay is not None:
            expected.append((rule.state, "stay", shape(rule.stay)))
    assert list(RULES) == expected


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"funding_3d_bps": 3.2, "funding_pctl_90d": 0.95, "open_interest_z_90d": 1.2},
        {"open_interest_change_7d_frac": -0.06, "momentum_14d_frac": -0.2},
        {"volatility_pctl_90d": 0.9, "funding_stdev_14d_bps": 1.1},
        {"funding_3d_bps": 0.5, "volume_ratio_7d_28d": 1.4},
    ],
)
def test_a_group_is_met_exactly_when_its_rule_holds(trace_of, metrics):
    trace = trace_of(**metrics)
    values = {record["metric"]: record["value"] for record in trace}
    rules = build_rules(Policy())
    values |= {"funding_peak_28d_bps": 2.0, "funding_stdev_median_90d_bps": 0.4}
    expected = []
    for rule in rules.states:
        expected += [part.holds(values, rules.limits(values)) for part in (rule.enter, rule.stay) if part is not None]
    assert [group.is_met for group in groups(trace)[1:]] == expected


def test_every_predicate_of_the_trace_is_shown_with_value_limit_and_slack(trace_of):
    trace = trace_of()
    lines = [line for group in groups(trace) for line in group.lines if line.limit]
    # lose.oi_chg stands in both ways of LOSING_MOMENTUM and is traced once
    assert len(lines) == len(trace) + 1
    funding = next(line for line in lines if line.limit == "≥ 3.00 bp/8h")
    assert (funding.value, funding.slack, funding.is_met) == ("1.80 bp/8h", "−1.20 bp/8h", False)


def test_an_unknown_metric_is_unknown_and_neither_met_nor_not(trace_of):
    lines = [line for group in groups(trace_of(momentum_14d_frac=None)) for line in group.lines]
    momentum = [line for line in lines if line.text == "Futures price change in 14 days"]
    assert momentum
    assert {(line.value, line.is_met, line.slack) for line in momentum} == {("unknown", None, "unknown")}


def test_a_predicate_that_the_page_does_not_know_is_shown_all_the_same(trace_of):
    stranger = {
        "state": "PANIC", "role": "enter", "applies": True, "predicate": "panic.x", "metric": "fear_z",
        "comparison": ">=", "value": 2.0, "threshold": 3.0, "slack": -1.0, "satisfied": False,
    }  # fmt: skip
    last = groups([*trace_of(), stranger])[-1]
    assert (last.title, last.lines[0].text, last.lines[0].limit) == ("Other conditions", "fear_z", "≥ 3.00")


def test_the_way_to_a_cut_names_only_what_is_missing(trace_of):
    # funding 3.2 is over 3, its percentile 0.95 over 0.9: new leverage is missing, and +15% in 7 days is the dearest
    trace = trace_of(funding_3d_bps=3.2, funding_pctl_90d=0.95, open_interest_z_90d=0.9)
    first = ways_to_be_cut(trace, Policy())[0]
    assert (first.state, first.sold_frac) == ("OVERLEVERAGED", 0.25)
    assert first.moves == ("open interest in coins, z-score over 90 days rises to 1.00 (now 0.90)",)


def test_a_sector_whose_conditions_hold_has_nothing_missing(trace_of):
    trace = trace_of(open_interest_change_7d_frac=-0.06, momentum_14d_frac=-0.2)
    first = ways_to_be_cut(trace, Policy())[0]
    assert (first.state, first.moves) == ("LOSING_MOMENTUM", ())


def test_a_way_over_an_unknown_metric_is_not_shown(trace_of):
    trace = trace_of(open_interest_change_7d_frac=None)
    assert "LOSING_MOMENTUM" not in [way.state for way in ways_to_be_cut(trace, Policy())]


def test_a_way_that_needs_a_metric_in_two_places_is_not_shown(trace_of):
    # 60% of a peak of -3 is -1.8: funding may not be above -1.8 and not below -0.5. The other way, a fall of the
    # price by 10%, stays.
    trace = trace_of(funding_3d_bps=-1.0, funding_peak_28d_bps=-3.0, momentum_14d_peak_28d_frac=0.3)
    losing = next(way for way in ways_to_be_cut(trace, Policy()) if way.state == "LOSING_MOMENTUM")
    assert losing.moves == (
        "open interest change in 7 days falls to −5.0% (now +1.0%)",
        "futures price change in 14 days falls to −10.0% (now +5.0%)",
    )


def test_states_that_the_policy_does_not_cut_are_no_way(trace_of):
    policy = Policy.model_validate({"actions": {"UNSTABLE": "HOLD"}})
    assert {way.state for way in ways_to_be_cut(trace_of(), policy)} == {"OVERLEVERAGED", "LOSING_MOMENTUM"}


@pytest.mark.parametrize(
    ("target", "words"), [(-2.0, "falls to −2.00"), (-2.000000001, "falls below −2.00"), (-1.0, "rises above −2.00")]
)
def test_a_flip_says_whether_the_limit_itself_is_enough(target, words):
    move = {
        "metric": "funding_3d_bps",
        "value": -1.75,
        "target": target,
        "threshold": -2.0,
        "predicate": "x",
        "slack": 0.25,
    }
    assert words in flip_sentence({"becomes": "NEUTRAL", "moves": [move]})
