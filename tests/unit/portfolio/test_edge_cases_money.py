"""Odd mornings of the spot sleeve, through the whole night: one test per case, its name is the claim."""

import datetime as dt
from fractions import Fraction as F

import pytest
from hand_made import OVERBOUGHT, Market, at, cash_row, day, nights, orders, policy, portfolio, row, target


def held(**coins):
    """A portfolio of $100,000 by market value: 80,000 spot as the weights say, unless told otherwise."""
    amounts = {"BTC": 32_000, "ETH": 12_000, "SOL": 12_000, "UNI": 24_000} | coins
    holdings = [{"exchange": "binance", "asset": a, "value_usd": usd} for a, usd in amounts.items() if usd]
    return portfolio(holdings=holdings, futures={"collateral_usd": 20_000})


def stated(cash_usd=0, collateral_usd=20_000, **coins):
    says = held(**coins).model_dump(exclude_none=True)
    return portfolio(**says | {"cash_usd": cash_usd, "futures": {"collateral_usd": collateral_usd}})


def test_a_sector_without_data_is_neither_bought_nor_sold_and_the_others_proceed():
    (night,) = nights(Market(actions={(0, "L1"): "FREEZE", (0, "GOLD"): "REDUCE", (0, "DEFI"): "INCREASE"}), 0, 0,
                      says=held())  # fmt: skip
    assert row(night, "L1").target_cents == row(night, "L1").current_cents == 24_000_00
    assert row(night, "L1").reason_codes == ("FREEZE",)
    # Gold gives a quarter of 32,000; DEFI takes it: its cap of 3/2 x 24,000 has room for 12,000.
    assert orders(night) == {("sell", "BTC"): 8_000, ("buy", "UNI"): 8_000}


def test_more_than_half_without_data_halts_the_whole_plan_and_cash_counts_in_the_denominator():
    frozen = {(0, "GOLD"): "FREEZE", (0, "DEFI"): "REDUCE", (0, "L1"): "FREEZE"}
    (night,) = nights(Market(actions=frozen), 0, 0, says=held())  # 56,000 of 80,000
    assert (night.decision.status, night.decision.reason, night.orders.orders) == ("halted", "DATA_HALT", ())
    assert {one.reason_codes for one in night.decision.rows} == {("DATA_HALT",)}
    (night,) = nights(Market(actions=frozen), 0, 0, says=stated(cash_usd=32_000))  # 56,000 of 112,000
    assert night.decision.status == "decided"
    assert row(night, "DEFI").target_cents < row(night, "DEFI").current_cents


def test_a_coin_is_bought_after_thirty_days_of_spot_and_not_before():
    market = Market(actions={(0, "GOLD"): "REDUCE", (0, "L1"): "INCREASE"}, listed={"SOL": -29})
    (night,) = nights(market, 0, 0, says=held(SOL=0))
    assert set(orders(night)) == {("sell", "BTC"), ("buy", "ETH")}
    assert not target(night, "SOL").is_buyable
    market.listed = {"SOL": -30}
    (night,) = nights(market, 0, 0, says=held(SOL=0, ETH=0))
    assert set(orders(night)) == {("sell", "BTC"), ("buy", "ETH"), ("buy", "SOL")}


def test_a_coin_from_the_first_day_of_the_data_counts_as_old():
    (night,) = nights(Market(first=-7, last=0), 0, 0)  # every coin has seven days of data
    assert night.decision.reason == "INCEPTION" and len(night.orders.orders) == 4


def test_a_sector_of_only_new_coins_takes_nothing_and_its_part_stays_cash():
    (night,) = nights(Market(listed={"UNI": -10}), 0, 0)
    assert {side_asset[1] for side_asset in orders(night)} == {"BTC", "ETH", "SOL"}
    assert row(night, "DEFI").target_cents == 0


def test_a_sector_with_one_leader_may_be_cut():
    (night,) = nights(Market(actions={(0, "DEFI"): "REDUCE"}), 0, 0, says=held())
    assert orders(night) == {("sell", "UNI"): 6_000}


def delisting(known_at, ends_at, symbol="UNI/USDT", exchange="binance", **more):
    return {
        "exchange": exchange, "symbol": symbol, "delist_at": ends_at, "ingested_at": known_at, "is_active": True,
        "lot_step": 1e-6, "min_notional_usd": 5.0,
    } | more  # fmt: skip


