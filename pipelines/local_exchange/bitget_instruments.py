"""Bitget: what an instrument looks like in its lists and in the tickers."""

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import bitget_id, is_inverse
from pipelines.local_exchange.wire import decimals, plain, text

CONTRACT_TYPES = ("USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES")
DEMO_TYPES = ("SUSDT-FUTURES", "SUSDC-FUTURES", "SCOIN-FUTURES")


def product_type(listing: Listing) -> str:
    """`SPOT`, or the product type of a contract, which follows its margin."""
    if listing.kind == "spot":
        return "SPOT"
    return "COIN-FUTURES" if is_inverse(listing) else f"{listing.settle}-FUTURES"


def spot(listing: Listing) -> dict:
    """One row of spot/public/symbols."""
    rules = listing.rules
    return {
        "symbol": bitget_id(listing),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "minTradeAmount": "0",
        "maxTradeAmount": "900000000000000000000",
        "takerFeeRate": "0.002",
        "makerFeeRate": "0.002",
        "pricePrecision": str(decimals(rules.tick_size)),
        "quantityPrecision": str(decimals(rules.lot_step)),
        "quotePrecision": "8",
        "status": "online",
        "minTradeUSDT": plain(rules.min_notional_usd or 0),
    }


def contract(listing: Listing) -> dict:
    """One row of mix/market/contracts; sizes are coins, on coin-margined contracts too."""
    rules = listing.rules
    return {
        "symbol": bitget_id(listing),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "supportMarginCoins": [listing.settle],
        "minTradeNum": plain(rules.lot_step),
        "priceEndStep": "1",
        "volumePlace": str(max(decimals(rules.lot_step), 0)),
        "pricePlace": str(decimals(rules.tick_size)),
        "sizeMultiplier": plain(rules.lot_step),
        "symbolType": "delivery" if listing.kind == "dated" else "perpetual",
        "minTradeUSDT": plain(rules.min_notional_usd or 0),
        "symbolStatus": "normal",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": str(listing.expiry_ms or ""),
        "deliveryStartTime": str(listing.listed_ms or "") if listing.kind == "dated" else "",
        "deliveryPeriod": "this_quarter" if listing.kind == "dated" else "",
        "launchTime": str(listing.listed_ms or ""),
        "fundInterval": str(listing.funding_interval_hours or ""),
        "minLever": "1",
        "maxLever": "125",
        "maintainTime": "",
    }


def ticker(market: Market, listing: Listing) -> dict | None:
    """One row of the tickers, an empty text where a value is not known; None where nothing is known."""
    day = snapshot.last_day(market, "bitget", listing)
    row = {"symbol": bitget_id(listing), "ts": str(market.now_ms)}
    if day is not None:
        row |= {
            "lastPr": text(day.last),
            "open": text(day.open),
            "open24h": text(day.open),
            "high24h": text(day.high),
            "low24h": text(day.low),
            "change24h": text(day.change_frac),
            "baseVolume": text(day.volume_base) or "",
            "quoteVolume": text(day.volume_quote) or "",
            "usdtVolume": text(day.volume_quote) or "",
        }
    if listing.kind == "spot":
        return row if day is not None else None
    rate = snapshot.latest_funding(market, "bitget", listing)
    known = snapshot.latest_open_interest(market, "bitget", listing)
    if day is None and rate is None and known is None:
        return None
    return row | {
        "markPrice": text(snapshot.latest_price(market, "bitget", listing, "mark")) or "",
        "indexPrice": text(snapshot.latest_price(market, "bitget", listing, "index")) or "",
        "fundingRate": text(rate.rate) if rate else "0",
        "holdingAmount": (text(known[0]) or "") if known else "",
        "deliveryStartTime": str(listing.listed_ms) if listing.kind == "dated" else None,
        "deliveryTime": str(listing.expiry_ms) if listing.kind == "dated" else None,
        "deliveryStatus": "delivery_normal" if listing.kind == "dated" else "",
    }


def funding(market: Market, listing: Listing) -> dict | None:
    """One row of current-fund-rate; None where no settlement is known."""
    known = snapshot.latest_funding(market, "bitget", listing)
    if known is None:
        return None
    return {
        "symbol": bitget_id(listing),
        "fundingRate": text(known.rate),
        "fundingRateInterval": str(listing.funding_interval_hours or ""),
        "nextUpdate": str(known.next_ms or ""),
        "minFundingRate": "-0.003",
        "maxFundingRate": "0.003",
    }
