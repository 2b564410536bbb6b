"""The hedge of an overbought asset: when it opens, when it closes, how it is sized from day to day.

A short of a tenth of a holding offsets a tenth of its loss. Spot is never sold by this module.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from pipelines.hedges.explain import explain
from pipelines.hedges.positions import HedgeBook, Position
from pipelines.hedges.sizing import Budget, HedgeError, Use, inverse_contracts, linear_quantity
from pipelines.money import ZERO, exact, to_cent
from pipelines.policy import Policy

OVERBOUGHT = "OVERBOUGHT"


@dataclass(frozen=True)
class HedgeMarket:
    """One asset and the instrument that hedges it, at the end of a day. Null is unknown.

    Attributes:
        exposure_usd: Spot value of the asset after the day's decision.
        funding_3d_bps: Funding of the asset, mean of 3 days, basis points per 8 h.
        funding_pctl_90d: Its percent rank, 0..1.
        open_interest_z_90d: z of open interest in coins.
        open_interest_usd_z_90d: z of open interest in USD: it contains the price.
        mark_price_usd: Close of the hedged instrument, else of the asset.
        last_settlements: Settled funding rates of the hedged instrument, oldest first, known at the decision.
        lot_step_base: Coins; of no use for an inverse instrument.
        min_notional_usd: Null falls back to the policy's smallest trade.
        contract_size_usd: USD per contract of an inverse instrument, null for a linear one.
    """

    asset: str
    exchange: str
    symbol: str
    exposure_usd: Fraction
    funding_3d_bps: float | None
    funding_pctl_90d: float | None
    open_interest_z_90d: float | None
    open_interest_usd_z_90d: float | None
    mark_price_usd: float | None
    last_settlements: tuple[float, ...] = ()
    lot_step_base: float | None = None
    min_notional_usd: float | None = None
    contract_size_usd: float | None = None


@dataclass(frozen=True)
class HedgePlan:
    """One day's hedges: rows of `portfolio.hedges`, why a triggered hedge did not open, and the next book."""

    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    book: HedgeBook


def is_overbought(market: HedgeMarket, policy: Policy) -> bool:
    """High funding, high in its own history, and new leverage by one of the two open interest figures.

    Unknown funding or rank is no; of the two z one known value is enough.
    """
    rule, decimals = policy.hedge, policy.metrics.round_decimals
    return (
        _at_least(market.funding_3d_bps, rule.f, decimals)
        and _at_least(market.funding_pctl_90d, rule.pct, decimals)
        and (
            _at_least(market.open_interest_z_90d, rule.oi_z, decimals)
            or _at_least(market.open_interest_usd_z_90d, rule.oi_usd_z, decimals)
        )
    )


