"""A veto turns INCREASE into HOLD, gives its reason, and touches nothing else."""

import pytest

from pipelines.policy import parse_policy
from pipelines.signals.vetoes import apply_vetoes


def test_a_reference_running_ahead_at_the_limit_vetoes_an_increase(policy):
    assert apply_vetoes("INCREASE", "DEFI", {"L1": 1.5}, 5, policy) == ("HOLD", ["SPREAD_VETO"])
    assert apply_vetoes("INCREASE", "DEFI", {"L1": 1.499999999}, 5, policy) == ("INCREASE", [])


def test_either_reference_is_enough(policy):
    spread_z = {"L1": -3.0, "STORE_OF_VALUE": 2.0}
    assert apply_vetoes("INCREASE", "DEFI", spread_z, 5, policy) == ("HOLD", ["SPREAD_VETO"])


@pytest.mark.parametrize("spread_z", [{"L1": None, "STORE_OF_VALUE": None}, {}])
def test_an_unknown_spread_never_vetoes(policy, spread_z):
    assert apply_vetoes("INCREASE", "DEFI", spread_z, 5, policy) == ("INCREASE", [])


def test_a_sector_does_not_veto_itself_and_only_references_do(policy):
    assert apply_vetoes("INCREASE", "L1", {"L1": 9.0}, 5, policy) == ("INCREASE", [])
    assert apply_vetoes("INCREASE", "DEFI", {"GAMING": 9.0}, 5, policy) == ("INCREASE", [])


@pytest.mark.parametrize("action", ["REDUCE", "TRIM", "HOLD", "FREEZE"])
def test_only_an_increase_is_vetoed(policy, action):
    assert apply_vetoes(action, "DEFI", {"L1": 9.0}, 1, policy) == (action, [])


def test_a_sector_with_one_leader_is_not_raised(policy):
    assert apply_vetoes("INCREASE", "DEFI", {}, 1, policy) == ("HOLD", ["SINGLE_NAME"])
    assert apply_vetoes("INCREASE", "DEFI", {}, None, policy) == ("HOLD", ["SINGLE_NAME"])
    assert apply_vetoes("INCREASE", "DEFI", {}, 2, policy) == ("INCREASE", [])


def test_a_sector_that_may_be_a_single_name_is_raised(policy):
    assert apply_vetoes("INCREASE", "STORE_OF_VALUE", {"L1": 0.0}, 1, policy) == ("INCREASE", [])


def test_both_vetoes_are_named(policy):
    expected = ("HOLD", ["SPREAD_VETO", "SINGLE_NAME"])
    assert apply_vetoes("INCREASE", "DEFI", {"L1": 2.0}, 1, policy) == expected


def test_the_spread_veto_can_be_switched_off_and_its_references_changed():
    off = parse_policy({"spread": {"mode": "off"}})
    assert apply_vetoes("INCREASE", "DEFI", {"L1": 9.0}, 5, off) == ("INCREASE", [])
    gaming = parse_policy({"spread": {"reference": ["GAMING"], "z": 1.0}})
    assert apply_vetoes("INCREASE", "DEFI", {"L1": 9.0, "GAMING": 1.0}, 5, gaming) == (
        "HOLD",
        ["SPREAD_VETO"],
    )
