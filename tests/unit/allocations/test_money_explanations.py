"""The part of a sentence that says what a decision did to a sector's money."""

import pytest

from pipelines.allocations.explain import _CODES, explain_money
from pipelines.allocations.reasons import REASON_CODES
from pipelines.policy import Policy, parse_policy


@pytest.fixture
def policy():
    return Policy()


def test_a_cut_is_appended_to_the_sentence_of_the_state(policy):
    assert explain_money("L1: LOSING_MOMENTUM.", 32_000, 24_000, [], policy) == (
        "L1: LOSING_MOMENTUM. Cut by a quarter: $32,000 -> $24,000."
    )


@pytest.mark.parametrize(
    ("current", "target", "expected"),
    [
        (24_000, 36_000, "Raised by a half: $24,000 -> $36,000."),
        (24_000, 20_000, "Cut by a sixth: $24,000 -> $20,000."),
        (10_000, 8_765.43, "Cut by 12.3%: $10,000 -> $8,765.43."),
        (0, 1_200.5, "Bought: $0 -> $1,200.50."),
        (5_000, 5_000, "Held at $5,000."),
        (100.01, 75.01, "Cut by a quarter: $100.01 -> $75.01."),  # to the cent: 25.0025 is 25.00
    ],
)
def test_the_money_is_said_in_words_and_dollars(policy, current, target, expected):
    assert explain_money("L1: X.", current, target, [], policy) == f"L1: X. {expected}"


def test_every_reason_code_has_words(policy):
    said = [code for code in REASON_CODES if code not in ("SPREAD_VETO", "SINGLE_NAME")]
    assert set(said) == _CODES.keys()
    for code in said:
        text = explain_money("", 1, 1, [code], policy)
        assert "{" not in text
        assert code not in text


def test_a_code_without_words_is_printed_as_it_is(policy):
    assert explain_money("S.", 1, 1, ["A_NEW_CODE"], policy) == "S. Held at $1. A_NEW_CODE."


def test_vetoes_are_not_said_a_second_time_with_the_money(policy):
    assert explain_money("S.", 1, 1, ["SPREAD_VETO", "SINGLE_NAME"], policy) == "S. Held at $1."


def test_the_bounds_in_the_words_come_from_the_policy():
    policy = parse_policy({"limits": {"turnover_cap": "1/8", "tilt_cap": "2"}})
    text = explain_money("S.", 100, 90, ["TURNOVER_CAP", "TILT_CAP"], policy)
    assert "turnover cap of 12.5% of the sleeve" in text
    assert "bounded by 200% of its strategic weight" in text


def test_no_words_speak_of_inflows():
    assert not any("inflow" in words for words in _CODES.values())
