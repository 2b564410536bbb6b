"""The gates compare with the policy's numbers."""

from expectations.limits import Limits
from pipelines.limits import gate_limits
from pipelines.policy import Policy, parse_policy


def test_the_default_policy_gives_the_default_limits():
    assert gate_limits(Policy()) == Limits()


def test_a_policy_file_changes_the_gates():
    policy = parse_policy({"data": {"max_abs_funding": 0.02, "close_mark": 0.1}, "health": {"coverage": 0.7}})
    limits = gate_limits(policy)
    assert (limits.max_abs_funding, limits.close_mark_frac, limits.sector_coverage_frac) == (0.02, 0.1, 0.7)
