"""What is booked between two decisions: fills at the next close, funding, transfers, marks, liquidations."""

import json
from dataclasses import replace
from fractions import Fraction as F

import pytest
from hand_made import OVERBOUGHT, Market, at, day, nights, orders, policy, portfolio, row

from pipelines.ledger.rows import attribution

COSTS = {"spot_fee": 0.001, "perp_taker": 0.0005, "slip_major": 0.0005, "slip_alt": 0.0015, "perp_slip": 0.0002}
HEDGED = {(number, "BTC"): OVERBOUGHT for number in range(40)}


def bitcoin(usd=40_000, cash=0, collateral=10_000, **more):
    held = [{"exchange": "binance", "asset": "BTC", "value_usd": usd}]
    return portfolio(holdings=held, cash_usd=cash, futures={"collateral_usd": collateral}, **more)


def booked(night, kind, *prefixes):
    return [one for one in night.entries if one.kind == kind and one.account.startswith(prefixes)]


def test_an_order_is_filled_at_the_close_of_the_day_after_its_decision_with_fee_and_slippage():
    market = Market(actions={(0, "GOLD"): "REDUCE"}, prices={(1, "BTC"): 60_000.0, (2, "BTC"): 70_000.0})
    first, second, third = nights(market, 0, 2, rules=policy(costs=COSTS), says=bitcoin(40_000))
    assert orders(first) == {("sell", "BTC"): 10_000} and not booked(first, "fill", "spot:")
    (coins,) = booked(second, "fill", "spot:binance:BTC")
    assert (coins.quantity_base, coins.price_usd, coins.booked_at) == (F(-1, 5), 60_000, at(day(2)))
    # 0.2 BTC at 60,000: 12,000 less 5 bp of slippage = 11,994; less 10 bp of it = 11,982.01 (11.99 of fee).
    assert [one.amount_cents for one in second.entries if one.account == "cash:spot"] == [12_000_00, -11_99, -6_00]
    assert second.ledger.cash_cents == 11_982_01
    assert third.ledger.spot["binance", "BTC"].quantity_base == F(3, 5)
    assert not booked(third, "fill", "spot:")


def test_a_purchase_is_scaled_to_the_cash_when_the_price_has_risen():
    actions = {(0, "GOLD"): "REDUCE", (0, "DEFI"): "INCREASE"}
    market = Market(actions=actions, prices={(1, "UNI"): 20.0})
    first, second = nights(market, 0, 1, says=bitcoin(40_000))
    assert orders(first)["buy", "UNI"] == 8_000  # 800 coins: one step of a fifth of the sleeve
    assert second.ledger.spot["binance", "UNI"].quantity_base == 500  # the 10,000 of the sale buy 500 at 20
    assert second.ledger.cash_cents == 0
    assert any("was filled with 500: the cash did not suffice for more" in note for note in second.notes)


def test_an_order_without_a_price_the_next_day_lapses_and_is_said():
    market = Market(actions={(0, "GOLD"): "REDUCE"}, prices={(1, "BTC"): None})
    first, second, third = nights(market, 0, 2, says=bitcoin(40_000))
    assert first.orders.orders and not second.entries
    assert any("BTC: the order to sell 0.2 on binance lapsed, there was no price" in note for note in second.notes)
    assert third.ledger.spot["binance", "BTC"].quantity_base == F(4, 5)


def test_an_order_whose_exchange_has_no_close_is_filled_at_the_median_of_the_others():
    market = Market(("binance", "okx"), actions={(0, "GOLD"): "REDUCE"})
    market.venue_prices = {(1, "binance", "BTC"): None, (1, "okx", "BTC"): 51_000.0}
    _, second = nights(market, 0, 1, says=bitcoin(40_000))
    (coins,) = booked(second, "fill", "spot:binance:BTC")
    assert coins.price_usd == 51_000


