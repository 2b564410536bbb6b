"""Bybit: what an instrument looks like in instruments-info and in the tickers."""

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import bybit_id, is_inverse
from pipelines.local_exchange.wire import plain, text

CATEGORIES = ("spot", "linear", "inverse")

_CONTRACT_TYPES = {
    ("perp", False): "LinearPerpetual",
    ("perp", True): "InversePerpetual",
    ("dated", False): "LinearFutures",
    ("dated", True): "InverseFutures",
}


def category(listing: Listing) -> str:
    """`spot`, `linear` or `inverse`."""
    return "spot" if listing.kind == "spot" else "inverse" if is_inverse(listing) else "linear"


def instrument(listing: Listing, now_ms: int) -> dict:
    """One row of instruments-info."""
    delivered = listing.expiry_ms is not None and listing.expiry_ms <= now_ms
    rules = listing.rules
    tick, step = plain(rules.tick_size), plain(rules.lot_step)
    smallest = "" if rules.min_notional_usd is None else plain(rules.min_notional_usd)
    common = {
        "symbol": bybit_id(listing),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "status": "Closed" if delivered else "Trading",
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999", "tickSize": tick},
    }
    if listing.kind == "spot":
        lot = {"basePrecision": step, "quotePrecision": "0.00000001", "minOrderQty": step}
        lot |= {"maxOrderQty": "100000000", "minOrderAmt": smallest, "maxOrderAmt": "4000000"}
        return {**common, "innovation": "0", "marginTrading": "none", "lotSizeFilter": lot}
    inverse = is_inverse(listing)
    contract = {
        **common,
        "contractType": _CONTRACT_TYPES[listing.kind, inverse],
        "settleCoin": listing.settle,
        "deliveryTime": str(listing.expiry_ms or 0),
        "deliveryFeeRate": "",
        "priceScale": "8",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "lotSizeFilter": {
            "minOrderQty": plain(listing.contract_size) if inverse else step,  # ccxt's contract size of an inverse one
            "maxOrderQty": "100000000",
            "qtyStep": step,
            "minNotionalValue": smallest,
        },
        "unifiedMarginTrade": True,
        "isPreListing": False,
    }
    if listing.kind == "dated":
        contract["fundingInterval"] = 0
    elif listing.funding_interval_hours is not None:
        contract["fundingInterval"] = listing.funding_interval_hours * 60
    if listing.listed_ms is not None:
        contract["launchTime"] = str(listing.listed_ms)
    return contract


def ticker(market: Market, listing: Listing) -> dict | None:
    """One row of the tickers, an empty text where a value is not known; None where nothing is known."""
    day = snapshot.last_day(market, "bybit", listing)
    row = {"symbol": bybit_id(listing)}
    if day is not None:
        volume, turnover = day.volume_base, day.volume_quote
        if is_inverse(listing):
            volume, turnover = turnover, volume
        row |= {
            "lastPrice": text(day.last),
            "prevPrice24h": text(day.open),
            "price24hPcnt": text(day.change_frac),
            "highPrice24h": text(day.high),
            "lowPrice24h": text(day.low),
            "volume24h": text(volume) or "",
            "turnover24h": text(turnover) or "",
        }
    if listing.kind == "spot":
        return row if day is not None else None
    funding = snapshot.latest_funding(market, "bybit", listing)
    known = snapshot.latest_open_interest(market, "bybit", listing)
    if day is None and funding is None and known is None:
        return None
    base, usd = known or (None, None)
    amount, value = (usd, base) if is_inverse(listing) else (base, usd)
    return row | {
        "markPrice": text(snapshot.latest_price(market, "bybit", listing, "mark")) or "",
        "indexPrice": text(snapshot.latest_price(market, "bybit", listing, "index")) or "",
        "openInterest": text(amount) or "",
        "openInterestValue": text(value) or "",
        "fundingRate": text(funding.rate) if funding else "",
        "nextFundingTime": str(funding.next_ms or "") if funding else "",
        "fundingIntervalHour": str(listing.funding_interval_hours or "") if listing.kind == "perp" else "",
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": str(listing.expiry_ms or 0),
    }
