"""WEEX: what an instrument looks like in exchangeInfo, in the tickers and in premiumIndex."""

from pipelines.local_exchange import snapshot
from pipelines.local_exchange.market import Listing, Market
from pipelines.local_exchange.symbols import weex_id
from pipelines.local_exchange.wire import decimals, plain, text

_DECIMALS = "8"


def spot_instrument(listing: Listing) -> dict:
    """One spot pair of exchangeInfo."""
    step = plain(listing.rules.lot_step)
    return {
        "symbol": weex_id(listing),
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": _DECIMALS,
        "quoteAsset": listing.quote,
        "quoteAssetPrecision": _DECIMALS,
        "tickSize": plain(listing.rules.tick_size),
        "stepSize": step,
        "minTradeAmount": step,
        "maxTradeAmount": "100000000",
        "takerFeeRate": "0.001",
        "makerFeeRate": "0.001",
        "buyLimitPriceRatio": "0.1",
        "sellLimitPriceRatio": "0.1",
        "enableTrade": True,
        "enableDisplay": True,
        "displayNew": False,
        "displayHot": False,
    }


def contract(listing: Listing) -> dict:
    """One perpetual of exchangeInfo: neither a status nor a date of listing."""
    hours = range(0, 24, listing.funding_interval_hours or 8)
    return {
        "symbol": weex_id(listing),
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.settle,
        "pricePrecision": str(decimals(listing.rules.tick_size)),
        "quantityPrecision": str(decimals(listing.rules.lot_step)),
        "baseAssetPrecision": _DECIMALS,
        "quotePrecision": _DECIMALS,
        "contractVal": text(listing.contract_size),
        "contractType": "PERPETUAL",
        "delivery": [f"{hour:02}:00:00" for hour in hours],
        "forwardContractFlag": True,
        "minLeverage": "1",
        "maxLeverage": "400",
        "buyLimitPriceRatio": "0.01",
        "sellLimitPriceRatio": "0.01",
        "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0008",
        "minOrderSize": plain(listing.rules.lot_step),
        "maxOrderSize": "1000000",
        "maxPositionSize": "5000000",
        "marketOpenLimitSize": "2300",
    }


def ticker(market: Market, listing: Listing) -> dict | None:
    """One row of the 24-hour tickers; None where nothing traded in the last 24 hours is known."""
    day = snapshot.last_day(market, "weex", listing)
    if day is None:
        return None
    row = {
        "symbol": weex_id(listing),
        "priceChange": text(day.last - day.open),
        "priceChangePercent": text(day.change_frac),
        "lastPrice": text(day.last),
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume_base),
        "quoteVolume": text(day.volume_quote),
        "openTime": day.open_ms,
        "closeTime": market.now_ms,
    }
    return row if listing.kind == "spot" else row | _prices(market, listing)


def premium(market: Market, listing: Listing) -> dict | None:
    """One row of premiumIndex; None where no settlement of the last 24 hours is known.

    The forecast is the latest settlement: a market knows no estimates.
    """
    funding = snapshot.latest_funding(market, "weex", listing)
    if funding is None:
        return None
    row = {
        "symbol": weex_id(listing),
        **_prices(market, listing),
        "forecastFundingRate": text(funding.rate),
        "lastFundingRate": text(funding.rate),
        "interestRate": "0.001",
        "time": market.now_ms,
    }
    if funding.next_ms is not None:
        row |= {"nextFundingTime": funding.next_ms, "collectCycle": listing.funding_interval_hours * 60}
    return row


def _prices(market: Market, listing: Listing) -> dict:
    """Mark and index price; null where unknown, an empty mark price so that ccxt still sees a contract."""
    mark, index = (snapshot.latest_price(market, "weex", listing, price) for price in ("mark", "index"))
    return {"markPrice": text(mark) or "", "indexPrice": text(index)}
