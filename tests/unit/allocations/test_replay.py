"""Decisions over days: inception, cooldown, weekly cadence, halts, gaps and identity."""

import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.allocations.book import Book, BookError, Cut
from pipelines.allocations.replay import SectorInput, decide_range
from pipelines.allocations.rows import target_rows
from pipelines.policy import Policy, parse_policy

STRATEGIC = {"L1": F(2, 5), "DEFI": F(3, 10), "EMERGING": F(3, 10)}
DAY = dt.date(2024, 3, 4)  # a Monday
LETTERS = {
    "R": ("OVERLEVERAGED", "REDUCE"),
    "T": ("UNSTABLE", "TRIM"),
    "I": ("ACCUMULATION", "INCREASE"),
    "H": ("NEUTRAL", "HOLD"),
    "Z": ("NO_DATA", "FREEZE"),
}


def days(*patterns, returns=None):
    """One three-letter pattern a day from DAY on, in the order L1, DEFI, EMERGING."""
    return {
        DAY + dt.timedelta(offset): {
            name: SectorInput(*LETTERS[letter], (), (returns or {}).get(name, 0.0))
            for name, letter in zip(STRATEGIC, pattern, strict=True)
        }
        for offset, pattern in enumerate(patterns)
    }


def run(given, book=None, policy=None, first=None, strategic=STRATEGIC):
    book = book or Book.new(10_000_000, Policy())
    return list(decide_range(given, strategic, policy or Policy(), book, first or min(given), max(given)))


def targets(decision):
    return {row.sector: row.target_cents for row in decision.rows}


def codes(decision):
    return {row.sector: row.reason_codes for row in decision.rows}


def test_the_first_decision_is_the_strategic_weights_and_makes_no_cut():
    first, second = run(days("RIT", "RIT"))
    assert targets(first) == {"CASH": 0, "DEFI": 2_400_000, "EMERGING": 2_400_000, "L1": 3_200_000}
    assert set(codes(first).values()) == {("INCEPTION",)}
    assert first.book.cuts == {}
    # the first action is evaluated on the next decision day: the worked table
    assert targets(second) == {"CASH": 0, "DEFI": 3_600_000, "EMERGING": 2_000_000, "L1": 2_400_000}
    assert second.turnover == F(3, 20)


def test_inception_waits_until_half_of_the_strategic_weight_has_data():
    decisions = run(days("ZZH", "ZHH"))  # 3/10 known, then 6/10
    assert [decision.as_of for decision in decisions] == [DAY + dt.timedelta(1)]
    # 3/10 of 6/10 known = 1/2 each, the cap
    assert targets(decisions[0]) == {"CASH": 0, "DEFI": 4_000_000, "EMERGING": 4_000_000, "L1": 0}
    assert codes(decisions[0])["L1"] == ("FREEZE", "INCEPTION")


def test_inception_above_the_sector_cap_leaves_the_rest_in_cash():
    strategic = {"L1": F(4, 5), "DEFI": F(1, 5), "EMERGING": F(0)}
    (decision,) = run(days("HHH"), strategic=strategic)
    assert targets(decision) == {"CASH": 2_400_000, "DEFI": 1_600_000, "EMERGING": 0, "L1": 4_000_000}


def test_a_cut_starts_a_cooldown_of_28_days_and_a_quiet_day_does_not_restart_it():
    held = run(days("HHH", "RII", *["RII"] * 28))
    l1 = [(targets(decision)["L1"], "COOLDOWN" in codes(decision)["L1"]) for decision in held]
    assert l1[1] == (2_400_000, False)
    assert set(l1[2:29]) == {(2_400_000, True)}  # 27 days later still none
    assert l1[29] == (1_800_000, False)


def test_reduce_after_trim_completes_one_reduce_and_then_the_cooldown_holds():
    _, trim, reduce, again = run(days("HHH", "TII", "RII", "RII"))
    assert trim.book.cuts == {"L1": Cut(trim.as_of, "TRIM")}
    assert targets(reduce)["L1"] == 2_400_000  # 3,200,000 x 5/6 x 9/10
    assert reduce.book.cuts == {"L1": Cut(reduce.as_of, "REDUCE")}
    assert codes(again)["L1"] == ("COOLDOWN",)


def test_g4_all_reduce_twice_around_the_cooldown_stops_at_the_cash_cap():
    decisions = run(days("HHH", "RRR", *["RRR"] * 28))
    assert targets(decisions[1])["CASH"] == 2_000_000
    last = {"CASH": 2_400_000, "DEFI": 1_680_000, "EMERGING": 1_680_000, "L1": 2_240_000}
    assert targets(decisions[-1]) == last
    assert codes(decisions[-1])["L1"] == ("CASH_CAP",)


def test_g7_idle_cash_flows_back_on_the_seventh_quiet_day():
    decisions = run(days("HHH", "RRR", *["HHH"] * 7), policy=parse_policy({"limits": {"recentre": "1/4"}}))
    assert targets(decisions[-2])["CASH"] == 2_000_000  # six quiet days are not enough
    assert targets(decisions[-1])["CASH"] == 1_500_000  # 3/16 of 80,000
    assert codes(decisions[-1])["DEFI"] == ("RECENTRE",)


def test_quiet_days_before_the_first_decision_do_not_count():
    given = days(*["HHH"] * 12)
    strategic = {"L1": F(4, 5), "DEFI": F(1, 5), "EMERGING": F(0)}
    book = Book(None, {"DEFI": 1_000_000}, 7_000_000)
    start = DAY + dt.timedelta(5)  # five quiet days lie before it
    decisions = run(given, book, first=start, strategic=strategic)
    first_moved = next(one.as_of for one in decisions if one.turnover > 0)
    assert first_moved == start + dt.timedelta(6)


