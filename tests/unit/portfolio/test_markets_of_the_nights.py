"""What a night reads of the spot and the futures market, and of the stablecoin."""

import math
from datetime import timedelta
from fractions import Fraction as F

import numpy as np
import pytest
from hand_made import MONDAY, OVERBOUGHT, Market, at, day, policy, portfolio, world

BOTH = ("binance", "okx")


def standings(market, number=0, held=None, last_prices=None, says=None):
    made = world(market, number, number, says=says)
    return made.spot.standings(day(number), held or {}, last_prices or {})


def listing(**changed):
    row = {"exchange": "binance", "symbol": "UNI/USDT", "lot_step": 1e-6, "min_notional_usd": 5.0}
    return row | {"is_active": True, "delist_at": None, "ingested_at": at(day(-50))} | changed


def test_an_asset_has_the_median_price_of_its_spot_instruments_and_each_instrument_its_own():
    market = Market(("binance", "okx", "bybit"), venue_prices={(0, "okx", "UNI"): 11.0, (0, "bybit", "UNI"): 14.0})
    uni = standings(market)["UNI"]
    assert uni.price_usd == 11
    assert {name: venue.price_usd for name, venue in uni.venues.items()} == {"binance": 10, "okx": 11, "bybit": 14}


def test_a_dropped_instrument_is_no_place_to_trade_and_no_part_of_the_price():
    market = Market(BOTH, venue_prices={(0, "okx", "UNI"): None, (0, "binance", "UNI"): 12.0})
    uni = standings(market, held={"UNI": {"okx": F(7)}})["UNI"]
    assert uni.price_usd == 12 and not uni.venues["okx"].is_tradable
    assert (uni.quantity_base, uni.sellable_base, uni.is_sellable) == (7, 0, False)


def test_the_terms_of_an_instrument_are_its_newest_and_the_lot_is_in_coins():
    rows = [listing(lot_step=0.5, min_notional_usd=1.0), listing(lot_step=0.25, min_notional_usd=20.0,
            ingested_at=at(day(-40)))]  # fmt: skip
    venue = standings(Market(instruments=rows))["UNI"].venues["binance"]
    assert (venue.lot_step_base, venue.min_notional_usd) == (F(1, 4), 20)


def test_majors_slip_less_and_an_exchange_may_have_fees_of_its_own():
    says = portfolio(fees={"okx": {"spot_frac": "0.0003"}})
    rules = policy(costs={"spot_fee": 0.001, "slip_major": 0.0005, "slip_alt": 0.0015})
    spot = world(Market(BOTH), 0, 0, rules=rules, says=says).spot.standings(day(0), {}, {})
    costs = {(a, name): (v.fee_frac, v.slippage_frac) for a in ("BTC", "UNI") for name, v in spot[a].venues.items()}
    assert costs["BTC", "binance"] == (F(1, 1000), F(1, 2000)) and costs["UNI", "okx"] == (F(3, 10_000), F(3, 2000))


def test_a_coin_is_as_old_as_on_the_exchange_that_listed_it_first():
    def is_buyable(listed, exchanges=("binance",)):
        return standings(Market(exchanges, listed={"UNI": listed}))["UNI"].is_buyable

    assert [is_buyable(first) for first in (-100, -31, -30, -29, 0)] == [True, True, True, False, False]


def test_a_coin_that_is_old_on_one_exchange_is_old_on_the_new_one():
    market = Market(BOTH, absent={(number, "okx", "UNI") for number in range(-100, -3)})
    assert standings(market)["UNI"].is_buyable


def test_without_a_close_of_the_day_the_last_price_stands_in_and_is_flagged():
    uni = standings(Market(prices={(0, "UNI"): None}), held={"UNI": {"binance": F(3)}}, last_prices={"UNI": F(9)})[
        "UNI"
    ]
    assert (uni.price_usd, uni.is_stale_price, uni.value_usd) == (9, True, 27)
    assert not uni.is_eligible and not uni.is_sellable


