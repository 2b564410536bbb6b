"""One night of the whole portfolio: sectors, assets, orders and the futures sleeve, decided together."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from pipelines.allocations.asset_targets import AssetStanding
from pipelines.allocations.book import CASH, BookError
from pipelines.allocations.orders import OrderPlan, plan_orders
from pipelines.allocations.replay import Decision, SectorInput, decide_day, with_codes, with_sales
from pipelines.allocations.tilts import FrontRich, TiltBook
from pipelines.hedges.market import HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.sleeve import SleevePlan, decide_sleeve, ending_shorts
from pipelines.ledger.book import LedgerBook
from pipelines.ledger.posting import Entry, Posting
from pipelines.money import CENT, ZERO, exact
from pipelines.policy import Policy
from pipelines.portfolio.book import NightBook, Pending
from pipelines.portfolio.settling import Settled, sync_tilt_cash
from pipelines.portfolio.spot_market import held_by_asset
from pipelines.portfolio.world import World


@dataclass(frozen=True)
class Night:
    """What was decided about one day, and the books before and after.

    Attributes:
        decision: The sectors of the spot sleeve.
        orders: Asset targets and orders.
        sleeve: The futures sleeve.
        ledger: What is owned at the close of the day.
        entries: What was booked since the last decision, this night's transfers included.
        notes: What did not go as planned since then, in words.
        book: What the next night starts from.
    """

    decision_id: str
    decision: Decision
    orders: OrderPlan
    sleeve: SleevePlan
    ledger: LedgerBook
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    book: NightBook


def decide_night(
    settled: Settled, world: World, policy: Policy, name_decision: Callable[[NightBook], str]
) -> Night | None:
    """Decide one day on books that have been brought to its close; None before the first decision.

    Args:
        settled: The books at the close of the day.
        world: The market.
        policy: The resolved policy.
        name_decision: Gives the decision's id from the books it is made upon.
    """
    book = settled.book
    day = book.as_of
    assert day is not None
    held = held_by_asset((key, holding.quantity_base) for key, holding in book.ledger.spot.items())
    last_prices = {a: h.last_price_usd for (_, a), h in book.ledger.spot.items() if h.last_price_usd is not None}
    standings = world.spot.standings(day, held, last_prices)
    cents = _sector_cents(book.ledger, day, world)
    stablecoin_usd = world.stablecoin_usd.get(day, Fraction(1))
    is_depegged = abs(stablecoin_usd - 1) > exact(policy.data.depeg)
    # A stablecoin is a dollar, unless it is clearly not: then it counts for what it brings.
    cash_cents = int(book.ledger.cash_cents * stablecoin_usd) if is_depegged else book.ledger.cash_cents
    _mark_eligible(world.sectors.get(day, {}), standings)
    rotation = book.rotation(cents, cash_cents)
    decision = decide_day(day, world.sectors, world.strategic, policy, rotation, is_depegged)
    if decision is None:
        return None
    decision_id = name_decision(book)
    # Ending a liquidity short means selling spot: not into a stablecoin that is off its dollar.
    is_frozen = decision.status != "decided" or is_depegged
    views = _views(decision, day, cents, standings, world)
    before = _sleeve_market(book, day, views, {}, world, policy, is_frozen)
    endings = ending_shorts(day, book.sleeve, before, policy)
    # A liquidated short of a sector without data is gone, but nothing of the sector is sold.
    frozen = {row.sector for row in decision.rows if row.action == "FREEZE"}
    decision = with_sales(decision, {name: int(one.usd / CENT) for name, one in endings.items() if name not in frozen})
    if not is_frozen:  # the code of a plan that stands still stands alone
        decision = with_codes(decision, _reclassified(book, day, world))
    front_rich = world.front_rich.get(day, {})
    if is_depegged:
        settled.notes.append(
            f"the stablecoin trades at {float(stablecoin_usd):.4f} USD: cash counts at that price, and no sale may end "
            "in it (DEPEG)."
        )
        front_rich = _without_new(front_rich, book.tilts)
    plan = _plan(decision, book, standings, cash_cents, front_rich, day, policy)
    views = _with_targets(views, decision, plan)
    exposures: dict[str, Fraction] = defaultdict(Fraction)
    for target in plan.targets:
        exposures[target.asset] += target.target_usd
    market = _sleeve_market(book, day, views, exposures, world, policy, is_frozen)
    equity_cents = max(0, book.ledger.futures_equity_cents)
    sleeve = decide_sleeve(day, book.sleeve, market, policy, equity_cents, book.ledger.nav_cents)
    after = _next_book(settled, decision_id, decision, plan, sleeve, day, world)
    return Night(
        decision_id,
        decision,
        plan,
        sleeve,
        after.ledger,
        tuple(settled.entries),
        (*settled.notes, *plan.notes, *sleeve.notes),
        after,
    )


def _sector_cents(ledger: LedgerBook, day: dt.date, world: World) -> dict[str, int]:
    cents: dict[str, int] = defaultdict(int)
    for (_, asset), holding in ledger.spot.items():
        sector = world.spot.sector(asset, day)
        if sector is None:
            raise BookError(
                f"{asset} is held and has no sector on {day}, so nothing would look after it; add it to "
                "dbt/seeds/asset_sectors.csv from that day on, or state the holdings without it"
            )
        cents[sector] += holding.value_cents
    lost = sorted(sector for sector in cents if sector not in world.strategic)
    if lost:
        names = ", ".join(lost)
        raise BookError(f"the book holds {names} without a strategic weight; give 0 instead of removing it")
    return dict(cents)


def _mark_eligible(sectors: dict[str, SectorInput], standings: Mapping[str, AssetStanding]) -> None:
    """Say of every sector whether it can be traded in the direction that is asked for: what is held to cut, sold."""
    buyable = {one.sector for one in standings.values() if one.is_eligible}
    held = {one.sector for one in standings.values() if one.quantity_base > 0}
    sellable = {one.sector for one in standings.values() if one.sellable_base > 0}
    for name, one in sectors.items():
        is_sold = one.action in ("REDUCE", "TRIM") and name in held
        sectors[name] = replace(one, is_eligible=name in (sellable if is_sold else buyable))


def _reclassified(book: NightBook, day: dt.date, world: World) -> dict[str, set[str]]:
    """RECLASS on both sectors of every held asset that has another sector than on the night before."""
    codes: dict[str, set[str]] = defaultdict(set)
    for asset, earlier in book.sectors.items():
        now = world.spot.sector(asset, day)
        if now is not None and now != earlier:
            codes[now].add("RECLASS")
            codes[earlier].add("RECLASS")
    return codes


def _plan(
    decision: Decision,
    book: NightBook,
    standings: Mapping[str, AssetStanding],
    cash_cents: int,
    front_rich: Mapping[str, Sequence[FrontRich]],
    day: dt.date,
    policy: Policy,
) -> OrderPlan:
    rows = {row.sector: row for row in decision.rows}
    moved = decision.status == "decided"
    deltas = {
        name: row.target_cents - row.current_cents
        for name, row in rows.items()
        if moved and name != CASH and row.target_cents != row.current_cents
    }
    frozen = {name for name, row in rows.items() if not moved or row.action == "FREEZE"}
    target_cash = rows[CASH].target_cents if moved else cash_cents
    return plan_orders(
        day,
        standings,
        deltas,
        # What the cash is worth may differ from what there is of it: only what there is can be spent.
        book.ledger.cash_cents,
        max(0, target_cash - cash_cents + book.ledger.cash_cents),
        book.tilts,
        front_rich,
        policy,
        frozen,
    )


def _without_new(front_rich: Mapping[str, Sequence[FrontRich]], tilts: TiltBook) -> dict[str, Sequence[FrontRich]]:
    """The fronts of a night on which no tilt may begin; those that have a tilt, or had one, are told as they are."""
    known = {*(tilt.asset for tilt in tilts.tilts), *tilts.waiting}
    return {
        asset: futures if asset in known else [replace(one, is_front_rich=False) for one in futures]
        for asset, futures in front_rich.items()
    }


def _views(
    decision: Decision,
    day: dt.date,
    cents: Mapping[str, int],
    standings: Mapping[str, AssetStanding],
    world: World,
) -> dict[str, SectorView]:
    holdings: dict[str, dict[str, Fraction]] = defaultdict(dict)
    for one in standings.values():
        if one.quantity_base:
            holdings[one.sector][one.asset] = one.value_usd
    return {
        row.sector: replace(
            world.futures.sector(row.sector, day),
            state=row.state,
            action=row.action,
            target_usd=cents.get(row.sector, 0) * CENT,
            holdings_usd=holdings.get(row.sector, {}),
            reduction_usd=row.short_cents * CENT,
        )
        for row in decision.rows
        if row.sector != CASH
    }


def _with_targets(views: Mapping[str, SectorView], decision: Decision, plan: OrderPlan) -> dict[str, SectorView]:
    assets: dict[str, dict[str, Fraction]] = defaultdict(dict)
    for target in plan.targets:
        if target.target_usd:
            assets[target.sector][target.asset] = target.target_usd
    return {
        name: replace(view, target_usd=sum(assets.get(name, {}).values(), ZERO), asset_targets_usd=assets.get(name, {}))
        for name, view in views.items()
    }


def _sleeve_market(
    book: NightBook,
    day: dt.date,
    views: Mapping[str, SectorView],
    exposures: Mapping[str, Fraction],
    world: World,
    policy: Policy,
    is_spot_frozen: bool,
) -> SleeveMarket:
    positions = book.sleeve.positions.values()
    assets = {*policy.hedge.assets, *(one.asset for one in positions)}
    for view in views.values():
        if view.reduction_usd > 0 or policy.tactical.enabled:
            assets |= {*view.leaders, *view.holdings_usd}

    def market(asset: str, name: tuple[str, str]) -> HedgeMarket:
        return world.futures.market(asset, name, day, exposures.get(asset, ZERO))

    # Before the targets are known nothing is sized by them, so no beta is asked for.
    held = {asset for view in views.values() for asset in view.asset_targets_usd}
    return SleeveMarket(
        markets={asset: market(asset, world.futures.contract(asset, day)) for asset in sorted(assets)},
        sectors=dict(views),
        betas=world.futures.betas(sorted(held | assets), day) if exposures else {},
        opened={one.hedge_id: market(one.asset, (one.exchange, one.symbol)) for one in positions},
        is_spot_frozen=is_spot_frozen,
    )


def _next_book(
    settled: Settled,
    decision_id: str,
    decision: Decision,
    plan: OrderPlan,
    sleeve: SleevePlan,
    day: dt.date,
    world: World,
) -> NightBook:
    """What the next night starts from; cash that changes its tag tonight is moved at once."""
    held = {asset for _, asset in settled.book.ledger.spot} | {one.asset for one in plan.orders}
    sectors = {asset: sector for asset in sorted(held) if (sector := world.spot.sector(asset, day)) is not None}
    settled.book = replace(
        settled.book,
        sleeve=sleeve.book,
        tilts=plan.tilts,
        cuts=decision.book.cuts,
        first_decision=decision.book.first_decision,
        sectors=sectors,
        pending=Pending(
            decision_id,
            plan.orders,
            sleeve.orders,
            round(sleeve.sleeve["proposed_transfer_usd"] * 100),
            settled.book.sleeve,
        ),
    )
    sync_tilt_cash(settled, Posting(day, dt.datetime.combine(day + dt.timedelta(days=1), dt.time(0, 15)), decision_id))
    return settled.book
