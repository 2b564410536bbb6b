"""Liquidity shorts: a sector is reduced by shorting its leaders now and selling the spot later.

The short locks the price only up to basis, funding and what its leaders do not share with the sector, and it
yields no cash. Its size is fixed when it opens. While the sector is frozen, or the spot plan may not trade, it
stays: ending it means selling the spot in the same plan.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from pipelines.hedges.budgets import sums
from pipelines.hedges.intents import Intent
from pipelines.hedges.market import SectorView, SleeveMarket
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.money import ZERO, exact, to_cent
from pipelines.policy import Policy


@dataclass(frozen=True)
class Ending:
    """A liquidity short that ends tonight: it is bought back and its spot is sold in the same plan.

    Attributes:
        reason: LIMIT_PRICE, STATE_LEFT, MAX_DAYS or LIQUIDATED.
        usd: Spot to sell: the coins that the short stood for at today's price, at most what the sector holds.
    """

    reason: str
    usd: Fraction


def ending_shorts(day: dt.date, book: SleeveBook, market: SleeveMarket, policy: Policy) -> dict[str, Ending]:
    """Sector to the ending of its liquidity short; it needs no targets, so it can be asked before the allocation.

    Raises:
        HedgeError: an open liquidity short lacks the market of its instrument.
    """
    endings = {}
    for sector, legs in _by_sector(book).items():
        view = market.sectors.get(sector, SectorView())
        reason = _ending_reason(day, legs, view, market, policy)
        if reason is not None:
            worth = sum((leg.coins(price) * price for leg, price in _priced(legs, market)), ZERO)
            endings[sector] = Ending(reason, to_cent(min(worth, sum(view.holdings_usd.values(), ZERO))))
    return endings


def liquidity_intents(
    day: dt.date,
    book: SleeveBook,
    market: SleeveMarket,
    policy: Policy,
    endings: Mapping[str, Ending],
    notes: list[str],
) -> list[Intent]:
    """What the liquidity shorts want tonight; a reduction that opens nothing leaves a note."""
    intents, live = [], _by_sector(book)
    for sector, legs in live.items():
        ending, view = endings.get(sector), market.sectors.get(sector, SectorView())
        parts = _priced(legs, market)
        total = sum((leg.coins(price) * price for leg, price in parts), ZERO)
        for leg, price in parts:
            exposure = to_cent(view.target_usd * leg.coins(price) * price / total)
            close = None if ending is None else ending.reason
            intents.append(Intent(leg, market.of(leg), exposure_usd=exposure, close=close))
        if ending is not None and ending.usd == 0:
            notes.append(f"{sector}: its liquidity short ended, but no spot of the sector is held to sell.")
    for sector, view in sorted(market.sectors.items()):
        if view.reduction_usd <= 0 or view.action != "REDUCE" or market.is_spot_frozen:
            continue
        if sector in live:
            notes.append(f"{sector}: flagged REDUCE, but its liquidity short is live: no second one.")
        elif ("liquidity", sector) in book.spent:
            notes.append(f"{sector}: its liquidity short of this REDUCE has ended already: no second one.")
        else:
            intents += _opening(day, sector, view, market, notes)
    return intents


def reduction_is_over(view: SectorView | None) -> bool:
    """Whether a sector has left REDUCE; a frozen or unknown one has not been seen to."""
    return view is not None and view.action not in (None, "REDUCE", "FREEZE")


def _by_sector(book: SleeveBook) -> dict[str, list[Position]]:
    legs: dict[str, list[Position]] = {}
    for position in book.of_role("liquidity"):
        legs.setdefault(position.sector, []).append(position)
    return dict(sorted(legs.items()))


def _priced(legs: list[Position], market: SleeveMarket) -> list[tuple[Position, Fraction]]:
    """Each leg with its mark, or its entry price where there is none today."""
    return [(leg, market.of(leg).mark or leg.entry_price_usd) for leg in legs]


def _ending_reason(
    day: dt.date, legs: list[Position], view: SectorView, market: SleeveMarket, policy: Policy
) -> str | None:
    rule, mmr = policy.liquidity, exact(policy.scenarios.mmr)
    marks = [(leg, market.of(leg).mark) for leg in legs]
    if any(mark is not None and leg.is_liquidated(mark, mmr) for leg, mark in marks):
        return "LIQUIDATED"
    opened = min(leg.opened for leg in legs)
    if day <= opened or market.is_spot_frozen or view.action == "FREEZE":
        return None
    # The price of the basket: an unpriced leg has not moved as far as is known, so it is left out.
    known = [(leg, mark) for leg, mark in marks if mark is not None]
    entered = sum((leg.coins(leg.entry_price_usd) * leg.entry_price_usd for leg, _ in known), ZERO)
    now = sum((leg.coins(leg.entry_price_usd) * mark for leg, mark in known), ZERO)
    if known and now >= entered * (1 + exact(rule.limit_up)):
        return "LIMIT_PRICE"
    if reduction_is_over(view):
        return "STATE_LEFT"
    return "MAX_DAYS" if (day - opened).days >= rule.days else None


def _opening(day: dt.date, sector: str, view: SectorView, market: SleeveMarket, notes: list[str]) -> list[Intent]:
    """Legs over the leaders, by what is held of them (by weight when none is), of those that can be shorted."""
    leaders = [asset for asset in sorted(view.leaders) if view.leaders[asset] > 0]
    usable = [asset for asset in leaders if asset in market.markets and market.markets[asset].is_sizeable]
    missing = sorted(set(leaders) - set(usable))
    if missing:
        notes.append(f"{sector}: {', '.join(missing)} cannot be shorted (no contract, price or lot size is known).")
    if not usable:
        notes.append(f"{sector}: no leader can be shorted, so nothing is reduced; sell_spot would.")
        return []
    held = {asset: view.holdings_usd.get(asset, ZERO) for asset in usable}
    if not any(held.values()):
        held = {asset: exact(round(view.leaders[asset], 9)) for asset in usable}
    total = sums(("all", part) for part in held.values())["all"]
    notional = to_cent(view.reduction_usd)
    intents = []
    for asset, part in held.items():
        if part == 0:
            continue
        one, share = market.markets[asset], part / total
        position = Position(
            f"liquidity-{sector}-{asset}-{day}", "liquidity", asset, one.exchange, one.symbol, "short", day, ZERO,
            ZERO, ZERO, ZERO, sector=sector,
            contract_size_usd=None if one.contract_size_usd is None else exact(one.contract_size_usd),
        )  # fmt: skip
        exposure = to_cent(view.target_usd * share)
        intents.append(Intent(position, one, notional * share, exposure, "REDUCE"))
    return intents
