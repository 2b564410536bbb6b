"""The codes on a row."""

from pipelines.allocations.reasons import ordered_codes


def test_codes_come_once_and_in_one_order():
    assert ordered_codes(["BAND", "FLOOR", "BAND"]) == ("FLOOR", "BAND")
