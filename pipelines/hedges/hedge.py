"""The hedge: shorts of an overbought asset, and of BTC and ETH when the whole market is.

Each asset has one position. Its notional is the larger that a live trigger wants, never the sum, and it closes
when its last trigger has ended. A short of a tenth of a holding offsets a tenth of its loss. Spot is never sold.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.hedges.betas import proxy, unbelieved
from pipelines.hedges.intents import Intent, Proxy
from pipelines.hedges.market import HedgeMarket, SectorView, SleeveMarket, at_least, at_most
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.money import ZERO, exact, to_cent
from pipelines.policy import Policy

OVERBOUGHT = "OVERBOUGHT"
MARKET = "MARKET"
WORDS = {OVERBOUGHT: "overbought", MARKET: "the whole market is crowded"}


@dataclass(frozen=True)
class Cover:
    """What one trigger would hedge on one asset: the spot, the wanted notional, how the two move together."""

    exposure_usd: Fraction
    notional_usd: Fraction
    proxy: Proxy | None = None


def is_overbought(market: HedgeMarket, policy: Policy) -> bool:
    """High funding, high in its own history, and new leverage by one of the two open interest figures.

    Unknown funding or rank is no; of the two z one known value is enough.
    """
    rule = policy.hedge
    return (
        at_least(market.funding_3d_bps, rule.f, policy)
        and at_least(market.funding_pctl_90d, rule.pct, policy)
        and (
            at_least(market.open_interest_z_90d, rule.oi_z, policy)
            or at_least(market.open_interest_usd_z_90d, rule.oi_usd_z, policy)
        )
    )


def breadth(sectors: Mapping[str, SectorView], policy: Policy) -> float | None:
    """Share of the leaders' open interest in sectors whose funding is high and high in its history.

    Over the sectors whose funding, rank and open interest are known; None when there is none.
    """
    rule, total, crowded = policy.hedge, ZERO, ZERO
    for view in sectors.values():
        if None in (view.funding_3d_bps, view.funding_pctl_90d, view.leaders_open_interest_usd):
            continue
        size = exact(view.leaders_open_interest_usd)
        total += size
        if at_least(view.funding_3d_bps, rule.breadth_f, policy) and at_least(
            view.funding_pctl_90d, rule.breadth_pct, policy
        ):
            crowded += size
    return round(float(crowded / total), policy.metrics.round_decimals) if total > 0 else None


def exit_reason(since: dt.date, market: HedgeMarket, day: dt.date, policy: Policy) -> str | None:
    """Why the trigger of an overbought asset ends, checked from the day after it began; unknown input does not act."""
    rule = policy.hedge
    if day <= since:
        return None
    last = market.last_settlements[-rule.exit_negative_settlements :]
    reasons = {
        "FUNDING_NORMAL": at_most(market.funding_3d_bps, rule.exit_f, policy),
        "PCTL_NORMAL": at_most(market.funding_pctl_90d, rule.exit_pct, policy),
        "MAX_DAYS": (day - since).days >= rule.max_days,
        "FUNDING_NEGATIVE": len(last) == rule.exit_negative_settlements and all(rate < 0 for rate in last),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def market_exit_reason(since: dt.date, share: float | None, day: dt.date, policy: Policy) -> str | None:
    """Why the market's trigger ends, checked from the day after it began."""
    if day <= since:
        return None
    if share is not None and share < policy.hedge.breadth_exit:
        return "BREADTH_NORMAL"
    return "MAX_DAYS" if (day - since).days >= policy.hedge.max_days else None


