"""Decisions over days: the book drifts, a decision day is allocated, the next book is what was decided."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.allocations.allocate import Standing, allocate
from pipelines.allocations.book import (
    CASH,
    Book,
    BookError,
    Cut,
    cut_multiplier,
    to_cents,
)
from pipelines.allocations.reasons import ordered_codes
from pipelines.money import exact
from pipelines.policy import Action, Policy, State

ONE_DAY = dt.timedelta(days=1)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True)
class SectorInput:
    """What one sector brings to one day.

    Attributes:
        state: Confirmed state.
        action: What the signals ask for, vetoes applied.
        veto_codes: Why a veto changed the action.
        spot_return_1d_frac: Spot return of the day, decimal; null is unknown and moves nothing.
        is_eligible: Some asset of the sector can be traded.
    """

    state: State
    action: Action
    veto_codes: tuple[str, ...] = ()
    spot_return_1d_frac: float | None = None
    is_eligible: bool = True


ABSENT = SectorInput("NO_DATA", "FREEZE")


@dataclass(frozen=True)
class TargetRow:
    """One sector of a decision, or CASH (no state, no action); weights are fractions of the sleeve."""

    sector: str
    state: State | None
    action: Action | None
    current_weight: Fraction
    target_weight: Fraction
    current_cents: int
    target_cents: int
    reason_codes: tuple[str, ...]
    short_cents: int = 0


@dataclass(frozen=True)
class Decision:
    """One day's decision.

    Attributes:
        status: `decided` (also when nothing moves), `no_trade` or `halted`.
        reason: The code that stands for the whole plan, else None.
        held: The book that was decided upon, drifted to the day.
        book: The book after it: the next night starts from here.
    """

    as_of: dt.date
    status: str
    reason: str | None
    rows: tuple[TargetRow, ...]
    held: Book
    book: Book

    @property
    def turnover(self) -> Fraction:
        """One-way turnover: half of all moves, cash included, as a fraction of the sleeve."""
        return sum((abs(row.target_weight - row.current_weight) for row in self.rows), Fraction(0)) / 2


Days = Mapping[dt.date, Mapping[str, SectorInput]]


def decide_range(
    days: Days,
    strategic: Mapping[str, Fraction],
    policy: Policy,
    book: Book,
    first: dt.date,
    last: dt.date,
    depegged: frozenset[dt.date] = frozenset(),
) -> Iterator[Decision]:
    """Decide every day from `first` to `last`; days between the book and `first` only drift.

    Nothing is yielded for days before the first decision, when too much of the strategic weight has no data.
    A day or a sector that `days` lacks counts as NO_DATA and does not move.

    Args:
        days: Inputs per day and sector. Beside the days from the book to `last` it must hold the days before
            them that re-centring looks back on (`limits.recentre_after_days` - 1).
        strategic: Exact strategic weight per sector; they sum to 1.
        policy: The resolved policy.
        book: The book after an earlier day, or a new one.
        first: First day decided.
        last: Last day decided, included.
        depegged: Days on which the stablecoin is off its dollar.

    Raises:
        BookError: the book is not from before `first`, or holds a sector without a strategic weight.
    """
    if book.as_of is not None and book.as_of >= first:
        raise BookError(f"the book is of {book.as_of}, not before {first}; continue from an earlier decision")
    lost = sorted(name for name, cents in book.cents.items() if cents and name not in strategic)
    if lost:
        names = ", ".join(lost)
        raise BookError(f"the book holds {names} without a strategic weight; give 0 instead of removing it")
    day = first if book.as_of is None else book.as_of + ONE_DAY
    while day <= last:
        inputs = days.get(day, {})
        if book.as_of is not None:
            book = book.drifted(day, {name: one.spot_return_1d_frac for name, one in inputs.items()})
        else:
            book = replace(book, as_of=day)
        decision = decide_day(day, days, strategic, policy, book, day in depegged) if day >= first else None
        if decision is not None:
            book = decision.book
            yield decision
        day += ONE_DAY


def is_decision_day(day: dt.date, policy: Policy) -> bool:
    """A weekly decision for `day` is made on the weekday of the next morning."""
    if policy.decide.cadence == "daily":
        return True
    return (day + ONE_DAY).weekday() == WEEKDAYS.index(policy.decide.weekday)


def decide_day(
    day: dt.date, days: Days, strategic: Mapping[str, Fraction], policy: Policy, book: Book, is_depegged: bool
) -> Decision | None:
    """The decision about one day on a book of that day; None before the first decision. See `decide_range`."""
    inputs = {name: days.get(day, {}).get(name, ABSENT) for name in sorted(strategic)}
    if not is_decision_day(day, policy):
        return _still(inputs, book, "no_trade", "NOT_A_DECISION_DAY") if book.has_started else None
    if book.sleeve_cents <= exact(policy.health.min_sleeve_usd) * 100:
        return _still(inputs, book, "no_trade", "MIN_NOTIONAL")
    if not book.has_started:
        return _inception(day, inputs, strategic, policy, book)
    if book.first_decision is None:
        book = replace(book, first_decision=day)
    frozen = sum((book.weight(name) for name in inputs if inputs[name].action == "FREEZE"), Fraction(0))
    if frozen > policy.health.halt_weight:
        return _still(inputs, book, "halted", "DATA_HALT")
    standings = {
        name: Standing(
            book.weight(name),
            strategic[name],
            one.action,
            cut_multiplier(one.action, book.cuts.get(name), day, policy),
            _is_quiet(name, day, days, book, policy),
            one.is_eligible,
        )
        for name, one in inputs.items()
    }
    cash = 1 - sum((standing.weight for standing in standings.values()), Fraction(0))
    plan = allocate(standings, cash, policy, is_depegged)
    codes = {name: {*plan.codes[name], *inputs[name].veto_codes} for name in inputs}
    rows = _rows(inputs, book, {**plan.targets, CASH: plan.cash}, codes, plan.shorts)
    cuts = dict(book.cuts)
    for name, standing in standings.items():
        if plan.targets[name] < standing.weight:
            cuts[name] = Cut(day, standing.action)
    return Decision(day, "decided", None, rows, book, _after(book, rows, cuts=cuts))


def with_sales(decision: Decision, sales_cents: Mapping[str, int]) -> Decision:
    """The decision with spot sold beside it: what an ended liquidity short stood for until now.

    A sale is bounded by what the sector would hold, brings its cash, and counts as a REDUCE cut: the cooldown keeps
    the same sector from being cut twice for one signal.
    """
    if not sales_cents or decision.status != "decided":
        return decision
    total = decision.held.sleeve_cents
    sold = {row.sector: min(row.target_cents, sales_cents.get(row.sector, 0)) for row in decision.rows}
    rows = {row.sector: _with_target(row, row.target_cents - sold[row.sector], total) for row in decision.rows}
    cash = rows[CASH]
    # The weights of the others are exact and their cents rounded: cash takes what is left of one whole.
    left = 1 - sum((row.target_weight for name, row in rows.items() if name != CASH), Fraction(0))
    rows[CASH] = replace(cash, target_cents=cash.target_cents + sum(sold.values()), target_weight=left)
    cut = {name: Cut(decision.as_of, "REDUCE") for name, cents in sold.items() if cents}
    after = _after(decision.book, tuple(rows.values()), cuts={**decision.book.cuts, **cut})
    return replace(decision, rows=tuple(rows.values()), book=after)


def _with_target(row: TargetRow, target_cents: int, total_cents: int) -> TargetRow:
    if target_cents == row.target_cents:
        return row
    return replace(row, target_cents=target_cents, target_weight=Fraction(target_cents, total_cents))


def with_codes(decision: Decision, codes: Mapping[str, Iterable[str]]) -> Decision:
    """The decision with further reason codes on some of its rows."""
    rows = tuple(
        replace(row, reason_codes=ordered_codes([*row.reason_codes, *codes[row.sector]]))
        if row.sector in codes
        else row
        for row in decision.rows
    )
    return replace(decision, rows=rows)


def _is_quiet(name: str, day: dt.date, days: Days, book: Book, policy: Policy) -> bool:
    """HOLD on each of the last days that re-centring waits for, none of them before the first decision."""
    window = [day - offset * ONE_DAY for offset in range(policy.limits.recentre_after_days)]
    if book.first_decision is None or window[-1] < book.first_decision:
        return False
    return all(days.get(past, {}).get(name, ABSENT).action == "HOLD" for past in window)


def _inception(
    day: dt.date,
    inputs: Mapping[str, SectorInput],
    strategic: Mapping[str, Fraction],
    policy: Policy,
    book: Book,
) -> Decision | None:
    """The first targets: strategic weights over the sectors with data; None while too many have none."""
    known = {n: strategic[n] for n, one in inputs.items() if one.action != "FREEZE" and one.is_eligible}
    covered = sum(known.values(), Fraction(0))
    if covered == 0 or covered < 1 - policy.health.halt_weight:
        return None
    cap = policy.limits.sector_cap
    targets = {name: min(cap, known.get(name, Fraction(0)) / covered) for name in inputs}
    targets[CASH] = 1 - sum(targets.values(), Fraction(0))
    codes = {name: {"INCEPTION"} | ({"FREEZE"} & {inputs[name].action}) for name in inputs}
    rows = _rows(inputs, book, targets, {**codes, CASH: {"INCEPTION"}}, {})
    return Decision(day, "decided", "INCEPTION", rows, book, _after(book, rows, first_decision=day))


def _still(
    inputs: Mapping[str, SectorInput],
    book: Book,
    status: str,
    reason: str,
) -> Decision:
    """Targets repeat what is held; the reason stands alone on every row."""
    weights = {name: book.weight(name) for name in inputs}
    weights[CASH] = 1 - sum(weights.values(), Fraction(0))
    rows = _rows(inputs, book, weights, {name: {reason} for name in weights}, {})
    return Decision(book.as_of, status, reason, rows, book, book)


def _rows(
    inputs: Mapping[str, SectorInput],
    book: Book,
    targets: Mapping[str, Fraction],
    codes: Mapping[str, set[str]],
    shorts: Mapping[str, Fraction],
) -> tuple[TargetRow, ...]:
    total = book.sleeve_cents
    cents = to_cents(targets, total)
    current = {name: book.weight(name) for name in inputs}
    current[CASH] = 1 - sum(current.values(), Fraction(0))
    return tuple(
        TargetRow(
            name,
            inputs[name].state if name in inputs else None,
            inputs[name].action if name in inputs else None,
            current[name],
            targets[name],
            book.cash_cents if name == CASH else book.cents.get(name, 0),
            cents[name],
            ordered_codes(codes.get(name, ())),
            round(shorts.get(name, Fraction(0)) * total),
        )
        for name in sorted(targets)
    )


def _after(book: Book, rows: tuple[TargetRow, ...], **changes: object) -> Book:
    cents = {row.sector: row.target_cents for row in rows if row.sector != CASH}
    cash = next(row.target_cents for row in rows if row.sector == CASH)
    return replace(book, cents=cents, cash_cents=cash, **changes)
