"""From an exchange over HTTP to the tables of instruments and days: hourly candles, coin-margined contracts."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.registry import open_adapter
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp
from pipelines.raw.ingest import Limits, ingest_exchange, ingest_instruments
from pipelines.raw.plan import Wants, plan_series
from warehouse.raw import RawWriter

FIRST, NOW = datetime(2024, 6, 20), datetime(2024, 6, 30, 0, 15)
SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "1000PEPE/USDT:USDT")


@pytest.fixture(scope="module")
def daily_and_hourly(dbt_build: Callable[[str], Any]) -> dict[str, Any]:
    """A build per timeframe, with ten days of both exchanges."""
    builds = {timeframe: dbt_build(f"candles_{timeframe}") for timeframe in ("1d", "1h")}
    with LocalExchangeProcess(now=NOW) as server:
        for timeframe, build in builds.items():
            with duckdb.connect(str(build.path)) as con:
                for exchange in ("binance", "bybit"):
                    asyncio.run(_read(server.url, exchange, timeframe, RawWriter(con)))
            build.dbt("build", "--select", "+int_instrument_observed", "--exclude-resource-type", "unit_test")
    return builds


async def _read(url: str, exchange: str, timeframe: str, writer: RawWriter) -> None:
    stamp = Stamp("run", NOW, "simulated", LagMinutes())
    async with open_adapter(exchange, base_url=url, now_ms=lambda: to_milliseconds(NOW), rate_limit=False) as adapter:
        fetched = await adapter.instruments()
        await ingest_instruments(adapter, fetched, writer, stamp=stamp, clock=lambda: NOW)
        listed = fetched.frame.filter(fetched.frame["symbol"].is_in(SYMBOLS))
        wants = Wants((timeframe,), (timeframe,))
        plan = plan_series(listed, _nothing_stored(), adapter.capabilities, wants, FIRST, NOW)
        await ingest_exchange(adapter, plan, writer, Limits(), lambda _: None, stamp=stamp, clock=lambda: NOW)


def _nothing_stored() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(("dataset", "symbol", "price_type", "timeframe"), pl.String))


def test_closes_and_volumes_of_a_day_are_the_same_to_a_billionth(daily_and_hourly: dict[str, Any]) -> None:
    query = "select exchange, symbol, date, close_usd, volume_usd, last_closed_at from intermediate.int_candle_daily"
    daily, hourly = (
        {(row["exchange"], row["symbol"], row["date"]): row for row in daily_and_hourly[timeframe].query(query)}
        for timeframe in ("1d", "1h")
    )
    assert len(daily) == 2 * len(SYMBOLS) * 10
    assert daily.keys() == hourly.keys()
    for key, row in daily.items():
        assert row["close_usd"] > 0 and row["volume_usd"] > 0, key
        assert hourly[key]["close_usd"] == pytest.approx(row["close_usd"], rel=1e-9), key
        assert hourly[key]["volume_usd"] == pytest.approx(row["volume_usd"], rel=1e-9), key
        assert hourly[key]["last_closed_at"] == row["last_closed_at"], key


def test_the_hours_were_read_and_not_the_days(daily_and_hourly: dict[str, Any]) -> None:
    frames = "select distinct timeframe, covered_hours from intermediate.int_candle_daily"
    assert daily_and_hourly["1h"].query(frames) == [{"timeframe": "1h", "covered_hours": 24}]
    assert daily_and_hourly["1d"].query(frames) == [{"timeframe": "1d", "covered_hours": 24}]


def test_funding_and_open_interest_do_not_depend_on_the_candles(daily_and_hourly: dict[str, Any]) -> None:
    query = (
        "select exchange, symbol, date, funding_8h_bps, observed_base from intermediate.int_instrument_observed "
        "where market_type = 'perpetual' order by all"
    )
    daily, hourly = (daily_and_hourly[timeframe].query(query) for timeframe in ("1d", "1h"))
    assert len(daily) >= 60
    for one, other in zip(daily, hourly, strict=True):
        assert [one[name] for name in ("exchange", "symbol", "date")] == [
            other[n] for n in ("exchange", "symbol", "date")
        ]
        assert one["funding_8h_bps"] == other["funding_8h_bps"]
        if one["observed_base"] is None:
            assert other["observed_base"] is None
        else:
            assert other["observed_base"] == pytest.approx(one["observed_base"], rel=1e-9)


def test_coin_margined_contracts_are_right_beside_the_usdt_margined_ones_on_the_coin(
    daily_and_hourly: dict[str, Any],
) -> None:
    """Binance's contract is 100 USD and Bybit's is one: taken for coins, either would be thousands of times off."""
    query = """
        select exchange, date,
            max(observed_base) filter (where symbol = 'BTC/USD:BTC') as coins_inverse,
            max(observed_base) filter (where symbol = 'BTC/USDT:USDT') as coins_linear,
            max(close_usd) filter (where symbol = 'BTC/USD:BTC') as close_inverse,
            max(close_usd) filter (where symbol = 'BTC/USDT:USDT') as close_linear,
            max(volume_usd) filter (where symbol = 'BTC/USD:BTC') as volume_inverse,
            max(volume_usd) filter (where symbol = 'BTC/USDT:USDT') as volume_linear,
            max(funding_8h_bps) filter (where symbol = 'BTC/USD:BTC') as funding_inverse,
            max(funding_8h_bps) filter (where symbol = 'BTC/USDT:USDT') as funding_linear
        from intermediate.int_instrument_observed where date between '2024-06-21' and '2024-06-29' group by all
    """
    days = daily_and_hourly["1d"].query(query)
    assert {day["exchange"] for day in days} == {"binance", "bybit"} and len(days) == 18
    for day in days:
        # The simulated market holds 12% of the open interest in coin-margined contracts, traded as often.
        assert day["coins_inverse"] / day["coins_linear"] == pytest.approx(0.12, rel=0.25), day
        assert day["volume_inverse"] / day["volume_linear"] == pytest.approx(0.12, rel=0.25), day
        assert day["close_inverse"] == pytest.approx(day["close_linear"], rel=5e-3), day
        assert abs(day["funding_inverse"] - day["funding_linear"]) < 0.5, day
