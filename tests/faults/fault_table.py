"""Every fault on every exchange, and what becomes of it: the table of `docs/reliability.md`.

`python -m tests.faults.fault_table` writes the table into the document; a test compares the two.
"""

import asyncio
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.clock import to_milliseconds
from pipelines.exchanges.client import open_client
from pipelines.exchanges.registry import ADAPTERS
from pipelines.exchanges.retries import Caller, RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess
from pipelines.policy_models import LagMinutes
from pipelines.raw.batch import Stamp, build_batches
from pipelines.raw.ingest import Limits, ingest_exchange
from pipelines.raw.plan import Wants, plan_series
from pipelines.raw.snapshot import keeps_no_history, take_snapshot
from warehouse.connection import Connection, Warehouse
from warehouse.contracts import FACTS
from warehouse.raw import RawWriter
from warehouse.schema import create_tables

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
NOW, START = datetime(2024, 6, 30, 0, 15), datetime(2024, 6, 20)
SYMBOLS = ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT")
MEANINGS = {
    "rate_limited": "rate limit (HTTP 429, or the exchange's own code)",
    "banned": "banned (HTTP 418)",
    "geo_blocked": "country refused (HTTP 451)",
    "forbidden_html": "country refused (HTTP 403, CloudFront's page)",
    "server_error": "server error (HTTP 500)",
    "html_page": "HTTP 200 with HTML",
    "empty_body": "HTTP 200, empty body",
    "truncated_json": "half a JSON text",
    "hang": "no reply at all",
    "connection_reset": "connection reset",
    "nan_price": "a price that is no number",
    "negative_price": "a negative price",
    "duplicate_rows": "rows served twice",
    "conflicting_rows": "two different rows for one time",
    "microsecond_timestamps": "times in microseconds",
    "zero_open_interest": "open interest of zero",
}
IN_ROWS = tuple(MEANINGS)[tuple(MEANINGS).index("nan_price") :]


class Exchange:
    """One exchange of the local exchange, read again and again under one fault after the other."""

    def __init__(self, server: LocalExchangeProcess, name: str, client: Any) -> None:
        self._server, self._name, self._client = server, name, client

    async def begin(self) -> None:
        """Read the list of instruments, and what a sound exchange gives."""
        self._listed = (await self._adapter().instruments()).frame
        _, self._sound = await self._read(None)

    async def outcome(self, fault: dict[str, Any]) -> str:
        """What becomes of a small ingestion under a fault, in words."""
        words, facts = await self._read(fault)
        return words or ("same rows" if facts == self._sound else "OTHER ROWS")

    def _adapter(self) -> Any:
        async def no_pause(_: float) -> None:
            pass

        return ADAPTERS[self._name](self._client, Caller(self._name, RetryPolicy(attempts=3), no_pause))

    async def _read(self, fault: dict[str, Any] | None) -> tuple[str, Any]:
        self._server.set_faults([{"exchange": self._name, **fault}] if fault else [])
        self._client.timeout = 150 if fault and fault["kind"] == "hang" else 5_000
        with tempfile.TemporaryDirectory() as folder, Warehouse(Path(folder)).open_build("fault table") as connection:
            create_tables(connection)
            blocked = await self._ingest(RawWriter(connection))
            return _in_words(connection, blocked), _facts(connection)

    async def _ingest(self, writer: RawWriter) -> bool:
        adapter, stamp = self._adapter(), Stamp("run", NOW, "simulated", LagMinutes())
        chosen = self._listed.filter(pl.col("symbol").is_in(SYMBOLS))
        nothing = pl.DataFrame(schema=dict.fromkeys(("dataset", "symbol", "price_type", "timeframe"), pl.String))
        plan = plan_series(chosen, nothing, adapter.capabilities, Wants(), START, NOW)
        report = await ingest_exchange(
            adapter, plan, writer, Limits(), lambda _: None, stamp=stamp, clock=lambda: NOW + timedelta(minutes=1)
        )
        if keeps_no_history(adapter.capabilities) and report.blocked is None:
            loads = await take_snapshot(adapter, SYMBOLS[-1:], stamp=stamp, clock=lambda: NOW)
            writer.write(build_batches(loads, stamp))
        return report.blocked is not None


def _in_words(connection: Connection, blocked: bool) -> str:
    log = connection.execute("select status from raw.load_batches where status in ('ok', 'failed', 'empty')").fetchall()
    rules = connection.execute("select distinct rule from raw.quarantine order by all").fetchall()
    statuses, parts = Counter(status for (status,) in log), []
    if blocked:
        parts.append("exchange left for this run")
    elif statuses["failed"]:
        parts.append(f"{'some' if statuses['ok'] else 'all'} series failed")
    elif statuses["empty"]:
        parts.append("counted as a gap")
    if rules:
        parts.append("set aside: " + ", ".join(f"`{rule}`" for (rule,) in rules))
    return "; ".join(parts)


def _facts(connection: Connection) -> list[list[tuple[Any, ...]]]:
    """What is stored of every fact, without its lineage."""
    return [
        connection.execute(
            f"select {', '.join((*table.natural_key, *table.values))} from {table.qualified_name} order by all"
        ).fetchall()
        for table in FACTS
    ]


def table() -> str:
    """The table in Markdown: a row per fault and its length, a column per exchange."""
    faults = {
        f"{meaning}{words}": {"kind": kind, **limit}
        for kind, meaning in MEANINGS.items()
        for words, limit in ({"": {}} if kind in IN_ROWS else {", once": {"first": 1}, ", lasting": {}}).items()
    }
    with LocalExchangeProcess(now=NOW) as server:
        columns = {name: asyncio.run(_column(server, name, list(faults.values()))) for name in ADAPTERS}
    lines = ["| fault | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    cells = zip(*columns.values(), strict=True)
    return "\n".join([*lines, *(f"| {name} | {' | '.join(row)} |" for name, row in zip(faults, cells, strict=True))])


async def _column(server: LocalExchangeProcess, name: str, faults: list[dict[str, Any]]) -> list[str]:
    async with open_client(name, base_url=server.url, now_ms=lambda: to_milliseconds(NOW), rate_limit=False) as client:
        exchange = Exchange(server, name, client)
        await exchange.begin()
        return [await exchange.outcome(fault) for fault in faults]


def written() -> str:
    """The table as the document has it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def main() -> None:
    """Write the table into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    DOCUMENT.write_text(f"{before}\n{table()}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
