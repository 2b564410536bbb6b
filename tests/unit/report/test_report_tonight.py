"""The first screen: what to sell, buy and hedge, what was wanted and not done, and what is new."""

from datetime import date, timedelta

import pytest

from pipelines.report.hedging import outlooks
from pipelines.report.moves import last_cut
from pipelines.report.tonight import tonight


def order(sector, asset, side, usd, codes=()):
    return {
        "trade_id": f"{side}-{asset}", "exchange": "binance", "symbol": f"{asset}/USDT", "sector": sector,
        "asset": asset, "side": side, "quantity_base": 1.0, "price_usd": usd, "notional_usd": usd, "fee_usd": 1.0,
        "slippage_usd": 0.5, "reason_codes": list(codes),
    }  # fmt: skip


@pytest.fixture
def ordered(changed):
    """The night with orders."""
    return lambda *orders, **fields: changed(book={"rebalance_trades": list(orders)}, **fields)


def test_headline_says_the_whole_decision(night):
    assert tonight(night).headline == (
        "Sell DEFI for $8,000.00. Buy L1 for $8,000.00. Open a new short of 0.04 BTC on binance."
    )


def test_a_sale_has_its_reason_and_its_share_of_the_holding(night):
    (sale,) = tonight(night).sells
    # 8,000 of 32,000
    assert (sale.sector, sale.usd, sale.change_frac) == ("DEFI", 8_000, 0.25)
    assert sale.why == (
        "Leverage is leaving while funding or the price comes down: open interest −12.0% in 7 days (limit ≤ −5.0%) and "
        "price −20.0% in 14 days (limit ≤ −10.0%)."
    )


def test_amounts_are_those_of_the_orders_and_small_changes_without_one_are_named(ordered):
    night = tonight(ordered(order("DEFI", "UNI", "sell", 7_990.0), order("DEFI", "AAVE", "sell", 5.0)))
    (sale,) = night.sells
    assert (sale.sector, sale.usd, sale.coins) == ("DEFI", 7_995.0, "UNI and AAVE")
    # L1 was to be bought for 8,000 and has no order
    assert (night.buys, night.dropped) == ((), ("L1 +$8,000.00",))
    # two orders of 1.00 fee and 0.50 slippage
    assert night.headline.startswith("Sell DEFI for $7,995.00. That costs about $3.00.")


def test_a_calendar_tilt_is_told_although_no_sector_changes(ordered, night):
    held = [row | {"delta_usd": 0.0, "action": "HOLD"} for row in night.targets]
    told = tonight(ordered(order("L1", "ETH", "buy", 1_485.64, ["CALENDAR_TILT"]), targets=held))
    (purchase,) = told.buys
    assert told.headline.startswith("Buy ETH for $1,485.64.")
    assert (purchase.sector, purchase.before_frac, purchase.after_frac) == ("L1", None, None)
    assert "set apart" in purchase.why


def test_a_purchase_of_idle_cash_is_not_explained_by_the_state(ordered, night):
    rows = [
        row | {"action": "HOLD", "state": "CAPITULATION", "reason_codes": ["RECENTRE"]}
        if row["sector"] == "L1"
        else row
        for row in night.targets
    ]
    (purchase,) = tonight(ordered(order("L1", "ETH", "buy", 8_000.0), targets=rows)).buys
    assert purchase.why == "Idle cash goes back to sectors that are below their strategic weight and quiet."


def test_the_outlook_is_the_whole_plan_in_the_fall_and_the_rise_nearest_to_a_fifth(changed, night):
    plan = [row | {"hedge_id": "PLAN"} for row in night.scenarios]
    fall, rise = outlooks(changed(scenarios=plan))
    # of -50%, -10%, +10% and +50% the nearest to 20% are 10%: -2,000 spot, 200 + 10 - 2.80 hedge; of 100,000
    assert (fall.move, fall.spot_usd, fall.net_usd) == ("falls 10%", -2_000.0, -1_792.8)
    assert fall.hedge_usd == pytest.approx(207.2)
    assert fall.net_frac == pytest.approx(-0.017928)
    assert (rise.move, rise.spot_usd) == ("rises 10%", 2_000.0)
    assert outlooks(night) == ()  # the hedges alone say nothing about the whole


