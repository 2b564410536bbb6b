"""The sentence beside every state: made from the record and the policy alone."""

import datetime as dt

import pytest

from pipelines.policy import parse_policy
from pipelines.signals.chain import sector_chain
from pipelines.signals.distance import distance_to_flip
from pipelines.signals.explain import _PHRASES, explain_state, explain_vetoes
from pipelines.signals.rules import build_rules


@pytest.fixture
def explained(sector, days_of, policy):
    """The explanation of the last of some days, each given by its changes from a quiet sector."""

    def build(*changes, policy=policy, reason=None, extra_days=0):
        rules = build_rules(policy)
        days = days_of(*(sector(**change) for change in changes))
        day = sector_chain(days, rules, max(days) + dt.timedelta(days=extra_days))[-1]
        flips = distance_to_flip(day.metrics, day.latched_state, day.latch, rules)
        return explain_state("L1", day, flips, rules, policy, reason)

    return build


LOSING = {"f": 1.5, "f_peak28": 4.7647, "oi_chg7": -0.0928}


def test_losing_momentum_reads_as_in_the_worked_example(explained, policy):
    state = explained(LOSING, LOSING)
    assert state == (
        "L1: LOSING_MOMENTUM. Open interest -9.3% in 7 days (limit -5%); funding 1.50 bp/8h, "
        "down from a 28-day peak of 4.76 (limit 60% of peak)."
    )


def test_one_evidence_of_the_pump_is_enough_to_say(explained):
    with_both = LOSING | {"mom14_peak28": 0.3}
    assert explained(with_both, with_both) == explained(LOSING, LOSING)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"f": 6.2, "f_pct": 0.975, "oi_chg7": 0.18},
            "L1: OVERLEVERAGED. Funding 6.20 bp/8h (limit 3 bp/8h); funding percentile 97.5 of the last 90 "
            "days (limit 90); new leverage: open interest +18.0% in 7 days (limit +15%).",
        ),
        (
            {"oi_chg7": -0.08, "mom14_peak28": 0.25, "f": 0.6},
            "L1: LOSING_MOMENTUM. Open interest -8.0% in 7 days (limit -5%); futures price up by +25.0% in "
            "14 days within the last 28 (limit +20%); funding 0.60 bp/8h, down from a 28-day peak of 1.20 "
            "(limit 60% of peak).",
        ),
        (
            {"oi_chg7": -0.08, "mom14": -0.12},
            "L1: LOSING_MOMENTUM. Open interest -8.0% in 7 days (limit -5%); "
            "futures price -12.0% in 14 days (limit -10%).",
        ),
        (
            {"rv_pct": 0.9667, "fvol14": 3.959, "fvol_med": 1.0, "flips": 6},
            "L1: UNSTABLE. Futures volatility percentile 96.7 of the last 90 days (limit 80); funding "
            "swings with a 14-day standard deviation of 3.96 bp/8h (limit 1 bp/8h); its 90-day median is "
            "1.00 (limit 2 times the median); funding changed its sign 6 times in 14 days (limit 4).",
        ),
        (
            {"f": -2.5, "f_pct": 0.03},
            "L1: CAPITULATION. Funding -2.50 bp/8h (limit -2 bp/8h); "
            "funding percentile 3.0 of the last 90 days (limit 5).",
        ),
        (
            {"f": 0.6333, "fvol14": 0.1, "vr": 1.5, "mom14": 0.0797},
            "L1: ACCUMULATION. Funding low at 0.63 bp/8h (limit 1.5 bp/8h); and stable with a 14-day "
            "standard deviation of 0.10 bp/8h (limit 1 bp/8h); futures price +8.0% in 14 days (above 0%); "
            "perpetual volume 1.50 times that of the 28 days before (limit 1.25).",
        ),
        (
            {"f": 3.0, "f_pct": 0.90, "f_peak28": 3.0, "oi_usd_z": 0.9},
            "L1: NEUTRAL. No other state's conditions are met; nearest change: OVERLEVERAGED if open "
            "interest in USD (contains the price) z-score over 90 days rises to 1 (now 0.90).",
        ),
        (
            {"coverage": 0.45, "vr": None},
            "L1: NO_DATA. Data coverage of the leaders' open interest 45% (needs 60%); "
            "missing: perpetual volume over that of the 28 days before.",
        ),
        (
            {"is_fresh": False},
            "L1: STALE. No fresh data: a kind of data is older than 26 hours, or more than 40% of the open "
            "interest was dropped as unreliable.",
        ),
    ],
)
def test_every_state_says_which_numbers_made_it(explained, changes, sentence):
    assert explained(changes, changes) == sentence


