"""Exposure, lots and budgets of a hedge."""

from fractions import Fraction as F

from pipelines.hedges.sizing import (
    Budget,
    Use,
    asset_exposure_usd,
    inverse_contracts,
    linear_quantity,
)
from pipelines.money import exact
from pipelines.policy import Policy, parse_policy

BUDGET = Budget(F(20_000), F(100_000), Policy())


def test_exposure_sums_the_asset_over_all_sectors():
    # BTC alone leads the store of value, and a tenth of L1: 16,000 + 0.1 x 24,000
    targets = {"STORE_OF_VALUE": 1_600_000, "L1": 2_400_000, "CASH": 0}
    weights = {"STORE_OF_VALUE": {"BTC": 1.0}, "L1": {"ETH": 0.4, "BTC": 0.1}}
    assert asset_exposure_usd("BTC", targets, weights) == 18_400
    assert asset_exposure_usd("ETH", targets, weights) == 9_600


def test_an_asset_that_leads_nowhere_has_no_exposure():
    assert asset_exposure_usd("BTC", {"L1": 100}, {"L1": {"ETH": 1.0}}) == 0


def test_lots_are_rounded_down_in_decimals_not_in_binary():
    # 2,000 / 50,000 = 0.04 = 40 steps of 0.001; binary 0.04/0.001 would be 40.00000000000001
    assert linear_quantity(F(2000), F(50_000), exact(0.001)) == F(1, 25)
    assert linear_quantity(F(2049), F(50_000), exact(0.001)) == F(1, 25)


def test_inverse_contracts_are_rounded_down():
    assert inverse_contracts(F(2099), F(100)) == 20


def test_hedges_together_take_half_of_the_sleeve_pro_rata():
    # two of 8,000 against 10,000: each 5,000
    fitted = BUDGET.fit({"BTC": ("binance", F(8000)), "ETH": ("binance", F(8000))})
    assert fitted == {"BTC": 5000, "ETH": 5000}


def test_one_asset_takes_half_of_the_sleeve_at_most():
    assert BUDGET.fit({"BTC": ("binance", F(15_000))}) == {"BTC": 10_000}


def test_the_free_reserve_is_kept_when_hedges_may_take_all():
    policy = parse_policy({"budgets": {"hedge": "1", "asset": "1", "venue": "1"}})
    assert Budget(F(20_000), F(100_000), policy).fit({"BTC": ("x", F(20_000))}) == {"BTC": 14_000}


def test_one_venue_takes_its_share_of_the_sleeve_at_most():
    policy = parse_policy({"budgets": {"hedge": "7/10", "venue": "1/5"}})
    fitted = Budget(F(20_000), F(100_000), policy).fit({"BTC": ("x", F(5000)), "ETH": ("y", F(3000))})
    assert fitted == {"BTC": 4000, "ETH": 3000}


def test_gross_notional_is_limited_by_the_portfolio():
    assert Budget(F(20_000), F(10_000), Policy()).fit({"BTC": ("x", F(9000))}) == {"BTC": 4000}


def test_a_budget_is_met_at_its_limit_and_broken_one_cent_above():
    assert BUDGET.allows([Use("BTC", "x", F(10_000), F(10_000))])
    assert not BUDGET.allows([Use("BTC", "x", F(10_000) + F(1, 100), F(10_000))])