def test_a_short_receives_positive_funding_of_the_day_after_its_fill_until_the_day_it_is_closed():
    settled = {("BTC", at(day(number), hours)): (0.001, None) for number in range(4) for hours in (8, 16, 24)}
    market = Market(metrics={(number, "BTC"): OVERBOUGHT for number in (0, 1)}, funding=settled)
    decided = nights(market, 0, 4, says=bitcoin())
    # Decided on day 0, filled at the close of day 1: its last settlement is of that instant and not its own. The
    # end is decided on day 2 and filled at the close of day 3, so the three settlements of day 3 are still earned.
    assert [len(booked(night, "funding", "cash:collateral")) for night in decided] == [0, 0, 3, 3, 0]
    # 0.08 BTC at 50,000 = 4,000, a thousandth each time
    assert [one.amount_cents for one in booked(decided[2], "funding", "cash:collateral")] == [4_00] * 3
    assert decided[4].ledger.role_totals("hedge").funding_cents == 24_00


def test_a_settlement_counts_at_its_own_mark_price_and_a_negative_rate_is_paid():
    market = Market(metrics=HEDGED, funding={("BTC", at(day(2), 8)): (-0.001, 60_000.0)})
    night = nights(market, 0, 2, says=bitcoin())[2]
    (paid,) = booked(night, "funding", "cash:collateral")
    assert (paid.amount_cents, paid.price_usd, paid.booked_at) == (-4_80, 60_000, at(day(2), 8))


def test_the_costs_of_a_hedge_are_paid_from_the_collateral():
    night = nights(Market(metrics=HEDGED), 0, 1, rules=policy(costs=COSTS), says=bitcoin())[1]
    # 4,000 x 5 bp and x 2 bp
    assert night.ledger.collateral_cents == 10_000_00 - 2_00 - 80
    totals = night.ledger.role_totals("hedge")
    assert (totals.fee_cents, totals.slippage_cents) == (2_00, 80)


def test_a_futures_order_without_a_price_lapses_and_the_position_is_as_it_was():
    market = Market(metrics=HEDGED, perp_prices={(1, "BTC"): None})
    first, second, third = nights(market, 0, 2, says=bitcoin())
    assert len(first.book.sleeve.positions) == 1 and not second.ledger.futures
    assert any("its order lapsed, BTC/USDT:USDT had no price" in note for note in second.notes)
    assert [one.status for one in third.sleeve.orders] == ["open"]


def test_the_proposed_transfer_is_made_as_far_as_there_is_cash():
    says = bitcoin(90_000, cash=2_000, collateral=8_000)  # 8% of 100,000 in the futures sleeve: 12,000 are wanted
    first, second = nights(Market(), 0, 1, says=says)
    assert first.sleeve.sleeve["proposed_transfer_usd"] == 12_000
    assert (second.ledger.cash_cents, second.ledger.collateral_cents) == (0, 10_000_00)
    assert second.ledger.nav_cents == 100_000_00


def test_a_futures_sleeve_that_is_too_large_gives_back_what_is_no_margin():
    says = bitcoin(40_000, cash=20_000, collateral=40_000)
    first, second = nights(Market(), 0, 1, says=says)
    assert first.sleeve.sleeve["proposed_transfer_usd"] == -20_000
    assert (second.ledger.cash_cents, second.ledger.collateral_cents) == (40_000_00, 20_000_00)


def test_a_short_whose_price_has_doubled_loses_its_margin_and_no_more():
    market = Market(metrics=HEDGED, perp_prices={(number, "BTC"): 150_000.0 for number in (2, 3, 4)})
    decided = nights(market, 0, 4, rules=policy({"hedge": {"reentry_days": 9}}), says=bitcoin())
    lost = decided[2]
    assert lost.ledger.collateral_cents == 10_000_00 - 4_000_00 and not lost.ledger.futures
    assert any("liquidated at 150,000.00" in note for note in lost.notes)
    assert [(row["status"], row["reason"]) for row in lost.sleeve.rows] == [("close", "LIQUIDATED")]
    assert not lost.book.sleeve.positions and not decided[4].ledger.futures
    assert decided[4].ledger.role_totals("hedge").profit_cents == -4_000_00


