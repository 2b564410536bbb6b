"""Tactical longs: off by default, small, with a stop that is looked at once a night, on the close.

A long with leverage gains and loses more per dollar of margin; coin and contract move alike. A price that falls
through the stop overnight loses more than the stop says.
"""

import datetime as dt
from fractions import Fraction

from pipelines.hedges.intents import Intent
from pipelines.hedges.market import SectorView, SleeveMarket, at_least
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.money import ZERO, exact, floor_to_cent
from pipelines.policy import Policy

ACCUMULATION = "ACCUMULATION"
ONE = Fraction(1)


def is_bullish_by_futures(sector: str, policy: Policy) -> bool:
    """Whether tactical longs are on and the sector's strength is to be expressed by futures."""
    own = policy.expression.sectors.get(sector)
    bullish = policy.expression.bullish if own is None or own.bullish is None else own.bullish
    return policy.tactical.enabled and bullish != "spot"


def enters(view: SectorView, policy: Policy) -> bool:
    """ACCUMULATION confirmed by volume, momentum and a spread; an unknown figure is no."""
    rule = policy.tactical
    return (
        view.state == ACCUMULATION
        and at_least(view.volume_ratio, rule.vr, policy)
        and at_least(view.momentum_14d_frac, rule.mom, policy)
        and at_least(view.spread_z, rule.spread_z, policy)
    )


def close_reason(
    day: dt.date,
    position: Position,
    mark: Fraction | None,
    view: SectorView,
    policy: Policy,
    shorts: frozenset[str] = frozenset(),
) -> str | None:
    """Why a tactical long closes: gone, sold short by another role, stopped, no longer called for, or too old."""
    if mark is not None and position.is_liquidated(mark, exact(policy.scenarios.mmr)):
        return "LIQUIDATED"
    if position.asset in shorts:
        return "SOLD_SHORT"
    if day <= position.opened:
        return None
    if mark is not None and position.stop_price_usd is not None and mark <= position.stop_price_usd:
        return "STOP"
    if view.state != ACCUMULATION:
        return "STATE_LEFT"
    if not is_bullish_by_futures(position.sector, policy):
        return "SWITCHED_OFF"
    return "MAX_DAYS" if (day - position.opened).days >= policy.tactical.days else None


def tactical_intents(
    day: dt.date,
    book: SleeveBook,
    market: SleeveMarket,
    policy: Policy,
    budget_usd: tuple[Fraction, Fraction, Fraction],
    shorts: frozenset[str],
    notes: list[str],
) -> list[Intent]:
    """What the tactical longs want tonight.

    Args:
        budget_usd: The futures sleeve, what is left of it for tactical margin, and the whole portfolio.
        shorts: Assets with a live short: a long of one of them would only undo it.
    """
    intents, live = [], set()
    for position in book.of_role("tactical"):
        live.add(position.sector)
        one, view = market.of(position), market.sectors.get(position.sector, SectorView())
        intents.append(Intent(position, one, close=close_reason(day, position, one.mark, view, policy, shorts)))
    kept = sum((i.position.margin_usd for i in intents if i.close is None), ZERO)
    collateral, room, nav = budget_usd
    room -= kept
    for sector, view in sorted(market.sectors.items()):
        if sector in live or not is_bullish_by_futures(sector, policy) or not enters(view, policy):
            continue
        asset = view.first_leader
        one = market.markets.get(asset)
        vol = view.leader_daily_vol
        if ("tactical", sector) in book.spent:
            notes.append(f"{sector}: its tactical long of this ACCUMULATION has ended already: no second one.")
        elif asset in shorts:
            notes.append(f"{sector}: no tactical long of {asset}, which is sold short here: the two would cancel.")
        elif one is None or not one.is_sizeable or vol is None or not vol > 0:
            notes.append(f"{sector}: no tactical long: the contract, price or volatility of {asset} is unknown.")
        else:
            margin = min(policy.tactical.margin * collateral, max(room, ZERO))
            intent = _opening(day, sector, asset, market, exact(vol), margin, nav, policy)
            if intent is None:
                notes.append(f"{sector}: no tactical long: no margin is left for it (MARGIN).")
            else:
                room -= intent.target_usd / intent.position.leverage
                intents.append(intent)
    return intents


def _opening(
    day: dt.date,
    sector: str,
    asset: str,
    market: SleeveMarket,
    daily_vol: Fraction,
    margin: Fraction,
    nav: Fraction,
    policy: Policy,
) -> Intent | None:
    """The largest long that risks its share of the portfolio down to the stop, at the least leverage for it."""
    rule, one = policy.tactical, market.markets[asset]
    risked = exact(rule.risk_nav) * max(nav, ZERO) / (exact(rule.stop_vols) * daily_vol)
    notional = floor_to_cent(min(margin * exact(rule.max_leverage), risked))
    if notional <= 0:
        return None
    leverage = max(ONE, notional / margin)
    position = Position(
        f"tactical-{sector}-{asset}-{day}", "tactical", asset, one.exchange, one.symbol, "long", day, ZERO, ZERO,
        ZERO, ZERO, leverage, sector=sector,
        contract_size_usd=None if one.contract_size_usd is None else exact(one.contract_size_usd),
        stop_price_usd=max(one.mark * (1 - exact(rule.stop_vols) * daily_vol), ZERO),
    )  # fmt: skip
    return Intent(position, one, notional, ZERO, ACCUMULATION)