def test_a_coin_whose_delisting_is_announced_is_not_bought_and_still_sold():
    market = Market(instruments=[delisting(at(day(0)), at(day(20)))])
    market.actions = {(0, "GOLD"): "REDUCE", (0, "DEFI"): "INCREASE"}
    (night,) = nights(market, 0, 0, says=held())
    assert orders(night) == {("sell", "BTC"): 8_000}
    assert not target(night, "UNI").is_buyable and target(night, "UNI").is_sellable
    market.actions = {(0, "DEFI"): "REDUCE"}
    (night,) = nights(market, 0, 0, says=held())
    assert orders(night) == {("sell", "UNI"): 6_000}


def test_a_delisting_that_was_withdrawn_leaves_the_coin_buyable():
    market = Market(instruments=[delisting(at(day(-9)), at(day(20))), delisting(at(day(-2)), None)])
    market.actions = {(0, "GOLD"): "REDUCE", (0, "DEFI"): "INCREASE"}
    (night,) = nights(market, 0, 0, says=held())
    assert ("buy", "UNI") in orders(night)


def test_nothing_is_bought_on_an_exchange_that_the_coin_is_about_to_leave_even_where_most_of_it_lies():
    market = Market(("binance", "okx"), instruments=[delisting(at(day(0)), at(day(20)))])
    market.actions = {(0, "GOLD"): "REDUCE", (0, "DEFI"): "INCREASE"}
    (night,) = nights(market, 0, 0, says=held())
    (bought,) = [one for one in night.orders.orders if one.side == "buy"]
    assert (bought.asset, bought.exchange) == ("UNI", "okx")
    market.actions = {(0, "DEFI"): "REDUCE"}
    (night,) = nights(market, 0, 0, says=held())
    assert [(one.side, one.exchange) for one in night.orders.orders] == [("sell", "binance")]


def test_a_halted_coin_is_valued_at_its_last_price_with_a_flag_and_not_traded():
    market = Market(prices={(1, "SOL"): None, (1, "ETH"): 2_200.0}, actions={(1, "L1"): "REDUCE"})
    night = nights(market, 0, 1, says=held())[1]
    halted = target(night, "SOL")
    assert (halted.is_stale_price, halted.price_usd, halted.current_usd) == (True, 100, 12_000)
    assert not halted.is_buyable and not halted.is_sellable
    # A quarter of 12,000 + 13,200 is cut, all of it from the coin that has a market.
    assert orders(night) == {("sell", "ETH"): 6_300}


def test_a_sector_of_which_nothing_can_be_sold_is_not_cut_and_gives_no_proceeds():
    market = Market(prices={(1, "UNI"): None}, actions={(1, "DEFI"): "REDUCE", (1, "L1"): "INCREASE"})
    night = nights(market, 0, 1, says=held())[1]
    assert row(night, "DEFI").target_cents == row(night, "DEFI").current_cents
    assert row(night, "L1").reason_codes == ("NO_PROCEEDS",) and not night.orders.orders


def test_coins_on_an_exchange_that_halted_them_are_illiquid_while_the_others_trade():
    market = Market(("binance", "okx"), instruments=[delisting(at(day(-1)), None, is_active=False)])
    market.actions = {(0, "DEFI"): "REDUCE"}
    says = portfolio(
        holdings=[
            {"exchange": "binance", "asset": "UNI", "quantity": "1000"},
            {"exchange": "okx", "asset": "UNI", "quantity": "1000"},
        ],
        futures={"collateral_usd": 5_000},
    )
    (night,) = nights(market, 0, 0, says=says)
    assert [(one.exchange, one.notional_usd) for one in night.orders.orders] == [("okx", 5_000)]


def test_a_coin_that_changes_its_sector_moves_its_weight_without_a_trade():
    market = Market(members=(("SOL", "L1", None, 0), ("SOL", "DEFI", 1, None)))
    first, second = nights(market, 0, 1, says=held())
    assert (row(first, "L1").current_cents, row(first, "DEFI").current_cents) == (24_000_00, 24_000_00)
    assert (row(second, "L1").current_cents, row(second, "DEFI").current_cents) == (12_000_00, 36_000_00)
    assert row(second, "L1").reason_codes == row(second, "DEFI").reason_codes == ("RECLASS",)
    assert not second.orders.orders and not second.entries
    assert row(second, "GOLD").reason_codes == ()


