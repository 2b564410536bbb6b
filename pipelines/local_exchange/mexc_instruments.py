"""MEXC: what an instrument looks like in exchangeInfo, in the list of contracts and in the tickers."""

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import is_inverse, mexc_code, mexc_id
from pipelines.local_exchange.timeframes import DAY_MS
from pipelines.local_exchange.trading_rules import exact
from pipelines.local_exchange.wire import decimals, plain, text

_ENABLED, _OFFLINE = 0, 3  # of a contract; spot counts from 1


def spot_symbol(listing: Listing, now_ms: int) -> dict:
    """One symbol of exchangeInfo."""
    trading, rules = not listing.has_ended(now_ms), listing.rules
    return {
        "symbol": mexc_id(listing),
        "status": "1" if trading else "3",
        "baseAsset": mexc_code(listing.base),
        "baseAssetPrecision": decimals(rules.lot_step),
        "quoteAsset": listing.quote,
        "quotePrecision": decimals(rules.tick_size),
        "quoteAssetPrecision": decimals(rules.tick_size),
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
        "isSpotTradingAllowed": trading,
        "isMarginTradingAllowed": False,
        "quoteAmountPrecision": plain(rules.min_notional_usd or 0),
        "baseSizePrecision": plain(rules.lot_step),
        "permissions": ["SPOT"] if trading else [],
        "filters": [],
        "maxQuoteAmount": "2000000",
        "makerCommission": "0",
        "takerCommission": "0.0005",
    }


def contract(listing: Listing, now_ms: int) -> dict:
    """One row of the list of contracts, whose quantities are contracts."""
    rules = listing.rules
    size = 1.0 if is_inverse(listing) else listing.contract_size
    contracts = float(exact(rules.lot_step) / exact(size))
    return {
        "symbol": mexc_id(listing),
        "displayName": f"{mexc_id(listing)}永续",
        "displayNameEn": f"{mexc_id(listing)} PERPETUAL",
        "positionOpenType": 3,
        "baseCoin": mexc_code(listing.base),
        "quoteCoin": listing.quote,
        "settleCoin": mexc_code(listing.settle),
        "contractSize": listing.contract_size,
        "minLeverage": 1,
        "maxLeverage": 200,
        "priceScale": decimals(rules.tick_size),
        "volScale": 0,
        "amountScale": 4,
        "priceUnit": rules.tick_size,
        "volUnit": contracts,
        "minVol": contracts,
        "maxVol": 1000000,
        "takerFeeRate": 0.0004,
        "makerFeeRate": 0.0001,
        "state": _OFFLINE if listing.has_ended(now_ms) else _ENABLED,
        "isNew": False,
        "isHot": False,
        "isHidden": False,
        "apiAllowed": False,
        "createTime": listing.listed_ms or 0,
        "openingTime": 0,
    }


def contract_ticker(market: Market, listing: Listing) -> dict | None:
    """One row of the tickers of contracts, null where a value is not known; None where nothing is known."""
    day = snapshot.last_day(market, "mexc", listing)
    funding = snapshot.latest_funding(market, "mexc", listing)
    held = snapshot.latest_open_interest(market, "mexc", listing)
    if listing.has_ended(market.now_ms) or (day is None and funding is None and held is None):
        return None
    base, usd = held or (None, None)
    inverse, size = is_inverse(listing), listing.contract_size
    amount = usd if inverse else base
    row = {
        "symbol": mexc_id(listing),
        "holdVol": None if amount is None else amount / size,
        "indexPrice": snapshot.latest_price(market, "mexc", listing, "index"),
        "fairPrice": snapshot.latest_price(market, "mexc", listing, "mark"),
        "fundingRate": None if funding is None else funding.rate,
        "timestamp": market.now_ms,
    }
    if day is not None:
        row |= {
            "lastPrice": day.last,
            "volume24": (day.volume_quote if inverse else day.volume_base) / size,
            "amount24": day.volume_base if inverse else day.volume_quote,
            "lower24Price": day.low,
            "high24Price": day.high,
            "riseFallRate": day.change_frac,
            "riseFallValue": day.last - day.open,
        }
    return row


def spot_ticker(market: Market, listing: Listing) -> dict | None:
    """One row of spot's tickers of 24 hours; None where no candle is known."""
    day = snapshot.last_day(market, "mexc", listing)
    if day is None:
        return None
    return {
        "symbol": mexc_id(listing),
        "priceChange": text(day.last - day.open),
        "priceChangePercent": text(day.change_frac),
        "prevClosePrice": text(day.open),
        "lastPrice": text(day.last),
        "bidPrice": None,
        "bidQty": "",
        "askPrice": None,
        "askQty": "",
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume_base),
        "quoteVolume": text(day.volume_quote),
        "openTime": market.now_ms - DAY_MS,
        "closeTime": market.now_ms,
        "count": None,
    }
