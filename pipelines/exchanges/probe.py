"""One tiny call per kind of data: does the exchange give what the table of capabilities says it gives?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from pipelines.exchanges.errors import ExchangeFailure
from pipelines.exchanges.port import Adapter, Fetched

Outcome = Literal["as expected", "differs", "failed", "not offered", "not asked"]
COIN = "BTC"
_DAYS = 3


@dataclass(frozen=True)
class Probe:
    """What one call has shown.

    Attributes:
        kind: What was asked for, for example `perpetual mark candles`.
        outcome: `differs`: an answer, but not the one that is expected; `not asked`: the exchange is out of reach.
        detail: What came, what is missing, or what went wrong and what to do.
    """

    kind: str
    outcome: Outcome
    detail: str


async def probe(adapter: Adapter, now: datetime) -> list[Probe]:
    """Ask one exchange for a little of everything, all about one coin; never raises what the exchange did.

    Args:
        adapter: The exchange.
        now: Naive UTC; the newest days before it are asked for.
    """
    try:
        listed = (await adapter.instruments()).frame
    except ExchangeFailure as failure:
        return [Probe("instruments", "failed", str(failure))]
    types = [name for name in adapter.capabilities.market_types if name in listed["market_type"].unique().to_list()]
    missing = [name for name in adapter.capabilities.market_types if name not in types]
    counts = ", ".join(f"{listed.filter(pl.col('market_type') == name).height} {name}" for name in types)
    probes = [
        Probe("instruments", "differs", f"lists {counts or 'nothing'}; expected {', '.join(missing)} as well")
        if missing
        else Probe("instruments", "as expected", counts)
    ]
    is_blocked = False
    for kind, ask, reason in _questions(adapter, listed, now):
        if reason is not None:
            probes.append(Probe(kind, "not offered", reason))
        elif is_blocked:
            probes.append(Probe(kind, "not asked", "the exchange is out of reach"))
        else:
            found, is_blocked = await _asked(kind, ask)
            probes.append(found)
    return probes


_Question = tuple[str, Callable[[], Awaitable[Fetched]], str | None]


def _questions(adapter: Adapter, listed: pl.DataFrame, now: datetime) -> list[_Question]:
    """Kind, call, and why the call is not offered (None: it is)."""
    offers, midnight = adapter.capabilities, datetime.combine(now.date(), datetime.min.time())
    first = midnight - timedelta(days=_DAYS)
    questions: list[_Question] = []

    def candles(symbol: str, market_type: str, price_type: str) -> Callable[[], Awaitable[Fetched]]:
        return lambda: adapter.candles(symbol, market_type, price_type, "1d", first, midnight)

    for market_type in offers.market_types:
        symbol = _newest_symbol(listed, market_type)
        dataset = "spot_ohlcv" if market_type == "spot" else "futures_ohlcv"
        for price_type in ("last", "mark", "index") if market_type == "perpetual" else ("last",):
            reason = offers.absence(dataset, price_type, "1d")
            if symbol is not None or reason is not None:
                kind = f"{market_type} {price_type} candles"
                questions.append((kind, candles(symbol or "", market_type, price_type), reason))
    perpetual = _newest_symbol(listed, "perpetual")
    if perpetual is None:
        return questions
    history = offers.absence("open_interest", None, "1d")
    return [
        *questions,
        ("funding history", lambda: adapter.funding_rates(perpetual, first, now), None),
        ("funding now", lambda: adapter.funding_now([perpetual]), None),
        ("open interest history", lambda: adapter.open_interest(perpetual, "1d", first, now), history),
        ("open interest now", lambda: adapter.open_interest_now([perpetual]), None),
    ]


def _newest_symbol(listed: pl.DataFrame, market_type: str) -> str | None:
    """The coin's market that has most time to live, against USDT if there is one."""
    of_coin = listed.filter(
        pl.col("market_type") == market_type,
        pl.col("base") == COIN,
        pl.col("is_active").fill_null(True),
    ).sort(pl.col("quote") == "USDT", "expiry_at", nulls_last=False)
    return None if of_coin.is_empty() else str(of_coin["symbol"][-1])


async def _asked(kind: str, ask: Callable[[], Awaitable[Fetched]]) -> tuple[Probe, bool]:
    """What the call has shown, and whether the exchange as a whole is out of reach."""
    try:
        fetched = await ask()
    except ExchangeFailure as failure:
        return Probe(kind, "failed", str(failure)), failure.kind == "blocked"
    rows, unreadable = fetched.frame.height, fetched.rejected.height
    if unreadable:
        example = fetched.rejected["row_json"][0][:160]
        return Probe(kind, "differs", f"{unreadable} of {rows + unreadable} rows cannot be read, like {example}"), False
    if not rows:
        return Probe(kind, "differs", "no rows, although it is offered"), False
    return Probe(kind, "as expected", f"{rows} rows in {fetched.requests} requests"), False
