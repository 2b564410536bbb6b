"""An exchange's list of markets, as ccxt unifies it -> the columns of `raw.instruments`."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import polars as pl

from pipelines.clock import from_milliseconds
from pipelines.exchanges.port import INSTRUMENT_COLUMNS, Fetched

_USD_QUOTES = frozenset({"USD", "USDT", "USDC"})
_MARKET_TYPES = {"spot": "spot", "swap": "perpetual", "future": "dated"}
_MULTIPLIER = re.compile(r"^(?P<before>1000000|100000|10000|1000|1M|k)(?=[A-Z])|(?<=[A-Z])(?P<after>1000)$")
_WORDS = {"k": 1_000.0, "1M": 1_000_000.0}


def contract_multiplier(base: str) -> float:
    """Coins in one unit of `base`: 1000 for 1000PEPE and SHIB1000, a million for 1000000MOG, 1MBABYDOGE."""
    match = _MULTIPLIER.search(base)
    if match is None:
        return 1.0
    word = match["before"] or match["after"]
    return _WORDS.get(word) or float(word)


def coins_per_step(market: dict[str, Any]) -> float | None:
    """The lot step in coins, of a contract margined in its quote currency whose step is published in contracts."""
    step, size = market["precision"]["amount"], market["contractSize"]
    return None if step is None or size is None else float(Decimal(str(step)) * Decimal(str(size)))


def instruments_frame(
    exchange: str, markets: Iterable[dict[str, Any]], details: Callable[[dict[str, Any]], dict[str, Any]]
) -> pl.DataFrame:
    """One row per spot market, perpetual and dated contract, in the columns of `raw.instruments`.

    Args:
        exchange: ccxt's name of the exchange.
        markets: ccxt's unified markets; options and the rest are left out.
        details: What only this exchange's own fields tell: any of listed_at and delist_at (milliseconds or
            None), contract_size, lot_step, is_active and min_notional_usd, which replace what ccxt gives.
    """
    rows = [_row(exchange, market, details(market)) for market in markets if market["type"] in _MARKET_TYPES]
    return pl.DataFrame(rows, schema=INSTRUMENT_COLUMNS, orient="row").sort("symbol")


def instruments_fetched(frame: pl.DataFrame, requests: int) -> Fetched:
    """The list of instruments in the shape of the port."""
    digest = hashlib.sha256(json.dumps(frame.rows(), default=str).encode()).hexdigest()
    return Fetched(frame, requests, digest)


def _smallest_usd(market: dict[str, Any]) -> Any:
    """ccxt's least worth of an order, which is in the quote currency."""
    return market["limits"]["cost"]["min"] if market["quote"] in _USD_QUOTES else None


def _row(exchange: str, market: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    is_spot = market["type"] == "spot"
    return {
        "exchange": exchange,
        "symbol": market["symbol"],
        "market_type": _MARKET_TYPES[market["type"]],
        "base": market["base"],
        "quote": market["quote"],
        "settle": market["settle"],
        "is_linear": None if is_spot else market["linear"],
        "contract_size": None if is_spot else _number(details.get("contract_size", market["contractSize"])),
        "contract_multiplier": contract_multiplier(market["base"]),
        "expiry_at": _time(market["expiry"]),
        "listed_at": _time(details.get("listed_at", market["created"])),
        "delist_at": _time(details.get("delist_at")),
        "is_active": details.get("is_active", market["active"]),
        "lot_step": _number(details.get("lot_step", market["precision"]["amount"])),
        "tick_size": _number(market["precision"]["price"]),
        "min_notional_usd": _number(details.get("min_notional_usd", _smallest_usd(market))),
    }


def _number(value: Any) -> float | None:
    """A positive number; null otherwise, as exchanges write 0 for "not said"."""
    number = None if value is None else float(value)
    return number if number is not None and number > 0 else None


def _time(value: Any) -> Any:
    return from_milliseconds(int(value)) if value else None