def test_the_change_of_a_sector_is_told_once_also_when_nights_were_missed():
    market = Market(members=(("SOL", "L1", None, 0), ("SOL", "DEFI", 2, None)))
    (first,) = nights(market, 0, 0, says=held())
    third, fourth = nights(market, 4, 5, first.book, says=held())
    assert "RECLASS" in row(third, "DEFI").reason_codes and "RECLASS" not in row(fourth, "DEFI").reason_codes


def test_a_held_coin_without_a_sector_is_refused_with_a_remedy():
    from pipelines.allocations.book import BookError

    market = Market(members=(("SOL", "L1", 20, None),))
    with pytest.raises(BookError, match="SOL.*sector"):
        nights(market, 0, 0, says=held())


def test_a_held_sector_without_a_strategic_weight_is_refused_and_not_counted_as_cash():
    from pipelines.allocations.book import BookError

    market = Market(weights={"GOLD": "1/2", "L1": "1/2"})
    with pytest.raises(BookError, match="DEFI"):
        nights(market, 0, 0, says=held())


def test_all_sectors_reduced_go_to_cash_up_to_its_cap():
    reduce = dict.fromkeys([(number, name) for number in (0, 28) for name in ("GOLD", "L1", "DEFI")], "REDUCE")
    decided = nights(Market(actions=reduce), 0, 28, says=held())
    first, last = decided[0], decided[-1]
    assert [row(first, name).target_weight for name in ("GOLD", "L1", "DEFI", "CASH")] == [
        F(3, 10), F(9, 40), F(9, 40), F(1, 4),
    ]  # fmt: skip
    # Idle cash has been bought back since; the second time the cuts are given back above 30% of cash.
    assert row(last, "CASH").target_weight <= F(3, 10)


def test_a_second_cut_of_everything_stops_at_the_cash_cap():
    reduce = dict.fromkeys([(0, name) for name in ("GOLD", "L1", "DEFI")], "REDUCE")
    (night,) = nights(Market(actions=reduce), 0, 0, says=stated(20_000, BTC=24_000, ETH=9_000, SOL=9_000, UNI=18_000))
    assert row(night, "CASH").target_weight == F(3, 10)
    assert all("CASH_CAP" in row(night, name).reason_codes for name in ("GOLD", "L1", "DEFI"))


def test_all_sectors_raised_without_cash_is_no_trade():
    raised = dict.fromkeys([(0, name) for name in ("GOLD", "L1", "DEFI")], "INCREASE")
    (night,) = nights(Market(actions=raised), 0, 0, says=held())
    assert not night.orders.orders and night.decision.status == "decided"
    assert {row(night, name).reason_codes for name in ("GOLD", "L1", "DEFI")} == {("NO_PROCEEDS",)}


def test_proceeds_that_nobody_may_take_become_cash():
    (night,) = nights(Market(actions={(0, "L1"): "REDUCE"}), 0, 0, says=held())
    assert row(night, "CASH").target_cents == 6_000_00
    assert night.orders.cash_after_usd == 6_000


def test_what_a_full_receiver_cannot_take_goes_to_the_next_and_then_to_cash():
    # No sector above 32,000 of 80,000: GOLD is there, DEFI takes 2,000 of the quarter of 18,000, the rest is cash.
    actions = {(0, "GOLD"): "INCREASE", (0, "L1"): "REDUCE", (0, "DEFI"): "INCREASE"}
    rules, says = policy({"limits": {"sector_cap": "2/5"}}), held(ETH=9_000, SOL=9_000, UNI=30_000)
    (night,) = nights(Market(actions=actions), 0, 0, rules=rules, says=says)
    assert row(night, "GOLD").reason_codes == row(night, "DEFI").reason_codes == ("SECTOR_CAP",)
    assert orders(night) == {("sell", "ETH"): 2_250, ("sell", "SOL"): 2_250, ("buy", "UNI"): 2_000}
    assert night.orders.cash_after_usd == row(night, "CASH").target_cents / 100 == 2_500


