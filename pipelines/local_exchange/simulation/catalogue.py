"""What is traded in the simulated market: coins, exchanges and their instruments."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import floor, log10

import numpy as np
import numpy.typing as npt

from pipelines.local_exchange.simulation.calendar import (
    DELISTINGS,
    INTERVAL_CHANGES,
    LISTINGS,
    ORIGIN_MS,
    RENAMES,
    USUAL_INTERVAL_HOURS,
    quarterly_expiries,
)
from pipelines.local_exchange.timeframes import HOUR_MS
from pipelines.local_exchange.trading_rules import TradingRules, price_decimals, usual_rules


@dataclass(frozen=True)
class Coin:
    """A coin under its newest code.

    Attributes:
        price_usd: Price around which the simulation moves.
        open_interest_usd: Usual open interest over all exchanges.
        market_beta: Move per move of the whole market.
        idio_sigma: Standard deviation of the daily return that is its own.
        exchanges: Where it is traded; None is everywhere.
    """

    asset: str
    sector: str
    price_usd: float
    open_interest_usd: float
    market_beta: float = 1.1
    idio_sigma: float = 0.016
    exchanges: tuple[str, ...] | None = None


def _coins() -> dict[str, Coin]:
    usual = {  # sector -> (asset, price, open interest in million USD)
        "L1": "ETH 3000 5000,SOL 150 1800,BNB 500 500,ADA 0.6 350,AVAX 30 300,SUI 2.5 350,S 0.5 90,A 0.6 60,"
        "KAIA 0.15 30",
        "L2": "POL 0.5 150,ARB 0.8 180,OP 1.6 160,STRK 0.5 60",
        "DEFI": "UNI 8 180,AAVE 150 170,SKY 0.06 90,CRV 0.5 90,ONDO 0.9 120,COMP 55 40",
        "INFRASTRUCTURE": "LINK 15 350,RENDER 5 120,FIL 5 110,PYTH 0.3 50,ENS 20 60",
        "HIGH_BETA": "FET 1.2 150,WLD 2.2 170,TAO 350 130,GALA 0.03 70",
        "MEMES": "DOGE 0.15 900,SHIB 2e-5 200,PEPE 1e-5 300,BONK 2e-5 110,FLOKI 1.5e-4 70,WIF 1.8 160",
        "PAYMENTS": "XRP 0.6 1200,LTC 80 250,XLM 0.12 110,BCH 400 200",
        "PRIVACY": "XMR 160 70,ZEC 35 90,DASH 30 40",
    }
    coins = [Coin("BTC", "STORE_OF_VALUE", 60_000, 9e9, 0.8, 0.006)]
    for sector, line in usual.items():
        for asset, price, open_interest in (entry.split() for entry in line.split(",")):
            coins.append(Coin(asset, sector, float(price), float(open_interest) * 1e6))
    coins += [
        Coin("TON", "L1", 5, 150e6, exchanges=("binance",)),
        Coin("KAS", "L1", 0.1, 60e6, exchanges=("bybit",)),
    ]
    return {coin.asset: coin for coin in coins}


COINS = _coins()
DATED_COINS = ("BTC", "ETH")
THOUSANDS = ("PEPE", "SHIB", "BONK", "FLOKI")  # their contracts are on 1000 coins


@dataclass(frozen=True)
class Exchange:
    """How one exchange differs from another: the whole difference stands here.

    Attributes:
        share: Its open interest and volume in parts of what Binance and Bybit have together.
        price_noise: Standard deviation of its prices around the common one (fraction).
        funding_noise_bps: Standard deviation of its funding around the common one, bp per 8 h.
        inverse_contract_usd: USD per coin-margined contract; empty where it has none.
        renamed_bases: Codes it uses instead of the usual ones.
        contract_coins: Coins per USDT-margined contract by code; a code without an entry has 1.
        has_thousands: Whether its contracts on the cheapest coins are on 1000 coins.
        has_dated: Whether it lists USDT-margined quarterlies.
        has_inverse_dated: Whether it lists coin-margined quarterlies.
    """

    name: str
    share: float
    price_noise: float
    funding_noise_bps: float
    inverse_contract_usd: dict[str, float]
    renamed_bases: dict[str, str]
    contract_coins: dict[str, float] = field(default_factory=dict)
    has_thousands: bool = True
    has_dated: bool = True
    has_inverse_dated: bool = False


EXCHANGES = {
    "binance": Exchange("binance", 0.6, 1.0e-4, 0.10, {"BTC": 100.0, "ETH": 10.0}, {}),
    "bybit": Exchange("bybit", 0.4, 1.5e-4, 0.15, {"BTC": 1.0, "ETH": 1.0}, {"1000SHIB": "SHIB1000"}),
    "bingx": Exchange("bingx", 0.08, 2.5e-4, 0.25, {"BTC": 100.0, "ETH": 10.0}, {}, has_dated=False),
    "weex": Exchange("weex", 0.06, 2.5e-4, 0.25, {}, {}, {"BTC": 1e-4, "ETH": 1e-3, "SOL": 0.1}, has_dated=False),
    "mexc": Exchange(
        "mexc", 0.12, 2.0e-4, 0.20, {"BTC": 100.0, "ETH": 10.0}, {},
        contract_coins={"BTC": 1e-4, "ETH": 0.01, "PEPE": 1e7, "SHIB": 1e3, "BONK": 1e5, "FLOKI": 1e4},
        has_thousands=False, has_dated=False,
    ),
    "bitget": Exchange(
        "bitget", 0.15, 1.5e-4, 0.15, {"BTC": 1.0, "ETH": 1.0}, {},
        has_thousands=False, has_dated=False, has_inverse_dated=True,
    ),
    "okx": Exchange(
        "okx", 0.25, 1.5e-4, 0.15, {"BTC": 100.0, "ETH": 10.0}, {},
        contract_coins={
            "BTC": 0.01, "ETH": 0.1, "BNB": 0.01, "BCH": 0.1, "AAVE": 0.1, "XMR": 0.1, "COMP": 0.1, "TAO": 0.01,
            "XRP": 100.0, "ADA": 100.0, "XLM": 100.0, "DOGE": 1e3, "GALA": 10.0, "SHIB": 1e6, "PEPE": 1e7,
            "BONK": 1e5, "FLOKI": 1e5,
        },
        has_thousands=False, has_inverse_dated=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Instrument:
    """One instrument of one exchange. Times are UTC milliseconds; prices are in quote units per `base` unit.

    Attributes:
        kind: `spot`, `perp` or `dated`.
        coins_per_unit: Today's coins in one unit of `base`: 1000 for 1000PEPE, 24000 for MKR.
        contract_size: Base units per contract, USD per contract where `settle` is `base`; 1 for spot.
        first_ms: Opening of its first candle.
        last_ms: End of its trading (delisting, rename or expiry); None while it trades.
    """

    exchange: str
    symbol: str
    kind: str
    base: str
    quote: str
    settle: str | None
    coin: Coin
    coins_per_unit: float
    contract_size: float
    first_ms: int
    last_ms: int | None
    expiry_ms: int | None

    @property
    def is_inverse(self) -> bool:
        return self.kind != "spot" and self.settle == self.base

    @property
    def price_decimals(self) -> int:
        """Decimals of its prices: six digits at the usual price."""
        return price_decimals(self._usual_price)

    @property
    def volume_decimals(self) -> int:
        """Decimals of its volume and open interest, in base units: a step is worth a dollar or less."""
        return -floor(log10(1.0 / self._usual_price))

    @property
    def rules(self) -> TradingRules:
        """What it takes as an order, the same on every day."""
        return usual_rules(
            self.exchange, self.kind, self.base, self._usual_price, self.contract_size, is_inverse=self.is_inverse
        )

    @property
    def _usual_price(self) -> float:
        return self.coin.price_usd * self.coins_per_unit

    def interval_hours(self, settled_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Hours between settlements in the periods that end at `settled_ms`."""
        usual = USUAL_INTERVAL_HOURS.get(self.coin.asset, 8)
        if self.coin.asset not in INTERVAL_CHANGES:
            return np.full(len(settled_ms), usual, dtype=np.int64)
        since, until, hours = INTERVAL_CHANGES[self.coin.asset]
        return np.where((settled_ms > _ms(since)) & (settled_ms <= _ms(until)), hours, usual)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _codes(coin: Coin, exchange: str) -> Iterator[tuple[str, float, int, int | None]]:
    """The coin's codes in time order: code, today's coins per unit, first and last millisecond."""
    first = _ms(LISTINGS[coin.asset]) if coin.asset in LISTINGS else ORIGIN_MS
    gone = DELISTINGS.get((exchange, coin.asset)) or DELISTINGS.get((None, coin.asset))
    last = _ms(gone) if gone else None
    for rename in RENAMES:
        if rename.new == coin.asset:
            yield rename.old, rename.ratio, first, _ms(rename.at)
            first = _ms(rename.at)
    yield coin.asset, 1.0, first, last


