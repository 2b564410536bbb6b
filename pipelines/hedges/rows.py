"""Rows of `portfolio.hedges` and `portfolio.futures_sleeve`, and the orders behind them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipelines.hedges.betas import beta_or_one
from pipelines.hedges.budgets import sums
from pipelines.hedges.explain import explain, explain_sleeve
from pipelines.hedges.hedge import MARKET
from pipelines.hedges.intents import Intent
from pipelines.hedges.market import SleeveMarket
from pipelines.hedges.positions import ROLES, Position, Role
from pipelines.hedges.scenarios import Exposed, ratio_for_offset
from pipelines.money import ZERO, exact, to_cent
from pipelines.policy import Policy


@dataclass(frozen=True)
class SleeveOrder:
    """A change of one position, for the ledger.

    Attributes:
        quantity_change_base: Coins, positive to buy; of an inverse contract at the night's mark (its entry price
            when there is none).
        contracts_change: The same in contracts, null for a linear one: what an inverse order is really made of.
        reason: LIQUIDATED is a loss of the margin by the exchange's hand, not an order that can be priced.
    """

    hedge_id: str
    role: Role
    exchange: str
    symbol: str
    asset: str
    is_inverse: bool
    contract_size_usd: Fraction | None
    quantity_change_base: Fraction
    contracts_change: Fraction | None
    status: str
    reason: str | None


@dataclass(frozen=True)
class Outcome:
    """What became of one intent: the position after tonight (as it was, when it closes)."""

    intent: Intent
    position: Position
    status: str
    reason: str | None

    @property
    def is_live(self) -> bool:
        return self.status != "close"

    def notional_usd(self) -> Fraction:
        """Value at the mark; without one at the price at which it was margined."""
        return self.position.notional_usd(self.intent.market.mark or self.position.margined_at_usd)


def order(outcome: Outcome) -> SleeveOrder | None:
    """The order behind an outcome; None when nothing changes."""
    now, before = outcome.position, outcome.intent.position
    change = (now.size if outcome.is_live else ZERO) - before.size
    if change == 0:
        return None
    signed = change * now.sign
    mark = outcome.intent.market.mark or before.entry_price_usd
    return SleeveOrder(
        now.hedge_id,
        now.role,
        now.exchange,
        now.symbol,
        now.asset,
        now.is_inverse,
        now.contract_size_usd,
        signed * now.contract_size_usd / mark if now.is_inverse else signed,
        signed if now.is_inverse else None,
        outcome.status,
        outcome.reason,
    )


def expires(position: Position, policy: Policy) -> dt.date:
    """The day on which a position ends at the latest."""
    days = {"hedge": policy.hedge.max_days, "liquidity": policy.liquidity.days, "tactical": policy.tactical.days}
    return max([position.opened, *position.triggers.values()]) + dt.timedelta(days[position.role])


def hedge_row(day: dt.date, outcome: Outcome, breadth_frac: float | None, policy: Policy) -> dict[str, Any]:
    """One row of `portfolio.hedges`, without the decision's id."""
    intent, position = outcome.intent, outcome.position
    market, mark, fit = intent.market, intent.market.mark, intent.proxy
    notional = None if mark is None else to_cent(position.notional_usd(mark))
    exposure = intent.exposure_usd
    ratio = notional / exposure if notional is not None and exposure else None
    beta = Fraction(1) if fit is None else fit.beta
    move = None if mark is None else position.liquidation_move(mark, exact(policy.scenarios.mmr))
    is_short = position.side == "short"
    causes = {"liquidity": "REDUCE", "tactical": "ACCUMULATION"}
    coins = position.coins(mark) if mark is not None else None if position.is_inverse else position.size
    row = {
        "as_of_date": day,
        "hedge_id": position.hedge_id,
        "role": position.role,
        "trigger": "+".join(sorted(position.triggers, key=lambda name: name == MARKET)) or causes[position.role],
        "sector": position.sector,
        "exchange": position.exchange,
        "symbol": position.symbol,
        "asset": position.asset,
        "side": position.side,
        "opened_date": position.opened,
        "expires_date": expires(position, policy),
        "entry_price_usd": float(position.entry_price_usd),
        "mark_price_usd": market.mark_price_usd,
        "quantity_base": None if coins is None else float(coins),
        "notional_usd": None if notional is None else float(notional),
        "leverage": float(position.leverage),
        "margin_usd": float(position.margin_usd),
        "exposure_usd": float(exposure),
        "hedge_ratio_frac": None if ratio is None else float(ratio),
        "offset_frac": None if ratio is None or beta == 0 else float(ratio / beta),
        "ratio_for_80pct_offset_frac": ratio_for_offset(policy.scenarios.wanted_offset, beta) if is_short else None,
        "liquidation_move_frac": None if move is None else float(move),
        "beta": None if fit is None else float(fit.beta),
        "beta_r2_frac": None if fit is None else fit.r2,
        "residual_risk_annualised": None if fit is None else fit.residual_annualised,
        "status": outcome.status,
        "reason": outcome.reason,
    }
    stop = None if position.stop_price_usd is None else float(position.stop_price_usd)
    return {**row, "explanation": explain(row, market, breadth_frac, intent.is_netted, stop, policy)}


