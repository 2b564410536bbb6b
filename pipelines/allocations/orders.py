"""The orders of a night: from sector targets and calendar tilts to lots, exchanges and costs."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from pipelines.allocations.asset_targets import AssetStanding, AssetTarget, Moves, SpotVenue, split_sectors
from pipelines.allocations.reasons import ordered_codes
from pipelines.allocations.tilts import FrontRich, Tilt, TiltBook, TiltReview, review_tilts
from pipelines.allocations.trades import (
    Fill,
    Order,
    Side,
    budgets,
    cost_factor,
    fill_orders,
    priced,
    settle_tilts,
)  # fmt: skip
from pipelines.money import CENT, ZERO, exact, floor_to_cent, floor_to_step, to_cent
from pipelines.policy import Policy

__all__ = [
    "AssetStanding", "Dropped", "Fill", "Order", "OrderPlan", "SpotVenue", "fill_orders", "plan_orders", "settle_tilts",
]  # fmt: skip


class Dropped(NamedTuple):
    """An amount that was wanted and is not traded: what it would have freed or used stays where it is."""

    asset: str
    side: Side
    amount_usd: Fraction
    code: str


@dataclass(frozen=True)
class OrderPlan:
    """What is to be done tonight.

    Attributes:
        targets: In order of sector and asset.
        orders: Sells, then buys, each in order of sector, asset and exchange.
        cash_after_usd: Cash outside of tilts once every order is filled at its reference price.
        tilt_cash_after_usd: Cash tagged for tilts then.
        tilts: The live tilts from now on. What they hold is what is tagged already: sales that begin a tilt are
            added when they are filled.
        dropped: In order of asset and side.
        notes: What could not be done, in words.
    """

    targets: tuple[AssetTarget, ...]
    orders: tuple[Order, ...]
    dropped: tuple[Dropped, ...]
    cash_after_usd: Fraction
    tilt_cash_after_usd: Fraction
    tilts: TiltBook
    notes: tuple[str, ...]


def plan_orders(
    day: dt.date,
    assets: Mapping[str, AssetStanding],
    sector_deltas_cents: Mapping[str, int],
    held_cash_cents: int,
    target_cash_cents: int,
    tilts: TiltBook,
    front_rich: Mapping[str, Sequence[FrontRich]],
    policy: Policy,
    frozen_sectors: Collection[str] = (),
) -> OrderPlan:
    """Turn sector targets and calendar tilts into orders that the cash pays for.

    Sells come first, at the cheapest exchanges where coins are held; a purchase goes to the cheapest exchange. With
    `net` the proceeds after costs and `used = max(0, held - target cash)`, all purchases are scaled by
    `k = min(1, (net + used) / sum of notional * (1 + slippage) * (1 + fee))`. Quantities are rounded down to the
    lot; what is below the exchange's minimum or `limits.min_trade_usd` is dropped.

    A tilt sells `1 - calendar.tilt` of what the sector targets leave of the asset, into cash of its own. When it is
    over, the same USD are bought back from that cash, then from what the other purchases leave, and the rest of it
    is ordinary cash again. Where sector and tilt want opposite things of an asset, only the difference is traded,
    and cash changes its tag for the rest.

    Args:
        day: Day of the decision.
        assets: Standing per asset.
        sector_deltas_cents: Target minus current value per sector, in cents.
        held_cash_cents: Cash before the decision, without what is tagged for tilts.
        target_cash_cents: Cash that the sector targets leave.
        tilts: Live tilts before the decision.
        front_rich: Asset to its dated futures per exchange.
        policy: Limits and the calendar's thresholds.
        frozen_sectors: Sectors without data: no tilt of theirs begins or ends.
    """
    frozen_assets = {name for name, one in assets.items() if one.sector in frozen_sectors}
    review = review_tilts(day, tilts, front_rich, policy, frozen_assets)
    draft = _Draft(assets, split_sectors(assets, sector_deltas_cents), exact(policy.limits.min_trade_usd))
    draft.begin_tilts(day, review, policy.calendar.tilt)
    draft.end_tilts(review)
    draft.sell()
    cash_after_usd = draft.buy(held_cash_cents * CENT, target_cash_cents * CENT)
    begun = [tilt for tilt in draft.begun.values() if tilt.cash_cents or tilt.tilt_id in draft.proceeds_usd]
    live = TiltBook(tuple(sorted([*review.staying, *begun], key=lambda tilt: tilt.asset)), review.waiting)
    proceeds_usd = sum((draft.proceeds_usd.get(tilt.tilt_id, ZERO) for tilt in begun), ZERO)
    tilted = {tilt.asset for tilt in (*live.tilts, *review.ending)}
    return OrderPlan(
        targets=draft.targets(held_cash_cents * CENT, tilted),
        orders=tuple(sorted(draft.orders, key=lambda one: (one.side == "buy", one.sector, one.asset, one.exchange))),
        dropped=tuple(sorted(draft.dropped)),
        cash_after_usd=cash_after_usd,
        tilt_cash_after_usd=live.cash_cents * CENT + proceeds_usd,
        tilts=live,
        notes=tuple(draft.moves.notes),
    )


@dataclass
class _Draft:
    """The plan while it is made.

    Attributes:
        moves: What the sectors want, less what tilts cancel of it.
        minimum_usd: Smallest trade of the policy.
        tilt_sold_base: Asset to coins that a new tilt sells.
        withheld_usd: Asset to a purchase that a new tilt cancels: its cash is tagged instead.
        ended: Asset to the tilt that is over.
        bought_back_usd: Asset to what an ended tilt buys back.
        kept_usd: Asset to a sale that an ended tilt cancels: its tagged cash stands for the proceeds.
        left_base: Asset and exchange to coins not sold yet.
        proceeds_usd: Tilt (None: the sectors) to what its sales bring in after costs.
    """

    assets: Mapping[str, AssetStanding]
    moves: Moves
    minimum_usd: Fraction
    begun: dict[str, Tilt] = field(default_factory=dict)
    tilt_sold_base: dict[str, Fraction] = field(default_factory=dict)
    withheld_usd: dict[str, Fraction] = field(default_factory=dict)
    ended: dict[str, Tilt] = field(default_factory=dict)
    bought_back_usd: dict[str, Fraction] = field(default_factory=dict)
    kept_usd: dict[str, Fraction] = field(default_factory=dict)
    left_base: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    proceeds_usd: dict[str | None, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    orders: list[Order] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def begin_tilts(self, day: dt.date, review: TiltReview, tilt_share: Fraction) -> None:
        for asset, exchange in review.beginning.items():
            standing = self.assets.get(asset)
            if standing is None or not standing.tradable_venues:
                continue
            bought_usd = self.moves.bought_usd.get(asset, ZERO)
            sold_usd = self.moves.sold_base.get(asset, ZERO) * standing.price_usd
            cut_usd = (1 - tilt_share) * (standing.value_usd - sold_usd + bought_usd)
            withheld_usd = floor_to_cent(min(cut_usd, bought_usd))
            if withheld_usd:
                self.withheld_usd[asset] = withheld_usd
                self.moves.bought_usd[asset] -= withheld_usd
            self.tilt_sold_base[asset] = (cut_usd - withheld_usd) / standing.price_usd
            self.begun[asset] = Tilt(f"tilt-{asset}-{day}", asset, exchange, day)

    def end_tilts(self, review: TiltReview) -> None:
        for tilt in review.ending:
            asset, standing = tilt.asset, self.assets.get(tilt.asset)
            self.ended[asset] = tilt
            if standing is None or not standing.is_eligible:
                amount = f"${tilt.cash_cents / 100:,.2f}"
                self.moves.notes.append(f"{asset}: its tilt is over and it may not be bought: {amount} become cash.")
                continue
            sold_base = self.moves.sold_base.get(asset, ZERO)
            wanted_usd = tilt.sold_cents * CENT
            cancelled_usd = floor_to_cent(min(wanted_usd, sold_base * standing.price_usd))
            if cancelled_usd:
                self.kept_usd[asset] = min(cancelled_usd, tilt.cash_cents * CENT)
                self.moves.sold_base[asset] = sold_base - cancelled_usd / standing.price_usd
            self.bought_back_usd[asset] = wanted_usd - cancelled_usd

    def sell(self) -> None:
        for asset in sorted(self.moves.sold_base):
            self._sell(self.assets[asset], self.moves.sold_base[asset], None)
        for asset in sorted(self.tilt_sold_base):
            self._sell(self.assets[asset], self.tilt_sold_base[asset], self.begun[asset].tilt_id)

    def _sell(self, standing: AssetStanding, quantity_base: Fraction, tilt_id: str | None) -> None:
        is_too_small = False
        for venue in standing.tradable_venues:
            place = standing.asset, venue.exchange
            held = self.left_base.get(place) if place in self.left_base else standing.holdings.get(venue.exchange)
            if not held or not quantity_base:
                continue
            sold = floor_to_step(min(quantity_base, held), venue.lot_step)
            order = self._order("sell", standing, venue, sold, tilt_id)
            if order is None:
                is_too_small = True
                continue
            self.left_base[place] = held - sold
            quantity_base -= sold
            self.proceeds_usd[tilt_id] += order.cash_change_usd
            self.orders.append(order)
        self._drop(is_too_small, standing.asset, "sell", quantity_base * standing.price_usd)

    def buy(self, held_usd: Fraction, target_usd: Fraction) -> Fraction:
        """Place all purchases; gives the cash outside of tilts once everything is filled."""
        income_usd = self.proceeds_usd[None] + sum(self.kept_usd.values(), ZERO)
        wanted_usd = {asset: usd for asset, usd in self.moves.bought_usd.items() if usd}
        # A withheld purchase takes its amount and no costs: the cash only changes its tag.
        needs_usd = {(asset, "buy"): usd * self._factor(asset) for asset, usd in wanted_usd.items()}
        needs_usd |= {(asset, "withheld"): usd for asset, usd in self.withheld_usd.items()}
        granted_usd = budgets(needs_usd, income_usd + max(ZERO, held_usd - target_usd))
        rest_usd = held_usd + income_usd
        for asset in sorted(self.withheld_usd):
            amount_usd = granted_usd[asset, "withheld"]
            rest_usd -= amount_usd
            cents = int(amount_usd / CENT)
            self.begun[asset] = replace(self.begun[asset], sold_cents=cents, cash_cents=cents)
        for asset in sorted(wanted_usd):
            rest_usd += self._buy(asset, wanted_usd[asset], granted_usd[asset, "buy"], None)
        return self._buy_back(rest_usd)

    def _buy_back(self, rest_usd: Fraction) -> Fraction:
        tagged_usd = {a: tilt.cash_cents * CENT - self.kept_usd.get(a, ZERO) for a, tilt in self.ended.items()}
        wanted_usd = {asset: usd for asset, usd in self.bought_back_usd.items() if usd}
        needs_usd = {asset: usd * self._factor(asset) for asset, usd in wanted_usd.items()}
        extra_usd = budgets({a: max(ZERO, need - tagged_usd[a]) for a, need in needs_usd.items()}, rest_usd)
        rest_usd += sum(tagged_usd.values(), ZERO)
        for asset in sorted(wanted_usd):
            granted_usd = min(needs_usd[asset], tagged_usd[asset] + extra_usd[asset])
            rest_usd += self._buy(asset, wanted_usd[asset], granted_usd, self.ended[asset].tilt_id)
        return rest_usd

    def _buy(self, asset: str, wanted_usd: Fraction, granted_usd: Fraction, tilt_id: str | None) -> Fraction:
        """Place one purchase; gives the change of cash."""
        standing = self.assets[asset]
        venue = standing.best_venue
        quantity_base = min(wanted_usd, granted_usd / self._factor(asset)) / standing.price_at(venue)
        order = self._order("buy", standing, venue, floor_to_step(quantity_base, venue.lot_step), tilt_id)
        if order is None:
            code = "MIN_NOTIONAL" if granted_usd else "NO_PROCEEDS"
            self._drop(True, asset, "buy", wanted_usd, code)
            return ZERO
        self.orders.append(order)
        return order.cash_change_usd

    def _factor(self, asset: str) -> Fraction:
        venue = self.assets[asset].best_venue
        return cost_factor(venue.fee_frac, venue.slippage_frac)

    def _order(
        self, side: Side, standing: AssetStanding, venue: SpotVenue, quantity_base: Fraction, tilt_id: str | None
    ) -> Order | None:
        """The order, or None where it is below its minimum or worth less than a cent."""
        price_usd = standing.price_at(venue)
        minimum_usd = max(venue.min_notional_usd or ZERO, self.minimum_usd)
        if quantity_base * price_usd < max(minimum_usd, CENT):
            return None
        amounts = priced(side, quantity_base, price_usd, venue.fee_frac, venue.slippage_frac)
        return Order(
            *(standing.sector, standing.asset, venue.exchange, venue.symbol, side, quantity_base, price_usd),
            *amounts,
            reason_codes=("CALENDAR_TILT",) if tilt_id else (),
            fee_frac=venue.fee_frac,
            slippage_frac=venue.slippage_frac,
            lot_step_base=venue.lot_step,
            minimum_usd=minimum_usd,
            tilt_id=tilt_id,
        )

    def _drop(
        self, is_too_small: bool, asset: str, side: Side, amount_usd: Fraction, code: str = "MIN_NOTIONAL"
    ) -> None:
        """Record an amount that is not traded; less than a cent is the rounding to the lot."""
        if is_too_small and amount_usd >= CENT:
            self.dropped.append(Dropped(asset, side, to_cent(amount_usd), code))

    def targets(self, cash_usd: Fraction, tilted: Collection[str]) -> tuple[AssetTarget, ...]:
        current_usd = {asset: to_cent(one.value_usd) for asset, one in self.assets.items()}
        sleeve_usd = sum(current_usd.values(), cash_usd)
        quantity_base = {asset: one.quantity_base for asset, one in self.assets.items()}
        for order in self.orders:
            quantity_base[order.asset] += order.quantity_base if order.side == "buy" else -order.quantity_base
        codes = defaultdict(set, {asset: {"CALENDAR_TILT"} for asset in tilted})
        for one in self.dropped:
            codes[one.asset].add(one.code)
        rows = []
        for asset, one in sorted(self.assets.items(), key=lambda item: (item[1].sector, item[0])):
            is_same = quantity_base[asset] == one.quantity_base
            target_usd = current_usd[asset] if is_same else to_cent(quantity_base[asset] * one.price_usd)
            current_weight = current_usd[asset] / sleeve_usd if sleeve_usd else ZERO
            target_weight = current_weight if is_same or not sleeve_usd else target_usd / sleeve_usd
            rows.append(
                AssetTarget(
                    *(asset, one.sector, one.price_usd, one.is_stale_price, one.is_eligible, one.is_sellable),
                    *(one.quantity_base, quantity_base[asset], current_weight, target_weight),
                    *(current_usd[asset], target_usd, ordered_codes(codes[asset])),
                )
            )
        return tuple(rows)
