"""OKX: what an instrument looks like in the list, in the tickers, and in what is shown of the present."""

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import is_inverse, okx_family, okx_id
from pipelines.local_exchange.timeframes import HOUR_MS
from pipelines.local_exchange.trading_rules import exact
from pipelines.local_exchange.wire import plain, text

KINDS = {"SPOT": "spot", "SWAP": "perp", "FUTURES": "dated"}
TYPES = {kind: name for name, kind in KINDS.items()}


def contracts(base: float, usd: float, listing: Listing) -> float:
    """Contracts that stand for so many base coins, or for so many USD of a coin-margined contract."""
    return (usd if is_inverse(listing) else base) / listing.contract_size


def instrument(listing: Listing) -> dict:
    """One row of public/instruments, lots of contracts in contracts; what does not apply is an empty text."""
    is_spot = listing.kind == "spot"
    size = 1.0 if is_inverse(listing) else listing.contract_size
    lot = plain(exact(listing.rules.lot_step) / exact(size))
    return {
        "instType": TYPES[listing.kind],
        "instId": okx_id(listing),
        "uly": "" if is_spot else okx_family(listing),
        "instFamily": "" if is_spot else okx_family(listing),
        "baseCcy": listing.base if is_spot else "",
        "quoteCcy": listing.quote if is_spot else "",
        "settleCcy": listing.settle or "",
        "ctVal": "" if is_spot else text(listing.contract_size),
        "ctMult": "" if is_spot else "1",
        "ctValCcy": "" if is_spot else "USD" if is_inverse(listing) else listing.base,
        "ctType": "" if is_spot else "inverse" if is_inverse(listing) else "linear",
        "optType": "",
        "stk": "",
        "alias": "quarter" if listing.kind == "dated" else "",
        "listTime": str(listing.listed_ms or ""),
        "contTdSwTime": "",
        "expTime": str(listing.expiry_ms or ""),
        "lever": "10",
        "tickSz": plain(listing.rules.tick_size),
        "lotSz": lot,
        "minSz": lot,
        "maxMktSz": "1000000",
        "state": "live",
        "ruleType": "normal",
    }


def ticker(market: Market, listing: Listing) -> dict | None:
    """One row of market/tickers; None where no candle is known."""
    day = snapshot.last_day(market, "okx", listing)
    if day is None:
        return None
    volume, coins = day.volume_base, day.volume_quote
    if listing.kind != "spot":
        volume, coins = contracts(day.volume_base, day.volume_quote, listing), day.volume_base
    return {
        "instType": TYPES[listing.kind],
        "instId": okx_id(listing),
        "last": text(day.last),
        "open24h": text(day.open),
        "high24h": text(day.high),
        "low24h": text(day.low),
        "vol24h": text(volume) or "",
        "volCcy24h": text(coins) or "",
        "ts": str(market.now_ms),
    }


def open_interest(market: Market, listing: Listing) -> dict | None:
    """One row of public/open-interest; None where none is known, an empty text where a unit is not."""
    known = snapshot.latest_open_interest(market, "okx", listing)
    if known is None:
        return None
    base, usd = known
    return {
        "instType": TYPES[listing.kind],
        "instId": okx_id(listing),
        "oi": text(contracts(base, usd, listing)) or "",
        "oiCcy": text(base) or "",
        "oiUsd": text(usd) or "",
        "ts": str(market.now_ms),
    }


def funding(market: Market, listing: Listing) -> dict | None:
    """One row of public/funding-rate; None where no settlement is known."""
    known = snapshot.latest_funding(market, "okx", listing)
    if known is None:
        return None
    following_ms = known.next_ms + listing.funding_interval_hours * HOUR_MS if known.next_ms else ""
    return {
        "instType": "SWAP",
        "instId": okx_id(listing),
        "method": "current_period",
        "formulaType": "withRate",
        "fundingRate": text(known.rate),
        "fundingTime": str(known.next_ms or ""),
        "nextFundingRate": "",
        "nextFundingTime": str(following_ms),
        "settState": "settled",
        "settFundingRate": text(known.rate),
        "ts": str(market.now_ms),
    }
