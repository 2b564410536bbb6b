"""What counts of an asset's day when exchanges disagree, fall silent or speak in odd units."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from raw_history import RawHistory

DAYS = [date(2025, 1, 1) + timedelta(days=n) for n in range(8)]
FIRST, SECOND, THIRD, FOURTH, FIFTH = DAYS[:5]


def at(day: date, hours: float) -> datetime:
    return datetime(day.year, day.month, day.day) + timedelta(hours=hours)


def _funding_intervals(history: RawHistory) -> None:
    for asset, hours in (("EIGHT", 8), ("FOUR", 4), ("ONE", 1)):
        for settled in range(hours, 25, hours):
            history.funding("a", f"{asset}/USDT:USDT", at(FIRST, settled), 1e-4 * hours / 8, hours)
    history.funding("a", "SHORT/USDT:USDT", at(FIRST, 8), 1e-4)
    history.funding("a", "SHORT/USDT:USDT", at(SECOND, 0), 1e-4, 7)  # 15 hours in all


def _weighting(history: RawHistory) -> None:
    for asset, volume in (("BYVOLUME", 3e6), ("EQUAL", None)):
        for day in DAYS[:6]:
            history.complete_day("a", f"{asset}/USDT:USDT", day, 100, 50, rate=1e-4, volume=volume)
            history.candle("b", f"{asset}/USDT:USDT", day, 100, 1e6 if volume else None)
            for hours in (8, 16, 24):
                history.funding("b", f"{asset}/USDT:USDT", at(day, hours), 5e-4)
    for exchange, coins, rate in (("a", 30, 1e-4), ("b", 10, 5e-4)):
        history.complete_day(exchange, "BYOI/USDT:USDT", FIRST, 100, coins, rate=rate)


def _units(history: RawHistory) -> None:
    history.instrument("a", "INV/USD:INV", contract_size=100.0)
    history.candle("a", "INV/USD:INV", FIRST, 50.0)
    history.open_interest("a", "INV/USD:INV", SECOND, open_interest_contracts=10)  # 1000 USD, 20 coins
    history.instrument("b", "INV/USDT:USDT", contract_size=0.5)
    history.candle("b", "INV/USDT:USDT", FIRST, 50.0)
    history.open_interest("b", "INV/USDT:USDT", SECOND, open_interest_contracts=10)  # 5 coins
    history.open_interest("c", "INV/USDT:USDT", SECOND, open_interest_usd=350.0)  # 7 coins at the others' median
    history.instrument("a", "1000PEPE/USDT:USDT", contract_multiplier=1000.0)
    history.candle("a", "1000PEPE/USDT:USDT", FIRST, 0.0078125)
    history.open_interest("a", "1000PEPE/USDT:USDT", SECOND, 4.0)
    for symbol, price, coins in (("MKR/USDT:USDT", 1536.0, 2.0), ("SKY/USDT:USDT", 0.0640625, 1000.0)):
        history.instrument("a", symbol)
        history.candle("a", symbol, FIRST, price)
        history.open_interest("a", symbol, SECOND, coins)
    history.candle("a", "INV/BTC", FIRST, 0.5)  # not quoted in dollars


def _unlisted(history: RawHistory) -> None:
    # No exchange lists these any more: the symbols must do.
    history.candle("a", "GONE/USDT", FIRST, 64.0, 1e6)
    history.candle("a", "GONE/USDT:USDT", FIRST, 65.0, 2e6)
    history.candle("a", "GONE/USD:GONE", FIRST, 65.0, 4e6)
    history.candle("a", "GONE/USDT:USDT-250328", FIRST, 80.0, 8e6)
    history.open_interest("a", "GONE/USD:GONE", SECOND, open_interest_usd=650.0)


def _carrying(history: RawHistory) -> None:
    for day in DAYS[:4]:
        history.candle("a", "CARRY/USDT:USDT", day, 100 + DAYS.index(day))
    history.open_interest("a", "CARRY/USDT:USDT", SECOND, 10)


def _prices(history: RawHistory) -> None:
    for exchange, price in (("a", 100.0), ("b", 100.5), ("c", 107.0)):
        history.complete_day(exchange, "THREE/USDT:USDT", FIRST, price, 10, rate=price * 1e-6)
    for exchange, price in (("a", 100.0), ("b", 107.0)):
        history.complete_day(exchange, "TWO/USDT:USDT", FIRST, price, 10)


def _jumps(history: RawHistory) -> None:
    stories = {
        "LEVEL": ([10, 30, 30, 30], [100] * 4),
        "SPIKE": ([10, 30, 10, 10], [100] * 4),
        "SILENT": ([10, 30, None, 10], [100] * 4),
        "SAWTOOTH": ([10, 30, 30, 10, 30], [100] * 5),
        "ALL": ([10, 30, 30, 30], [100, 115, 115, 115]),
        "ALONE": ([10, 30, 30, 30], []),
    }
    for asset, coins in stories.items():
        for exchange, series in zip("ab", coins, strict=True):
            for day, q in zip(DAYS, series, strict=False):
                history.candle(exchange, f"{asset}/USDT:USDT", day, 1.0)
                if q is not None:
                    history.open_interest(exchange, f"{asset}/USDT:USDT", day + timedelta(days=1), q)
    for symbol, coins in (("TWICE/USDT:USDT", [10, 30]), ("TWICE/USDC:USDC", [5])):
        for day, q in zip(DAYS, coins, strict=False):
            history.candle("a", symbol, day, 1.0)
            history.open_interest("a", symbol, day + timedelta(days=1), q)
    for day in DAYS[:2]:
        history.candle("b", "TWICE/USDT:USDT", day, 1.0)
        history.open_interest("b", "TWICE/USDT:USDT", day + timedelta(days=1), 100)


def _wrong_unit(history: RawHistory) -> None:
    for exchange, coins in (("a", 51e6), ("b", 49e6)):  # of a dollar each, against a million dollars of volume a day
        history.candle(exchange, "UNIT/USDT:USDT", FIRST, 1.0, volume=1e6)
        history.open_interest(exchange, "UNIT/USDT:USDT", SECOND, coins)


def _silence(history: RawHistory) -> None:
    for day in DAYS[:2]:
        history.complete_day("a", "LATE/USDT:USDT", day, 100, 10)
        history.funding("b", "LATE/USDT:USDT", at(day, 4), 9e-4, 24)  # newest row 20 h 15 min before the decision


@pytest.fixture(scope="module")
def assets(dbt_build: Callable[[str], Any]) -> Callable[[str, date], dict[str, Any]]:
    """`assets(asset, day)` gives a row of the asset mart; nobody sent anything for the last two days."""
    history, build = RawHistory(), dbt_build("edge_cases")
    for tell in (_funding_intervals, _weighting, _units, _unlisted, _carrying, _prices, _jumps, _wrong_unit, _silence):
        tell(history)
    build.load(history)
    variables = {"as_of_date": str(DAYS[-1]), "data_stale_exchange_hours": 20}
    build.dbt(
        "build",
        "--select",
        "+asset_futures_daily",
        "sectors",
        "--exclude-resource-type",
        "unit_test",
        variables=variables,
    )
    rows = build.by_key("marts.asset_futures_daily", "asset", "date")
    return lambda asset, day: rows[asset, day]


@pytest.mark.parametrize("asset", ["EIGHT", "FOUR", "ONE"])
def test_funding_paid_at_any_interval_is_exactly_one_basis_point(assets: Any, asset: str) -> None:
    # 3 x 1 bp per 8 h = 6 x 0.5 bp per 4 h = 24 x 0.125 bp per 1 h
    assert assets(asset, FIRST)["funding_8h_bps"] == 1.0


def test_funding_of_fifteen_hours_is_unknown(assets: Any) -> None:
    assert assets("SHORT", FIRST)["funding_8h_bps"] is None


@pytest.mark.parametrize(
    ("asset", "day", "weighting", "bps"),
    [
        ("BYOI", FIRST, "oi", 2.0),  # (30 x 1 + 10 x 5) / 40
        ("BYVOLUME", FIFTH, "volume", 2.0),  # b has no open interest; 3 : 1 by volume, 5 days known
        ("BYVOLUME", FOURTH, "equal", 3.0),  # 4 of 7 days are too few
        ("EQUAL", FIFTH, "equal", 3.0),
    ],
)
def test_funding_is_weighted_by_what_every_instrument_has(
    assets: Any, asset: str, day: date, weighting: str, bps: float
) -> None:
    row = assets(asset, day)
    assert (row["funding_weighting"], row["funding_8h_bps"]) == (weighting, bps)


def test_inverse_linear_and_dollar_open_interest_add_up(assets: Any) -> None:
    row = assets("INV", FIRST)
    assert (row["open_interest_base"], row["open_interest_usd"]) == (32.0, 1600.0)  # (20 + 5 + 7) coins at 50


def test_contract_of_a_thousand_coins_counts_a_thousand_and_is_priced_per_coin(assets: Any) -> None:
    row = assets("PEPE", FIRST)
    assert (row["perp_close_usd"], row["open_interest_base"]) == (0.0078125 / 1000, 4000.0)


def test_renamed_coin_is_one_asset_in_new_coins(assets: Any) -> None:
    # One MKR became 24000 SKY: 1536 / 24000 = 0.064 beside 0.0640625; 2 MKR are 48000 SKY.
    row = assets("SKY", FIRST)
    assert row["perp_close_usd"] == pytest.approx((0.064 + 0.0640625) / 2)
    assert row["open_interest_base"] == 49000.0


def test_price_in_another_coin_is_no_dollar_price(assets: Any) -> None:
    assert assets("INV", FIRST)["spot_close_usd"] is None


def test_symbol_alone_tells_spot_perpetual_and_dated_apart(assets: Any) -> None:
    row = assets("GONE", FIRST)
    assert (row["spot_close_usd"], row["spot_volume_usd"]) == (64.0, 1e6)
    assert (row["perp_close_usd"], row["perp_volume_usd"], row["open_interest_base"]) == (65.0, 6e6, 10.0)


def test_open_interest_is_carried_one_day_at_that_days_price(assets: Any) -> None:
    carried, gone = assets("CARRY", SECOND), assets("CARRY", THIRD)
    assert (carried["open_interest_usd"], carried["open_interest_is_carried"]) == (10 * 101.0, True)
    assert (gone["open_interest_usd"], gone["open_interest_is_carried"]) == (None, False)


def test_exchange_whose_price_departs_from_two_others_is_left_out(assets: Any) -> None:
    row = assets("THREE", FIRST)
    assert (row["perp_close_usd"], row["open_interest_base"], row["exchanges"]) == (100.25, 20.0, 2)
    assert row["funding_8h_bps"] == pytest.approx((1.0 * 1000 + 1.005 * 1005) / 2005, abs=1e-9)


def test_two_exchanges_that_disagree_are_both_kept(assets: Any) -> None:
    row = assets("TWO", FIRST)
    assert (row["perp_close_usd"], row["open_interest_base"]) == (103.5, 20.0)


@pytest.mark.parametrize(
    ("asset", "coins"),
    [
        ("LEVEL", [110, 100, 130, 130]),  # dropped once; the next day has nothing to be compared with
        ("SPIKE", [110, 100, 110, 110]),
        ("SILENT", [110, 100, 100, 110]),  # a dropped day is not carried
        ("SAWTOOTH", [110, 100, 130, 100, 130]),  # dropped, kept, dropped, kept: each depends on the day before
        ("ALL", [110, 145, 145, 145]),  # the other exchange moved by 15%: it is the market
        ("ALONE", [10, 30, 30, 30]),
        ("TWICE", [115, 100]),  # 15 to 35 coins: what another contract of the exchange would carry goes, too
    ],
)
def test_jump_of_open_interest_on_one_exchange_is_not_believed(assets: Any, asset: str, coins: list[float]) -> None:
    assert [assets(asset, day)["open_interest_base"] for day in DAYS[: len(coins)]] == coins


def test_open_interest_of_more_than_fifty_days_of_volume_is_not_believed(assets: Any) -> None:
    assert assets("UNIT", FIRST)["open_interest_base"] == 49e6


def test_exchange_without_a_recent_row_is_left_out(assets: Any) -> None:
    row = assets("LATE", SECOND)
    assert (row["funding_8h_bps"], row["exchanges"]) == (1.0, 1)


def test_day_that_no_exchange_spoke_of_has_a_row_of_unknowns(assets: Any) -> None:
    row = assets("LATE", DAYS[-1])
    assert row["funding_8h_bps"] is row["open_interest_usd"] is row["perp_close_usd"] is None
    assert row["exchanges"] == 0