def hedge_intents(
    day: dt.date,
    book: SleeveBook,
    market: SleeveMarket,
    policy: Policy,
    shorted_usd: Mapping[str, Fraction],
    notes: list[str],
) -> tuple[list[Intent], dict[str, dict[str, dt.date]]]:
    """What the hedges want tonight, and the triggers that end on positions that stay or close.

    Args:
        shorted_usd: Asset to USD that liquidity shorts stand for. That spot counts as sold: it is hedged already.
    """
    share = breadth(market.sectors, policy)
    held = {position.asset: position for position in book.of_role("hedge")}
    markets = {asset: market.of(held[asset]) for asset in held}
    for asset in policy.hedge.assets:
        if asset not in markets and asset in market.markets:
            markets[asset] = market.markets[asset]
    covers = {OVERBOUGHT: _own_covers(markets, shorted_usd, policy)}
    is_market_live = share is not None and share >= policy.hedge.breadth
    if is_market_live or any(MARKET in position.triggers for position in held.values()):
        covers[MARKET] = _market_covers(market, policy, shorted_usd)
    intents, ended = [], {}
    for asset in sorted(markets):
        live, over = {}, {}
        if asset in held:
            live, over = _split_triggers(held[asset], markets[asset], share, covers, day, policy, shorted_usd)
        ended[asset] = dict.fromkeys(over, day)
        begun = _begun(asset, markets[asset], is_market_live, covers, policy) if asset in policy.hedge.assets else []
        begun = [name for name in begun if name not in live and name not in over]
        is_dead = asset in held and _is_gone(held[asset], markets[asset], policy)
        is_closing = asset in held and (is_dead or not live)
        if begun and not is_closing and _may_begin(asset, begun, day, book, covers, markets[asset], policy, notes):
            live |= dict.fromkeys(begun, day)
        if is_closing:
            reason = "LIQUIDATED" if is_dead else next(iter(over.values()))
            # In a fixed order: a stored book gives the triggers back in another one than the night that made it.
            first = OVERBOUGHT if OVERBOUGHT in held[asset].triggers else MARKET
            cover = covers[first].get(asset, covers[OVERBOUGHT][asset])
            intents.append(Intent(held[asset], markets[asset], None, cover.exposure_usd, None, reason, cover.proxy))
        elif live:
            intents.append(_wanted(asset, held.get(asset), markets[asset], live, covers, day, shorted_usd))
    if policy.hedge.mode == "beta" and MARKET in covers:
        assets = {a for view in market.sectors.values() for a, usd in view.asset_targets_usd.items() if usd > 0}
        notes += filter(None, (unbelieved(h, assets, market.betas, policy) for h in policy.hedge.assets))
    return intents, ended


def _own_covers(
    markets: Mapping[str, HedgeMarket], shorted: Mapping[str, Fraction], policy: Policy
) -> dict[str, Cover]:
    exposures = {a: max(market.exposure_usd - shorted.get(a, ZERO), ZERO) for a, market in markets.items()}
    return {asset: Cover(usd, policy.hedge.ratio * usd) for asset, usd in exposures.items()}


def _market_covers(market: SleeveMarket, policy: Policy, shorted: Mapping[str, Fraction]) -> dict[str, Cover]:
    """Per hedge asset its part of all spot, split by spot value held, equally when none of them is held."""
    rule = policy.hedge
    values: dict[str, Fraction] = {}
    for view in market.sectors.values():
        for asset, usd in view.asset_targets_usd.items():
            values[asset] = values.get(asset, ZERO) + usd
    total = sum((view.target_usd for view in market.sectors.values()), ZERO)
    unallocated = max(total - sum(values.values(), ZERO), ZERO)
    spot = max(total - sum(shorted.values(), ZERO), ZERO)
    own = {asset: market.markets[asset].exposure_usd for asset in rule.assets if asset in market.markets}
    held = sum(own.values(), ZERO)
    covers = {}
    for asset, usd in own.items():
        part = usd / held if held else Fraction(1, len(own))
        exposure = to_cent(spot * part)
        fit = None
        if rule.mode == "beta":
            left = {a: max(value - shorted.get(a, ZERO), ZERO) for a, value in values.items()}
            fit = proxy(asset, left, unallocated, market.betas, policy)
        beta = Fraction(1) if fit is None else fit.beta
        covers[asset] = Cover(exposure, rule.ratio * beta * exposure, fit)
    return covers