def test_a_day_without_a_row_says_that_everything_is_missing(explained):
    assert explained(LOSING, extra_days=1) == (
        "L1: NO_DATA. Missing: whether the data is fresh; missing: data coverage of the leaders' open "
        "interest; missing: every metric."
    )


def test_what_the_data_health_reports_is_repeated(explained):
    text = explained({"coverage": 0.5}, reason="open interest of binance is 31 hours old")
    assert text.endswith("50% (needs 60%); reported: open interest of binance is 31 hours old.")


def test_a_state_that_stays_says_that_it_stays_and_on_which_limits(explained):
    assert explained({"f": 3.0, "f_pct": 0.9, "oi_z": 1.0}, {"f": 2.4, "oi_z": 0.7}) == (
        "L1: OVERLEVERAGED. Stays because it was entered before and is not yet left: funding 2.40 bp/8h "
        "(limit to stay 2 bp/8h); open interest z-score 0.70 over 90 days (limit to stay 0.5)."
    )
    assert explained({"rv_pct": 0.8, "flips": 4}, {"rv_pct": 0.7, "fvol14": 0.8, "fvol_med": 0.8}) == (
        "L1: UNSTABLE. Stays because it was entered before and is not yet left: futures volatility "
        "percentile 70.0 (limit to stay 60); 14-day standard deviation of funding 0.80 bp/8h "
        "(limit to stay 0.75 bp/8h)."
    )


def test_a_state_that_is_not_confirmed_says_what_it_waits_for(explained):
    assert explained({}, {}, {"oi_chg7": -0.08, "mom14": -0.12}) == (
        "L1: NEUTRAL. LOSING_MOMENTUM seen today, waits for a second day: open interest -8.0% in 7 days "
        "(limit -5%); futures price -12.0% in 14 days (limit -10%)."
    )


def test_a_state_that_is_kept_says_which_other_one_waits(explained):
    assert explained(LOSING, LOSING, {}).startswith(
        "L1: LOSING_MOMENTUM. NEUTRAL seen today, waits for a second day: no other state's conditions are met"
    )


def test_a_longer_confirmation_counts_its_days(explained):
    policy = parse_policy({"decide": {"confirm_days": 3}})
    assert "LOSING_MOMENTUM seen on 2 day(s) in a row, needs 3: " in explained({}, LOSING, LOSING, policy=policy)


def test_a_value_close_to_its_limit_is_not_printed_on_the_other_side_of_it(explained):
    # 2.9996 with two decimals would read "3.00" beside the limit 3.
    text = explained({"f": 2.9996, "f_pct": 0.95, "f_peak28": 3.0, "oi_z": 2.0})
    assert "funding rises to 3 bp/8h (now 2.9996 bp/8h)" in text


def test_limits_and_windows_in_the_text_come_from_the_policy(explained):
    policy = parse_policy({"lose": {"oi_chg": -0.07, "norm": 0.65}, "windows": {"peak": 30}})
    text = explained(LOSING, LOSING, policy=policy)
    assert "(limit -7%)" in text
    assert "30-day peak of 4.76 (limit 65% of peak)" in text


def test_a_move_past_a_limit_reads_above_or_below(explained):
    assert "futures price change in 14 days rises above 0% (now -2.0%)" in explained({"mom14": -0.02, "vr": 2.0})


def test_every_predicate_has_a_phrase_or_is_said_by_another(rules):
    conditions = [part for rule in rules.states for part in (rule.enter, rule.stay) if part is not None]
    names = {predicate.name for condition in conditions for predicate in condition.predicates()}
    assert names - _PHRASES.keys() == {"lose.peak_f", "lose.f_lo", "lose.f_min", "accum.f_min"}
    assert _PHRASES.keys() <= names


def test_growing_open_interest_is_called_new_leverage_and_never_inflows(explained):
    text = explained({"f": 6.2, "f_pct": 0.975, "oi_chg7": 0.18})
    assert "new leverage" in text
    assert not any("inflow" in phrase for phrase in _PHRASES.values())


def test_a_spread_veto_names_the_reference_and_its_limit(policy):
    spread_z = {"L1": 1.8, "STORE_OF_VALUE": 0.2}
    assert explain_vetoes(["SPREAD_VETO"], "DEFI", spread_z, 5, policy) == (
        "Not raised: L1 runs ahead of it, spread z-score 1.80 (limit 1.5)."
    )


def test_a_single_name_veto_gives_the_count(policy):
    assert explain_vetoes(["SINGLE_NAME"], "DEFI", {}, 1, policy) == "Not raised: it has 1 leader(s) (needs 2)."
    assert "an unknown number" in explain_vetoes(["SINGLE_NAME"], "DEFI", {}, None, policy)
    assert explain_vetoes([], "DEFI", {}, 5, policy) == ""