def test_what_is_learned_later_is_not_known_on_the_day():
    """A list is read during the night of the decision, so a day is the least that counts as later."""
    told = [listing(delist_at=at(day(30)), ingested_at=at(day(5), 12))]
    told.append(listing(is_active=False, ingested_at=at(day(8), 12)))

    def venue(number):
        return standings(Market(instruments=told[:1]), number)["UNI"].venues["binance"]

    assert [venue(number).is_buyable for number in (2, 3, 4, 6)] == [True, True, False, False]
    halted = [standings(Market(instruments=told[1:]), n)["UNI"].venues["binance"].is_tradable for n in (5, 6, 7, 9)]
    assert halted == [True, True, False, False]


def test_after_its_delisting_nothing_is_traded_there():
    market = Market(instruments=[listing(delist_at=at(day(3)), ingested_at=at(day(-5)))])
    assert [standings(market, number)["UNI"].is_sellable for number in (0, 1, 2, 3)] == [True, True, False, False]


def test_a_coin_that_leaves_one_of_two_exchanges_is_bought_on_the_other_only():
    market = Market(BOTH, instruments=[listing(delist_at=at(day(9)), ingested_at=at(day(-5)))])
    uni = standings(market, held={"UNI": {"binance": F(5)}})["UNI"]
    assert uni.is_eligible and [venue.exchange for venue in uni.buyable_venues] == ["okx"]
    assert uni.sellable_base == 5


def test_a_coin_that_leaves_every_exchange_is_not_bought():
    rows = [listing(exchange=name, delist_at=at(day(9)), ingested_at=at(day(-5))) for name in BOTH]
    uni = standings(Market(BOTH, instruments=rows), held={"UNI": {"okx": F(5)}})["UNI"]
    assert not uni.is_eligible and uni.is_sellable


def test_the_sector_is_that_of_the_day_and_the_last_one_goes_on():
    spot = world(Market(members=(("SOL", "L1", -5, 2), ("SOL", "DEFI", 3, 9))), 0, 0).spot
    assert [spot.sector("SOL", day(n)) for n in (-6, -5, 2, 3, 9, 20)] == [None, "L1", "L1", "DEFI", "DEFI", "DEFI"]
    assert spot.sector("NOBODY", day(0)) is None


def test_settlements_of_a_day_are_those_after_its_first_midnight_up_to_its_last():
    times = [at(day(0)), at(day(0)) + timedelta(milliseconds=1), at(day(0), 16), at(day(1)), at(day(1), 8)]
    market = Market(funding={("BTC", when): (1e-4, None) for when in times})
    futures = world(market, 0, 1).futures
    name = ("binance", "BTC/USDT:USDT")
    assert [one.settled_at for one in futures.settlements(name, day(0))] == times[1:4]
    assert [one.settled_at for one in futures.settlements(name, day(1))] == times[4:]
    assert futures.settlements(("okx", "BTC/USDT:USDT"), day(0)) == []


def test_the_last_settlements_are_those_known_at_the_decision():
    times = [at(day(0), hours) for hours in (8, 16, 24, 24.2, 24.25)]
    rates = [-1e-4, -2e-4, 3e-4, 4e-4, 5e-4]
    market = Market(funding={("BTC", when): (rate, None) for when, rate in zip(times, rates, strict=True)})
    futures = world(market, 0, 0).futures
    got = futures.market("BTC", futures.contract("BTC", day(0)), day(0), F(0))
    assert got.last_settlements == (-2e-4, 3e-4, 4e-4)  # 00:15 and one minute is too late


