"""What positions give and cost in every scenario: price shock, horizon and path of funding.

For a notional N over a move r, s = 1 for a long and -1 for a short: price = s N r; funding = -s N sum(f8)
(1 + r/2), as the notional is on average that of half the move; cost = two sides of fee and slippage.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pipelines.money import exact, to_cent
from pipelines.policy import Policy
from pipelines.policy_models import Scenarios

FUNDING_PATHS = ("persist", "linear", "flip")
BPS = Fraction(1, 10_000)
PLAN = "PLAN"


@dataclass(frozen=True)
class Exposed:
    """One position as the scenarios see it.

    Attributes:
        sign: 1 for a long, -1 for a short.
        exposure_cents: Spot that it stands for, times its beta on the position's asset: what a shock of 100%
            would change. 0 for a position that hedges nothing.
        notional_cents: Null without a price today.
        liquidation_move: Move that uses up the margin, null for never.
        equity_cents: What is left of the margin and is lost then.
        funding_3d_bps: The asset's funding today, basis points per 8 h; null leaves the paths that need it unknown.
    """

    hedge_id: str
    sign: int
    exposure_cents: int
    notional_cents: int | None
    liquidation_move: Fraction | None
    equity_cents: int
    funding_3d_bps: float | None


def ratio_for_offset(wanted: float, beta: Fraction) -> float | None:
    """Hedge ratio (notional per USD of spot) that offsets `wanted` of a loss.

    wanted / (move of the hedge per move of the spot), which is wanted x beta for spot that moves by beta where
    the hedged asset moves by 1. None when the spot does not move with it: no ratio would do.
    """
    return float(exact(wanted) * beta) if beta > 0 else None


def funding_sum_bps(path: str, f0_bps: float | None, days: int, policy: Policy) -> Fraction | None:
    """Sum of the 8 h settlements over `days`, basis points; None when the path needs an unknown funding.

    Paths: `persist` keeps today's funding, `linear` moves to the resting rate and stays there, `flip` turns
    negative at once.
    """
    return _funding_sum(path, f0_bps, days, policy.scenarios)


@lru_cache(maxsize=4096)
def _funding_sum(path: str, f0_bps: float | None, days: int, rule: Scenarios) -> Fraction | None:
    settlements = 3 * days
    if path == "flip":
        return exact(rule.flip_bps) * settlements
    if f0_bps is None:
        return None
    start, rest = exact(f0_bps), exact(rule.rest_bps)
    if path == "persist":
        return start * settlements
    slope = 3 * rule.linear_days
    moving = min(settlements, slope)
    # steps of k/slope for k = 1..moving, then at rest
    moved = Fraction(moving * (moving + 1), 2 * slope) + (settlements - moving)
    return start * settlements + (rest - start) * moved


def scenario(
    exposure: Fraction,
    notional: Fraction,
    shock: Fraction,
    funding_bps: Fraction | None,
    policy: Policy,
    sign: int = -1,
) -> dict[str, Fraction | None]:
    """One scenario of a fresh position in USD to the cent; the offsets are fractions of the loss of spot.

    In a rise an offset is the share of the gain that the hedge costs. It is None without a move, and a figure
    with funding is None when the funding is unknown.

    Args:
        sign: -1 for a short, 1 for a long.
    """
    costs = policy.costs
    spot, price = exposure * shock, sign * notional * shock
    cost = 2 * notional * (exact(costs.perp_taker) + exact(costs.perp_slip))
    funding = None if funding_bps is None else -sign * notional * funding_bps * BPS * (1 + shock / 2)
    has_move = spot != 0
    parts = {"spot_pnl_usd": spot, "hedge_price_pnl_usd": price, "funding_pnl_usd": funding, "cost_usd": cost}
    rounded = {name: None if amount is None else to_cent(amount) for name, amount in parts.items()}
    net = None
    if funding is not None:
        net = rounded["spot_pnl_usd"] + rounded["hedge_price_pnl_usd"] + rounded["funding_pnl_usd"]
        net -= rounded["cost_usd"]
    return {
        **rounded,
        "net_pnl_usd": net,
        "offset_frac": (price + funding - cost) / -spot if has_move and funding is not None else None,
        "offset_price_only_frac": price / -spot if has_move else None,
    }


def scenario_rows(
    day: dt.date, positions: Sequence[Exposed], spot_cents: int, policy: Policy
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `portfolio.hedge_scenarios` without the decision: of each priced position, and of the whole plan.

    A move beyond the liquidation level loses exactly what is left of the isolated margin: `is_liquidated`. The
    plan sets the spot of all sectors, moving one for one with the shock, beside the sum of the positions' rows;
    with a position that has no price its futures figures are unknown.

    Returns:
        Rows per position and the rows of `PLAN`.
    """
    rule = policy.scenarios
    grid = [(days, path) for days in rule.horizons_days for path in FUNDING_PATHS]
    priced = [one for one in positions if one.notional_cents is not None]
    sums = [[_funding_sum(path, one.funding_3d_bps, days, rule) for days, path in grid] for one in priced]
    # Everything is whole numbers over common denominators: exact like fractions, and many times faster.
    shared = math.lcm(1, *(amount.denominator for row in sums for amount in row if amount is not None))
    whole = [[None if a is None else a.numerator * (shared // a.denominator) for a in row] for row in sums]
    rate = 2 * (exact(policy.costs.perp_taker) + exact(policy.costs.perp_slip))
    rows: list[dict[str, Any]] = []
    plan: list[dict[str, Any]] = []
    is_complete = len(priced) == len(positions)
    for shock_frac, s, scale in _shocks(rule):
        spot = _half_up(spot_cents * s, scale)
        total = [_Sum(is_complete) for _ in grid]
        for one, fundings in zip(priced, whole, strict=True):
            rows += _position_rows(day, one, (shock_frac, s, scale), grid, fundings, shared, rate, total)
        for (days, path), amount in zip(grid, total, strict=True):
            known = amount.is_known
            gain = None if amount.gain is None else amount.gain
            net = spot + gain if known else None
            offset = gain / -spot if known and spot else None
            price_only = amount.price / -spot if is_complete and spot else None
            plan.append(
                {
                    "as_of_date": day,
                    "hedge_id": PLAN,
                    "shock_frac": shock_frac,
                    "horizon_days": days,
                    "funding_path": path,
                    "spot_pnl_usd": spot / 100,
                    "hedge_price_pnl_usd": amount.price / 100 if is_complete else None,
                    "funding_pnl_usd": amount.funding / 100 if known else None,
                    "cost_usd": amount.cost / 100 if is_complete else None,
                    "net_pnl_usd": None if net is None else net / 100,
                    "offset_frac": offset,
                    "offset_price_only_frac": price_only,
                    "is_liquidated": amount.is_liquidated,
                }
            )
    return rows, plan


class _Sum:
    """Cents of all positions in one scenario; `gain` is price, funding and cost together."""

    __slots__ = ("cost", "funding", "is_known", "is_liquidated", "price")

    def __init__(self, is_complete: bool) -> None:
        self.price = self.funding = self.cost = 0
        self.is_known, self.is_liquidated = is_complete, False

    @property
    def gain(self) -> int | None:
        return self.price + self.funding - self.cost if self.is_known else None


def _position_rows(
    day: dt.date,
    one: Exposed,
    shock: tuple[float, int, int],
    grid: Sequence[tuple[int, str]],
    fundings: Sequence[int | None],
    shared: int,
    rate: Fraction,
    total: Sequence[_Sum],
) -> list[dict[str, Any]]:
    """The rows of one position for one shock s/scale; each is also added to the plan's sum."""
    shock_frac, s, scale = shock
    notional, base = one.notional_cents, one.exposure_cents * s
    spot, moved = _half_up(base, scale), one.sign * notional * s
    price = _half_up(moved, scale)
    move = one.liquidation_move
    is_liquidated = move is not None and (s * move.denominator - move.numerator * scale) * -one.sign >= 0
    lost = -one.equity_cents - price if is_liquidated else 0
    price += lost
    price_only = (moved + lost * scale) / -base if base else None
    cost = _half_up(notional * rate.numerator, rate.denominator)
    # offset = (moved/scale + lost + funding - cost) / -(base/scale), all over `common`
    funding_den = shared * 20_000
    common = funding_den * rate.denominator
    fixed = (moved + lost * scale) * common - notional * rate.numerator * scale * funding_den
    weight = -one.sign * notional * (2 * scale + s)
    rows = []
    for (days, path), bps, amount in zip(grid, fundings, total, strict=True):
        funding = net = offset = None
        amount.price += price
        amount.cost += cost
        amount.is_liquidated |= is_liquidated
        if bps is None:
            amount.is_known = False
        else:
            funding = _half_up(weight * bps, funding_den * scale)
            net = (spot + price + funding - cost) / 100
            amount.funding += funding
            if base:
                offset = (fixed + weight * bps * rate.denominator) / (-base * common)
        rows.append(
            {
                "as_of_date": day,
                "hedge_id": one.hedge_id,
                "shock_frac": shock_frac,
                "horizon_days": days,
                "funding_path": path,
                "spot_pnl_usd": spot / 100,
                "hedge_price_pnl_usd": price / 100,
                "funding_pnl_usd": None if funding is None else funding / 100,
                "cost_usd": cost / 100,
                "net_pnl_usd": net,
                "offset_frac": offset,
                "offset_price_only_frac": price_only,
                "is_liquidated": is_liquidated,
            }
        )
    return rows


@lru_cache(maxsize=64)
def _shocks(rule: Scenarios) -> tuple[tuple[float, int, int], ...]:
    """Each shock as a float and as numerator and denominator."""
    return tuple((float(shock), *exact(shock).as_integer_ratio()) for shock in rule.shocks)


def _half_up(numerator: int, denominator: int) -> int:
    """The nearest whole number, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)
