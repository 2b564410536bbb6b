"""How the archive names things: markets, symbols, folders and files.

`data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2025-01-01.zip`,
`data/spot/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2025-01.zip`; `um` is margined in dollars, `cm` in coins. Index prices
of coin-margined contracts stand under the pair (`BTCUSD`), everything else under the contract's own name.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from pipelines.archive.errors import ArchiveError

Market = Literal["spot", "um", "cm"]
Kind = Literal["funding", "metrics", "klines", "mark", "index"]
Cycle = Literal["monthly", "daily"]

MARKETS: tuple[Market, ...] = ("spot", "um", "cm")
KINDS: tuple[Kind, ...] = ("funding", "metrics", "klines", "mark", "index")
KIND_FOLDERS: dict[Kind, str] = {
    "funding": "fundingRate",
    "metrics": "metrics",
    "klines": "klines",
    "mark": "markPriceKlines",
    "index": "indexPriceKlines",
}
METRICS_PERIOD = "5m"
_MARKET_FOLDERS: dict[Market, str] = {"spot": "data/spot", "um": "data/futures/um", "cm": "data/futures/cm"}
_CYCLES: dict[Kind, tuple[Cycle, ...]] = {"funding": ("monthly",), "metrics": ("daily",)}
_DATASETS: dict[Kind, str] = {"funding": "funding_rates", "metrics": "open_interest"}
_PRICE_TYPES: dict[Kind, str] = {"klines": "last", "mark": "mark", "index": "index"}
_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USDP", "BTC", "ETH", "BNB", "EUR", "TRY", "USD")
_ARCHIVE_NAME = re.compile(r"^(?P<pair>[^\W_]+)(_(?P<tail>PERP|\d{6}))?$")
_UNIFIED = re.compile(r"^(?P<base>[^\W_]+)/(?P<quote>[^\W_]+)(:(?P<settle>[^\W_]+)(-(?P<expiry>\d{6}))?)?$")
_COIN_MARGINED_USD = {"BTC": 100.0}  # of one contract; 10 for every other coin


@dataclass(frozen=True)
class Instrument:
    """One instrument of the archive.

    Attributes:
        market: Part of the archive that it stands in.
        name: As the archive spells it: `BTCUSDT`, `BTCUSD_PERP`, `BTCUSDT_250328`.
        symbol: ccxt's unified symbol.
        base: Its base coin.
        market_type: `spot`, `perpetual` or `dated`.
    """

    market: Market
    name: str
    symbol: str
    base: str
    market_type: str


@dataclass(frozen=True)
class Series:
    """One series of an instrument, and where its files stand.

    Attributes:
        instrument: Whose.
        kind: Of what.
        timeframe: Of candles; 5m for metrics; None for funding.
    """

    instrument: Instrument
    kind: Kind
    timeframe: str | None

    @property
    def dataset(self) -> str:
        """Name of the raw table."""
        candles = "spot_ohlcv" if self.instrument.market == "spot" else "futures_ohlcv"
        return _DATASETS.get(self.kind, candles)

    @property
    def price_type(self) -> str | None:
        """As in `raw.load_batches`: NULL outside futures candles."""
        return None if self.instrument.market == "spot" else _PRICE_TYPES.get(self.kind)

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """Which files there can be."""
        return _CYCLES.get(self.kind, ("monthly", "daily"))

    @property
    def _file_name(self) -> str:
        is_pair = self.kind == "index" and self.instrument.market == "cm"
        return self.instrument.name.split("_")[0] if is_pair else self.instrument.name

    def folder(self, cycle: Cycle) -> str:
        """The folder of its files, with a slash at the end."""
        market = _MARKET_FOLDERS[self.instrument.market]
        of_name = f"{market}/{cycle}/{KIND_FOLDERS[self.kind]}/{self._file_name}/"
        return f"{of_name}{self.timeframe}/" if self.kind in _PRICE_TYPES else of_name

    def stem(self, cycle: Cycle, start: date) -> str:
        """A file's name without its ending."""
        middle = self.timeframe if self.kind in _PRICE_TYPES else KIND_FOLDERS[self.kind]
        return f"{self._file_name}-{middle}-{start:%Y-%m}" + (f"-{start:%d}" if cycle == "daily" else "")