def test_the_contract_of_an_asset_is_the_linear_perpetual_of_the_exchange_that_hedges():
    market = Market(BOTH, metrics={(0, "BTC"): OVERBOUGHT}, perp_prices={(0, "BTC"): 50_100.0})
    futures = world(market, 0, 0, rules=policy({"hedge": {"exchange": "okx"}})).futures
    assert futures.contract("BTC", day(0)) == ("okx", "BTC/USDT:USDT")
    got = futures.market("BTC", ("okx", "BTC/USDT:USDT"), day(0), F(5))
    assert (got.mark_price_usd, got.lot_step_base, got.funding_pctl_90d, got.exposure_usd) == (50_100.0, 0.001, 0.99, 5)
    assert futures.contract("DOGE", day(0)) == ("okx", "DOGE/USDT:USDT")
    assert futures.market("DOGE", ("okx", "DOGE/USDT:USDT"), day(0), F(0)).is_sizeable is False


def moving(days=120, seed=5):
    """Prices whose returns are known: UNI moves 1.5 times as bitcoin does, and some more by itself."""
    random = np.random.default_rng(seed)
    x, noise = random.normal(0, 0.03, days), random.normal(0, 0.01, days)
    series = {"BTC": 50_000 * np.cumprod(1 + x), "UNI": 10 * np.cumprod(1 + 1.5 * x + noise)}
    prices = {(n - days + 1, a): float(values[n]) for a, values in series.items() for n in range(days)}
    return prices, {asset: values[1:] / values[:-1] - 1 for asset, values in series.items()}


def test_beta_fit_and_residual_are_those_of_least_squares_over_ninety_days():
    prices, returns = moving()
    beta = world(Market(prices=prices, first=-119), 0, 0).futures.betas(["UNI", "BTC"], day(0))["UNI", "BTC"]
    x, y = returns["BTC"][-90:], returns["UNI"][-90:]
    slope, intercept = np.polyfit(x, y, 1)
    left = y - slope * x - intercept
    assert beta.n == 90 and beta.beta_raw == pytest.approx(slope, abs=1e-8)
    assert beta.r2 == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, abs=1e-8)
    assert beta.residual_daily_vol == pytest.approx(math.sqrt((left**2).mean()), abs=1e-8)


def test_a_missing_close_costs_two_returns_and_no_data_no_beta():
    prices, _ = moving()
    prices[-10, "UNI"] = None
    futures = world(Market(prices=prices, first=-119), 0, 0).futures
    assert futures.betas(["UNI"], day(0))["UNI", "BTC"].n == 88
    flat = futures.betas(["SOL", "DOGE"], day(0))
    assert flat["SOL", "BTC"].beta_raw is None and flat["DOGE", "BTC"].n == 0  # SOL never moves
    assert ("BTC", "BTC") not in futures.betas(["BTC"], day(0))


def test_beta_of_a_day_does_not_depend_on_the_days_after_it():
    prices, _ = moving()
    early = world(Market(prices=prices, first=-119), -20, -20).futures.betas(["UNI"], day(-20))
    late = world(Market(prices=prices, first=-119), -20, 0).futures.betas(["UNI"], day(-20))
    assert early == late and early["UNI", "BTC"].n == 90


def test_a_sector_is_seen_with_its_leaders_and_the_largest_known_spread():
    market = Market(
        sector_metrics={(0, "L1"): {"spread_z": '{"GOLD": -0.5, "DEFI": null}', "volume_ratio_7d_28d": 1.7}}
    )
    futures = world(market, 0, 0, rules=policy({"tactical": {"enabled": True}})).futures
    view = futures.sector("L1", day(0))
    assert (view.spread_z, view.volume_ratio, view.leaders) == (-0.5, 1.7, {"ETH": 0.5, "SOL": 0.5})
    assert view.first_leader == "ETH" and view.leader_daily_vol == 0.0
    assert futures.sector("NONE", day(0)).leaders == {}


@pytest.mark.parametrize(("close", "told"), [(48_500.0, F(97, 100)), (50_000.0, F(1)), (51_234.5, F("1.0247"))])
def test_the_stablecoin_is_the_index_over_the_spot_close(close, told):
    market = Market(index={(0, 3): 1.0, (0, 23): close})
    assert world(market, 0, 1).stablecoin_usd == {MONDAY: told}
