"""What holds for the whole portfolio over several nights, whatever the coins, signals, prices, lots and rules."""

import sys
from fractions import Fraction as F
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "portfolio"))

from hand_made import COINS, OVERBOUGHT, WEIGHTS, Market, at, day, name_decision, portfolio, world

from pipelines.holdings.models import Portfolio
from pipelines.ledger.rows import attribution, nav_row
from pipelines.policy import parse_policy
from pipelines.portfolio.book import NightBook
from pipelines.portfolio.nights import decide_nights
from pipelines.portfolio.rows import NIGHT_TABLES, decision_row, frame, night_rows

BOUNDED = settings(max_examples=60, derandomize=True, deadline=None)
EXCHANGES = ("binance", "okx")
NIGHTS = 4
COSTLY = {"spot_fee": 0.0137, "slip_alt": 0.02, "perp_taker": 0.002}
RULES = {
    "default": {},
    "short_futures": {
        "expression": {"reduce": "short_futures", "bullish": "futures"},
        "tactical": {"enabled": True, "vr": 0.5, "mom": -1, "spread_z": -1},
    },
    "split": {
        "expression": {"reduce": "split", "bullish": "both"},
        "tactical": {"enabled": True, "vr": 0.5, "mom": -1, "spread_z": -1},
        "hedge": {"mode": "beta", "ratio": "1", "reentry_days": 0},
        "budgets": {"hedge": "1", "liquidity": "1", "tactical": "1", "venue": "1/5", "asset": "3/5"},
        "liquidity": {"days": 2},
    },
    "tight": {
        "limits": {"turnover_cap": "1/20", "max_step": "1/50", "min_trade_usd": 0, "recentre_after_days": 2},
        "budgets": {"gross_nav": "1/50", "reserve": "9/10"},
        "costs": COSTLY,
        "calendar": {"tilt": "1/2", "days": 2},
    },
    "weekly": {"decide": {"cadence": "weekly", "weekday": "WED", "cooldown_days": 1}, "hedge": {"ratio": "1"}},
}
POLICIES = {name: parse_policy(rules) for name, rules in RULES.items()}
MOVES = st.one_of(st.floats(0.85, 1.18), st.sampled_from([0.5, 1.0, 2.3]))
ACTION = st.sampled_from(["HOLD", "REDUCE", "TRIM", "INCREASE", "FREEZE", "REDUCE", "INCREASE"])
RARELY = st.integers(0, 9).map(lambda drawn: drawn == 0)


@st.composite
def markets(draw):
    """Some nights with everything that can differ between them."""
    market = Market(EXCHANGES, first=-8, last=NIGHTS)
    for asset, (_, price) in COINS.items():
        for exchange in EXCHANGES:
            market.lots[exchange, asset] = draw(st.sampled_from([None, 1e-6, 0.01, 5.0]))
            market.minima[exchange, asset] = draw(st.sampled_from([None, 5.0, 400.0]))
        for number in range(NIGHTS):
            price = round(price * draw(MOVES), 6)
            market.prices[number, asset] = None if draw(RARELY) else price
            if draw(RARELY):
                market.venue_prices[number, "okx", asset] = draw(st.sampled_from([None, round(price * 1.01, 6)]))
            if draw(RARELY):
                market.perp_prices[number, asset] = draw(st.sampled_from([None, round(price * 1.4, 6)]))
            if draw(st.integers(0, 3)) == 0:
                market.metrics[number, asset] = OVERBOUGHT
            if draw(st.integers(0, 5)) == 0:
                market.rich[number, asset] = draw(st.sampled_from([(0.5, 0.1), (0.12, 0.1), (0.5, None)]))
            for hours in (8, 24):
                rate = draw(st.sampled_from([-0.0007, 0.0001, 0.002]))
                market.funding[asset, at(day(number), hours)] = rate, draw(st.sampled_from([None, price]))
    for number in range(NIGHTS):
        for sector in WEIGHTS:
            market.actions[number, sector] = draw(ACTION)
            crowded = {"funding_3d_bps": 5.0, "funding_pctl_90d": 0.99} if draw(st.booleans()) else {}
            market.sector_metrics[number, sector] = crowded | {"spread_z": '{"L1": 1.5}'}
        if draw(RARELY):
            market.index = {**market.index, (number, 23): draw(st.sampled_from([40_000.0, 52_000.0]))}
    if draw(RARELY):
        market.members = (("SOL", "L1", None, 1), ("SOL", "DEFI", 2, None))
    if draw(RARELY):
        market.listed = {"UNI": -3}
    return market