def _split_triggers(
    position: Position,
    market: HedgeMarket,
    share: float | None,
    covers: Mapping[str, Mapping[str, Cover]],
    day: dt.date,
    policy: Policy,
    shorted: Mapping[str, Fraction],
) -> tuple[dict[str, dt.date], dict[str, str]]:
    """The triggers of a position that live on, and those that end with their reason."""
    live, over = {}, {}
    for name in (OVERBOUGHT, MARKET):
        if name not in position.triggers:
            continue
        since = position.triggers[name]
        is_own = name == OVERBOUGHT
        reason = exit_reason(since, market, day, policy) if is_own else market_exit_reason(since, share, day, policy)
        cover = covers[name].get(position.asset)
        if reason is None and (cover is None or cover.exposure_usd == 0):
            is_netted = is_own and market.exposure_usd > 0 and shorted.get(position.asset, ZERO) > 0
            reason = "DUPLICATE_HEDGE" if is_netted else "NO_EXPOSURE"
        if reason is None:
            live[name] = since
        else:
            over[name] = reason
    return live, over


def _begun(
    asset: str,
    market: HedgeMarket,
    is_market_live: bool,
    covers: Mapping[str, Mapping[str, Cover]],
    policy: Policy,
) -> list[str]:
    begun = [OVERBOUGHT] if is_overbought(market, policy) else []
    return [*begun, MARKET] if is_market_live and asset in covers[MARKET] else begun


def _is_gone(position: Position, market: HedgeMarket, policy: Policy) -> bool:
    mark = market.mark
    return mark is not None and position.is_liquidated(mark, exact(policy.scenarios.mmr))


def _may_begin(
    asset: str,
    begun: list[str],
    day: dt.date,
    book: SleeveBook,
    covers: Mapping[str, Mapping[str, Cover]],
    market: HedgeMarket,
    policy: Policy,
    notes: list[str],
) -> bool:
    """Drop from `begun` what may not begin; a trigger that leads to nothing leaves a note."""
    for name in list(begun):
        why = f"{asset}: {WORDS[name]}, but"
        days = [past for past in (book.closed.get(asset), book.ended.get(asset, {}).get(name)) if past is not None]
        if days and (day - max(days)).days < policy.hedge.reentry_days:
            notes.append(f"{why} its last hedge closed on {max(days)}: too recent to open again.")
        elif covers[name][asset].exposure_usd == 0:
            is_netted = name == OVERBOUGHT and market.exposure_usd > 0
            reason = "a liquidity short stands for all its spot" if is_netted else "no spot of it is held"
            notes.append(f"{why} {reason}: no hedge.")
        elif not market.is_sizeable:
            notes.append(f"{why} {market.symbol} has no price or no lot size: no hedge.")
        else:
            continue
        begun.remove(name)
    return bool(begun)


def _wanted(
    asset: str,
    held: Position | None,
    market: HedgeMarket,
    live: Mapping[str, dt.date],
    covers: Mapping[str, Mapping[str, Cover]],
    day: dt.date,
    shorted: Mapping[str, Fraction],
) -> Intent:
    name, cover = max(
        ((name, covers[name][asset]) for name in (OVERBOUGHT, MARKET) if name in live),
        key=lambda pair: pair[1].notional_usd,
    )
    if held is None:
        size = None if market.contract_size_usd is None else exact(market.contract_size_usd)
        position = Position(
            f"hedge-{asset}-{day}", "hedge", asset, market.exchange, market.symbol, "short", day, ZERO, ZERO, ZERO,
            ZERO, contract_size_usd=size, triggers=dict(live),
        )  # fmt: skip
    else:
        position = replace(held, triggers=dict(live))
    netted = shorted.get(asset, ZERO) if name == OVERBOUGHT else sum(shorted.values(), ZERO)
    return Intent(
        position, market, cover.notional_usd, cover.exposure_usd, name, proxy=cover.proxy, is_netted=netted > 0
    )
