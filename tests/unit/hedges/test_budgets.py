"""Lots and budgets of the futures sleeve."""

from fractions import Fraction as F

from pipelines.hedges.budgets import Budget, Use
from pipelines.hedges.instruments import inverse_contracts, linear_quantity
from pipelines.money import exact
from pipelines.policy import Policy, parse_policy

BUDGET = Budget(F(20_000), F(100_000), Policy())


def fit(budget, wanted, role="hedge", used=()):
    """Notional per asset after the budgets; without leverage margin equals notional."""
    uses = [Use(role, asset, exchange, F(usd), F(usd)) for asset, (exchange, usd) in wanted.items()]
    return {u.asset: u.notional * k for u, k in zip(uses, budget.scales(uses, used), strict=True)}


def test_lots_are_rounded_down_in_decimals_not_in_binary():
    # 2,000 / 50,000 = 0.04 = 40 steps of 0.001; binary 0.04/0.001 would be 40.00000000000001
    assert linear_quantity(F(2000), F(50_000), exact(0.001)) == F(1, 25)
    assert linear_quantity(F(2049), F(50_000), exact(0.001)) == F(1, 25)


def test_inverse_contracts_are_rounded_down():
    assert inverse_contracts(F(2099), F(100)) == 20


def test_hedges_together_take_half_of_the_sleeve_pro_rata():
    # two of 8,000 against 10,000: each 5,000
    fitted = fit(BUDGET, {"BTC": ("binance", F(8000)), "ETH": ("binance", F(8000))})
    assert fitted == {"BTC": 5000, "ETH": 5000}


def test_one_asset_takes_half_of_the_sleeve_at_most():
    assert fit(BUDGET, {"BTC": ("binance", F(15_000))}) == {"BTC": 10_000}


def test_the_free_reserve_is_kept_when_hedges_may_take_all():
    policy = parse_policy({"budgets": {"hedge": "1", "asset": "1", "venue": "1"}})
    assert fit(Budget(F(20_000), F(100_000), policy), {"BTC": ("x", F(20_000))}) == {"BTC": 14_000}


def test_one_venue_takes_its_share_of_the_sleeve_at_most():
    policy = parse_policy({"budgets": {"hedge": "7/10", "venue": "1/5"}})
    fitted = fit(Budget(F(20_000), F(100_000), policy), {"BTC": ("x", F(5000)), "ETH": ("y", F(3000))})
    assert fitted == {"BTC": 4000, "ETH": 3000}


def test_gross_notional_is_limited_by_the_portfolio():
    assert fit(Budget(F(20_000), F(10_000), Policy()), {"BTC": ("x", F(9000))}) == {"BTC": 4000}


def test_a_budget_is_met_at_its_limit_and_broken_one_cent_above():
    assert BUDGET.allows([Use("hedge", "BTC", "x", F(10_000), F(10_000))])
    assert not BUDGET.allows([Use("hedge", "BTC", "x", F(10_000) + F(1, 100), F(10_000))])


def test_what_other_roles_take_is_gone_and_the_reserve_stays():
    # 14,000 may be used in all; 10,000 are: 4,000 are left of the 10,000 that liquidity may take
    used = [Use("hedge", "BTC", "x", F(6_000), F(6_000)), Use("hedge", "ETH", "y", F(4_000), F(4_000))]
    assert fit(BUDGET, {"SOL": ("z", 8_000)}, "liquidity", used) == {"SOL": 4_000}


def test_an_asset_and_an_exchange_are_limited_over_all_roles():
    used = [Use("hedge", "BTC", "x", F(6_000), F(6_000))]
    assert fit(BUDGET, {"BTC": ("y", 8_000)}, "liquidity", used) == {"BTC": 4_000}  # 10,000 for one asset
    assert fit(BUDGET, {"SOL": ("x", 8_000)}, "liquidity", used) == {"SOL": 6_000}  # 12,000 on one exchange


def test_a_tactical_long_is_limited_by_its_role_and_its_notional_counts_in_full():
    assert BUDGET.scales([Use("tactical", "SOL", "x", F(10_000), F(20_000))]) == [F(1, 2)]  # 5,000 of margin
    # 40,000 of gross notional less 36,000: 4,000 of 8,000
    used = [Use("hedge", "BTC", "y", F(0), F(36_000))]
    assert BUDGET.scales([Use("tactical", "SOL", "x", F(4_000), F(8_000))], used) == [F(1, 2)]


def test_a_sleeve_below_zero_allows_nothing():
    assert Budget(F(-5), F(-5), Policy()).scales([Use("hedge", "BTC", "x", F(1), F(1))]) == [0]
