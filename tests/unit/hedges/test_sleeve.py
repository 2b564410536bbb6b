"""The sleeve as a whole: its row, alarms, drift, and the words that follow the numbers."""

import dataclasses
import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.explain import share_in_words
from pipelines.hedges.market import Beta, HedgeMarket, SectorView, SleeveMarket
from pipelines.hedges.positions import Position, SleeveBook
from pipelines.hedges.rows import proposed_transfer
from pipelines.hedges.sleeve import decide_sleeve
from pipelines.policy import Policy

DAY = dt.date(2024, 3, 4)
POLICY = Policy()
BTC = HedgeMarket("BTC", "binance", "BTC/USDT:USDT", F(80_000), 4.0, 0.99, 2.0, 2.0, 50_000.0,
                  lot_step_base=1e-5, min_notional_usd=5.0)  # fmt: skip
VALUE = SectorView(target_usd=F(80_000), asset_targets_usd={"BTC": F(80_000)})
MARKET = SleeveMarket({"BTC": BTC}, {"STORE_OF_VALUE": VALUE})


def decide(given=MARKET, day=DAY, book=None, collateral=2_000_000, nav=10_000_000):
    return decide_sleeve(day, book or SleeveBook(), given, POLICY, collateral, nav)


def test_s48_the_row_shows_margin_gross_net_beta_and_the_worst_scenario():
    row = decide().sleeve
    assert (row["collateral_usd"], row["used_margin_usd"], row["free_margin_usd"]) == (20_000.0, 8000.0, 12_000.0)
    assert (row["used_margin_hedge_usd"], row["used_margin_liquidity_usd"], row["used_margin_tactical_usd"]) == (
        8000.0,
        0.0,
        0.0,
    )
    assert (row["gross_notional_usd"], row["net_notional_usd"], row["gross_notional_nav_frac"]) == (
        8000.0,
        -8000.0,
        0.08,
    )
    assert (row["net_beta_usd"], row["share_of_nav_frac"], row["proposed_transfer_usd"]) == (72_000.0, 0.2, 0.0)
    # -50%: -40,000 + 4,000; 90 settlements of -3 bp x 0.75 = -162; 11.20 of costs
    assert row["worst_scenario_usd"] == pytest.approx(-40_000 + 4_000 - 162 - 11.2)
    assert "Idle collateral yields 0." in row["explanation"]


def test_net_beta_takes_a_believed_beta():
    sectors = {"L1": SectorView(target_usd=F(1_000), asset_targets_usd={"SOL": F(600), "X": F(100)})}
    given = SleeveMarket({}, sectors, {("SOL", "BTC"): Beta(1.9, 0.64, 0.02, 90)})
    assert decide(given).sleeve["net_beta_usd"] == 600 * 1.6 + 100 + 300


def test_s70_one_role_with_more_than_a_quarter_of_the_sleeve_is_concentrated():
    row = decide().sleeve
    assert (row["is_concentrated"], row["concentration_role"], row["margin_hhi"]) == (True, "hedge", 1.0)
    assert "CONCENTRATION: hedge takes more than 60%" in row["explanation"]
    small = SleeveMarket({"BTC": dataclasses.replace(BTC, exposure_usd=F(50_000))}, MARKET.sectors)
    assert not decide(small).sleeve["is_concentrated"]  # 5,000 are exactly a quarter of 20,000


def test_an_empty_sleeve_has_no_concentration_and_no_index():
    row = decide(SleeveMarket({})).sleeve
    assert (row["margin_hhi"], row["is_concentrated"], row["breadth_frac"]) == (None, False, None)
    assert decide(SleeveMarket({}), collateral=0, nav=0).sleeve["share_of_nav_frac"] is None


@pytest.mark.parametrize(
    ("collateral", "margin", "transfer"),
    [
        (20_000, 0, 0), (15_000, 0, 0), (25_000, 0, 0),
        (14_000, 0, 6_000), (30_000, 0, -10_000),
        (30_000, 16_000, -6_000),  # 16,000 x 1.5 stay
        (30_000, 22_000, 0),  # 33,000 would be needed: nothing leaves
        (14_000, 14_000, 7_000),  # 21,000 are needed
    ],
)  # fmt: skip
def test_s61_a_sleeve_outside_its_band_goes_back_and_keeps_one_and_a_half_times_its_margin(
    collateral, margin, transfer
):
    assert proposed_transfer(F(collateral), F(100_000), F(margin), POLICY) == transfer


def test_s61_the_transfer_is_in_the_row_and_in_words():
    row = decide(collateral=1_000_000).sleeve
    assert row["proposed_transfer_usd"] == 10_000.0
    assert (
        "10.0% of the portfolio, outside 15% to 25%: a transfer of $10,000.00 into it from spot cash"
        in row["explanation"]
    )


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.1, "by about one tenth"), (0.0998, "by about one tenth"), (0.5, "by about one half"), (0.14, "by about 14%"),
     (0.79, "by about 79%"), (0.7999, "by about 80%"), (0.8, "largely"), (1.2, "largely")],
)  # fmt: skip
def test_s52_s53_the_word_largely_needs_eighty_percent(share, words):
    assert share_in_words(share) == words


def test_s52_s53_a_tenth_is_said_to_be_a_tenth():
    text = decide().rows[0]["explanation"]
    assert "the loss gets smaller by about one tenth, and so does a gain" in text and "largely" not in text


def test_an_imported_inverse_short_is_valued_and_kept_by_its_contracts():
    short = Position("mine", "hedge", "BTC", "deribit", "BTC/USD:BTC", "short", DAY, F(80), F(8_000), F(50_000),
                     F(50_000), contract_size_usd=F(100), triggers={"OVERBOUGHT": DAY})  # fmt: skip
    own = dataclasses.replace(
        BTC,
        exchange="deribit",
        symbol="BTC/USD:BTC",
        contract_size_usd=100.0,
        lot_step_base=None,
        mark_price_usd=40_000.0,
    )
    given = SleeveMarket({"BTC": BTC}, MARKET.sectors, opened={"mine": own})
    book = SleeveBook({"mine": short})
    (row,) = decide(given, DAY + dt.timedelta(1), book).rows
    assert (row["status"], row["notional_usd"], row["quantity_base"]) == ("hold", 8000.0, 0.2)
    assert row["liquidation_move_frac"] is None and "No price move uses up its margin" in row["explanation"]
    less = dataclasses.replace(given, opened={"mine": dataclasses.replace(own, exposure_usd=F(50_090))})
    (order,) = decide(less, DAY + dt.timedelta(1), book).orders
    # 50 contracts of 5,009 USD wanted: 30 are bought back, 3,000 USD at 40,000
    assert (order.contracts_change, order.quantity_change_base) == (30, F(3, 40))


def test_a_position_without_a_price_is_kept_counted_and_named():
    book = decide().book
    blind = SleeveMarket({"BTC": dataclasses.replace(BTC, mark_price_usd=None)}, MARKET.sectors)
    plan = decide(blind, DAY + dt.timedelta(1), book)
    assert (plan.sleeve["used_margin_usd"], plan.sleeve["worst_scenario_usd"]) == (8000.0, None)
    assert "has no price today, so it is kept" in plan.notes[0]


def test_a_margin_rounded_to_the_cent_stays_inside_the_budget():
    # half of 100.01 is 50.005: 50.00, although the cent nearest to the half is 50.01
    fine = SleeveMarket({"BTC": dataclasses.replace(BTC, lot_step_base=1e-12)}, MARKET.sectors)
    assert decide(fine, collateral=10_001).sleeve["used_margin_usd"] == 50.0