@st.composite
def portfolios(draw):
    """All cash, or coins on two exchanges, some of them where nothing trades, beside cash and collateral."""
    if draw(st.integers(0, 3)) == 0:
        return Portfolio()
    held = [
        {"exchange": exchange, "asset": asset, "quantity": str(draw(st.integers(1, 10**6)) / F(100) / F(price) * 100)}
        for asset, (_, price) in COINS.items()
        for exchange in sorted(draw(st.sets(st.sampled_from([*EXCHANGES, "bybit"]))))
    ]
    cash, collateral = (F(draw(st.integers(0, 5 * 10**6)), 100) for _ in range(2))
    for one in held:
        one["quantity"] = str(round(float(F(one["quantity"])), 8))
    held = [one for one in held if float(one["quantity"]) > 0]
    return portfolio(
        holdings=held, cash_usd=f"{float(cash):.2f}", futures={"collateral_usd": f"{float(collateral):.2f}"}
    )


@pytest.fixture(scope="module")
def seen():
    """How often the things happened that the nights are about: an invariant of what never happens says nothing."""
    counts: dict[str, int] = {}
    yield counts
    wanted = (
        "orders",
        "fills",
        "shorts",
        "tilts",
        "liquidated",
        "halted",
        "depegged",
        "funding",
        "lapsed",
        "transfers",
    )
    assert all(counts.get(name, 0) > 0 for name in wanted), counts


def count(seen, night):
    notes = " ".join(night.notes)
    seen["orders"] = seen.get("orders", 0) + len(night.orders.orders)
    for name, kind in (("fills", "fill"), ("funding", "funding")):
        seen[name] = seen.get(name, 0) + sum(one.kind == kind for one in night.entries)
    seen["transfers"] = seen.get("transfers", 0) + sum(one.reason == "SLEEVE_TRANSFER" for one in night.entries)
    seen["shorts"] = seen.get("shorts", 0) + len(night.book.sleeve.positions)
    seen["tilts"] = seen.get("tilts", 0) + len(night.book.tilts.tilts)
    seen["halted"] = seen.get("halted", 0) + (night.decision.status == "halted")
    for word in ("liquidated", "lapsed"):
        seen[word] = seen.get(word, 0) + (word in notes)
    seen["depegged"] = seen.get("depegged", 0) + ("stablecoin" in notes)


def check_sectors(night, policy):
    rows = {one.sector: one for one in night.decision.rows}
    held, limits = night.decision.held, policy.limits
    assert sum(one.target_cents for one in rows.values()) == held.sleeve_cents
    assert sum(one.current_cents for one in rows.values()) == held.sleeve_cents
    assert sum(one.target_weight for one in rows.values()) == 1
    assert min(one.target_cents for one in rows.values()) >= 0
    if night.decision.status != "decided":
        assert not night.orders.orders
        assert all(one.target_cents == one.current_cents for one in rows.values())
        return
    sold = F(0)
    for name, one in rows.items():
        ended = one.target_weight * held.sleeve_cents == one.target_cents and name in night.sleeve.spot_sales_usd
        if one.action == "FREEZE" and night.decision.reason is None:
            assert one.target_cents == one.current_cents
        if one.action in ("REDUCE", "TRIM") and night.decision.reason is None:
            assert one.target_cents <= one.current_cents
        if one.action == "INCREASE" and night.decision.reason is None and not ended:
            assert one.target_cents >= one.current_cents
            cap = max(one.current_weight, min(limits.sector_cap, limits.tilt_cap * F(WEIGHTS[name])))
            assert one.target_weight <= cap
            assert one.target_weight <= one.current_weight + limits.max_step
        if name != "CASH" and name not in night.sleeve.spot_sales_usd:
            sold += max(F(0), one.current_weight - one.target_weight)
    assert sold <= limits.turnover_cap


def check_orders(night, policy):
    held = {key: holding.quantity_base for key, holding in night.ledger.spot.items()}
    sold, income, spent = {}, F(0), F(0)
    tilt_income = F(0)
    for one in night.orders.orders:
        assert one.notional_usd >= max(one.minimum_usd, F(str(policy.limits.min_trade_usd))) - F(1, 200)
        assert one.quantity_base > 0 and one.quantity_base % one.lot_step_base == 0
        assert one.fee_usd >= 0 and one.slippage_usd >= 0
        if one.side == "sell":
            key = one.exchange, one.asset
            sold[key] = sold.get(key, F(0)) + one.quantity_base
            if one.tilt_id:
                tilt_income += one.cash_change_usd
            else:
                income += one.cash_change_usd
        else:
            spent -= one.cash_change_usd
    assert all(quantity <= held[key] for key, quantity in sold.items())
    cash = F(night.ledger.cash_cents + night.ledger.tilt_cash_cents, 100)
    assert spent <= income + cash
    assert night.orders.cash_after_usd >= 0 and night.orders.tilt_cash_after_usd >= 0
    frozen = {row.sector for row in night.decision.rows if row.action == "FREEZE"}
    assert not [one for one in night.orders.orders if one.sector in frozen]


