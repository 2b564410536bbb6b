"""From day to day: the memory of the last state, and the second day that confirms one."""

import datetime as dt

from pipelines.policy import parse_policy
from pipelines.signals.chain import sector_chain
from pipelines.signals.rules import build_rules

OVER = {"f": 3.0, "f_pct": 0.90, "oi_z": 1.0}
OVER_STAYS = {"f": 2.0, "oi_z": 0.5}
UNSTABLE = {"rv_pct": 0.80, "flips": 4}
UNSTABLE_STAYS = {"rv_pct": 0.60, "fvol14": 0.75, "fvol_med": 0.75}
LOSING = {"oi_chg7": -0.05, "mom14": -0.10}
NO_DATA = {"vr": None}
STALE = {"is_fresh": False}
QUIET: dict[str, object] = {}


def chained(sector, days_of, rules, *changes, extra_days=0):
    days = days_of(*(None if change is None else sector(**change) for change in changes))
    last_day = min(days) + dt.timedelta(days=len(changes) - 1 + extra_days)
    return sector_chain(days, rules, last_day)


def latched(chain):
    return [day.latched_state for day in chain]


def confirmed(chain):
    return [day.state for day in chain]


def test_a_state_counts_on_its_second_day(sector, days_of, rules):
    chain = chained(sector, days_of, rules, QUIET, QUIET, OVER, OVER)
    assert confirmed(chain) == ["NEUTRAL", "NEUTRAL", "NEUTRAL", "OVERLEVERAGED"]
    assert [day.previous_state for day in chain] == [None, "NEUTRAL", "NEUTRAL", "NEUTRAL"]
    assert [day.held_days for day in chain] == [1, 2, 1, 2]


def test_the_first_day_of_the_data_is_neutral_until_confirmed(sector, days_of, rules):
    assert confirmed(chained(sector, days_of, rules, LOSING, LOSING)) == ["NEUTRAL", "LOSING_MOMENTUM"]


def test_one_day_of_another_state_changes_nothing(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, QUIET, LOSING, LOSING)
    assert confirmed(chain)[1:] == ["LOSING_MOMENTUM"] * 4


def test_two_different_new_states_keep_the_confirmed_one(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, QUIET, UNSTABLE, QUIET, QUIET)
    assert confirmed(chain)[1:] == ["LOSING_MOMENTUM"] * 4 + ["NEUTRAL"]


def test_stale_and_no_data_count_at_once(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, NO_DATA, STALE)
    assert confirmed(chain)[2:] == ["NO_DATA", "STALE"]


def test_after_one_no_data_day_a_state_needs_two_new_days_and_is_neutral_before(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, NO_DATA, LOSING, LOSING)
    assert confirmed(chain)[2:] == ["NO_DATA", "NEUTRAL", "LOSING_MOMENTUM"]


def test_after_a_stale_day_an_unconfirmed_state_is_neutral(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, STALE, UNSTABLE, QUIET)
    assert confirmed(chain)[2:] == ["STALE", "NEUTRAL", "NEUTRAL"]


def test_a_calendar_day_without_a_row_is_a_no_data_day(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, None, LOSING, LOSING)
    assert [day.date.day for day in chain] == [27, 28, 29, 1, 2]
    assert confirmed(chain)[2:] == ["NO_DATA", "NEUTRAL", "LOSING_MOMENTUM"]
    assert chain[2].raw_state == "NO_DATA"


def test_days_after_the_newest_row_are_no_data_days(sector, days_of, rules):
    chain = chained(sector, days_of, rules, LOSING, LOSING, extra_days=2)
    assert confirmed(chain)[2:] == ["NO_DATA", "NO_DATA"]


def test_overleveraged_stays_on_weaker_conditions_than_it_was_entered(sector, days_of, rules):
    chain = chained(sector, days_of, rules, OVER, OVER_STAYS, OVER_STAYS, {"f": 1.99, "oi_z": 0.5})
    assert latched(chain) == ["OVERLEVERAGED", "OVERLEVERAGED", "OVERLEVERAGED", "NEUTRAL"]
    assert [day.raw_state for day in chain] == ["OVERLEVERAGED", "NEUTRAL", "NEUTRAL", "NEUTRAL"]


