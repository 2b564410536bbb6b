"""What a hedge gives and costs in every scenario: price shock, horizon and path of funding.

For a short of notional N over a move r (the asset's own, beta 1): price = -N r; funding = N sum(f8)
(1 + r/2), as the notional is on average that of half the move; cost = two sides of fee and slippage.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pipelines.money import exact, to_cent
from pipelines.policy import Policy

FUNDING_PATHS = ("persist", "linear", "flip")
BPS = Fraction(1, 10_000)


def funding_sum_bps(path: str, f0_bps: float | None, days: int, policy: Policy) -> Fraction | None:
    """Sum of the 8 h settlements over `days`, basis points; None when the path needs an unknown funding.

    Paths: `persist` keeps today's funding, `linear` moves to the resting rate and stays there, `flip` turns
    negative at once.
    """
    rule, settlements = policy.scenarios, 3 * days
    if path == "flip":
        return exact(rule.flip_bps) * settlements
    if f0_bps is None:
        return None
    start, rest = exact(f0_bps), exact(rule.rest_bps)
    if path == "persist":
        return start * settlements
    slope = 3 * rule.linear_days
    steps = (min(Fraction(1), Fraction(k, slope)) for k in range(1, settlements + 1))
    return sum((start + (rest - start) * step for step in steps), Fraction(0))


def scenario(
    exposure: Fraction, notional: Fraction, shock: Fraction, funding_bps: Fraction | None, policy: Policy
) -> dict[str, Fraction | None]:
    """One scenario of a fresh hedge in USD to the cent; the offsets are fractions of the loss of spot.

    In a rise an offset is the share of the gain that the hedge costs. It is None without a move, and a figure
    with funding is None when the funding is unknown.
    """
    costs = policy.costs
    spot, price = exposure * shock, -notional * shock
    cost = 2 * notional * (exact(costs.perp_taker) + exact(costs.perp_slip))
    funding = None if funding_bps is None else notional * funding_bps * BPS * (1 + shock / 2)
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


def scenario_rows(hedge: Mapping[str, Any], f0_bps: float | None, policy: Policy) -> list[dict[str, Any]]:
    """Rows of `portfolio.hedge_scenarios` for one row of `portfolio.hedges`.

    A closed hedge and one without a price have none. A rise beyond the liquidation level loses exactly what
    is left of the isolated margin: `is_liquidated`.

    Args:
        hedge: Row of `portfolio.hedges`.
        f0_bps: The asset's funding today, basis points per 8 h; null leaves the paths that need it unknown.
        policy: Shocks, horizons, paths and costs.
    """
    if hedge["status"] == "close" or hedge["notional_usd"] is None:
        return []
    exposure, notional, margin = (exact(hedge[key]) for key in ("exposure_usd", "notional_usd", "margin_usd"))
    liquidation = exact(hedge["liquidation_move_frac"])
    # What the margin is still worth: posted, less the loss since (the notional's growth).
    equity = 2 * margin - notional
    rows = []
    for shock in map(exact, policy.scenarios.shocks):
        is_liquidated = shock >= liquidation
        for days in policy.scenarios.horizons_days:
            for path in FUNDING_PATHS:
                funding = funding_sum_bps(path, f0_bps, days, policy)
                figures = scenario(exposure, notional, shock, funding, policy)
                if is_liquidated:
                    lost = to_cent(-equity) - figures["hedge_price_pnl_usd"]
                    figures = _with_price_change(figures, lost, exposure * shock)
                rows.append(
                    {
                        "as_of_date": hedge["as_of_date"],
                        "hedge_id": hedge["hedge_id"],
                        "shock_frac": float(shock),
                        "horizon_days": days,
                        "funding_path": path,
                        **{name: None if value is None else float(value) for name, value in figures.items()},
                        "is_liquidated": is_liquidated,
                    }
                )
    return rows


def _with_price_change(
    figures: Mapping[str, Fraction | None], change: Fraction, spot: Fraction
) -> dict[str, Fraction | None]:
    """The scenario with a price result that is larger by `change`, in everything that contains it."""
    added = dict(figures)
    added["hedge_price_pnl_usd"] += change
    for name, amount in (("net_pnl_usd", change), ("offset_frac", change / -spot)):
        added[name] = None if added[name] is None else added[name] + amount
    added["offset_price_only_frac"] += change / -spot
    return added