def test_a_receiver_of_which_nothing_is_held_is_bought_in_equal_parts():
    actions = {(0, "L1"): "INCREASE", (0, "GOLD"): "REDUCE"}
    (night,) = nights(Market(actions=actions), 0, 0, says=held(ETH=0, SOL=0))
    assert orders(night) == {("sell", "BTC"): 8_000, ("buy", "ETH"): 4_000, ("buy", "SOL"): 4_000}


def test_the_first_decision_buys_the_strategic_weights_and_cuts_nothing():
    first, second = nights(Market(actions={(0, "L1"): "REDUCE", (1, "L1"): "REDUCE"}), 0, 1)
    assert first.decision.reason == "INCEPTION" and not first.book.cuts
    assert row(first, "L1").target_cents == 24_000_00
    assert second.decision.reason is None and row(second, "L1").target_cents == 18_000_00


def test_before_half_of_the_strategic_weight_has_data_there_is_no_decision_and_no_book():
    frozen = {(0, "GOLD"): "FREEZE", (0, "L1"): "FREEZE"}
    (night,) = nights(Market(actions=frozen), 0, 1)
    assert night.decision.as_of == day(1)
    assert {one.as_of_date for one in night.entries} == {day(1)}


def test_a_weight_above_its_cap_by_drift_is_not_sold_and_not_raised():
    actions = {(0, "GOLD"): "INCREASE", (0, "L1"): "REDUCE"}
    (night,) = nights(Market(actions=actions), 0, 0, says=held(BTC=60_000))
    assert row(night, "GOLD").target_cents == row(night, "GOLD").current_cents == 60_000_00
    assert "DRIFT_ABOVE_CAP" in row(night, "GOLD").reason_codes
    assert ("buy", "BTC") not in orders(night) and ("sell", "BTC") not in orders(night)


def test_a_spot_sleeve_of_a_hundred_dollars_does_not_trade():
    (night,) = nights(Market(actions={(0, "GOLD"): "REDUCE"}), 0, 0, value_usd=125.0)
    assert (night.decision.status, night.decision.reason) == ("no_trade", "MIN_NOTIONAL")
    assert {one.reason_codes for one in night.decision.rows} == {("MIN_NOTIONAL",)} and not night.orders.orders
    (night,) = nights(Market(), 0, 0, value_usd=125.02)
    assert night.decision.status == "decided"


@pytest.fixture
def depegged():
    """Bitcoin is at 50,000 of the stablecoin and at 48,500 dollars on day 0: the stablecoin is at 0.97."""
    return {(0, 23): 48_500.0}


def test_a_stablecoin_off_its_dollar_is_cash_at_market_value(depegged):
    (night,) = nights(Market(index=depegged), 0, 0, says=stated(cash_usd=20_000))
    assert cash_row(night).current_cents == 19_400_00
    assert night.ledger.cash_cents == 20_000_00  # so many coins of it there still are


@pytest.mark.parametrize(("index", "is_alarm"), [(49_500.0, False), (49_495.0, True), (50_505.0, True)])
def test_a_stablecoin_within_a_percent_is_a_dollar(index, is_alarm):
    (night,) = nights(Market(index={(0, 23): index}), 0, 0, says=stated(cash_usd=20_000))
    assert (cash_row(night).current_cents != 20_000_00) is is_alarm
    assert any("stablecoin" in note for note in night.notes) is is_alarm


def test_sales_that_would_end_in_a_depegged_stablecoin_are_given_back(depegged):
    (night,) = nights(Market(index=depegged, actions={(0, "L1"): "REDUCE"}), 0, 0, says=stated(cash_usd=20_000))
    assert not night.orders.orders
    assert row(night, "L1").target_cents == row(night, "L1").current_cents
    assert "DEPEG" in row(night, "L1").reason_codes and "L1" not in night.book.cuts


def test_sales_that_fund_purchases_are_made_while_the_stablecoin_is_off_its_dollar(depegged):
    actions = {(0, "L1"): "REDUCE", (0, "DEFI"): "INCREASE"}
    (night,) = nights(Market(index=depegged, actions=actions), 0, 0, says=stated(cash_usd=20_000))
    assert row(night, "DEFI").target_cents > row(night, "DEFI").current_cents
    assert cash_row(night).target_cents <= cash_row(night).current_cents
    assert night.orders.cash_after_usd <= 20_000


