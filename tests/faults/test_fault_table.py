"""What the documentation says of every fault on every exchange is what happens."""

from tests.faults.fault_table import table, written


def test_documented_outcomes_are_the_outcomes():
    actual = table()
    assert "OTHER ROWS" not in actual
    assert written() == actual, "If this is meant: python -m tests.faults.fault_table"
