"""One night of the futures sleeve: hedges, liquidity shorts and tactical longs inside their budgets.

Roles are served in the order of their priority: hedge, liquidity, tactical. What a role finds is what the roles
before it have left. Nothing here reads a clock, a table or a random number.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from pipelines.hedges.budgets import Budget, Use, sums
from pipelines.hedges.hedge import breadth, hedge_intents
from pipelines.hedges.intents import Intent
from pipelines.hedges.liquidity import ending_shorts, liquidity_intents, reduction_is_over
from pipelines.hedges.market import HedgeMarket, SleeveMarket
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.hedges.rows import Outcome, SleeveOrder, exposed, hedge_row, order, sleeve_row
from pipelines.hedges.scenarios import scenario_rows
from pipelines.hedges.tactical import ACCUMULATION, tactical_intents
from pipelines.money import ZERO, exact, floor_to_cent
from pipelines.policy import Policy

__all__ = ["SleevePlan", "decide_sleeve", "ending_shorts"]


@dataclass(frozen=True)
class SleevePlan:
    """One night of the sleeve. The rows lack only the decision's id.

    Attributes:
        rows: Rows of `portfolio.hedges`, of every role.
        scenarios: Rows of `portfolio.hedge_scenarios`: of every live position, then of the whole plan.
        sleeve: The row of `portfolio.futures_sleeve`, without `role_correlations`.
        notes: What was wanted and not done, in words.
        orders: Changes of positions, to be filled by the ledger.
        spot_sales_usd: Sector to the spot that is sold because its liquidity short ended.
        book: The book of the next night.
    """

    rows: tuple[dict[str, Any], ...]
    scenarios: tuple[dict[str, Any], ...]
    sleeve: dict[str, Any]
    notes: tuple[str, ...]
    orders: tuple[SleeveOrder, ...]
    spot_sales_usd: Mapping[str, Fraction]
    book: SleeveBook


def decide_sleeve(
    day: dt.date, book: SleeveBook, market: SleeveMarket, policy: Policy, collateral_cents: int, nav_cents: int
) -> SleevePlan:
    """Close, keep, resize and open futures positions for one day; call it every night, whatever else was decided.

    Args:
        day: The day that is decided.
        book: Positions and closes of earlier nights.
        market: Prices, metrics, sectors and targets of the night.
        policy: Thresholds, sizes and budgets.
        collateral_cents: The futures sleeve's equity.
        nav_cents: The whole portfolio.

    Raises:
        HedgeError: an open position lacks the market of its instrument, or a price is not positive.
    """
    notes: list[str] = []
    budget = Budget(Fraction(collateral_cents, 100), Fraction(nav_cents, 100), policy)
    endings = ending_shorts(day, book, market, policy)
    liquidity = liquidity_intents(day, book, market, policy, endings, notes)
    # Spot that a liquidity short stands for counts as sold: a hedge of it would cover it a second time.
    shorted = sums((i.position.asset, _standing_usd(i)) for i in liquidity if i.close is None)
    hedges, ended = hedge_intents(day, book, market, policy, shorted, notes)
    unpriced = [_use(one, market.of(one)) for one in book.positions.values() if market.of(one).mark is None]
    outcomes = _fitted(hedges, budget, unpriced, [], policy, notes)
    outcomes += _fitted(liquidity, budget, unpriced, _uses(outcomes), policy, notes)
    shorts = frozenset(one.position.asset for one in outcomes if one.is_live)
    room = budget.role_limit("tactical")
    tactical = tactical_intents(day, book, market, policy, (budget.collateral, room, budget.nav), shorts, notes)
    outcomes += _fitted(tactical, budget, unpriced, _uses(outcomes), policy, notes)

    live = [one for one in outcomes if one.is_live]
    names = (one.position.hedge_id for one in live if one.intent.market.mark is None)
    notes += [f"{name}: its contract has no price today, so it is kept as it is." for name in names]
    share = breadth(market.sectors, policy)
    spot_cents = int(sum((view.target_usd for view in market.sectors.values()), ZERO) * 100)
    scenarios, whole = scenario_rows(day, [exposed(one, policy) for one in live], spot_cents, policy)
    known = [round(row["net_pnl_usd"] * 100) for row in whole if row["net_pnl_usd"] is not None]
    sleeve = sleeve_row(
        day, live, market, share, min(known, default=None), notes, policy, budget.collateral, budget.nav
    )
    return SleevePlan(
        tuple(hedge_row(day, one, share, policy) for one in outcomes),
        (*scenarios, *whole),
        sleeve,
        tuple(notes),
        tuple(change for change in map(order, outcomes) if change is not None),
        {sector: ending.usd for sector, ending in endings.items()},
        _next_book(day, book, outcomes, ended, market),
    )


def _standing_usd(intent: Intent) -> Fraction:
    """What a liquidity short stands for: its size, or the one wanted when it opens."""
    if intent.is_new:
        return intent.target_usd
    return intent.position.notional_usd(intent.market.mark or intent.position.margined_at_usd)


def _use(position: Position, market: HedgeMarket) -> Use:
    notional = position.notional_usd(market.mark or position.margined_at_usd)
    return Use(position.role, position.asset, position.exchange, position.margin_usd, notional)


def _uses(outcomes: Sequence[Outcome]) -> list[Use]:
    """What the priced live positions of the roles before take; the unpriced ones are counted by themselves."""
    live = (one for one in outcomes if one.is_live and one.intent.market.mark is not None)
    return [_use(one.position, one.intent.market) for one in live]


def _fitted(
    intents: Sequence[Intent],
    budget: Budget,
    unpriced: list[Use],
    before: list[Use],
    policy: Policy,
    notes: list[str],
) -> list[Outcome]:
    """The outcomes of one role: what closes, and what the budgets leave of the rest."""
    used = [*unpriced, *before]
    active = [one for one in intents if one.close is None and one.market.mark is not None]
    wanted = [_wanted(one) for one in active]
    scales = budget.scales(wanted, used)
    fits = {
        one.position.hedge_id: replace(use, margin=use.margin * scale, notional=floor_to_cent(use.notional * scale))
        for one, use, scale in zip(active, wanted, scales, strict=True)
    }
    short = {one.position.hedge_id for one, scale in zip(active, scales, strict=True) if scale < 1}
    moved = _resized(active, fits, budget, used, short, policy)
    outcomes = []
    for intent in sorted(intents, key=lambda one: (one.is_new, one.position.hedge_id)):
        name = intent.position.hedge_id
        limit = "MARGIN" if name in short else None
        if intent.close is not None:
            outcomes.append(Outcome(intent, intent.position, "close", intent.close))
        elif name not in moved:
            outcomes.append(Outcome(intent, intent.position, "hold", limit))
        else:
            outcome = _placed(intent, fits[name].notional, limit, policy)
            if outcome is None:
                size = f"${float(fits[name].notional):,.2f}"
                cause = "; the futures sleeve has no margin for more (MARGIN)" if limit else ""
                notes.append(f"{_label(intent)}, but {size} is below the smallest order{cause}.")
            else:
                outcomes.append(outcome)
                if limit and intent.position.role == "liquidity":
                    notes.append(f"{_label(intent)}, but margin is short: a part of the reduction has no short.")
    return outcomes


def _label(intent: Intent) -> str:
    position = intent.position
    if position.role == "hedge":
        cause = "overbought" if intent.reason == "OVERBOUGHT" else "the whole market is crowded"
        return f"{position.asset}: {cause}"
    kind = "a liquidity short" if position.role == "liquidity" else "a tactical long"
    return f"{position.sector}: {kind} of {position.asset} is wanted"


def _wanted(intent: Intent) -> Use:
    """What an intent would take; one without a target keeps its size."""
    position = intent.position
    if intent.target_usd is None:
        return _use(position, intent.market)
    margin = intent.target_usd / position.leverage
    return Use(position.role, position.asset, position.exchange, margin, intent.target_usd)


def _resized(
    active: Sequence[Intent],
    fits: Mapping[str, Use],
    budget: Budget,
    used: list[Use],
    short: set[str],
    policy: Policy,
) -> set[str]:
    """Kept positions that are too far from their target, or too large once all share the budgets."""
    band, moved, stay, uses = exact(policy.hedge.resize), set(), {}, list(used)
    for intent in active:
        name = intent.position.hedge_id
        fit, now = fits[name], None if intent.is_new else _use(intent.position, intent.market)
        is_far = now is not None and abs(fit.notional - now.notional) > band * fit.notional
        if now is None or (is_far if intent.target_usd is not None else name in short):
            moved.add(name)
            uses.append(fit)
        else:
            stay[name] = now
    if not budget.allows([*uses, *stay.values()]):
        hedges = {one.position.hedge_id for one in active if one.target_usd is not None} & set(stay)
        moved |= {name for name in hedges if max(stay[name].margin, stay[name].notional) > fits[name].notional}
    return moved


def _placed(intent: Intent, target: Fraction, limit: str | None, policy: Policy) -> Outcome | None:
    """The position at its target, rounded down to lots; None when a new one would be below the smallest order."""
    position, market, mark = intent.position, intent.market, intent.market.mark
    step = None if market.lot_step_base is None else exact(market.lot_step_base)
    size = position.rounded_size(target, mark, step)
    if size is None:
        return Outcome(intent, position, "hold", limit)
    limit = limit or ("DUPLICATE_HEDGE" if intent.is_netted else None)
    if size == 0 or replace(position, size=size).notional_usd(mark) < market.smallest_usd(policy):
        return None if intent.is_new else Outcome(intent, position, "close", limit or "MIN_NOTIONAL")
    if size == position.size:
        return Outcome(intent, position, "hold", limit)
    if intent.target_usd is None:
        return Outcome(intent, position.shrunk(size), "resize", limit)
    status, reason = ("open", intent.reason) if intent.is_new else ("resize", "EXPOSURE_CHANGED")
    return Outcome(intent, position.resized(size, mark), status, limit or reason)


def _next_book(
    day: dt.date,
    book: SleeveBook,
    outcomes: Sequence[Outcome],
    ended: Mapping[str, Mapping[str, dt.date]],
    market: SleeveMarket,
) -> SleeveBook:
    positions = {one.position.hedge_id: one.position for one in outcomes if one.is_live}
    gone = [one.position for one in outcomes if not one.is_live]
    closed = {**book.closed, **{one.asset: day for one in gone if one.role == "hedge"}}
    triggers = {asset: {**book.ended.get(asset, {}), **ended.get(asset, {})} for asset in {*book.ended, *ended}}
    spent = book.spent | {(one.role, one.sector) for one in gone if one.role != "hedge"}
    lasting = frozenset(pair for pair in spent if _still_lasts(pair, market))
    return SleeveBook(positions, closed, {asset: days for asset, days in triggers.items() if days}, lasting)


def _still_lasts(pair: tuple[str, str], market: SleeveMarket) -> bool:
    """Whether the state that called for a position may still be the same one; unknown is yes."""
    role, sector = pair
    view = market.sectors.get(sector)
    if role == "liquidity":
        return not reduction_is_over(view)
    return view is None or view.state in (None, ACCUMULATION, "NO_DATA", "STALE")
