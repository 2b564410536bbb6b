"""Hourly candles in the place of daily ones: the same closes and volumes of a day, from the same market over HTTP."""

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
SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT", "ETH/USD:ETH", "1000PEPE/USDT:USDT")


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
