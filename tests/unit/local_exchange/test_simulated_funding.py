"""Funding and open interest of the simulated market: when, in which units, and that they follow leverage."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.simulation.series import FUNDING_CAP, settled_rate
from pipelines.local_exchange.timeframes import DAY_MS, HOUR_MS

NOW_MS = int(datetime(2026, 11, 22, 11, 17, tzinfo=UTC).timestamp()) * 1000
SINCE_MS = NOW_MS - 300 * DAY_MS


@cache
def market(now_ms: int = NOW_MS) -> SimulatedMarket:
    return SimulatedMarket(7, now_ms)


def utc_ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(("symbol", "hours"), [("BTC/USDT:USDT", 8), ("FET/USDT:USDT", 4), ("1000FLOKI/USDT:USDT", 1)])
@pytest.mark.parametrize("exchange", ["binance", "bybit"])
def test_settlements_stand_on_their_intervals_grid(exchange, symbol, hours):
    start, end = utc_ms(2026, 10, 1), utc_ms(2026, 10, 11)
    settled = market().settlements(exchange, symbol, start, end).settled_ms
    assert settled.tolist() == list(range(start, end + 1, hours * HOUR_MS))
    listing = next(each for each in market().listings(exchange) if each.symbol == symbol)
    assert listing.funding_interval_hours == hours


def test_an_interval_change_takes_effect_at_its_instant_and_ends_again():
    # SUI is settled every 4 hours from 2026-09-21 to 2026-10-19, every 8 hours before and after.
    change, back = utc_ms(2026, 9, 21), utc_ms(2026, 10, 19)
    window = change - DAY_MS, back + DAY_MS
    settled = market().settlements("binance", "SUI/USDT:USDT", *window).settled_ms
    expected = [
        *range(window[0], change + 1, 8 * HOUR_MS),
        *range(change + 4 * HOUR_MS, back + 1, 4 * HOUR_MS),
        *range(back + 8 * HOUR_MS, window[1] + 1, 8 * HOUR_MS),
    ]
    assert settled.tolist() == expected


def test_the_settlement_at_a_change_pays_for_the_interval_that_ends_there():
    # At the change 8 hours are paid, 4 hours later 4; at the way back 4, 8 hours later 8.
    change, back = utc_ms(2026, 9, 21), utc_ms(2026, 10, 19)
    known = market().settlements("binance", "SUI/USDT:USDT", change - DAY_MS, back + DAY_MS)
    rate = dict(zip(known.settled_ms.tolist(), known.funding_rate.tolist(), strict=True))
    assert rate[change] / rate[change - 8 * HOUR_MS] == pytest.approx(1.0, abs=0.3)
    assert rate[change] / rate[change + 4 * HOUR_MS] == pytest.approx(2.0, abs=0.6)
    assert rate[back] / rate[back - 4 * HOUR_MS] == pytest.approx(1.0, abs=0.2)
    assert rate[back + 8 * HOUR_MS] / rate[back] == pytest.approx(2.0, abs=0.4)


def test_a_single_stamp_is_found_wherever_it_lies():
    start = utc_ms(2022, 1, 1)
    for stamp in range(start, start + 200 * DAY_MS, DAY_MS):
        settled = market().settlements("binance", "BTC/USDT:USDT", stamp, stamp).settled_ms
        observed = market().open_interest("binance", "BTC/USDT:USDT", stamp, stamp).stamped_ms
        assert settled.tolist() == observed.tolist() == [stamp]


@pytest.mark.parametrize(("now", "hours"), [((2026, 9, 20, 23, 30), 8), ((2026, 9, 21), 4), ((2026, 10, 18, 23), 4)])
def test_the_announced_interval_is_that_of_the_next_settlement(now, hours):
    listings = market(utc_ms(*now)).listings("bybit")
    sui = next(each for each in listings if each.symbol == "SUI/USDT:USDT")
    assert sui.funding_interval_hours == hours


def test_four_hourly_rates_are_half_as_large_for_the_same_funding():
    # 1 bp per 8 h = 0.5 bp per 4 h
    assert settled_rate(np.array([1.0, 1.0, 1.0]), np.array([8, 4, 1])).tolist() == [1e-4, 5e-5, 1.25e-5]


def test_funding_is_clamped():
    rates = settled_rate(np.array([500.0, -500.0]), np.array([8, 8]))
    assert rates.tolist() == [FUNDING_CAP, -FUNDING_CAP]
    assert np.abs(market().settlements("binance", "1000PEPE/USDT:USDT", 0, NOW_MS).funding_rate).max() < 0.04


def test_open_interest_of_an_inverse_contract_is_whole_contracts_of_its_usd_size():
    for exchange, size in (("binance", 100.0), ("bybit", 1.0)):
        known = market().open_interest(exchange, "BTC/USD:BTC", SINCE_MS, NOW_MS)
        mark = market().candles(exchange, "BTC/USD:BTC", "1h", "mark", SINCE_MS, NOW_MS)
        contracts = known.usd / size
        assert np.abs(contracts - np.round(contracts)).max() < 1e-6
        close_at = dict(zip((mark.open_ms + HOUR_MS).tolist(), mark.close.tolist(), strict=True))
        price = np.array([close_at[stamp] for stamp in known.stamped_ms.tolist()[1:]])
        assert known.base[1:] == pytest.approx(known.usd[1:] / price)


def test_open_interest_of_a_linear_contract_is_in_its_own_base():
    known = market().open_interest("binance", "1000PEPE/USDT:USDT", NOW_MS - DAY_MS, NOW_MS)
    mark = market().candles("binance", "1000PEPE/USDT:USDT", "1h", "mark", NOW_MS - DAY_MS, NOW_MS)
    assert known.usd[-1] == pytest.approx(known.base[-1] * mark.close[-2])  # the hour that has closed
    assert 1e7 < known.usd[-1] < 1e10


def test_open_interest_stands_on_the_full_hours_and_spot_has_none():
    start, end = utc_ms(2026, 11, 1), utc_ms(2026, 11, 3)
    stamped = market().open_interest("bybit", "BTC/USDT:USDT", start, end).stamped_ms
    assert stamped.tolist() == list(range(start, end + 1, HOUR_MS))
    assert not len(market().open_interest("binance", "BTC/USDT", 0, NOW_MS).base)
    assert not len(market().settlements("binance", "BTC/USDT", 0, NOW_MS).settled_ms)


def test_open_interest_is_high_when_longs_pay_most():
    # The sector's leverage drives both: coins of open interest at funding above 3 bp, against below 1 bp.
    settled = market().settlements("binance", "LINK/USDT:USDT", 0, NOW_MS)
    known = market().open_interest("binance", "LINK/USDT:USDT", 0, NOW_MS)
    base_at = dict(zip(known.stamped_ms.tolist(), known.base.tolist(), strict=True))
    base = np.array([base_at[stamp] for stamp in settled.settled_ms.tolist()])
    hot, cold = settled.funding_rate >= 3e-4, settled.funding_rate <= 1e-4
    assert min(hot.sum(), cold.sum()) > 100
    assert base[hot].mean() > 1.3 * base[cold].mean()


def test_a_coin_margined_and_a_linear_contract_pay_alike():
    linear = market().settlements("binance", "BTC/USDT:USDT", SINCE_MS, NOW_MS).funding_rate
    inverse = market().settlements("binance", "BTC/USD:BTC", SINCE_MS, NOW_MS).funding_rate
    assert np.corrcoef(linear, inverse)[0, 1] > 0.95
    assert (linear != inverse).any()