def test_a_stablecoin_above_its_dollar_buys_no_more_than_there_is_of_it():
    market = Market(index={(0, 23): 55_000.0}, actions={(0, "DEFI"): "INCREASE"})
    (night,) = nights(market, 0, 0, says=stated(cash_usd=400, BTC=2_000, ETH=1_000, SOL=1_000, UNI=1_000))
    assert orders(night) == {("buy", "UNI"): 400}  # and not the 440 that they are worth
    assert night.orders.cash_after_usd == 0


def test_no_tilt_begins_while_the_stablecoin_is_off_its_dollar(depegged):
    market = Market(rich={(number, "ETH"): (0.5, 0.1) for number in (0, 1)}, index=depegged)
    first, second = nights(market, 0, 1, says=held())
    assert not first.orders.orders and not first.book.tilts.tilts
    assert orders(second) == {("sell", "ETH"): 1_200}  # a tenth, the night after


def test_no_liquidity_short_ends_in_a_depegged_stablecoin():
    rules = policy({"expression": {"reduce": "short_futures"}})
    market = Market(actions={(0, "L1"): "REDUCE", (1, "L1"): "REDUCE"}, index={(2, 23): 48_500.0})
    opened, _, off, after = nights(market, 0, 3, rules=rules, says=held())
    assert {one.role for one in opened.book.sleeve.positions.values()} == {"liquidity"}
    assert off.book.sleeve.positions and not off.orders.orders
    assert not after.book.sleeve.positions
    assert {side for side, _ in orders(after)} == {"sell"}


def test_an_index_that_ends_before_the_day_does_tells_nothing_of_the_stablecoin():
    market = Market(index={(0, 10): 40_000.0})  # ten hours in, bitcoin was at 40,000; at the close at 50,000
    (night,) = nights(market, 0, 0, says=stated(cash_usd=20_000))
    assert cash_row(night).current_cents == 20_000_00


def test_without_dated_futures_no_tilt_begins_and_a_live_one_lives_its_days():
    market = Market(rich={(0, "ETH"): (0.5, 0.1)})
    decided = nights(market, 0, 15, says=held())
    assert [len(night.book.tilts.tilts) for night in decided] == [1] * 14 + [0, 0]
    assert orders(decided[14]) == {("buy", "ETH"): 1_200}
    assert not nights(Market(rich={(0, "ETH"): (0.5, None)}), 0, 0, says=held())[0].book.tilts.tilts


def test_without_spot_of_bitcoin_there_is_no_hedge_of_it():
    market = Market(metrics={(0, "BTC"): OVERBOUGHT})
    (night,) = nights(market, 0, 0, says=held(BTC=0))
    assert not night.book.sleeve.positions and any("no spot of it is held" in note for note in night.notes)
    (night,) = nights(market, 0, 0, says=held())
    assert [one.asset for one in night.book.sleeve.positions.values()] == ["BTC"]


def test_a_hedge_above_the_free_margin_is_scaled_and_its_offset_is_that_of_what_is_left():
    market = Market(metrics={(0, "BTC"): OVERBOUGHT})
    (night,) = nights(market, 0, 0, says=stated(collateral_usd=4_000))
    (hedge,) = night.sleeve.rows
    # A tenth of 32,000 is wanted; half of 4,000 may be used: 0.04 BTC at 50,000.
    assert (hedge["reason"], hedge["margin_usd"], hedge["notional_usd"]) == ("MARGIN", 2_000, 2_000)
    assert hedge["offset_frac"] == pytest.approx(2_000 / 32_000)


WEEKLY = policy({"decide": {"cadence": "weekly", "weekday": "MON"}})


def test_between_weekly_decisions_nothing_is_traded_and_the_books_go_on():
    # The morning of Monday 11 March decides the 10th, day 6.
    market = Market(actions={(number, "L1"): "REDUCE" for number in range(14)}, prices={(4, "BTC"): 55_000.0})
    decided = nights(market, 0, 7, rules=WEEKLY, says=held())
    assert [night.decision.reason for night in decided] == ["NOT_A_DECISION_DAY"] * 6 + [None, "NOT_A_DECISION_DAY"]
    assert [bool(night.orders.orders) for night in decided] == [False] * 6 + [True, False]
    assert [night.ledger.nav_cents for night in decided[3:6]] == [100_000_00, 103_200_00, 100_000_00]
    assert decided[7].ledger.cash_cents == 6_000_00


