"""The exchanges' own names of instruments, from a listing's parts.

ccxt's unified names are `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC` and, dated, `BTC/USDT:USDT-261225`.
"""

from datetime import UTC, datetime

from pipelines.local_exchange.market import Listing

_BINGX_CODES = {"TRUMP": "TRUMPSOL", "TRUMPMAGA": "TRUMP", "OmniCat": "OMNI"}  # ccxt's code to BingX's
_MONTH_CODES = "FGHJKMNQUVXZ"  # January to December, as futures exchanges abbreviate delivery months


def is_inverse(listing: Listing) -> bool:
    """Whether the contract is settled in its base coin (coin-margined)."""
    return listing.kind != "spot" and listing.settle == listing.base


def _expiry(listing: Listing) -> datetime:
    return datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)


def binance_pair(listing: Listing) -> str:
    """Binance's pair: `BTCUSDT` for all USDT-margined contracts on BTC, `BTCUSD` for coin-margined ones."""
    return listing.base + listing.quote


def binance_id(listing: Listing) -> str:
    """`BTCUSDT`, `BTCUSDT_261225`, `BTCUSD_PERP`, `BTCUSD_261225`."""
    if listing.kind == "dated":
        return f"{binance_pair(listing)}_{_expiry(listing):%y%m%d}"
    return binance_pair(listing) + ("_PERP" if is_inverse(listing) else "")


def bingx_id(listing: Listing) -> str:
    """`BTC-USDT` for the spot market and for the USDT-margined contract alike, `BTC-USD` for the coin-margined one."""
    return f"{_BINGX_CODES.get(listing.base, listing.base)}-{listing.quote}"


def bybit_id(listing: Listing) -> str:
    """`BTCUSDT`, `BTCPERP` (USDC), `BTCUSD`, `BTCUSDT-25DEC26`, `BTC-25DEC26` (USDC), `BTCUSDZ26`."""
    usdc_contract = listing.kind != "spot" and listing.settle == "USDC"
    stem = listing.base if usdc_contract else listing.base + listing.quote
    if listing.kind == "dated":
        expiry = _expiry(listing)
        if is_inverse(listing):
            return f"{stem}{_MONTH_CODES[expiry.month - 1]}{expiry:%y}"
        return f"{stem}-{expiry:%d%b%y}".upper()
    return stem + "PERP" if usdc_contract else stem


_MEXC_CODES = {"GAS": "GASNEO", "GASDAO": "GAS", "GMT": "STEPN", "GMTTOKEN": "GMT", "FLUX": "FLUX1", "FLUX1": "FLUX"}


def mexc_code(currency: str) -> str:
    """MEXC's own code of a currency: its GAS is Gas DAO, and what others call GAS is its GASNEO."""
    return _MEXC_CODES.get(currency, currency)


def mexc_id(listing: Listing) -> str:
    """`BTCUSDT` for spot, `BTC_USDT` and `BTC_USD` for contracts."""
    return mexc_code(listing.base) + ("" if listing.kind == "spot" else "_") + listing.quote


def weex_id(listing: Listing) -> str:
    """`BTCUSDT`, of the spot pair and of the contract alike."""
    return listing.base + listing.quote


def okx_family(listing: Listing) -> str:
    """OKX's underlying: `BTC-USDT`, and `BTC-USD` for coin-margined contracts."""
    return f"{listing.base}-{listing.quote}"


def okx_id(listing: Listing) -> str:
    """`BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USD-SWAP`, `BTC-USDT-261225`."""
    if listing.kind == "dated":
        return f"{okx_family(listing)}-{_expiry(listing):%y%m%d}"
    return okx_family(listing) + ("-SWAP" if listing.kind == "perp" else "")


def bitget_id(listing: Listing) -> str:
    """`BTCUSDT` (spot and perpetual), `BTCPERP` (USDC), `BTCUSD`, `BTCUSD_261225`."""
    usdc_contract = listing.kind != "spot" and listing.settle == "USDC"
    stem = listing.base + ("PERP" if usdc_contract else listing.quote)
    return f"{stem}_{_expiry(listing):%y%m%d}" if listing.kind == "dated" else stem
