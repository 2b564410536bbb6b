"""BingX: what an instrument looks like in its lists, in the tickers and in the mark prices."""

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import bingx_id, is_inverse
from pipelines.local_exchange.wire import decimals, plain, text

SIDES = ("spot", "swap", "cswap")


def side(listing: Listing) -> str:
    """The part of the API that knows it: `spot`, `swap` (USDT-margined) or `cswap` (coin-margined)."""
    return "spot" if listing.kind == "spot" else "cswap" if is_inverse(listing) else "swap"


def spot_symbol(listing: Listing) -> dict:
    """One row of spot/v1/common/symbols."""
    rules = listing.rules
    return {
        "symbol": bingx_id(listing),
        "minQty": rules.lot_step,
        "maxQty": 100000000,
        "minNotional": rules.min_notional_usd or 0,
        "maxNotional": 20000,
        "status": 1,
        "tickSize": rules.tick_size,
        "stepSize": rules.lot_step,
        "apiStateSell": True,
        "apiStateBuy": True,
        "timeOnline": listing.listed_ms or 0,
        "offTime": 0,
        "maintainTime": 0,
        "displayName": bingx_id(listing),
    }


def swap_contract(listing: Listing) -> dict:
    """One row of swap/v2/quote/contracts."""
    rules = listing.rules
    return {
        "contractId": str(100 + sum(bingx_id(listing).encode())),
        "symbol": bingx_id(listing),
        "size": plain(rules.lot_step),
        "quantityPrecision": decimals(rules.lot_step),
        "pricePrecision": decimals(rules.tick_size),
        "feeRate": 0.0005,
        "makerFeeRate": 0.0002,
        "takerFeeRate": 0.0005,
        "tradeMinLimit": 0,
        "tradeMinQuantity": rules.lot_step,
        "tradeMinUSDT": rules.min_notional_usd or 0,
        "currency": listing.settle,
        "asset": listing.base,
        "status": 1,
        "apiStateOpen": "true",
        "apiStateClose": "true",
        "ensureTrigger": True,
        "triggerFeeRate": "0.00050000",
        "brokerState": True,
        "launchTime": listing.listed_ms or 0,
        "maintainTime": 0,
        "offTime": 0,
        "displayName": bingx_id(listing),
    }


def cswap_contract(listing: Listing) -> dict:
    """One row of cswap/v1/market/contracts; `minTickSize` is what one contract is worth in USD."""
    worth = f"{listing.contract_size:g}"
    return {
        "symbol": bingx_id(listing),
        "pricePrecision": decimals(listing.rules.tick_size),
        "minTickSize": worth,
        "minTradeValue": worth,
        "minQty": "1.00000000",
        "status": 1,
        "timeOnline": listing.listed_ms or 0,
        "displayName": bingx_id(listing),
    }


def premium(market: Market, listing: Listing) -> dict | None:
    """One row of the premium index; None where neither funding nor a mark price is known."""
    funding = snapshot.latest_funding(market, "bingx", listing)
    mark = snapshot.latest_price(market, "bingx", listing, "mark")
    if funding is None and mark is None:
        return None
    row = {
        "symbol": bingx_id(listing),
        "markPrice": text(mark) or "",
        "indexPrice": text(snapshot.latest_price(market, "bingx", listing, "index")) or "",
        "lastFundingRate": text(funding.rate) if funding else "",
        "nextFundingTime": (funding.next_ms if funding else None) or 0,
    }
    if not is_inverse(listing) and listing.funding_interval_hours is not None:
        row |= {"fundingIntervalHours": listing.funding_interval_hours, "updateTime": market.now_ms}
    return row


def ticker(market: Market, listing: Listing) -> dict | None:
    """One row of the tickers; volumes of coin-margined contracts are contracts and coins. None: nothing is known."""
    day = snapshot.last_day(market, "bingx", listing)
    if day is None:
        return None
    volume, turnover = day.volume_base, day.volume_quote
    if is_inverse(listing):
        volume, turnover = day.volume_quote / listing.contract_size, day.volume_base
    row = {
        "symbol": bingx_id(listing),
        "priceChange": text(day.last - day.open),
        "priceChangePercent": f"{100 * day.change_frac:.4f}%",
        "lastPrice": text(day.last),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "openPrice": text(day.open),
        "volume": text(volume) or "",
        "quoteVolume": text(turnover) or "",
        "openTime": day.open_ms,
        "closeTime": market.now_ms,
    }
    return row if listing.kind == "spot" else row | {"lastQty": "0"}  # ccxt tells contracts by it