def test_a_close_that_comes_too_late_loses_the_margin_and_no_more():
    """The end is decided on day 2; at the close of day 3 the price has tripled: that was a liquidation."""
    market = Market(metrics={(number, "BTC"): OVERBOUGHT for number in (0, 1)}, perp_prices={(3, "BTC"): 150_000.0})
    decided = nights(market, 0, 4, says=bitcoin(collateral=8_000))
    assert [one.status for one in decided[2].sleeve.orders] == ["close"]
    assert not decided[3].ledger.futures and not decided[3].book.sleeve.positions
    assert decided[3].ledger.collateral_cents == 8_000_00 - 4_000_00
    assert not decided[4].entries or {one.kind for one in decided[4].entries} == {"mark"}


def test_a_position_margined_anew_loses_what_it_had_lost_before_as_well():
    """0.08 BTC short from 50,000; less spot at 90,000 sizes it anew there; at 200,000 it is gone."""
    market = Market(
        metrics=HEDGED,
        prices={(number, "BTC"): 90_000.0 for number in (2, 3)} | {(4, "BTC"): 90_000.0},
        perp_prices={(4, "BTC"): 200_000.0},
    )
    market.actions = {(2, "GOLD"): "REDUCE"}
    decided = nights(market, 0, 4, says=bitcoin())
    (before,) = decided[3].ledger.futures.values()
    (position,) = decided[3].book.sleeve.positions.values()
    assert position.margined_at_usd == 90_000 and not decided[4].ledger.futures
    fell = (position.margined_at_usd - before.entry_price_usd) * -before.quantity
    assert fell > 0
    change = decided[3].ledger.collateral_cents - decided[4].ledger.collateral_cents
    assert change == pytest.approx(before.margin_cents + float(100 * fell), abs=1)


def test_a_liquidation_in_a_missed_night_leaves_no_position_behind():
    market = Market(metrics=HEDGED, perp_prices={(2, "BTC"): 150_000.0})
    opened = nights(market, 0, 1, says=bitcoin())[1]
    (late,) = nights(market, 4, 4, opened.book, says=bitcoin())
    assert late.ledger.collateral_cents == 10_000_00 - 4_000_00
    assert not late.ledger.futures and not late.book.sleeve.positions
    assert late.book.sleeve.closed == {"BTC": day(2)}
    assert any("too recent to open again" in note for note in late.notes)


def test_a_tilt_that_withholds_a_purchase_tags_the_cash_when_the_sale_has_brought_it():
    market = Market(actions={(0, "GOLD"): "REDUCE", (0, "L1"): "INCREASE"}, rich={(0, "ETH"): (0.5, 0.1)})
    market.leaders = {"GOLD": ("BTC",), "L1": ("ETH",), "DEFI": ("UNI",)}
    first, second = nights(market, 0, 1, says=bitcoin(40_000))
    assert [tilt.cash_cents for tilt in first.book.tilts.tilts] == [400_00]  # a tenth of the 4,000 of ETH
    assert first.ledger.tilt_cash_cents == 0
    assert second.ledger.tilt_cash_cents == 400_00
    assert "CALENDAR_TILT" in {one.reason for one in second.entries}


def test_the_change_of_the_value_is_explained_entry_by_entry_every_night():
    market = Market(
        actions={(1, "L1"): "REDUCE", (1, "DEFI"): "INCREASE"},
        metrics=HEDGED,
        prices={(2, "BTC"): 51_234.5, (2, "ETH"): 1_987.65, (3, "UNI"): 11.11, (3, "BTC"): 48_765.4},
        funding={("BTC", at(day(3), 8)): (0.0003, None)},
    )
    before = None
    for night in nights(market, 0, 5, rules=policy(costs=COSTS)):
        night.ledger.check()
        sums = {}
        for one in night.entries:
            sums[one.transaction_id] = sums.get(one.transaction_id, 0) + one.amount_cents
        assert set(sums.values()) <= {0}
        if before is not None:
            attribution(before.ledger, night.ledger)
        before = night
    assert before.ledger.role_totals("hedge").funding_cents > 0 > before.ledger.role_totals("spot").profit_cents


