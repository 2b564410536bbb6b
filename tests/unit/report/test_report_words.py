"""Numbers are written with units and signs, and never seem to stand on the other side of their limit."""

import pytest

from pipelines.report import words


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("funding_3d_bps", 1.234, "1.23 bp/8h"),
        ("momentum_14d_frac", -0.1, "−10.0%"),
        ("momentum_14d_frac", 0.05, "+5.0%"),
        ("funding_pctl_90d", 0.905, "90.5"),
        ("coverage_frac", 0.6, "60%"),
        ("funding_sign_flips_14d", 4, "4"),
        ("is_fresh", True, "yes"),
        ("funding_3d_bps", None, "unknown"),
        ("not_a_metric", 1.5, "1.50"),
    ],
)
def test_a_metric_is_written_in_its_unit(metric, value, text):
    assert words.metric_value(metric, value) == text


def test_a_value_just_below_its_limit_does_not_look_as_if_it_had_reached_it():
    assert words.metric_value("funding_3d_bps", 2.9996, 3.0) == "2.9996 bp/8h"
    assert words.metric_value("funding_3d_bps", 3.0, 3.0) == "3.00 bp/8h"


def test_a_limit_of_the_policy_is_exact_and_a_computed_one_is_rounded():
    assert words.metric_limit("funding_3d_bps", 3.125) == "3.125 bp/8h"
    assert words.metric_limit("funding_3d_bps", 2.398988892) == "2.40 bp/8h"


def test_unknown_money_is_unknown_and_zero_has_no_sign():
    assert [words.usd(value, sign=True) for value in (None, -0.001, 1234.5, -8000)] == [
        "unknown", "$0.00", "+$1,234.50", "−$8,000.00",
    ]  # fmt: skip


def test_names_are_joined_as_in_a_sentence():
    assert [words.names(list(text)) for text in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