def check_sleeve(night, made, policy):
    row, budgets = night.sleeve.sleeve, policy.budgets
    collateral, nav = F(max(0, night.ledger.futures_equity_cents), 100), F(night.ledger.nav_cents, 100)
    positions = list(night.book.sleeve.positions.values())
    margin = sum((one.margin_usd for one in positions), F(0))
    assert float(margin) == row["used_margin_usd"]
    marks = made.futures.closes(night.decision.as_of)
    if any((one.exchange, one.symbol) not in marks for one in positions):
        return  # one without a price is kept as it is, whatever the sleeve has become
    # A kept short of one lot keeps the margin that it was opened with, also when its price and the sleeve have fallen.
    needed = {
        one.hedge_id: min(one.margin_usd, one.notional_usd(marks[one.exchange, one.symbol]) / one.leverage + F(1, 100))
        for one in positions
    }
    assert sum(needed.values()) <= (1 - budgets.reserve) * collateral + F(len(needed), 100)
    assert margin <= collateral
    for role in ("hedge", "liquidity", "tactical"):
        used = sum((needed[one.hedge_id] for one in positions if one.role == role), F(0))
        assert used <= getattr(budgets, role) * collateral + F(len(needed), 100)
    gross = sum((one.notional_usd(marks[one.exchange, one.symbol]) for one in positions), F(0))
    assert gross <= budgets.gross_nav * nav


def check_ledger(night, before):
    night.ledger.check()
    nav_row(night.ledger, night.decision.as_of, night.decision_id)
    if before is not None:
        attribution(before.ledger, night.ledger)
    sums: dict[str, int] = {}
    for one in night.entries:
        sums[one.transaction_id] = sums.get(one.transaction_id, 0) + one.amount_cents
    assert not any(sums.values())
    assert len({one.entry_id for one in night.entries}) == len(night.entries)
    assert all(one.quantity_base > 0 for one in night.ledger.spot.values())


def check_positions(night):
    """What the futures sleeve decided upon is what the ledger holds, but for what was lost on the day."""
    decided = night.book.pending.sleeve_before.positions
    lost = {row["hedge_id"] for row in night.sleeve.rows if row["reason"] == "LIQUIDATED"}
    assert set(night.ledger.futures) <= set(decided) and set(decided) - set(night.ledger.futures) <= lost
    for name, held in night.ledger.futures.items():
        assert held.quantity == decided[name].sign * decided[name].size
        assert held.margin_cents == round(decided[name].margin_usd * 100)


@BOUNDED
@given(market=markets(), says=portfolios(), rules=st.sampled_from(sorted(POLICIES)))
def test_every_night_keeps_every_invariant(seen, market, says, rules):
    policy = POLICIES[rules]
    made = world(market, 0, NIGHTS - 1, rules=policy, says=says)
    before = None
    for night in decide_nights(NightBook(), made, made.policy, day(0), day(NIGHTS - 1), name_decision):
        count(seen, night)
        check_sectors(night, made.policy)
        check_orders(night, made.policy)
        check_sleeve(night, made, made.policy)
        check_ledger(night, before)
        check_positions(night)
        assert NightBook.from_json(night.book.to_json()) == night.book
        rows = night_rows(night, {}, made.strategic, made.policy)
        assert all(frame(table, rows[table.name]).height == len(rows[table.name]) for table in NIGHT_TABLES)
        assert decision_row(night)["book_json"] == night.book.to_json()
        before = night


@settings(BOUNDED, max_examples=12)
@given(market=markets(), says=portfolios(), rules=st.sampled_from(sorted(POLICIES)))
def test_night_by_night_from_the_stored_book_is_the_range_at_once_and_again(market, says, rules):
    def decided(first, last, book):
        made = world(market, first, last, book, POLICIES[rules], says)
        return list(decide_nights(book, made, made.policy, day(first), day(last), name_decision))

    at_once = decided(0, NIGHTS - 1, NightBook())
    assert decided(0, NIGHTS - 1, NightBook()) == at_once
    book, found = NightBook(), []
    for number in range(NIGHTS):
        for night in decided(number, number, book):
            found.append(night)
            book = NightBook.from_json(night.book.to_json())
    for one, other in zip(found, at_once, strict=True):
        for part in ("decision", "orders", "sleeve", "ledger", "entries", "notes", "book"):
            assert getattr(one, part) == getattr(other, part), part


@settings(BOUNDED, max_examples=25)
@given(market=markets(), says=portfolios(), rules=st.sampled_from(sorted(POLICIES)))
def test_nights_that_nobody_ran_are_settled_by_the_next_one(market, says, rules):
    made = world(market, 0, NIGHTS - 1, rules=POLICIES[rules], says=says)
    for first in decide_nights(NightBook(), made, made.policy, day(0), day(0), name_decision):
        late = list(decide_nights(first.book, made, made.policy, day(3), day(3), name_decision))
        assert [night.decision.as_of for night in late] == [day(3)]
        check_ledger(late[0], first)
        check_sleeve(late[0], made, made.policy)
        assert {one.as_of_date for one in late[0].entries} <= {day(3)}
        check_positions(late[0])
