"""The hedge of an overbought asset from entry to exit."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.hedge import exit_reason, is_overbought
from pipelines.hedges.market import HedgeMarket, SleeveMarket
from pipelines.hedges.positions import HedgeError, SleeveBook
from pipelines.hedges.sleeve import decide_sleeve
from pipelines.policy import Policy, parse_policy

DAY = dt.date(2024, 3, 4)
POLICY = Policy()
BTC = HedgeMarket("BTC", "binance", "BTC/USDT:USDT", F(20_000), 3.4, 0.97, 0.2, 1.4, 50_000.0, (1e-4,) * 3, 0.001, 5.0)
NEGATIVE = {"last_settlements": (-1e-4,) * 3}
ETH = dataclasses.replace(BTC, asset="ETH", symbol="ETH/USDT:USDT", mark_price_usd=2_000.0)


def changed(market=BTC, **fields):
    return dataclasses.replace(market, **fields)


def decide(*markets, day=DAY, book=None, policy=POLICY, collateral=2_000_000):
    given = {market.asset: market for market in markets}
    return decide_sleeve(day, book or SleeveBook(), SleeveMarket(given), policy, collateral, 10_000_000)


def opened():
    return decide(BTC).book


def after(days, market=BTC, **fields):
    """The single row of a hedge opened on DAY, so many days later."""
    (row,) = decide(changed(market, **fields), day=DAY + dt.timedelta(days), book=opened()).rows
    return row


def test_g15_a_tenth_of_the_bitcoin_is_shorted_without_leverage():
    (row,) = decide(BTC).rows
    assert (row["quantity_base"], row["notional_usd"], row["margin_usd"]) == (0.04, 2000.0, 2000.0)
    assert (row["leverage"], row["side"]) == (1.0, "short")
    assert (row["status"], row["reason"]) == ("open", "OVERBOUGHT")
    assert (row["hedge_ratio_frac"], row["ratio_for_80pct_offset_frac"]) == (0.1, 0.8)
    # 2 / 1.004 - 1
    assert row["liquidation_move_frac"] == pytest.approx(0.992032, abs=1e-6)


def test_the_sentence_says_a_tenth_and_never_largely_and_names_both_open_interests():
    (row,) = decide(BTC).rows
    assert "offsets about 10% of the loss on $20,000.00 of spot" in row["explanation"]
    assert "an offset of 80% needs a ratio of 0.80" in row["explanation"]
    assert "+0.20 in coins" in row["explanation"] and "+1.40 in USD" in row["explanation"]
    assert "it contains the price" in row["explanation"]
    assert "largely" not in row["explanation"] and "most" not in row["explanation"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"funding_3d_bps": 3.0, "funding_pctl_90d": 0.95, "open_interest_usd_z_90d": 1.0}, True),
        ({"funding_3d_bps": 2.999}, False),
        ({"funding_pctl_90d": 0.949}, False),
        ({"open_interest_usd_z_90d": 0.999}, False),
        ({"open_interest_z_90d": 1.0, "open_interest_usd_z_90d": None}, True),
        ({"open_interest_z_90d": None}, True),
        ({"open_interest_z_90d": None, "open_interest_usd_z_90d": None}, False),
        ({"funding_3d_bps": None}, False),
        ({"funding_pctl_90d": None}, False),
    ],
)
def test_the_trigger_needs_funding_rank_and_one_of_the_open_interests(fields, expected):
    assert is_overbought(changed(**fields), POLICY) is expected
    assert bool(decide(changed(**fields)).rows) is expected


@pytest.mark.parametrize(
    ("days", "fields", "reason"),
    [
        (1, {"funding_3d_bps": 1.5}, "FUNDING_NORMAL"),
        (1, {"funding_pctl_90d": 0.60}, "PCTL_NORMAL"),
        (30, {}, "MAX_DAYS"),
        (1, {"last_settlements": (1e-4, -1e-6, -1e-6, -1e-6)}, "FUNDING_NEGATIVE"),
        # the order of the reasons: each one hides those after it
        (30, {"funding_3d_bps": 1.0, "funding_pctl_90d": 0.1, **NEGATIVE}, "FUNDING_NORMAL"),
        (30, {"funding_pctl_90d": 0.1, **NEGATIVE}, "PCTL_NORMAL"),
        (30, NEGATIVE, "MAX_DAYS"),
        (1, {"exposure_usd": F(0)}, "NO_EXPOSURE"),
        (1, {"mark_price_usd": 99_700.0}, "LIQUIDATED"),
    ],
)
def test_each_exit_closes_with_its_reason(days, fields, reason):
    row = after(days, **fields)
    assert (row["status"], row["reason"], row["quantity_base"]) == ("close", reason, 0.04)


@pytest.mark.parametrize(
    ("days", "fields"),
    [
        (1, {"funding_3d_bps": 1.501}),
        (1, {"funding_3d_bps": None, "funding_pctl_90d": None}),
        (29, {}),
        (1, {"last_settlements": (-1e-4, -1e-4)}),
        (1, {"last_settlements": (-1e-4, 0.0, -1e-4)}),
    ],
)
def test_without_a_reason_the_hedge_is_kept(days, fields):
    row = after(days, **fields)
    assert (row["status"], row["reason"]) == ("hold", None)


def test_a_closed_hedge_opens_again_after_seven_days():
    closed = decide(changed(funding_3d_bps=1.0), day=DAY + dt.timedelta(1), book=opened()).book
    early = decide(BTC, day=DAY + dt.timedelta(7), book=closed)
    assert (early.rows, len(early.notes)) == ((), 1)
    again = decide(BTC, day=DAY + dt.timedelta(8), book=closed)
    assert [row["status"] for row in again.rows] == ["open"]


def test_a_hedge_does_not_close_and_open_on_one_day_even_without_a_waiting_time():
    policy = parse_policy({"hedge": {"reentry_days": 0}})
    plan = decide(BTC, day=DAY + dt.timedelta(30), book=opened(), policy=policy)
    assert [row["status"] for row in plan.rows] == ["close"]


@pytest.mark.parametrize(
    ("exposure", "status", "quantity"),
    [
        (24_999, "hold", 0.04),  # target 2,499.90: off by 499.90, 19.997% of it
        (25_000, "hold", 0.04),  # off by 500 = exactly 20%
        (25_500, "resize", 0.051),  # off by 550, 21.6%
        (16_000, "resize", 0.032),  # off by 400 = 25%
    ],
)
def test_a_resize_needs_more_than_a_fifth_of_the_target(exposure, status, quantity):
    row = after(1, exposure_usd=F(exposure))
    assert (row["status"], row["quantity_base"]) == (status, quantity)


def test_a_resized_hedge_is_margined_at_the_new_price():
    row = after(1, mark_price_usd=70_000.0)  # 0.04 x 70,000 = 2,800 against 2,000: 40%
    assert (row["status"], row["quantity_base"], row["margin_usd"]) == ("resize", 0.028, 1960.0)


def test_a_kept_hedge_shows_how_much_nearer_its_liquidation_is():
    row = after(1, mark_price_usd=55_000.0)
    assert (row["notional_usd"], row["margin_usd"]) == (2200.0, 2000.0)
    assert row["liquidation_move_frac"] == pytest.approx(50_000 * 2 / 1.004 / 55_000 - 1)


def test_a_hedge_without_a_price_is_kept_and_its_offset_is_unknown():
    row = after(1, mark_price_usd=None)
    assert (row["status"], row["notional_usd"], row["offset_frac"]) == ("hold", None, None)
    assert "its offset is unknown" in row["explanation"]


def test_no_bitcoin_spot_means_no_hedge():
    plan = decide(changed(exposure_usd=F(0)))
    assert (plan.rows, plan.notes) == ((), ("BTC: overbought, but no spot of it is held: no hedge.",))


def test_below_the_smallest_order_there_is_no_hedge_and_it_is_said():
    plan = decide(changed(exposure_usd=F(400)))  # 40 USD are 0.0008 coins: no lot of 0.001
    assert plan.rows == ()
    assert "below the smallest order" in plan.notes[0]


def test_an_unknown_minimum_falls_back_to_the_smallest_trade_of_the_policy():
    fields = {"lot_step_base": 1e-6, "min_notional_usd": None}
    assert decide(changed(exposure_usd=F(240), **fields)).rows == ()  # 24 < 25
    assert len(decide(changed(exposure_usd=F(260), **fields)).rows) == 1


def test_margin_above_the_free_collateral_is_scaled_and_the_offset_recomputed():
    (row,) = decide(BTC, collateral=200_000).rows  # 2,000 of collateral: half is 1,000
    assert (row["notional_usd"], row["reason"], row["offset_frac"]) == (1000.0, "MARGIN", 0.05)
    assert "offsets about 5% of the loss" in row["explanation"]


def test_no_collateral_means_no_hedge_and_closes_an_open_one():
    assert decide(BTC, collateral=0).rows == ()
    (row,) = decide(BTC, day=DAY + dt.timedelta(1), book=opened(), collateral=0).rows
    assert (row["status"], row["reason"]) == ("close", "MARGIN")


def test_a_new_hedge_shares_the_budget_with_a_kept_one():
    # 3,000 of collateral allow 1,500: BTC holds 1,500 (MARGIN), ETH comes: 750 each
    first = decide(BTC, collateral=300_000).book
    plan = decide(BTC, ETH, day=DAY + dt.timedelta(1), book=first, collateral=300_000)
    assert [(row["asset"], row["status"], row["notional_usd"]) for row in plan.rows] == [
        ("BTC", "resize", 750.0),
        ("ETH", "open", 750.0),
    ]


def test_a_kept_hedge_inside_its_band_still_makes_room_when_the_budget_would_break():
    # 6,000 of collateral allow 3,000. BTC holds 2,000, ETH wants 1,300: 3,300 scale to 1,818.18 and 1,181.82.
    # BTC is within a fifth of its target, but 2,000 + 1,181.82 would be too much.
    eth = changed(ETH, exposure_usd=F(13_000))
    plan = decide(BTC, eth, day=DAY + dt.timedelta(1), book=opened(), collateral=600_000)
    assert [(row["asset"], row["status"], row["reason"]) for row in plan.rows] == [
        ("BTC", "resize", "MARGIN"),
        ("ETH", "open", "MARGIN"),
    ]
    assert sum(row["margin_usd"] for row in plan.rows) <= 3000


def test_an_exit_is_checked_from_the_day_after_entry():
    calm = changed(funding_3d_bps=0.0)
    assert exit_reason(DAY, calm, DAY, POLICY) is None
    assert exit_reason(DAY, calm, DAY + dt.timedelta(1), POLICY) == "FUNDING_NORMAL"


def test_an_inverse_contract_is_sold_in_whole_contracts():
    (row,) = decide(changed(exposure_usd=F(20_990), contract_size_usd=100.0, lot_step_base=None)).rows
    assert (row["notional_usd"], row["quantity_base"]) == (2000.0, 0.04)  # 20 of 20.99 contracts


def test_an_asset_outside_the_list_is_never_hedged():
    assert decide(changed(asset="SOL")).rows == ()


def test_an_open_hedge_needs_the_market_of_its_own_instrument():
    with pytest.raises(HedgeError, match="the open hedge of BTC is BTC/USDT:USDT on binance"):
        decide(ETH, day=DAY + dt.timedelta(1), book=opened())
    with pytest.raises(HedgeError, match="give the market of it"):
        decide(changed(exchange="bybit"), day=DAY + dt.timedelta(1), book=opened())


def test_a_price_that_is_not_positive_is_refused():
    with pytest.raises(HedgeError, match="the price of BTC/USDT:USDT is 0.0"):
        decide(changed(mark_price_usd=0.0))


def test_the_stored_book_gives_the_same_chain_as_the_book_in_memory():
    book, rows = SleeveBook(), []
    fundings = [3.4, 3.0, 1.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.5, 1.2]
    for offset, funding in enumerate(fundings):
        day = DAY + dt.timedelta(offset)
        market = changed(funding_3d_bps=funding, mark_price_usd=50_000.0 + 3_000 * offset)
        stored = SleeveBook.from_json(book.to_json())
        assert stored == book
        plan = decide(market, day=day, book=book)
        assert decide(market, day=day, book=stored) == plan
        rows += plan.rows
        book = plan.book
    # opened on day 0, closed on day 2, again 7 days later on day 9, closed on day 10
    assert [row["status"] for row in rows if row["status"] in ("open", "close")] == ["open", "close"] * 2


def test_a_text_that_is_no_book_is_refused_with_what_to_do():
    with pytest.raises(HedgeError, match="continue from the book of an earlier night"):
        SleeveBook.from_json('{"positions": {}}')


def test_the_orders_are_the_changes_of_the_position():
    (order,) = decide(BTC).orders
    assert (order.quantity_change_base, order.status, order.is_inverse) == (F(-1, 25), "open", False)
    (order,) = decide(changed(funding_3d_bps=0.0), day=DAY + dt.timedelta(1), book=opened()).orders
    assert (order.quantity_change_base, order.reason) == (F(1, 25), "FUNDING_NORMAL")
    assert decide(BTC, day=DAY + dt.timedelta(1), book=opened()).orders == ()


def test_an_order_that_was_never_filled_is_taken_back():
    plan = decide(BTC)
    assert plan.book.reverted(plan.orders[0].hedge_id, SleeveBook()) == SleeveBook()
    closing = decide(changed(funding_3d_bps=0.0), day=DAY + dt.timedelta(1), book=opened())
    assert closing.book.reverted(closing.orders[0].hedge_id, opened()) == opened()


def test_two_hedges_of_one_asset_are_refused():
    one = opened().positions[f"hedge-BTC-{DAY}"]
    with pytest.raises(HedgeError, match="BTC has 2 hedges; state them as one"):
        SleeveBook({"a": one, "b": dataclasses.replace(one, hedge_id="b")})
