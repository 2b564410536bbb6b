"""Binance: what an instrument looks like in exchangeInfo, premiumIndex and the 24-hour tickers."""

from collections.abc import Iterable

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import binance_id, binance_pair, is_inverse
from pipelines.local_exchange.wire import decimals, plain, text

PERPETUAL_DELIVERY_MS = 4133404800000
"""The delivery date (2100-12-25) that Binance writes for contracts that have none."""


def segment(listing: Listing) -> str:
    """The host that lists it: `spot` (api), `linear` (fapi) or `inverse` (dapi)."""
    return "spot" if listing.kind == "spot" else "inverse" if is_inverse(listing) else "linear"


def is_trading(listing: Listing, now_ms: int) -> bool:
    """Whether it can be traded at this time: neither delisted nor delivered."""
    ends = (listing.delisted_ms, listing.expiry_ms)
    return all(end is None or end > now_ms for end in ends)


def contract_types(listings: Iterable[Listing], at_ms: int) -> dict[str, str]:
    """Contract type of every contract at an instant, by id.

    Of a pair's dated contracts that are not delivered yet the nearest is CURRENT_QUARTER, the next
    NEXT_QUARTER; delivered ones and later ones have the empty type.
    """
    types, rank = {}, {}
    for listing in sorted(listings, key=lambda listing: (listing.expiry_ms or 0, listing.symbol)):
        if listing.kind == "perp":
            types[binance_id(listing)] = "PERPETUAL"
        elif listing.kind == "dated":
            pair, types[binance_id(listing)] = binance_pair(listing), ""
            if listing.expiry_ms > at_ms:
                rank[pair] = rank.get(pair, -1) + 1
                names = ("CURRENT_QUARTER", "NEXT_QUARTER")
                types[binance_id(listing)] = names[rank[pair]] if rank[pair] < len(names) else ""
    return types


def instrument(listing: Listing, contract_type: str, now_ms: int) -> dict:
    """One symbol of exchangeInfo."""
    trading = is_trading(listing, now_ms)
    common = {
        "symbol": binance_id(listing),
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "filters": _filters(listing),
    }
    if listing.kind == "spot":
        return {
            **common,
            "status": "TRADING" if trading else "BREAK",
            "isSpotTradingAllowed": trading,
            "isMarginTradingAllowed": False,
            "permissions": ["SPOT"],
        }
    inverse = is_inverse(listing)
    contract = {
        **common,
        "pair": binance_pair(listing),
        "contractType": contract_type,
        "deliveryDate": PERPETUAL_DELIVERY_MS if listing.kind == "perp" else listing.expiry_ms,
        "contractStatus" if inverse else "status": "TRADING" if trading else "SETTLING",
        "marginAsset": listing.settle,
        "pricePrecision": decimals(listing.rules.tick_size),
        "quantityPrecision": decimals(listing.rules.lot_step),
        "underlyingType": "COIN",
        "underlyingSubType": [],
    }
    if inverse:
        contract["contractSize"] = listing.contract_size
    if listing.listed_ms is not None:
        contract["onboardDate"] = listing.listed_ms
    return contract


def _filters(listing: Listing) -> list[dict]:
    """Steps and least orders; spot and contracts name the least worth in their own ways, and coins' have none."""
    rules = listing.rules
    tick, step, smallest = plain(rules.tick_size), plain(rules.lot_step), rules.min_notional_usd
    filters: list[dict] = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "100000000", "stepSize": step},
    ]
    if smallest is None:
        return filters
    if listing.kind == "spot":
        return [*filters, {"filterType": "NOTIONAL", "minNotional": plain(smallest), "applyMinToMarket": True}]
    return [*filters, {"filterType": "MIN_NOTIONAL", "notional": plain(smallest)}]


def premium(market: Market, listing: Listing) -> dict:
    """One row of premiumIndex; an empty text where the value is not known, as without funding."""
    funding = snapshot.latest_funding(market, "binance", listing)
    mark = text(snapshot.latest_price(market, "binance", listing, "mark")) or ""
    row = {
        "symbol": binance_id(listing),
        "markPrice": mark,
        "indexPrice": text(snapshot.latest_price(market, "binance", listing, "index")) or "",
        "estimatedSettlePrice": "",
        "lastFundingRate": text(funding.rate) if funding else "",
        "interestRate": "",
        "nextFundingTime": (funding.next_ms or 0) if funding else 0,
        "time": market.now_ms,
    }
    return {**row, "pair": binance_pair(listing)} if is_inverse(listing) else row


def ticker(market: Market, listing: Listing) -> dict | None:
    """One row of the 24-hour tickers; None where nothing traded in the last 24 hours is known."""
    day = snapshot.last_day(market, "binance", listing)
    if day is None:
        return None
    row = {
        "symbol": binance_id(listing),
        "priceChange": text(day.last - day.open),
        "priceChangePercent": text(100 * day.change_frac),
        "weightedAvgPrice": text(day.weighted_average),
        "lastPrice": text(day.last),
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "openTime": day.open_ms,
        "closeTime": market.now_ms,
    }
    if is_inverse(listing):
        contracts = day.volume_quote / listing.contract_size
        coins = text(day.volume_base)
        return {**row, "pair": binance_pair(listing), "volume": text(contracts), "baseVolume": coins}
    row |= {"volume": text(day.volume_base), "quoteVolume": text(day.volume_quote)}
    if listing.kind == "spot":  # ccxt takes a ticker without `bidQty` for a contract's; the book itself is unknown
        row |= {"bidPrice": None, "bidQty": None, "askPrice": None, "askQty": None}
    return row
