"""What an exchange shows of this moment: one row per market, from one reply for all of them or from one each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from pipelines.exchanges import port, series
from pipelines.exchanges.client import count_requests
from pipelines.exchanges.errors import classify
from pipelines.exchanges.paging import Pages
from pipelines.exchanges.parse import Shape, UnreadableReply, parse_rows
from pipelines.exchanges.retries import Caller

Market = dict[str, Any]
NOW = "received_ms"
"""The place of the time in a `Shape` for rows that the exchange does not stamp: the moment of the reply."""


@dataclass(frozen=True)
class Look:
    """One request about the present.

    Attributes:
        endpoint: ccxt's name of the raw endpoint.
        params: Its parameters.
        markets: The markets wanted from the reply.
        shape: Where a row holds its values.
        id_at: Where a row holds the exchange's name of its market; None: the reply is about the one market.
    """

    endpoint: str
    params: dict[str, Any]
    markets: list[Market]
    shape: Shape
    id_at: str | None


@dataclass(frozen=True)
class Seen:
    """One row per market that could be read, in the shape's columns; unreadable rows are in `pages`."""

    frames: list[tuple[Market, pl.DataFrame]]
    pages: Pages
    requests: int

    def fetched(self, frames: list[pl.DataFrame], columns: dict[str, pl.DataType], **fixed: str) -> port.Fetched:
        """The frames, one per market, with the values that all rows share, in the shape of the port."""
        if not frames:
            return series.present(pl.DataFrame(schema=columns), self.pages, self.requests)
        rows = pl.concat(frames, how="vertical_relaxed").with_columns(
            pl.lit(text).alias(name) for name, text in fixed.items()
        )
        ordered = rows.select(pl.col(name).cast(kind) for name, kind in columns.items()).sort("symbol")
        return series.present(ordered, self.pages, self.requests)


async def see(client: Any, caller: Caller, rows_of: Callable[[Any], Any], name: str, looks: list[Look]) -> Seen:
    """Make the requests one after the other.

    Args:
        client: The ccxt client.
        caller: Repeats what may be repeated.
        rows_of: The list of rows inside a reply, or the one row.
        name: What is asked for, for messages.
        looks: The requests.

    Raises:
        ExchangeFailure: a request failed for good, or its reply holds no rows.
    """
    frames: list[tuple[Market, pl.DataFrame]] = []
    pages = Pages()
    with count_requests() as counted:
        for look in looks:
            symbol = look.markets[0]["symbol"] if look.id_at is None else None
            try:
                rows = await caller.call(name, symbol, partial(_ask, client, rows_of, look))
            except UnreadableReply as error:
                raise classify(error, client.id, name, symbol) from None
            for row in rows:
                market = _market_of(row, look)
                if market is not None:
                    parsed = parse_rows([row], look.shape)
                    pages.rejected.update(dict.fromkeys(parsed.rejected))
                    frames += [(market, parsed.frame)] if not parsed.frame.is_empty() else []
    return Seen(frames, pages, counted.requests)


async def _ask(client: Any, rows_of: Callable[[Any], Any], look: Look) -> list[Any]:
    rows = rows_of(await getattr(client, look.endpoint)(look.params))
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise UnreadableReply("the reply holds no rows")
    received_ms = client.milliseconds()
    return [{NOW: received_ms, **row} if isinstance(row, dict) else row for row in rows]


def _market_of(row: Any, look: Look) -> Market | None:
    if look.id_at is None:
        return look.markets[0]
    name = row.get(look.id_at) if isinstance(row, dict) else None
    return next((market for market in look.markets if market["id"] == name), None)