def test_a_book_is_the_same_after_json_with_orders_tilts_and_positions_in_it():
    market = Market(actions={(0, "L1"): "REDUCE"}, metrics=HEDGED, rich={(0, "ETH"): (0.5, 0.1)})
    says = portfolio(holdings=[{"exchange": "binance", "asset": a, "quantity": "1.5"} for a in ("BTC", "ETH", "SOL")],
                     futures={"collateral_usd": 40_000})  # fmt: skip
    (night,) = nights(market, 0, 0, says=says)
    book = night.book
    assert book.pending.spot and book.pending.futures and book.tilts.tilts and book.statement
    again = type(book).from_json(book.to_json())
    assert again == book and again.to_json() == book.to_json() and again.digest() == book.digest()
    (one,), (other,) = (nights(market, 1, 1, held, says=says) for held in (book, again))
    assert one == other


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cents": {}, "cash_cents": 1, "as_of": null}'])
def test_a_text_that_is_no_book_is_refused_with_what_to_do(text):
    from pipelines.allocations.book import BookError
    from pipelines.portfolio.book import NightBook

    with pytest.raises(BookError, match="rotation rollback"):
        NightBook.from_json(text)
    good = json.loads(NightBook().to_json())
    with pytest.raises(BookError, match="cannot be read"):
        NightBook.from_json(json.dumps(good | {"pending": None}))


def test_a_book_of_a_later_day_is_refused():
    from pipelines.allocations.book import BookError

    (night,) = nights(Market(), 0, 0)
    with pytest.raises(BookError, match="not before 2024-03-04"):
        nights(Market(), 0, 0, night.book)


def test_the_name_of_a_decision_depends_on_the_books_it_is_made_upon():
    market = Market()
    names = {nights(market, 0, 1, value_usd=usd)[1].decision_id for usd in (100_000.0, 100_000.0, 90_000.0)}
    assert len(names) == 2


def test_a_pending_order_of_a_contract_that_the_policy_no_longer_uses_is_still_filled():
    market = Market(("binance", "bybit"), metrics=HEDGED)
    rules = policy({"hedge": {"exchange": "bybit"}})
    (first,) = nights(market, 0, 0, rules=rules, says=bitcoin())
    assert [one.exchange for one in first.book.pending.futures] == ["bybit"]
    (second,) = nights(market, 1, 1, first.book, rules=policy(), says=bitcoin())
    assert [one.exchange for one in second.ledger.futures.values()] == ["bybit"]
    assert not any("lapsed" in note for note in second.notes)


def test_a_liquidated_short_of_a_frozen_sector_sells_none_of_its_spot():
    rules = policy({"expression": {"reduce": "short_futures"}})
    market = Market(
        actions={(0, "L1"): "REDUCE", (1, "L1"): "REDUCE", (2, "L1"): "FREEZE"},
        perp_prices={(2, "ETH"): 6_000.0, (2, "SOL"): 300.0},
    )
    held = [{"exchange": "binance", "asset": a, "value_usd": 10_000} for a in ("BTC", "ETH", "SOL")]
    says = portfolio(holdings=held, cash_usd=20_000, futures={"collateral_usd": 20_000})
    lost = nights(market, 0, 2, rules=rules, says=says)[2]
    assert not lost.ledger.futures and not lost.orders.orders
    assert row(lost, "L1").target_cents == row(lost, "L1").current_cents
    assert replace(lost.decision).status == "decided"
