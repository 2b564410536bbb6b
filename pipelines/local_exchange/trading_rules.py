"""What an exchange takes as an order: its step of quantity, its step of price, its smallest worth.

The rules follow one reference price, which does not depend on the day that is asked for: the simulation's usual price
of a coin, the first recorded close of an instrument. Where the exchanges' own rules are modelled, and where not, is in
`docs/local-exchange.md`.
"""

from dataclasses import dataclass
from decimal import Decimal

USD_QUOTES = frozenset({"USD", "USDT", "USDC"})

_MOST_USD_PER_STEP = {"spot": 1, "perp": 100, "dated": 100}
_CONTRACTS_PER_STEP = {"okx": Decimal("0.01")}  # the others take whole contracts, or coins where a contract is one coin
_COIN_MARGINED_IN_COINS = frozenset({"bitget"})
_SIGNIFICANT_DIGITS = 6
_FINEST = 1e-8  # where no price is known

_SMALLEST_SPOT_USD = {"binance": 5.0, "bybit": 5.0, "bingx": 5.0, "mexc": 1.0, "bitget": 1.0}
_SMALLEST_CONTRACT_USD = {"binance": 5.0, "bybit": 5.0, "bingx": 2.0, "bitget": 5.0}
_SMALLEST_OF_BINANCE_USD = {"BTC": 100.0, "ETH": 20.0}


@dataclass(frozen=True, slots=True)
class TradingRules:
    """The rules of one instrument.

    Attributes:
        lot_step: Step and least quantity of an order in units of base, contracts of a coin-margined contract that is
            quoted in them (all but Bitget's).
        tick_size: Step of a price, quote per unit of base.
        min_notional_usd: Least worth of an order; None where the exchange publishes none.
    """

    lot_step: float
    tick_size: float
    min_notional_usd: float | None


def exact(number: float) -> Decimal:
    """The number that its shortest text says."""
    return Decimal(repr(number))


def price_decimals(price: float) -> int:
    """Decimals of prices around this one: six digits."""
    return _SIGNIFICANT_DIGITS - 1 - exact(price).adjusted()


def usual_rules(
    exchange: str, kind: str, base: str, price: float | None, contract_size: float, *, is_inverse: bool
) -> TradingRules:
    """The rules of an instrument at its reference price.

    A step is a coin, a contract where that is not a coin, or a smaller power of ten that is worth at most $1 on spot
    and $100 on contracts: 0.00001 BTC and 0.001 BTC at $60,000.

    Args:
        exchange: ccxt's name of the exchange.
        kind: `spot`, `perp` or `dated`.
        base: Base currency as the exchange spells it.
        price: Reference price in USD per unit of base; None where it is not known: the finest steps, 0.00000001.
        contract_size: Units of base per contract; 1 for spot.
        is_inverse: Whether it is settled in its base coin.
    """
    counts_usd = is_inverse and exchange not in _COIN_MARGINED_IN_COINS
    tick_size = _FINEST if price is None else float(f"1e{-price_decimals(price)}")
    if counts_usd:
        return TradingRules(1.0, tick_size, None)
    if price is None:
        return TradingRules(_FINEST, _FINEST, None)
    unit = exact(contract_size) * (_CONTRACTS_PER_STEP.get(exchange, 1) if kind != "spot" else 1)
    worth_little = _power_of_ten(_MOST_USD_PER_STEP[kind] / exact(price))
    return TradingRules(min(float(unit), worth_little), tick_size, _smallest_usd(exchange, kind, base))


def _power_of_ten(most: Decimal) -> float:
    """The largest power of ten that is `most` or less."""
    return float(f"1e{most.adjusted()}")


def _smallest_usd(exchange: str, kind: str, base: str) -> float | None:
    if kind == "spot":
        return _SMALLEST_SPOT_USD.get(exchange)
    smallest = _SMALLEST_CONTRACT_USD.get(exchange)
    return _SMALLEST_OF_BINANCE_USD.get(base, smallest) if exchange == "binance" else smallest
