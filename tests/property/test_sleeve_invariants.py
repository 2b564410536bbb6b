"""What holds in the futures sleeve for any prices, sectors, lots, budgets and history."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.hedges.budgets import Use
from pipelines.hedges.market import Beta, HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.positions import SleeveBook
from pipelines.hedges.sleeve import decide_sleeve, ending_shorts
from pipelines.money import exact, to_cent
from pipelines.policy import parse_policy

BOUNDED = settings(max_examples=120, derandomize=True, deadline=None)
DAY = dt.date(2024, 3, 4)
ALL_ON = {"tactical": {"enabled": True}, "expression": {"reduce": "short_futures", "bullish": "both"}}
POLICIES = (
    parse_policy(ALL_ON),
    parse_policy({**ALL_ON, "hedge": {"mode": "beta", "reentry_days": 0, "ratio": "1"}}),
    parse_policy(
        {**ALL_ON, "budgets": {"hedge": "1", "liquidity": "1", "tactical": "1", "venue": "1/5", "asset": "3/5"}}
    ),
    parse_policy({**ALL_ON, "budgets": {"gross_nav": "1/50", "reserve": "9/10"}}),
    parse_policy({**ALL_ON, "hedge": {"ratio": "1", "assets": ["BTC", "ETH", "SOL"]}}),
)
ASSETS = {"BTC": ("binance", 50_000.0), "ETH": ("bybit", 2_500.0), "SOL": ("binance", 90.0), "UNI": ("okx", 7.3)}
SECTORS = {"VALUE": ("BTC",), "L1": ("ETH", "SOL"), "DEFI": ("UNI", "SOL")}
STATES = ("OVERLEVERAGED", "ACCUMULATION", "NEUTRAL", "STALE")
ACTIONS = {"OVERLEVERAGED": "REDUCE", "ACCUMULATION": "INCREASE", "NEUTRAL": "HOLD", "STALE": "FREEZE"}


def maybe(values):
    return st.one_of(st.none(), values)


@st.composite
def nights(draw, can_be_unpriced=False):
    """One night's market; every contract keeps its lots, prices move by up to half or double."""
    values = {asset: F(draw(st.integers(0, 5_000_000)), 100) for asset in ASSETS}
    markets = {}
    for asset, (exchange, price) in ASSETS.items():
        moved = round(price * draw(st.floats(0.5, 2.0)), 4)
        markets[asset] = HedgeMarket(
            asset,
            exchange,
            f"{asset}/USD:{asset}" if asset == "ETH" else f"{asset}/USDT:USDT",
            values[asset],
            draw(maybe(st.floats(-3, 6))),
            draw(maybe(st.sampled_from([0.5, 0.97, 1.0]))),
            draw(maybe(st.sampled_from([0.0, 1.5]))),
            None,
            None if can_be_unpriced and draw(st.integers(0, 3)) == 0 else moved,
            draw(st.sampled_from([(), (-1e-4,) * 3, (1e-4,) * 3])),
            None if asset == "ETH" else 0.001,
            5.0,
            10.0 if asset == "ETH" else None,
        )
    sectors = {}
    for name, members in SECTORS.items():
        state = draw(st.sampled_from(STATES))
        held = {asset: values[asset] / (2 if asset == "SOL" else 1) for asset in members}
        sectors[name] = SectorView(
            state,
            ACTIONS[state],
            draw(maybe(st.floats(0, 6))),
            draw(maybe(st.sampled_from([0.5, 0.95]))),
            draw(maybe(st.floats(1, 1e9))),
            1.6,
            0.06,
            draw(maybe(st.sampled_from([0.0, 2.0]))),
            sum(held.values()),
            held,
            held,
            F(draw(st.integers(0, 2_000_000)), 100) if state == "OVERLEVERAGED" else F(0),
            dict.fromkeys(members, 0.5),
            draw(maybe(st.floats(0.01, 0.2))),
        )
    betas = {
        (asset, hedge): Beta(draw(st.floats(-1, 4)), draw(st.floats(0, 1)), 0.03, 90)
        for asset in ("SOL", "UNI")
        for hedge in ("BTC", "ETH")
    }
    cents = (draw(st.integers(0, 5_000_000)), draw(st.integers(0, 20_000_000)))
    return SleeveMarket(markets, sectors, betas, is_spot_frozen=draw(st.booleans())), cents


