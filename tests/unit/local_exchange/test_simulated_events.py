"""Events and regimes of the simulated market: the last 200 days before late 2026 show each of them."""

from datetime import UTC, datetime
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from pipelines.local_exchange.market import Listing
from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.simulation.calendar import (
    ORIGIN_MS,
    PHASE_DAYS,
    STAGES,
    crashes,
    episodes,
    outages,
    quarterly_expiries,
)
from pipelines.local_exchange.simulation.catalogue import COINS
from pipelines.local_exchange.timeframes import DAY_MS, HOUR_MS

NOW = datetime(2026, 11, 22, 11, 17, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
SINCE_MS = NOW_MS - 200 * DAY_MS
HOURS = (NOW_MS - ORIGIN_MS) // HOUR_MS


@cache
def market(now: datetime = NOW) -> SimulatedMarket:
    return SimulatedMarket(7, int(now.timestamp()) * 1000)


def utc_ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000


def listed(exchange: str, now: datetime = NOW) -> dict[str, Listing]:
    return {listing.symbol: listing for listing in market(now).listings(exchange)}


def candles(exchange: str, symbol: str, price_type: str = "last"):
    return market().candles(exchange, symbol, "1h", price_type, SINCE_MS, NOW_MS)


def three_day_funding_bps(asset: str) -> np.ndarray:
    """Mean funding of the last 3 days, bp per 8 h, of a coin with 8-hour settlements."""
    rates = market().settlements("binance", f"{asset}/USDT:USDT", SINCE_MS + 120 * DAY_MS, NOW_MS).funding_rate
    return np.convolve(rates, np.full(9, 1e4 / 9), mode="valid")


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
def test_a_rename_hands_over_at_one_hour_with_the_price_in_its_ratio(exchange):
    at = utc_ms(2026, 9, 28, 8)
    old, new = candles(exchange, "MKR/USDT"), candles(exchange, "SKY/USDT")
    assert (old.open_ms[-1], new.open_ms[0]) == (at - HOUR_MS, at)
    # one MKR = 24000 SKY, so the price goes on where it was
    assert old.close[-1] / 24_000 == pytest.approx(new.open[0], rel=0.005)
    assert listed(exchange)["MKR/USDT:USDT"].delisted_ms == at == listed(exchange)["SKY/USDT:USDT"].listed_ms
    before = market().open_interest(exchange, "MKR/USDT:USDT", at, at)
    after = market().open_interest(exchange, "SKY/USDT:USDT", at + HOUR_MS, at + HOUR_MS)
    assert before.base[0] * 24_000 == pytest.approx(after.base[0], rel=0.1)


def test_a_delisted_coin_stays_listed_as_ended_and_its_history_stays():
    at = utc_ms(2026, 8, 17, 6)
    for symbol in ("DASH/USDT", "DASH/USDT:USDT"):
        assert listed("binance")[symbol].delisted_ms == at
        assert candles("binance", symbol).open_ms[-1] == at - HOUR_MS
    assert market().settlements("bybit", "DASH/USDT:USDT", 0, NOW_MS).settled_ms[-1] == utc_ms(2026, 8, 17)


def test_a_new_listing_begins_within_the_window():
    for asset, at in (("WLD", utc_ms(2026, 6, 15, 8)), ("WIF", utc_ms(2026, 10, 5, 8))):
        assert listed("bybit")[f"{asset}/USDT:USDT"].listed_ms == at
        assert candles("bybit", f"{asset}/USDT:USDT").open_ms[0] == at
    assert "WIF/USDT" not in listed("binance", datetime(2026, 10, 5, 7, tzinfo=UTC))
    assert market().settlements("binance", "WLD/USDT:USDT", 0, NOW_MS).settled_ms[0] == utc_ms(2026, 6, 15, 16)


def test_the_whole_market_crashes_and_leverage_leaves_with_it():
    hour = next(hour for hour in crashes(HOURS) if ORIGIN_MS + hour * HOUR_MS > SINCE_MS)
    start = ORIGIN_MS + hour * HOUR_MS
    for asset in ("BTC", "SOL", "UNI", "XMR"):
        prices = market().candles("binance", f"{asset}/USDT", "1h", "last", start - HOUR_MS, start + 3 * HOUR_MS)
        assert prices.close[-1] / prices.close[0] < 0.93
        known = market().open_interest("binance", f"{asset}/USDT:USDT", start, start + 4 * HOUR_MS)
        assert known.base[-1] / known.base[0] < 0.9
    before, after = (candles_volume(start + shift) for shift in (-DAY_MS, 0))
    assert after > 2 * before


def candles_volume(start_ms: int) -> float:
    rows = market().candles("binance", "BTC/USDT:USDT", "1h", "last", start_ms, start_ms + DAY_MS - 1)
    return rows.volume_base.sum()


def test_crash_and_lost_feeds_come_in_every_200_days():
    days = range(200, HOURS // 24, 10)
    stops = [hour for sector in PHASE_DAYS for hour, _ in outages(sector, HOURS)]
    for day in days:
        window = range((day - 200) * 24, day * 24)
        assert any(hour in window for hour in crashes(HOURS))
        assert any(hour in window for hour in stops)


def test_coins_that_only_one_exchange_lists():
    assert "TON/USDT:USDT" in listed("binance")
    assert "TON/USDT:USDT" not in listed("bybit")
    assert "KAS/USDT:USDT" in listed("bybit")
    assert "KAS/USDT:USDT" not in listed("binance")


def test_quarterlies_expire_on_the_last_friday_of_the_quarter_at_eight():
    expiries = quarterly_expiries(utc_ms(2024, 1, 1), utc_ms(2027, 1, 1))
    moments = [datetime.fromtimestamp(stamp / 1000, UTC) for stamp in expiries]
    assert [f"{moment:%y%m%d}" for moment in moments[:4]] == ["240329", "240628", "240927", "241227"]
    assert [f"{moment:%y%m%d}" for moment in moments[4:8]] == ["250328", "250627", "250926", "251226"]
    assert [f"{moment:%y%m%d}" for moment in moments[8:]] == ["260327", "260626", "260925", "261225"]
    assert {(moment.weekday(), moment.hour) for moment in moments} == {(4, 8)}


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
@pytest.mark.parametrize("asset", ["BTC", "ETH"])
def test_the_current_and_the_next_quarter_trade_and_delivered_ones_still_answer(exchange, asset):
    def dated(now: datetime) -> list[str]:
        return sorted(
            symbol[-6:]
            for symbol, listing in listed(exchange, now).items()
            if symbol.startswith(f"{asset}/USDT:USDT-") and listing.delisted_ms is None
        )

    assert dated(NOW) == ["261225", "270326"]
    assert dated(datetime(2026, 9, 25, 7, 59, tzinfo=UTC)) == ["260925", "261225"]
    assert dated(datetime(2026, 9, 25, 8, tzinfo=UTC)) == ["261225", "270326"]
    delivered = candles(exchange, f"{asset}/USDT:USDT-260925")
    assert delivered.open_ms[-1] == utc_ms(2026, 9, 25, 7)
    spot = market().candles(exchange, f"{asset}/USDT", "1h", "last", utc_ms(2026, 9, 25, 7), utc_ms(2026, 9, 25, 7))
    assert delivered.close[-1] == pytest.approx(spot.close[0], rel=0.002)


def test_the_term_structure_has_rich_fronts_and_backwardation():
    spot = candles("binance", "BTC/USDT")
    rich, backward = 0, 0
    for row in np.flatnonzero((spot.open_ms + HOUR_MS) % DAY_MS == 0):
        end = int(spot.open_ms[row]) + HOUR_MS
        curve = []
        for expiry in quarterly_expiries(end + 7 * DAY_MS, end + 200 * DAY_MS)[:2]:
            symbol = f"BTC/USDT:USDT-{datetime.fromtimestamp(expiry / 1000, UTC):%y%m%d}"
            dated = market().candles("binance", symbol, "1h", "last", end - HOUR_MS, end - HOUR_MS)
            if len(dated.close):
                premium = dated.close[0] / spot.close[row] - 1
                curve.append((premium, premium * 365 * DAY_MS / (expiry - end)))
        if len(curve) == 2:
            (front, front_annualised), (far, far_annualised) = curve
            assert abs(front) < 0.1
            rich += front_annualised >= 0.20 and front_annualised - far_annualised >= 0.10
            backward += 0 > front > far
    assert rich >= 3
    assert backward >= 3


def test_a_sectors_regimes_follow_one_another_without_gaps():
    for sector in PHASE_DAYS:
        calendar = episodes(7, sector, HOURS)
        assert calendar[0].start_hour <= 0 < HOURS < calendar[-1].end_hour
        for earlier, later in pairwise(calendar):
            assert later.start_hour == pytest.approx(earlier.end_hour)
        assert [each.stage for each in calendar[: len(STAGES)]] == list(STAGES)


@pytest.mark.parametrize("seed", [0, 7, 42])
def test_every_stage_is_met_by_some_sector_in_any_60_days(seed):
    calendars = [episodes(seed, sector, HOURS) for sector in PHASE_DAYS]
    for day in range(60, HOURS // 24, 15):
        met = {
            each.stage.name
            for calendar in calendars
            for each in calendar
            if each.start_hour < day * 24 and each.end_hour > (day - 60) * 24
        }
        assert met == {stage.name for stage in STAGES}


def test_bitcoin_is_overbought_and_calms_down_in_the_last_80_days():
    # The hedge opens at 3 bp and closes at 1.5 bp or below.
    funding = three_day_funding_bps("BTC")
    hot = np.flatnonzero(funding >= 3.0)
    assert hot.size >= 9
    assert (funding[hot[0] :] <= 1.5).any()
    assert funding[: hot[0]].max(initial=0) < 3.0


def test_some_sectors_shorts_pay_more_than_2_bp_in_the_last_80_days():
    assert min(three_day_funding_bps(asset).min() for asset in ("LINK", "TAO", "DOGE")) < -3


def test_funding_keeps_changing_its_sign_where_a_sector_is_unstable():
    calendar = episodes(7, "INFRASTRUCTURE", HOURS)
    unstable = [each for each in calendar if each.stage.name == "unstable" and each.end_hour < HOURS][-1]
    start, end = (int(ORIGIN_MS + hour * HOUR_MS) for hour in (unstable.start_hour, unstable.end_hour))
    rates = market().settlements("binance", "LINK/USDT:USDT", start + 2 * DAY_MS, end).funding_rate
    daily = rates[: len(rates) // 3 * 3].reshape(-1, 3).mean(axis=1) * 1e4
    clear = daily[np.abs(daily) >= 0.5]
    assert (np.sign(clear[1:]) != np.sign(clear[:-1])).sum() >= 6


def test_prices_stay_where_they_belong_over_five_years():
    for coin in COINS.values():
        exchange = coin.exchanges[0] if coin.exchanges else "binance"
        symbols = [symbol for symbol in listed(exchange) if symbol == f"{coin.asset}/USDT"]
        rows = market().candles(exchange, symbols[0], "1d", "last", 0, NOW_MS)
        assert rows.close.min() > coin.price_usd / 6
        assert rows.close.max() < coin.price_usd * 6
