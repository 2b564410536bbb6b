"""State to action, with the vetoes."""

import itertools

import pytest

from pipelines.allocations.actions import action_for, ordered_codes
from pipelines.policy import STATES, Policy, parse_policy
from pipelines.signals.vetoes import apply_vetoes

POLICY = Policy()


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("OVERLEVERAGED", "REDUCE"),
        ("LOSING_MOMENTUM", "REDUCE"),
        ("UNSTABLE", "TRIM"),
        ("CAPITULATION", "HOLD"),
        ("ACCUMULATION", "INCREASE"),
        ("NEUTRAL", "HOLD"),
        ("STALE", "FREEZE"),
        ("NO_DATA", "FREEZE"),
    ],
)
def test_each_state_has_its_action(state, action):
    assert action_for("DEFI", state, {}, 5, POLICY) == (action, ())


def test_a_reference_that_runs_ahead_vetoes_the_raise_at_the_limit_included():
    assert action_for("DEFI", "ACCUMULATION", {"L1": 1.5}, 5, POLICY) == ("HOLD", ("SPREAD_VETO",))
    assert action_for("DEFI", "ACCUMULATION", {"L1": 1.499999999}, 5, POLICY) == ("INCREASE", ())


def test_an_unknown_spread_never_vetoes():
    assert action_for("DEFI", "ACCUMULATION", {"L1": None}, 5, POLICY) == ("INCREASE", ())


def test_a_sector_does_not_veto_itself():
    assert action_for("L1", "ACCUMULATION", {"L1": 9.0}, 5, POLICY) == ("INCREASE", ())


def test_a_sector_with_one_leader_may_be_cut_but_not_raised():
    assert action_for("MEMES", "ACCUMULATION", {}, 1, POLICY) == ("HOLD", ("SINGLE_NAME",))
    assert action_for("MEMES", "OVERLEVERAGED", {}, 1, POLICY) == ("REDUCE", ())


def test_bitcoin_alone_may_be_a_sector():
    assert action_for("STORE_OF_VALUE", "ACCUMULATION", {}, 1, POLICY) == ("INCREASE", ())


def test_both_vetoes_are_named():
    codes = ("SPREAD_VETO", "SINGLE_NAME")
    assert action_for("DEFI", "ACCUMULATION", {"L1": 2.0}, None, POLICY) == ("HOLD", codes)


def test_unstable_can_be_mapped_to_hold():
    policy = parse_policy({"actions": {"UNSTABLE": "HOLD"}})
    assert action_for("L1", "UNSTABLE", {}, 5, policy) == ("HOLD", ())


def test_the_action_shown_with_the_signals_is_the_action_allocated():
    cases = itertools.product(STATES, ("L1", "DEFI", "STORE_OF_VALUE"), (None, 1.0, 1.5), (None, 1, 2))
    for state, sector, z, leaders in cases:
        shown = apply_vetoes(getattr(POLICY.actions, state), sector, {"L1": z}, leaders, POLICY)
        assert action_for(sector, state, {"L1": z}, leaders, POLICY) == (shown[0], tuple(shown[1]))


def test_codes_come_once_and_in_one_order():
    assert ordered_codes(["BAND", "FLOOR", "BAND"]) == ("FLOOR", "BAND")
