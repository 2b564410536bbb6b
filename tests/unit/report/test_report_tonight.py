"""The first screen: what to sell, buy and hedge, what was wanted and not done, and what is new."""

from datetime import date, timedelta

from pipelines.report.tonight import last_cut, tonight


def test_headline_says_the_whole_decision(night):
    assert tonight(night).headline == (
        "Sell DEFI for $8,000.00. Buy L1 for $8,000.00. Open a new short of 0.04 BTC on binance."
    )


def test_a_sale_has_its_reason_and_its_share_of_the_holding(night):
    (sale,) = tonight(night).sells
    # 8,000 of 32,000
    assert (sale.sector, sale.usd, sale.change_frac, sale.why) == ("DEFI", 8_000, 0.25, "Because of DEFI.")


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
    assert tonight(changed(decision=decision)).headline == "The whole plan is halted: DATA_HALT."


def test_a_hedge_says_how_little_it_gives_back_and_what_it_costs_in_a_rise(night):
    (hedge,) = tonight(night).hedges
    text = " ".join(hedge.figures)
    assert "It gives back 10.0% of the loss on $20,000.00 of spot. The other 90.0% stays a loss." in text
    # 20,000 of 80,000
    assert "That spot is 25.0% of all of it" in text
    # a fall of 10%: spot -2,000; hedge 200 + 10 funding - 2.80 costs = 207.20; a rise: -200 + 10 - 2.80 = -192.80
    assert "In a fall of 10% over 7 days the spot loses $2,000.00 and the hedge gives back $207.20" in text
    assert "In a rise of 10% over 7 days the spot gains $2,000.00 and the hedge costs $192.80" in text
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
        "Hedge of BTC: opened (OVERBOUGHT).",
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
