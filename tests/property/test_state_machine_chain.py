"""What holds for every chain of states, whatever the days bring."""

import datetime as dt
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.policy import Policy
from pipelines.signals.chain import sector_chain
from pipelines.signals.metrics import SectorMetrics
from pipelines.signals.rules import DATA_STATES, build_rules

RULES = build_rules(Policy())
FIRST_DAY = dt.date(2023, 12, 20)
QUIET = SectorMetrics(
    1.0, 0.5, 0.0, 1.2, 0.3, 0.3, 0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 0.05, coverage_frac=1.0, is_fresh=True
)
KINDS = {
    "quiet": QUIET,
    "over": replace(QUIET, funding_3d_bps=3.0, funding_pctl_90d=0.9, open_interest_z_90d=1.0),
    "over stays": replace(QUIET, funding_3d_bps=2.0, open_interest_z_90d=0.5),
    "unstable": replace(QUIET, volatility_pctl_90d=0.8, funding_sign_flips_14d=4),
    "unstable stays": replace(QUIET, volatility_pctl_90d=0.6, funding_stdev_14d_bps=0.75),
    "losing": replace(QUIET, open_interest_change_7d_frac=-0.05, momentum_14d_frac=-0.1),
    "accumulating": replace(QUIET, momentum_14d_frac=0.05, volume_ratio_7d_28d=2.0),
    "no data": replace(QUIET, volume_ratio_7d_28d=None),
    "stale": replace(QUIET, is_fresh=False),
    "no row": None,
}
histories = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=30)


def chained(kinds):
    days = {FIRST_DAY + dt.timedelta(days=offset): KINDS[kind] for offset, kind in enumerate(kinds)}
    known = {date: metrics for date, metrics in days.items() if metrics is not None}
    return sector_chain(known, RULES, max(days)) if known else []


@settings(max_examples=200, derandomize=True, deadline=None)
@given(histories, st.integers(0, 30))
def test_later_days_never_change_an_earlier_state(kinds, length):
    chain, shorter = chained(kinds), chained(kinds[:length])
    assert chain[: len(shorter)] == shorter


@settings(max_examples=200, derandomize=True, deadline=None)
@given(histories)
def test_a_market_state_is_only_entered_after_two_days_in_a_row_and_data_states_at_once(kinds):
    chain = chained(kinds)
    for before, day in zip([None, *chain], chain, strict=False):
        assert day.previous_state == (before.state if before else None)
        if day.latched_state in DATA_STATES:
            assert day.state == day.latched_state
            continue
        was = day.previous_state
        unconfirmed = "NEUTRAL" if was is None or was in DATA_STATES else was
        if before is not None and before.latched_state == day.latched_state:
            assert day.state == day.latched_state
        else:
            assert day.state == unconfirmed


@settings(max_examples=200, derandomize=True, deadline=None)
@given(histories)
def test_the_memory_changes_a_state_only_into_the_one_remembered_and_is_at_most_three_days_old(kinds):
    chain = chained(kinds)
    for index, day in enumerate(chain):
        recent = [d.latched_state for d in chain[max(0, index - 3) : index] if d.latched_state not in DATA_STATES]
        assert day.latch == (recent[-1] if recent else None)
        if day.latched_state != day.raw_state:
            assert day.latched_state == day.latch
            assert day.latch in ("OVERLEVERAGED", "UNSTABLE")


@settings(max_examples=200, derandomize=True, deadline=None)
@given(histories)
def test_every_calendar_day_from_the_first_data_has_exactly_one_state(kinds):
    chain = chained(kinds)
    if chain:
        last_day = FIRST_DAY + dt.timedelta(days=len(kinds) - 1)
        expected = (last_day - chain[0].date).days + 1
        assert [(day.date - chain[0].date).days for day in chain] == list(range(expected))
