"""A random market with every difficulty that the models must cope with; the same rows on every call."""

import random
from datetime import date, datetime, timedelta
from math import exp

from raw_history import RawHistory, instant

FIRST_DAY, DAYS = date(2025, 1, 1), 150


def random_market() -> RawHistory:
    """150 days of ten assets on three exchanges, with gaps, glitches, odd units, a late listing and a new sector."""
    draw = random.Random(7)
    history = RawHistory()
    prices = {
        "BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0, "AVAX": 30.0, "CELO": 0.6, "ARB": 0.8,
        "UNI": 10.0, "AAVE": 120.0, "DOGE": 0.2, "PEPE": 1e-5,
    }  # fmt: skip
    coins = {asset: 1e8 / price * draw.uniform(0.3, 3) for asset, price in prices.items()}
    listed = {"listed_at": datetime(2020, 1, 1)}
    for asset in prices:
        units = 1000 if asset == "PEPE" else 1
        name = f"{units}PEPE" if asset == "PEPE" else asset
        # The three exchanges publish open interest in coins, in contracts and in USD.
        known = {} if asset == "AAVE" else listed
        history.instrument("binance", f"{name}/USDT:USDT", contract_multiplier=float(units), **known)
        history.instrument("bybit", f"{name}/USDT:USDT", contract_size=0.5, contract_multiplier=float(units), **known)
        history.instrument("okx", f"{asset}/USDC:USDC", **known)
        history.instrument("binance", f"{asset}/USDT")
    history.instrument("bybit", "BTC/USD:BTC", contract_size=100.0, **listed)
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        shock = draw.gauss(0, 0.02)
        for asset in prices:
            prices[asset] *= exp(shock + draw.gauss(0, 0.03))
            coins[asset] *= exp(draw.gauss(0, 0.04))
            if asset != "AAVE" or number >= 40:
                _random_day(history, draw, day, asset, prices[asset], coins[asset])
    return history


def _random_day(history: RawHistory, draw: random.Random, day: date, asset: str, price: float, coins: float) -> None:
    start, units = instant(day), 1000 if asset == "PEPE" else 1
    usdt = f"{units}PEPE/USDT:USDT" if asset == "PEPE" else f"{asset}/USDT:USDT"
    base = draw.gauss(0.5, 1.0)

    def here(chance: float = 0.97) -> bool:
        return draw.random() < chance

    if here():
        history.candle("binance", usdt, day, price * units, draw.uniform(5e7, 9e7))
    for kind, level in (("mark", 1.0004), ("index", 1.0)):
        if here():
            history.candle("bybit", usdt, day, price * units * level, price_type=kind)
    for hours in (0, 8, 16):
        if here():
            close = price * units * (1 + draw.gauss(0, 0.001))
            history.candle("bybit", usdt, start + timedelta(hours=hours), close, draw.uniform(1e7, 2e7), hours=8)
    if here() and asset not in ("CELO", "ARB"):
        wrong = 1.07 if here(0.02) else 1.0
        history.candle("okx", f"{asset}/USDC:USDC", day, price * wrong, None, volume_base=1e7 / price)
    if here():
        history.candle("binance", f"{asset}/USDT", day, price * 0.999, draw.uniform(2e7, 4e7))
    if here() and asset == "BTC":
        history.candle("bybit", "BTC/USD:BTC", day, price * 1.0005, 5e6)
    for hours in (8, 16, 24):
        if here():
            history.funding("binance", usdt, start + timedelta(hours=hours), (base + draw.gauss(0, 0.3)) * 1e-4)
    for hours in range(4, 25, 4):
        if here():
            rate = (base + draw.gauss(0, 0.3)) * 0.5e-4
            jitter = timedelta(milliseconds=draw.choice([0, 0, 3]) if hours < 24 else 0)
            history.funding("bybit", usdt, start + timedelta(hours=hours) + jitter, rate, hours=None)
    if here(0.9):
        history.funding("okx", f"{asset}/USDC:USDC", start + timedelta(hours=24), base * 2e-4, hours=24)
    if asset in ("DOGE", "PEPE") and (day - FIRST_DAY).days in (100, 101):
        return  # nobody tells the open interest of a whole sector
    if here(0.96):
        for minutes in (60 * 12, 60 * 23, 60 * 24 + draw.choice([-3, 0, 4, 10, 12])):
            history.open_interest("binance", usdt, start + timedelta(minutes=minutes), coins / units)
    if here(0.93):
        jump = 3.0 if here(0.03) else 1.0
        contracts = coins * jump / units / 0.5 * draw.uniform(0.3, 0.32)
        history.open_interest(
            "bybit", usdt, start + timedelta(hours=draw.choice([20, 24])), open_interest_contracts=contracts
        )
    if here() and asset not in ("CELO", "ARB"):
        usd = 0.1 * coins * price
        history.open_interest("okx", f"{asset}/USDC:USDC", start + timedelta(hours=24), open_interest_usd=usd)
    if here() and asset == "BTC":
        history.open_interest(
            "bybit", "BTC/USD:BTC", start + timedelta(hours=24), open_interest_contracts=coins * price / 1000
        )
