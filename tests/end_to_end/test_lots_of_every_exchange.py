"""Every exchange's instruments, fetched with ccxt: lots that are worth something and not much, least orders."""

import asyncio
from datetime import datetime

import polars as pl
import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.registry import ADAPTERS, open_adapter
from pipelines.local_exchange.server import LocalExchange
from pipelines.local_exchange.simulation import SimulatedMarket
from pipelines.local_exchange.simulation.catalogue import COINS

NOW_MS = to_milliseconds(datetime(2026, 11, 22, 0, 15))
ASSETS = ("BTC", "ETH", "DOGE", "PEPE")
PUBLISHED = {
    "spot": {"binance": 5.0, "bybit": 5.0, "bingx": 5.0, "mexc": 1.0, "bitget": 1.0},
    "perpetual": {"binance": 5.0, "bybit": 5.0, "bingx": 2.0, "bitget": 5.0},
}


@pytest.fixture(scope="module")
def instruments():
    """Exchange to its instruments in USDT of the coins, as the adapter brings them."""

    async def fetch():
        runner, url = await LocalExchange(SimulatedMarket(7, NOW_MS)).start()
        found = {}
        for exchange in ADAPTERS:
            async with open_adapter(exchange, base_url=url, now_ms=lambda: NOW_MS, rate_limit=False) as adapter:
                frame = (await adapter.instruments()).frame
            asset = pl.col("base").str.replace("1000", "")
            in_usdt = (pl.col("quote") == "USDT") & asset.is_in(ASSETS) & (pl.col("market_type") != "dated")
            found[exchange] = frame.with_columns(asset=asset).filter(in_usdt)
        await runner.cleanup()
        return found

    return asyncio.run(fetch())


@pytest.mark.parametrize("exchange", ADAPTERS)
def test_a_lot_of_every_major_coin_is_known_and_worth_little(instruments, exchange):
    rows = instruments[exchange].to_dicts()
    assert {(row["asset"], row["market_type"]) for row in rows} == {
        (asset, kind) for asset in ASSETS for kind in ("spot", "perpetual")
    }
    for row in rows:
        price = COINS[row["asset"]].price_usd * row["contract_multiplier"]  # usual, per unit of base
        most_usd = 1 if row["market_type"] == "spot" else 200
        assert 0 < row["lot_step"] * price <= most_usd, row["symbol"]
        assert 0 < row["tick_size"] / price <= 1e-5, row["symbol"]


@pytest.mark.parametrize("exchange", ADAPTERS)
@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_least_order_is_known_where_the_exchange_publishes_one(instruments, exchange, kind):
    of_kind = instruments[exchange].filter(pl.col("market_type") == kind)
    smallest = dict(of_kind.select("asset", "min_notional_usd").iter_rows())
    usual = PUBLISHED[kind].get(exchange)
    dearer = {"BTC": 100.0, "ETH": 20.0} if (exchange, kind) == ("binance", "perpetual") else {}
    assert smallest == dict.fromkeys(ASSETS, usual) | dearer


def test_contracts_of_many_coins_have_their_lots_in_coins(instruments):
    lots = {
        (exchange, row["symbol"]): (row["contract_size"], row["lot_step"])
        for exchange in ("mexc", "okx", "weex")
        for row in instruments[exchange].to_dicts()
    }
    assert lots["mexc", "PEPE/USDT:USDT"] == (1e7, 1e7)  # by the contract
    assert lots["mexc", "BTC/USDT:USDT"] == (1e-4, 1e-4)
    assert lots["okx", "PEPE/USDT:USDT"] == (1e7, 1e5)  # by the hundredth of one
    assert lots["okx", "BTC/USDT:USDT"] == (0.01, 1e-4)
    assert lots["weex", "ETH/USDT:USDT"] == (1e-3, 1e-3)