def exit_reason(position: Position, market: HedgeMarket, day: dt.date, policy: Policy) -> str | None:
    """The first reason to close, checked from the day after entry; a leg of unknown input does not act."""
    rule, decimals = policy.hedge, policy.metrics.round_decimals
    if day <= position.opened:
        return None
    last = market.last_settlements[-rule.exit_negative_settlements :]
    reasons = {
        "FUNDING_NORMAL": _at_most(market.funding_3d_bps, rule.exit_f, decimals),
        "PCTL_NORMAL": _at_most(market.funding_pctl_90d, rule.exit_pct, decimals),
        "MAX_DAYS": (day - position.opened).days >= rule.max_days,
        "FUNDING_NEGATIVE": len(last) == rule.exit_negative_settlements and all(rate < 0 for rate in last),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def decide_hedges(
    day: dt.date,
    book: HedgeBook,
    markets: Mapping[str, HedgeMarket],
    policy: Policy,
    collateral_cents: int,
    nav_cents: int,
) -> HedgePlan:
    """Close, keep, resize and open hedges for one day; call it on every day, whatever the allocation did.

    Args:
        day: The day that is decided.
        book: Positions and closes of earlier days.
        markets: Per asset of `hedge.assets` and of every open position; for the latter the market of the
            instrument it was opened on.
        policy: Thresholds, sizes and budgets.
        collateral_cents: The futures sleeve.
        nav_cents: The whole portfolio.

    Raises:
        HedgeError: an open position lacks the market of its instrument, or a price is not positive.
    """
    for position in book.positions.values():
        _check_instrument(position, markets.get(position.asset))
    budget = Budget(Fraction(collateral_cents, 100), Fraction(nav_cents, 100), policy)
    closing = {a: _closing(p, markets[a], day, policy) for a, p in book.positions.items()}
    kept = {asset: position for asset, position in book.positions.items() if closing[asset] is None}
    notes: list[str] = []
    entering = [asset for asset in policy.hedge.assets if _enters(asset, day, book, markets, policy, notes)]
    active = [*(asset for asset in kept if markets[asset].mark_price_usd is not None), *entering]
    wanted = {a: (markets[a].exchange, policy.hedge.ratio * markets[a].exposure_usd) for a in active}
    fitted = budget.fit(wanted)
    resized = _resized(kept, markets, fitted, budget, entering, policy)
    rows, positions, closed = [], {}, dict(book.closed)

    def add(position: Position, status: str, reason: str | None) -> None:
        rows.append(_row(day, position, markets[position.asset], status, reason, policy))
        if status == "close":
            closed[position.asset] = day
        else:
            positions[position.asset] = position

    for asset, position in sorted(book.positions.items()):
        is_short_of_margin = asset in fitted and fitted[asset] < wanted[asset][1]
        limit = "MARGIN" if is_short_of_margin else None
        if closing[asset]:
            add(position, "close", closing[asset])
        elif asset not in resized:
            add(position, "hold", limit)
        else:
            changed = _sized(position, markets[asset], fitted[asset], policy)
            if changed is None:
                add(position, "close", limit or "MIN_NOTIONAL")
            elif changed.quantity_base == position.quantity_base:
                add(position, "hold", limit)
            else:
                add(changed, "resize", limit or "EXPOSURE_CHANGED")
    for asset in sorted(entering):
        market = markets[asset]
        empty = Position(f"hedge-{asset}-{day}", asset, market.exchange, market.symbol, day, ZERO, ZERO)
        opened = _sized(empty, market, fitted[asset], policy)
        if opened is None:
            size = f"${float(fitted[asset]):,.2f}"
            notes.append(f"{asset}: overbought, but {size} is below the smallest order.")
        else:
            add(opened, "open", "MARGIN" if fitted[asset] < wanted[asset][1] else OVERBOUGHT)
    return HedgePlan(tuple(rows), tuple(notes), HedgeBook(positions, closed))


def _at_least(value: float | None, limit: float, decimals: int) -> bool:
    return value is not None and round(value, decimals) >= limit


def _at_most(value: float | None, limit: float, decimals: int) -> bool:
    return value is not None and round(value, decimals) <= limit


def _check_instrument(position: Position, market: HedgeMarket | None) -> None:
    if market is None or (market.exchange, market.symbol) != (position.exchange, position.symbol):
        wanted = f"{position.symbol} on {position.exchange}"
        raise HedgeError(f"the open hedge of {position.asset} is {wanted}; give the market of it")


def liquidation_move(position: Position, mark: Fraction, policy: Policy) -> Fraction:
    """Rise from `mark` that uses up a short's isolated margin: (1 + 1/L)/(1 + mmr) - 1 when fresh."""
    price_then = position.margin_usd * policy.hedge.leverage / position.quantity_base
    ruin = price_then * (1 + Fraction(1, policy.hedge.leverage)) / (1 + exact(policy.scenarios.mmr))
    return ruin / mark - 1


def _closing(position: Position, market: HedgeMarket, day: dt.date, policy: Policy) -> str | None:
    """Why the position closes today: gone already, an exit of the rule, or nothing left to hedge."""
    mark = market.mark_price_usd
    if mark is not None and liquidation_move(position, _mark(market), policy) <= 0:
        return "LIQUIDATED"
    without_spot = "NO_EXPOSURE" if market.exposure_usd == 0 else None
    return exit_reason(position, market, day, policy) or without_spot


def _enters(
    asset: str,
    day: dt.date,
    book: HedgeBook,
    markets: Mapping[str, HedgeMarket],
    policy: Policy,
    notes: list[str],
) -> bool:
    """Whether a hedge of `asset` opens today; a trigger that leads to nothing leaves a note."""
    market = markets.get(asset)
    if market is None or asset in book.positions or not is_overbought(market, policy):
        return False
    last = book.closed.get(asset)
    if last is not None and (day - last).days < policy.hedge.reentry_days:
        notes.append(f"{asset}: overbought, but its last hedge closed on {last}: too recent to open again.")
    elif market.exposure_usd == 0:
        notes.append(f"{asset}: overbought, but no spot of it is held: no hedge.")
    elif market.mark_price_usd is None or (market.lot_step_base is None and market.contract_size_usd is None):
        notes.append(f"{asset}: overbought, but {market.symbol} has no price or no lot size: no hedge.")
    else:
        return True
    return False


def _resized(
    kept: Mapping[str, Position],
    markets: Mapping[str, HedgeMarket],
    fitted: Mapping[str, Fraction],
    budget: Budget,
    entering: list[str],
    policy: Policy,
) -> set[str]:
    """Kept positions that are too far from their target, or too large once all hedges share the budgets."""
    notional = {a: p.quantity_base * _mark(markets[a]) for a, p in kept.items() if a in fitted}
    band = exact(policy.hedge.resize)
    resized = {asset for asset, usd in notional.items() if abs(fitted[asset] - usd) > band * fitted[asset]}
    unknown = [a for a in kept if a not in fitted]
    uses = [Use(a, markets[a].exchange, kept[a].margin_usd, kept[a].margin_usd) for a in unknown]
    uses += [Use(a, markets[a].exchange, fitted[a], fitted[a]) for a in [*entering, *sorted(resized)]]
    stay = [asset for asset in notional if asset not in resized]
    uses += [Use(a, markets[a].exchange, kept[a].margin_usd, notional[a]) for a in stay]
    if not budget.allows(uses):
        resized |= {a for a in notional if max(kept[a].margin_usd, notional[a]) > fitted[a]}
    return resized


def _sized(position: Position, market: HedgeMarket, target: Fraction, policy: Policy) -> Position | None:
    """The position at its target, rounded down to lots and fully margined; None below the minimum."""
    mark = _mark(market)
    if market.contract_size_usd is not None:
        size = exact(market.contract_size_usd)
        quantity = inverse_contracts(target, size) * size / mark
    elif market.lot_step_base is not None:
        quantity = linear_quantity(target, mark, exact(market.lot_step_base))
    else:
        return position
    smallest = market.min_notional_usd
    smallest = policy.limits.min_trade_usd if smallest is None else smallest
    if quantity == 0 or quantity * mark < exact(smallest):
        return None
    return replace(position, quantity_base=quantity, margin_usd=to_cent(quantity * mark))


def _mark(market: HedgeMarket) -> Fraction:
    if market.mark_price_usd is None or market.mark_price_usd <= 0:
        raise HedgeError(f"the price of {market.symbol} is {market.mark_price_usd}; check its candles")
    return exact(market.mark_price_usd)


def _row(
    day: dt.date,
    position: Position,
    market: HedgeMarket,
    status: str,
    reason: str | None,
    policy: Policy,
) -> dict[str, Any]:
    is_priced = market.mark_price_usd is not None
    notional = to_cent(position.quantity_base * _mark(market)) if is_priced else None
    exposure = market.exposure_usd
    offset = float(notional / exposure) if notional is not None and exposure else None
    row = {
        "as_of_date": day,
        "hedge_id": position.hedge_id,
        "role": "hedge",
        "trigger": OVERBOUGHT,
        "exchange": position.exchange,
        "symbol": position.symbol,
        "asset": position.asset,
        "side": "short",
        "opened_date": position.opened,
        "mark_price_usd": market.mark_price_usd,
        "quantity_base": float(position.quantity_base),
        "notional_usd": None if notional is None else float(notional),
        "leverage": float(policy.hedge.leverage),
        "margin_usd": float(position.margin_usd),
        "exposure_usd": float(exposure),
        "hedge_ratio_frac": offset,
        "offset_frac": offset,
        "ratio_for_80pct_offset_frac": policy.scenarios.wanted_offset,
        "liquidation_move_frac": (float(liquidation_move(position, _mark(market), policy)) if is_priced else None),
        "status": status,
        "reason": reason,
    }
    return {**row, "explanation": explain(row, market, policy)}