def test_a_resized_hedge_says_from_where_to_where_and_what_to_trade(changed, night):
    now = [night.hedges[0] | {"status": "resize", "quantity_base": 0.03}]
    (line,) = tonight(changed(hedges=now, previous_hedges=[night.hedges[0] | {"quantity_base": 0.05}])).hedges
    assert line.title == "Resize the short of BTC on binance from 0.05 to 0.03 BTC: buy 0.02"


def test_a_wish_that_is_not_followed_is_shown_with_what_stopped_it(night):
    (wish,) = tonight(night).wishes
    assert (wish.sector, wish.action, wish.notes) == ("MEMES", "TRIM", "It was cut lately.")
    assert wish.last_cut == (date(2026, 11, 10), "REDUCE")


def test_a_night_without_trades_says_so(changed, night):
    held = [row | {"delta_usd": 0.0, "action": "HOLD"} for row in night.targets]
    quiet = tonight(changed(targets=held, hedges=[], scenarios=[]))
    assert quiet.headline == "Sell nothing and buy nothing tonight. No hedge is open and none is proposed."
    assert (quiet.sells, quiet.buys, quiet.wishes, quiet.hedges) == ((), (), (), ())


def test_a_halted_plan_says_why_and_names_no_trade(changed, night):
    decision = night.decision | {"status": "halted", "reason": "DATA_HALT"}
    assert (
        tonight(changed(decision=decision)).headline
        == "The whole plan is halted: too many sectors without data (DATA_HALT)."
    )


def test_a_hedge_says_how_little_it_gives_back_and_what_it_costs_in_a_rise(night):
    (hedge,) = tonight(night).hedges
    text = " ".join(hedge.figures)
    # 20,000 of 80,000
    assert "It gives back 10.0% of a loss on $20,000.00 of BTC, which is 25.0% of the spot sleeve." in text
    assert "The other 90.0% stays a loss, and so does all that other coins lose." in text
    # a fall of 10%: spot -2,000; hedge 200 + 10 funding - 2.80 costs = 207.20; a rise: -200 + 10 - 2.80 = -192.80
    assert "In a fall of 10% over 7 days the BTC loses $2,000.00 and the hedge gives back $207.20" in text
    assert "In a rise of 10% over 7 days the BTC gains $2,000.00 and the hedge costs $192.80" in text
    assert "would have to be 80% of the spot value; it is 10.0%" in text


def test_a_long_position_is_not_called_a_hedge(changed, night):
    rows = [row | {"side": "long", "role": "tactical", "offset_frac": None} for row in night.hedges]
    (line,) = tonight(changed(hedges=rows, scenarios=[])).hedges
    assert "It is no hedge" in line.figures[0]


def test_what_is_new_since_the_night_before(night):
    # 100,000 after 99,000
    assert tonight(night).changes == (
        "Everything together is worth $100,000.00, +$1,000.00 (+1.01%) since.",
        "DEFI: NEUTRAL became LOSING_MOMENTUM (REDUCE: cut).",
        "Hedge of BTC: opened (the coin is overbought, OVERBOUGHT).",
    )


def test_a_hedge_that_vanished_is_news(changed, night):
    before = [night.hedges[0] | {"hedge_id": "hedge-ETH-9", "status": "hold"}]
    assert "Hedge hedge-ETH-9 is not in the book any more." in tonight(changed(previous_hedges=before)).changes


def test_the_first_night_has_nothing_to_compare_with(changed):
    assert tonight(changed(previous_day=None, previous_signals=[])).changes == ("This is the first night.",)


def test_a_state_seen_and_not_yet_confirmed_is_announced(night):
    (text,) = tonight(night).pending
    assert text.startswith("L1 counts as ACCUMULATION, but its figures say NEUTRAL")


def test_a_book_kept_in_another_way_gives_no_last_cut(changed, night):
    other = changed(decision=night.decision | {"book_json": '{"positions": []}'})
    assert last_cut(other, "MEMES") is None
    assert last_cut(night, "MEMES")[0] + timedelta(days=10) == night.day