def test_unstable_stays_on_weaker_conditions_than_it_was_entered(sector, days_of, rules):
    left = {**UNSTABLE_STAYS, "fvol14": 0.749999999}
    chain = chained(sector, days_of, rules, UNSTABLE, UNSTABLE_STAYS, left)
    assert latched(chain) == ["UNSTABLE", "UNSTABLE", "NEUTRAL"]


def test_weaker_conditions_alone_do_not_enter_a_state(sector, days_of, rules):
    assert latched(chained(sector, days_of, rules, OVER_STAYS, UNSTABLE_STAYS)) == ["NEUTRAL", "NEUTRAL"]


def test_a_remembered_overleveraged_beats_losing_momentum(sector, days_of, rules):
    both = {**LOSING, **OVER_STAYS}
    chain = chained(sector, days_of, rules, OVER, both)
    assert chain[1].raw_state == "LOSING_MOMENTUM"
    assert chain[1].latched_state == "OVERLEVERAGED"


def test_losing_momentum_beats_a_remembered_unstable(sector, days_of, rules):
    both = {**LOSING, **UNSTABLE_STAYS}
    assert latched(chained(sector, days_of, rules, UNSTABLE, both)) == ["UNSTABLE", "LOSING_MOMENTUM"]


def test_a_remembered_unstable_beats_accumulation(sector, days_of, rules):
    both = {**UNSTABLE_STAYS, "mom14": 0.05, "vr": 2.0}
    chain = chained(sector, days_of, rules, UNSTABLE, both)
    assert (chain[1].raw_state, chain[1].latched_state) == ("ACCUMULATION", "UNSTABLE")


def test_a_state_is_remembered_over_two_days_without_data(sector, days_of, rules):
    # Entered on day 0; day 3 is 3 days later, the oldest memory that counts.
    chain = chained(sector, days_of, rules, OVER, NO_DATA, STALE, OVER_STAYS)
    assert chain[3].latch == "OVERLEVERAGED"
    assert chain[3].latched_state == "OVERLEVERAGED"


def test_a_state_is_forgotten_after_three_days_without_data(sector, days_of, rules):
    chain = chained(sector, days_of, rules, OVER, NO_DATA, STALE, None, OVER_STAYS)
    assert chain[4].latch is None
    assert chain[4].latched_state == "NEUTRAL"


def test_the_memory_is_the_last_latched_state_and_not_an_older_one(sector, days_of, rules):
    chain = chained(sector, days_of, rules, OVER, QUIET, OVER_STAYS)
    assert latched(chain) == ["OVERLEVERAGED", "NEUTRAL", "NEUTRAL"]


def test_staying_renews_the_memory(sector, days_of, rules):
    chain = chained(sector, days_of, rules, OVER, *[OVER_STAYS] * 5)
    assert latched(chain) == ["OVERLEVERAGED"] * 6


def test_the_memory_is_of_latched_states_confirmed_or_not(sector, days_of, rules):
    chain = chained(sector, days_of, rules, QUIET, QUIET, OVER, OVER_STAYS)
    assert confirmed(chain) == ["NEUTRAL", "NEUTRAL", "NEUTRAL", "OVERLEVERAGED"]


def test_days_of_confirmation_and_memory_come_from_the_policy(sector, days_of):
    at_once = build_rules(parse_policy({"decide": {"confirm_days": 1, "latch_days": 0}}))
    chain = chained(sector, days_of, at_once, OVER, OVER_STAYS)
    assert confirmed(chain) == ["OVERLEVERAGED", "NEUTRAL"]
    slow = build_rules(parse_policy({"decide": {"confirm_days": 3}}))
    assert confirmed(chained(sector, days_of, slow, LOSING, LOSING, LOSING))[1:] == [
        "NEUTRAL",
        "LOSING_MOMENTUM",
    ]


def test_a_sector_without_any_row_has_no_chain(rules):
    assert sector_chain({}, rules, dt.date(2024, 1, 1)) == []
