"""Candles of the simulated market: shape, units, and how prices of one coin hang together."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.timeframes import DAY_MS, FIXED_MS, HOUR_MS

NOW_MS = int(datetime(2026, 11, 22, 11, 17, tzinfo=UTC).timestamp()) * 1000
SINCE_MS = NOW_MS - 300 * DAY_MS


@cache
def market() -> SimulatedMarket:
    return SimulatedMarket(7, NOW_MS)


def candles(exchange, symbol, price_type="last", timeframe="1h", start_ms=SINCE_MS, end_ms=NOW_MS):
    return market().candles(exchange, symbol, timeframe, price_type, start_ms, end_ms)


def all_listings():
    return [(name, listing) for name in ("binance", "bybit") for listing in market().listings(name)]


def test_every_candle_has_its_prices_in_order_and_a_volume():
    seen = 0
    for exchange, listing in all_listings():
        for price_type in ("last", "mark", "index"):
            rows = candles(exchange, listing.symbol, price_type)
            assert (rows.low > 0).all()
            assert (rows.low <= np.minimum(rows.open, rows.close)).all()
            assert (rows.high >= np.maximum(rows.open, rows.close)).all()
            if price_type == "last":
                assert (rows.volume_base > 0).all()
                assert (rows.volume_quote >= rows.low * rows.volume_base * 0.999).all()
                assert (rows.volume_quote <= rows.high * rows.volume_base * 1.001).all()
            else:
                assert not rows.volume_base.any()
            seen += len(rows.open)
    assert seen > 500_000


def test_each_hour_opens_at_the_close_of_the_hour_before():
    for symbol in ("BTC/USDT", "1000PEPE/USDT:USDT", "BTC/USD:BTC"):
        rows = candles("binance", symbol)
        follows = np.diff(rows.open_ms) == HOUR_MS
        assert (rows.open[1:][follows] == rows.close[:-1][follows]).all()


@pytest.mark.parametrize("timeframe", ["2h", "4h", "8h", "12h", "1d"])
@pytest.mark.parametrize("symbol", ["ETH/USDT", "1000BONK/USDT:USDT"])
def test_a_longer_candle_is_its_hours_together(timeframe, symbol):
    length = FIXED_MS[timeframe]
    end = NOW_MS // DAY_MS * DAY_MS - 1
    long, hours = candles("bybit", symbol, timeframe=timeframe, end_ms=end), candles("bybit", symbol)
    assert len(long.open) > 200
    for row in range(0, len(long.open), 29):
        opened = long.open_ms[row]
        part = (hours.open_ms >= opened) & (hours.open_ms < opened + length)
        assert part.sum() == length // HOUR_MS
        assert long.open[row] == hours.open[part][0]
        assert long.close[row] == hours.close[part][-1]
        assert long.high[row] == hours.high[part].max()
        assert long.low[row] == hours.low[part].min()
        assert long.volume_base[row] == pytest.approx(hours.volume_base[part].sum(), rel=1e-9)


def test_candles_over_a_lost_hour_are_missing_in_every_timeframe():
    # The feeds of the L2 perpetuals are lost from 2026-09-19 18:00 for 72 hours; spot goes on.
    lost = datetime(2026, 9, 19, 18, tzinfo=UTC), datetime(2026, 9, 22, 18, tzinfo=UTC)
    start, end = (int(moment.timestamp()) * 1000 for moment in lost)
    window = {"start_ms": start - 2 * DAY_MS, "end_ms": end + 2 * DAY_MS}
    for exchange in ("binance", "bybit"):
        hours = candles(exchange, "ARB/USDT:USDT", **window).open_ms
        assert not ((hours >= start) & (hours < end)).any()
        assert {start - HOUR_MS, end} <= set(hours.tolist())
        days = candles(exchange, "ARB/USDT:USDT", timeframe="1d", **window).open_ms
        assert not ((days > start - DAY_MS) & (days < end)).any()
        assert len(candles(exchange, "ARB/USDT", **window).open) == 7 * 24 + 1


def test_spot_perpetual_mark_and_index_stay_within_five_percent():
    spot_of = {"1000PEPE": ("PEPE", 1000), "SHIB1000": ("SHIB", 1000), "1000SHIB": ("SHIB", 1000)}
    spot_of |= {"1000BONK": ("BONK", 1000), "1000FLOKI": ("FLOKI", 1000)}
    compared = 0
    for exchange, listing in all_listings():
        if listing.kind != "perp":
            continue
        base, multiplier = spot_of.get(listing.base, (listing.base, 1))
        spot = candles(exchange, f"{base}/USDT")
        for price_type in ("last", "mark", "index"):
            rows = candles(exchange, listing.symbol, price_type)
            _, here, there = np.intersect1d(rows.open_ms, spot.open_ms, return_indices=True)
            ratio = rows.close[here] / multiplier / spot.close[there]
            assert np.abs(ratio - 1).max(initial=0.0) < 0.05, listing.symbol
            compared += len(ratio)
    assert compared > 300_000


def test_a_contract_on_a_thousand_coins_counts_in_thousands():
    at = {"start_ms": NOW_MS - DAY_MS, "end_ms": NOW_MS - HOUR_MS}
    coins = candles("bybit", "SHIB/USDT", **at)
    thousands = candles("bybit", "SHIB1000/USDT:USDT", **at)
    assert thousands.close[-1] / coins.close[-1] == pytest.approx(1000, rel=0.01)
    # volume in USD = thousands of coins * price per thousand
    assert thousands.volume_quote[-1] == pytest.approx(thousands.volume_base[-1] * thousands.close[-1], rel=0.02)


def test_both_exchanges_quote_nearly_but_not_quite_the_same():
    one, other = candles("binance", "ETH/USDT").close, candles("bybit", "ETH/USDT").close
    assert (one != other).mean() > 0.9
    assert np.abs(one / other - 1).max() < 0.005


def test_prices_and_quantities_stand_on_steps_and_contracts_have_sizes():
    rows = candles("binance", "SOL/USDT:USDT")
    for column, step in ((rows.close, 1e-3), (rows.volume_base, 1e-3)):  # at about $150
        assert np.abs(column / step - np.round(column / step)).max() < 1e-4
    sizes = {listing.symbol: listing.contract_size for listing in market().listings("binance")}
    assert (sizes["BTC/USD:BTC"], sizes["ETH/USD:ETH"], sizes["SOL/USDT:USDT"]) == (100.0, 10.0, 1.0)


def test_what_is_not_there_is_empty_and_what_cannot_be_is_refused():
    assert not len(candles("binance", "BTC/USDT", "mark").open)
    assert market().listings("kraken") == []
    assert not len(candles("binance", "NOPE/USDT").open)
    assert not len(market().settlements("binance", "NOPE/USDT:USDT", 0, NOW_MS).funding_rate)
    assert not len(market().open_interest("binance", "NOPE/USDT:USDT", 0, NOW_MS).base)
    assert not len(candles("binance", "BTC/USDT:USDT", "premiumIndex").open)
    assert not len(candles("binance", "BTC/USDT", timeframe="5m").open)
    with pytest.raises(ValueError, match="'7m' is not a candle length; use one of 1m"):
        candles("binance", "BTC/USDT", timeframe="7m")