def test_a_missed_weekly_run_is_not_caught_up():
    market = Market(actions={(number, "L1"): "REDUCE" for number in range(30)})
    before = nights(market, 0, 5, rules=WEEKLY, says=held())[-1]
    (late,) = nights(market, 8, 8, before.book, WEEKLY, held())
    assert late.decision.reason == "NOT_A_DECISION_DAY" and not late.orders.orders
    (next_monday,) = nights(market, 13, 13, late.book, WEEKLY, held())
    assert orders(next_monday) == {("sell", "ETH"): 3_000, ("sell", "SOL"): 3_000}  # once, not twice


def test_nights_that_were_missed_are_booked_by_the_next_one():
    """A cut of day 0 and its hedge fill on day 1 although nobody ran then; days 1 to 3 are booked on day 3."""
    market = Market(
        actions={(0, "L1"): "REDUCE"},
        metrics={(number, "BTC"): OVERBOUGHT for number in range(4)},
        prices={(1, "ETH"): 1_900.0, (2, "ETH"): 1_500.0, (3, "ETH"): 2_000.0},
        funding={("BTC", at(day(2), 8)): (0.001, None)},
    )
    (first,) = nights(market, 0, 0, says=held())
    (late,) = nights(market, 3, 3, first.book, says=held())
    fills = [one for one in late.entries if one.kind == "fill" and one.asset == "ETH" and one.quantity_base]
    assert [(one.price_usd, one.booked_at, one.decision_id) for one in fills] == [
        (1_900, at(day(2)), first.decision_id)
    ]
    assert {one.as_of_date for one in late.entries} == {day(3)}
    # 3,200 short at 50,000 receives a thousandth of it.
    assert late.ledger.role_totals("hedge").funding_cents == 3_20
    assert [one.booked_at for one in late.entries if one.kind == "funding"] == [at(day(2), 8)] * 2
    every = nights(market, 0, 3, says=held())
    assert late.ledger.nav_cents == every[-1].ledger.nav_cents
    assert late.ledger.spot == every[-1].ledger.spot and late.ledger.totals == every[-1].ledger.totals


def test_the_same_night_decided_twice_is_the_same_decision():
    market = Market(actions={(1, "L1"): "REDUCE"}, metrics={(1, "BTC"): OVERBOUGHT}, rich={(1, "ETH"): (0.5, 0.1)})
    (first,) = nights(market, 0, 0)
    once, again = (nights(market, 1, 1, first.book)[0] for _ in range(2))
    assert once == again
    assert (once.decision_id, once.book.to_json()) == (again.decision_id, again.book.to_json())


def test_what_happens_after_a_day_changes_nothing_of_its_decision():
    def market(last, price):
        late = Market(actions={(0, "L1"): "REDUCE", (1, "L1"): "INCREASE"}, last=last, prices={(2, "ETH"): price})
        late.instruments = [delisting(at(day(4)), at(day(4)), symbol="ETH/USDT")] if last > 1 else []
        return late

    early, late = (nights(market(*one), 0, 1, says=held())[1] for one in ((1, 2_000.0), (9, 1.0)))
    assert early == late


def test_days_are_cut_at_midnight_utc_also_when_the_clocks_change():
    """Summer time began on 31 March 2024, day 27: the day has 24 hours and its last settlement is at midnight."""
    assert day(27) == dt.date(2024, 3, 31)
    market = Market(
        metrics={(number, "BTC"): OVERBOUGHT for number in range(25, 29)},
        funding={("BTC", at(day(27), hours)): (0.001, None) for hours in (0, 8, 16, 24)},
        last=28,
    )
    decided = nights(market, 25, 28, says=held())
    paid = [len([e for e in night.entries if e.kind == "funding"]) // 2 for night in decided]
    assert paid == [0, 0, 3, 0]  # filled at the close of day 26; the settlement at that instant is not its own