@dataclass(frozen=True)
class ArchiveFile:
    """One file: the rows of a series of one month or one day.

    Attributes:
        series: Of what.
        cycle: A month's file or a day's.
        start: Its first day.
    """

    series: Series
    cycle: Cycle
    start: date

    @property
    def end(self) -> date:
        """The day after its last one."""
        return self.start + timedelta(days=1) if self.cycle == "daily" else next_month(self.start)

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Half-open window of its rows' times."""
        midnight = datetime.min.time()
        return datetime.combine(self.start, midnight), datetime.combine(self.end, midnight)

    @property
    def stem(self) -> str:
        """Its name without the ending."""
        return self.series.stem(self.cycle, self.start)

    @property
    def key(self) -> str:
        """Its place in the archive."""
        return f"{self.series.folder(self.cycle)}{self.stem}.zip"


def next_month(day: date) -> date:
    """The first day of the following month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def markets_folder(market: Market, cycle: Cycle) -> str:
    """The folder whose sub-folders are a market's symbols."""
    return f"{_MARKET_FOLDERS[market]}/{cycle}/{KIND_FOLDERS['klines']}/"


def usd_per_contract(instrument: Instrument) -> float | None:
    """USD that one coin-margined contract is worth: 100 on BTC, 10 on every other coin; None for all others."""
    return _COIN_MARGINED_USD.get(instrument.base, 10.0) if instrument.market == "cm" else None


def read_name(market: Market, name: str) -> Instrument | None:
    """The instrument that stands under a name in a market's folder; None where the rules do not fit."""
    match = _ARCHIVE_NAME.match(name)
    if match is None or (market == "spot") > (match["tail"] is None):
        return None
    quotes = ("USD",) if market == "cm" else _QUOTES
    pair = match["pair"]
    quote = next((quote for quote in quotes if pair.endswith(quote) and len(pair) > len(quote)), None)
    if quote is None or (market == "cm" and match["tail"] is None) or (market == "um" and match["tail"] == "PERP"):
        return None
    base = pair.removesuffix(quote)
    if market == "spot":
        return Instrument(market, name, f"{base}/{quote}", base, "spot")
    symbol = f"{base}/{quote}:{base if market == 'cm' else quote}"
    if match["tail"] in (None, "PERP"):
        return Instrument(market, name, symbol, base, "perpetual")
    return Instrument(market, name, f"{symbol}-{match['tail']}", base, "dated")


def read_asked(text: str) -> list[Instrument]:
    """The instruments that a person means: `BTC/USDT:USDT`, `BTCUSDT` (spot and futures), `BTCUSD_PERP` or `BTC`.

    Raises:
        ArchiveError: the text is none of these.
    """
    unified = _UNIFIED.match(text)
    if unified:
        return [_from_unified(text, unified)]
    named = [found for market in MARKETS if (found := read_name(market, text.upper())) is not None]
    named = [found for found in named if found.market != "cm" or "_" in text]
    if not named and re.fullmatch(r"[^\W_]+", text):
        base = text.upper()
        named = [_from_unified(symbol, _UNIFIED.match(symbol)) for symbol in
                 (f"{base}/USDT", f"{base}/USDT:USDT", f"{base}/USD:{base}")]  # fmt: skip
    if not named:
        raise ArchiveError(
            f"{text!r} names no instrument; write a coin (BTC), ccxt's symbol (BTC/USDT:USDT) or the archive's own "
            "name (BTCUSDT, BTCUSD_PERP)"
        )
    return named


def _from_unified(text: str, match: re.Match[str] | None) -> Instrument:
    assert match is not None
    base, quote, settle, expiry = match["base"], match["quote"], match["settle"], match["expiry"]
    if settle is None:
        return Instrument("spot", f"{base}{quote}", text, base, "spot")
    if settle not in (base, quote) or (settle == base) != (quote == "USD"):
        raise ArchiveError(f"{text!r}: Binance's contracts are margined in their quote (BTC/USDT:USDT) or, against "
                           "USD, in their coin (BTC/USD:BTC)")  # fmt: skip
    market: Market = "cm" if settle == base else "um"
    tail = f"_{expiry}" if expiry else "_PERP" if market == "cm" else ""
    return Instrument(market, f"{base}{quote}{tail}", text, base, "dated" if expiry else "perpetual")
