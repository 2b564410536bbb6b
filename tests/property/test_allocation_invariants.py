"""What holds for every allocation and every replay, whatever the states and returns."""

import datetime as dt
from fractions import Fraction as F

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.allocations.allocate import Standing, allocate
from pipelines.allocations.book import Book, cut_multiplier, to_cents
from pipelines.allocations.replay import SectorInput, decide_range
from pipelines.policy import ACTIONS, Policy, parse_policy

BOUNDED = settings(max_examples=150, derandomize=True, deadline=None)
DAY = dt.date(2024, 3, 4)
NAMES = ("ALPHA", "CASHLIKE", "DELTA", "ZETA")
POLICIES = (
    Policy(),
    parse_policy({"limits": {"turnover_cap": "1/20", "recentre": "1/4", "cash_target": "1/20"}}),
    parse_policy({"limits": {"sector_cap": "3/10", "tilt_cap": "1", "max_step": "1/50"}}),
    parse_policy({"expression": {"reduce": "split"}}),
)


def shares(parts):
    total = sum(parts)
    return [F(part, total) for part in parts]


@st.composite
def mornings(draw):
    parts = st.lists(st.integers(0, 1000), min_size=5, max_size=5).filter(any)
    held = shares(draw(parts))
    strategic = shares(draw(st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any)))
    sectors = {}
    for name, weight, target in zip(NAMES, held, strategic, strict=False):
        action = draw(st.sampled_from(ACTIONS))
        multiplier = cut_multiplier(action, None, DAY, Policy()) if draw(st.booleans()) else None
        sectors[name] = Standing(weight, target, action, multiplier, draw(st.booleans()), draw(st.booleans()))
    return sectors, held[4], draw(st.sampled_from(POLICIES)), draw(st.booleans())


@BOUNDED
@given(mornings())
def test_every_allocation_keeps_the_invariants(morning):
    sectors, cash, policy, is_depegged = morning
    plan = allocate(sectors, cash, policy, is_depegged)
    limits = policy.limits
    assert sum(plan.targets.values(), plan.cash) == 1
    assert plan.cash >= 0 and min(plan.targets.values()) >= 0
    for name, standing in sectors.items():
        weight, target = standing.weight, plan.targets[name]
        if not standing.is_tradable:
            assert target == weight
        elif standing.action in ("REDUCE", "TRIM"):
            assert min(weight, limits.floor_frac * standing.strategic) <= target <= weight
        elif standing.action == "INCREASE":
            bound = min(limits.sector_cap, limits.tilt_cap * standing.strategic, weight + limits.max_step)
            assert weight <= target <= max(weight, bound)
        else:
            assert weight <= target <= max(weight, min(standing.strategic, limits.sector_cap))
    sold = sum((max(F(0), s.weight - plan.targets[name]) for name, s in sectors.items()), F(0))
    assert sold <= limits.turnover_cap
    if is_depegged:
        assert plan.cash <= cash


@BOUNDED
@given(mornings(), st.integers(0, 10**9))
def test_cents_sum_to_the_sleeve_and_stand_within_one_cent(morning, total):
    sectors, cash, policy, is_depegged = morning
    plan = allocate(sectors, cash, policy, is_depegged)
    exact = {**plan.targets, "CASH": plan.cash}
    cents = to_cents(exact, total)
    assert sum(cents.values()) == total
    assert all(abs(cents[name] - exact[name] * total) < 1 for name in exact)


@st.composite
def histories(draw):
    inputs = st.builds(
        SectorInput,
        state=st.just("NEUTRAL"),
        action=st.sampled_from([*ACTIONS, "HOLD", "HOLD", "INCREASE"]),
        spot_return_1d_frac=st.one_of(st.none(), st.floats(-0.5, 0.5)),
    )
    length = draw(st.integers(2, 40))
    days = {DAY + dt.timedelta(offset): {name: draw(inputs) for name in NAMES} for offset in range(length)}
    cadence = draw(st.sampled_from(["daily", "daily", "weekly"]))
    policy = parse_policy({"decide": {"cadence": cadence, "cooldown_days": draw(st.sampled_from([3, 28]))}})
    return days, policy


STRATEGIC = {"ALPHA": F(2, 5), "CASHLIKE": F(3, 10), "DELTA": F(3, 10), "ZETA": F(0)}


@settings(BOUNDED, max_examples=60)
@given(histories())
def test_night_by_night_from_the_stored_book_equals_the_range_at_once(history):
    days, policy = history
    first, last = min(days), max(days)
    start = Book.new(10_000_003, policy)
    at_once = list(decide_range(days, STRATEGIC, policy, start, first, last))
    nightly, book = [], start
    for day in sorted(days):
        window = {past: inputs for past, inputs in days.items() if past <= day}
        for decision in decide_range(window, STRATEGIC, policy, book, day, day):
            nightly.append(decision)
            book = Book.from_json(decision.book.to_json())
    assert [one.book.digest() for one in at_once] == [one.book.digest() for one in nightly]
    assert [one.rows for one in at_once] == [one.rows for one in nightly]


@settings(BOUNDED, max_examples=60)
@given(histories())
def test_every_day_of_a_replay_keeps_the_invariants_to_the_cent(history):
    days, policy = history
    for one in decide_range(days, STRATEGIC, policy, Book.new(10_000_003, policy), min(days), max(days)):
        assert sum(row.target_weight for row in one.rows) == sum(row.current_weight for row in one.rows) == 1
        assert sum(row.target_cents for row in one.rows) == one.held.sleeve_cents
        for row in one.rows:
            assert row.target_cents >= 0
            if one.status != "decided" or row.action == "FREEZE":
                assert row.target_cents == row.current_cents
            elif one.reason != "INCEPTION" and row.action in ("REDUCE", "TRIM"):
                assert row.target_cents <= row.current_cents
            elif row.action == "INCREASE":
                assert row.target_cents >= row.current_cents