def exposed(outcome: Outcome, policy: Policy) -> Exposed:
    """A live outcome as the scenarios see it."""
    intent, position, mark = outcome.intent, outcome.position, outcome.intent.market.mark
    beta = Fraction(1) if intent.proxy is None else intent.proxy.beta
    move, left = None, ZERO
    if mark is not None:
        move = position.liquidation_move(mark, exact(policy.scenarios.mmr))
        # The margin of an inverse contract is coins: what is lost is what they are worth when it happens.
        at = mark * (1 + move) if position.is_inverse and move is not None else mark
        left = position.equity_usd(mark) * at / mark
    return Exposed(
        position.hedge_id,
        position.sign,
        int(to_cent(intent.exposure_usd * beta) * 100),
        None if mark is None else int(to_cent(position.notional_usd(mark)) * 100),
        move,
        int(to_cent(left) * 100),
        intent.market.funding_3d_bps,
    )


def sleeve_row(
    day: dt.date,
    live: Sequence[Outcome],
    market: SleeveMarket,
    breadth_frac: float | None,
    worst_cents: int | None,
    notes: Sequence[str],
    policy: Policy,
    collateral: Fraction,
    nav: Fraction,
) -> dict[str, Any]:
    """The row of `portfolio.futures_sleeve`, without the decision's id and the correlations of the roles."""
    budgets = policy.budgets
    used = sums((one.position.role, one.position.margin_usd) for one in live)
    total = sum(used.values(), ZERO)
    gross = sum((to_cent(one.notional_usd()) for one in live), ZERO)
    net = sum((to_cent(one.notional_usd()) * one.position.sign for one in live), ZERO)
    largest = max(ROLES, key=lambda role: used.get(role, ZERO))
    is_concentrated = used.get(largest, ZERO) > budgets.alert_role * total and total > budgets.alert_used * collateral
    row = {
        "as_of_date": day,
        "collateral_usd": float(collateral),
        "used_margin_usd": float(total),
        **{f"used_margin_{role}_usd": float(used.get(role, ZERO)) for role in ROLES},
        "free_margin_usd": float(collateral - total),
        "gross_notional_usd": float(gross),
        "net_notional_usd": float(net),
        "gross_notional_nav_frac": float(gross / nav) if nav > 0 else None,
        "net_beta_usd": float(to_cent(_net_beta(live, market, policy))),
        "breadth_frac": breadth_frac,
        "margin_hhi": float(sum(margin**2 for margin in used.values()) / total**2) if total else None,
        "is_concentrated": is_concentrated,
        "concentration_role": largest if is_concentrated else None,
        "share_of_nav_frac": float(collateral / nav) if nav > 0 else None,
        "proposed_transfer_usd": float(proposed_transfer(collateral, nav, total, policy)),
        "worst_scenario_usd": None if worst_cents is None else worst_cents / 100,
        "notes": list(notes),
    }
    return {**row, "explanation": explain_sleeve(row, policy)}


def proposed_transfer(collateral: Fraction, nav: Fraction, required_margin: Fraction, policy: Policy) -> Fraction:
    """USD to move into the sleeve (negative: out of it) when its share of the portfolio has left the band.

    Back to its share of the split, but it keeps its required margin with the buffer.
    """
    low, high = policy.split.band
    if nav <= 0 or low * nav <= collateral <= high * nav:
        return ZERO
    wanted = max(policy.split.futures * nav, required_margin * policy.budgets.margin_buffer)
    if collateral > high * nav:
        wanted = min(wanted, collateral)
    return to_cent(wanted - collateral)


def _net_beta(live: Sequence[Outcome], market: SleeveMarket, policy: Policy) -> Fraction:
    """USD of the first hedge asset that spot and futures together move like; no believed beta counts as 1."""
    first = next(iter(policy.hedge.assets), "")

    def beta(asset: str) -> Fraction:
        return beta_or_one(asset, first, market.betas, policy)

    total = sum((beta(one.position.asset) * one.position.sign * one.notional_usd() for one in live), ZERO)
    for view in market.sectors.values():
        known: Mapping[str, Fraction] = view.asset_targets_usd
        total += sum((beta(asset) * usd for asset, usd in known.items()), ZERO)
        total += view.target_usd - sum(known.values(), ZERO)
    return total