def uses(plan, market):
    """What the book of a plan takes, from its positions and not from its rows."""
    found = []
    for one in plan.book.positions.values():
        mark = market.of(one).mark or one.margined_at_usd
        found.append(Use(one.role, one.asset, one.exchange, one.margin_usd, one.notional_usd(mark)))
    return found


def total(parts):
    return sum(parts, F(0))


def check_budgets(plan, market, policy, cents):
    collateral, nav = F(cents[0], 100), F(cents[1], 100)
    taken, limits = uses(plan, market), policy.budgets
    margin = total(use.margin for use in taken)
    assert margin <= collateral * (1 - limits.reserve)
    for role in ("hedge", "liquidity", "tactical"):
        assert total(u.margin for u in taken if u.role == role) <= getattr(limits, role) * collateral
    for name, limit in (("exchange", limits.venue), ("asset", limits.asset)):
        for value in {getattr(use, name) for use in taken}:
            assert total(u.margin for u in taken if getattr(u, name) == value) <= limit * collateral
    assert total(use.notional for use in taken) <= limits.gross_nav * nav
    assert plan.sleeve["used_margin_usd"] == float(margin)


@BOUNDED
@given(st.lists(nights(), min_size=1, max_size=5), st.sampled_from(POLICIES), st.integers(1, 12))
def test_no_budget_is_ever_broken_and_the_reserve_stays_free(chain, policy, step):
    book = SleeveBook()
    for index, (market, cents) in enumerate(chain):
        plan = decide_sleeve(DAY + dt.timedelta(step * index), book, market, policy, *cents)
        check_budgets(plan, market, policy, cents)
        book = plan.book


@settings(BOUNDED, max_examples=80)
@given(st.lists(nights(can_be_unpriced=True), min_size=2, max_size=5), st.sampled_from(POLICIES), st.integers(1, 12))
def test_the_same_night_gives_the_same_plan_also_from_the_stored_book(chain, policy, step):
    book = SleeveBook()
    for index, (market, cents) in enumerate(chain):
        day = DAY + dt.timedelta(step * index)
        plan = decide_sleeve(day, book, market, policy, *cents)
        turned = dataclasses.replace(market, markets=dict(reversed(market.markets.items())))
        assert decide_sleeve(day, SleeveBook.from_json(book.to_json()), turned, policy, *cents) == plan
        assert plan.book.to_json() == SleeveBook.from_json(plan.book.to_json()).to_json()
        told = ending_shorts(day, book, market, policy)
        assert plan.spot_sales_usd == {sector: ending.usd for sector, ending in told.items()}
        book = plan.book


@settings(BOUNDED, max_examples=80)
@given(st.lists(nights(can_be_unpriced=True), min_size=2, max_size=5), st.sampled_from(POLICIES), st.integers(1, 12))
def test_the_orders_lead_from_one_book_to_the_next_in_whole_lots(chain, policy, step):
    book = SleeveBook()
    for index, (market, cents) in enumerate(chain):
        plan = decide_sleeve(DAY + dt.timedelta(step * index), book, market, policy, *cents)
        signed = {name: one.sign * one.size for name, one in book.positions.items()}
        for order in plan.orders:
            change = order.quantity_change_base if order.contracts_change is None else order.contracts_change
            signed[order.hedge_id] = signed.get(order.hedge_id, F(0)) + change
            lot = F(1) if order.is_inverse else F(1, 1000)
            assert change % lot == 0 and change != 0
            if order.status == "open":
                mark = exact(market.markets[order.asset].mark_price_usd)
                assert abs(order.quantity_change_base) * mark >= 5
        assert {name: size for name, size in signed.items() if size} == {
            name: one.sign * one.size for name, one in plan.book.positions.items()
        }
        hedged = [one.asset for one in plan.book.of_role("hedge")]
        assert len(hedged) == len(set(hedged))
        short = {one.asset for one in plan.book.positions.values() if one.side == "short"}
        assert not short & {one.asset for one in plan.book.of_role("tactical")}
        for sale in plan.spot_sales_usd.values():
            assert sale == to_cent(sale) >= 0
        assert {row["hedge_id"] for row in plan.rows if row["status"] != "close"} == set(plan.book.positions)
        assert all(("largely" in row["explanation"]) <= ((row["offset_frac"] or 0) >= 0.8) for row in plan.rows)
        book = plan.book