def _of_coin(exchange: Exchange, coin: Coin, now_ms: int) -> Iterator[Instrument]:
    """The coin's instruments, one code after the other."""
    for code, ratio, first_ms, last_ms in _codes(coin, exchange.name):
        usual = Instrument(
            exchange=exchange.name,
            symbol=f"{code}/USDT",
            kind="spot",
            base=code,
            quote="USDT",
            settle=None,
            coin=coin,
            coins_per_unit=ratio,
            contract_size=1.0,
            first_ms=first_ms,
            last_ms=last_ms,
            expiry_ms=None,
        )
        yield usual
        size = exchange.contract_coins.get(code, 1.0)
        perpetual = replace(usual, kind="perp", settle="USDT", symbol=f"{code}/USDT:USDT", contract_size=size)
        if code in THOUSANDS and exchange.has_thousands:
            base = exchange.renamed_bases.get(f"1000{code}", f"1000{code}")
            perpetual = replace(perpetual, base=base, coins_per_unit=1000.0, symbol=f"{base}/USDT:USDT")
        yield perpetual
        if coin.asset in exchange.inverse_contract_usd:
            size = exchange.inverse_contract_usd[coin.asset]
            symbol = f"{code}/USD:{code}"
            inverse = replace(perpetual, symbol=symbol, quote="USD", settle=code, contract_size=size)
            yield inverse
            if coin.asset in DATED_COINS and exchange.has_inverse_dated:
                yield from _dated(inverse, now_ms)
        if coin.asset in DATED_COINS and exchange.has_dated:
            yield from _dated(perpetual, now_ms)


def _dated(perpetual: Instrument, now_ms: int) -> Iterator[Instrument]:
    """Quarterlies: the next two are listed, each from the expiry two quarters before its own."""
    half_year_ms = 200 * 24 * HOUR_MS
    quarters = quarterly_expiries(ORIGIN_MS - half_year_ms, now_ms + half_year_ms)
    for listed_ms, expiry_ms in zip(quarters, quarters[2:], strict=False):
        if expiry_ms > ORIGIN_MS:
            yield replace(
                perpetual,
                kind="dated",
                symbol=f"{perpetual.symbol}-{datetime.fromtimestamp(expiry_ms / 1000, UTC):%y%m%d}",
                first_ms=max(listed_ms, ORIGIN_MS),
                last_ms=expiry_ms,
                expiry_ms=expiry_ms,
            )


def instruments(exchange_name: str, now_ms: int) -> dict[str, Instrument]:
    """Everything the exchange has listed up to `now_ms`, also what has ended since, by symbol."""
    exchange = EXCHANGES[exchange_name]
    return {
        item.symbol: item
        for coin in COINS.values()
        if coin.exchanges is None or exchange_name in coin.exchanges
        for item in _of_coin(exchange, coin, now_ms)
        if item.first_ms <= now_ms
    }
