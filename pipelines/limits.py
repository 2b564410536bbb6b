"""The gates' thresholds as the policy says."""

from expectations.limits import Limits
from pipelines.policy import Policy


def gate_limits(policy: Policy) -> Limits:
    """What the rules of rows and the checks of both gates compare with."""
    return Limits(
        max_abs_funding=policy.data.max_abs_funding,
        funding_intervals_hours=tuple(policy.metrics.intervals),
        fresh_hours=policy.health.fresh_hours,
        close_mark_frac=policy.data.close_mark,
        mark_index_frac=policy.data.mark_index,
        open_interest_usd_frac=policy.data.oi_usd_tolerance,
        open_interest_jump_frac=policy.data.oi_jump,
        sector_coverage_frac=policy.health.coverage,
    )