def test_more_than_half_frozen_halts_the_whole_plan():
    _, halted = run(days("HHH", "ZZI"))
    assert (halted.status, halted.reason, halted.turnover) == ("halted", "DATA_HALT", 0)
    assert set(codes(halted).values()) == {("DATA_HALT",)}


def test_cash_counts_in_the_denominator_of_the_halt():
    given = days("ZZR")
    book = Book(None, {"L1": 2_500_000, "DEFI": 2_500_000, "EMERGING": 1_000_000}, 4_000_000)
    (decision,) = run(given, book)  # 5/10 of the sleeve is frozen: not more than half
    assert decision.status == "decided"
    assert codes(decision)["L1"] == ("FREEZE",)


def test_a_sleeve_of_a_hundred_dollars_does_not_trade():
    given = days("RIT")
    (small,) = run(given, Book(None, {"L1": 4_000, "DEFI": 3_000, "EMERGING": 3_000}, 0))
    assert (small.status, small.reason) == ("no_trade", "MIN_NOTIONAL")
    assert set(codes(small).values()) == {("MIN_NOTIONAL",)}
    (large,) = run(given, Book(None, {"L1": 4_001, "DEFI": 3_000, "EMERGING": 3_000}, 0))
    assert large.status == "decided"


def test_an_empty_sleeve_is_no_division_by_zero():
    (decision,) = run(days("RIT"), Book(None, {}, 0))
    assert decision.status == "no_trade"
    assert sum(row.target_weight for row in decision.rows) == 1


def test_weekly_decides_on_one_morning_and_drifts_between():
    weekly = parse_policy({"decide": {"cadence": "weekly", "weekday": "MON"}})
    given = days(*["HHH"] * 15, returns={"L1": 0.01})
    decisions = run(given, policy=weekly)
    # day DAY is a Monday: the first Monday morning after it belongs to the Sunday, day 6
    decided = [one.as_of.strftime("%a") for one in decisions if one.status == "decided"]
    assert (decisions[0].as_of, decided) == (DAY + dt.timedelta(6), ["Sun", "Sun"])
    assert (decisions[1].status, decisions[1].reason) == ("no_trade", "NOT_A_DECISION_DAY")
    assert targets(decisions[1])["L1"] == 3_232_000  # 32,000.00 x 1.01


def test_a_missed_weekly_run_trades_nothing_to_catch_up():
    weekly = parse_policy({"decide": {"cadence": "weekly"}})
    given = days(*["RIT"] * 9)
    book = Book(DAY, {"L1": 3_200_000, "DEFI": 2_400_000, "EMERGING": 2_400_000}, 0, first_decision=DAY)
    late = run(given, book, weekly, first=DAY + dt.timedelta(8))
    assert [one.reason for one in late] == ["NOT_A_DECISION_DAY"]
    assert late[0].turnover == 0


def test_a_gap_without_decisions_only_drifts():
    given = days(*["RIT"] * 4, returns={"L1": 0.1})
    book = Book(DAY, {"L1": 100_000, "DEFI": 100_000, "EMERGING": 100_000}, 0, first_decision=DAY)
    (decision,) = run(given, book, first=DAY + dt.timedelta(3))
    assert {row.sector: row.current_cents for row in decision.rows}["L1"] == 133_100  # 1.1 cubed


def test_a_book_from_the_future_is_refused():
    with pytest.raises(BookError, match="the book is of 2024-03-04, not before 2024-03-04"):
        run(days("HHH"), Book(DAY, {}, 100))


def test_a_held_sector_that_left_the_sector_table_is_not_lost_silently():
    with pytest.raises(BookError, match="holds GAMING without a strategic weight"):
        run(days("HHH"), Book(None, {"GAMING": 5}, 100))


def test_a_sector_without_inputs_is_frozen():
    given = days("HHH", "HHH")
    del given[DAY + dt.timedelta(1)]["EMERGING"]
    _, second = run(given)
    assert codes(second)["EMERGING"] == ("FREEZE",)


def test_rows_say_what_was_decided_in_the_warehouse_columns():
    decision = run(days("HHH", "RIT"))[1]
    sentences = {"L1": "L1: OVERLEVERAGED."}
    rows = {row["sector"]: row for row in target_rows(decision, "id", sentences, STRATEGIC, Policy())}
    assert (rows["L1"]["strategic_weight_frac"], round(rows["L1"]["active_weight_frac"], 12)) == (0.4, -0.1)
    assert rows["CASH"]["active_weight_frac"] is None
    assert (rows["L1"]["target_weight_exact"], rows["L1"]["delta_usd"]) == ("3/10", -8000.0)
    assert rows["L1"]["explanation"] == "L1: OVERLEVERAGED. Cut by a quarter: $32,000 -> $24,000."
    assert rows["CASH"]["state"] is None
    assert sum(round(row["target_usd"] * 100) for row in rows.values()) == 8_000_000


def test_a_veto_is_shown_with_the_row_it_holds_back():
    given = days("HHH", "RIT")
    later = DAY + dt.timedelta(1)
    given[later]["DEFI"] = SectorInput("ACCUMULATION", "HOLD", ("SPREAD_VETO",), 0.0)
    _, vetoed = run(given)
    assert codes(vetoed)["DEFI"] == ("SPREAD_VETO",)
    assert targets(vetoed)["DEFI"] == 2_400_000
