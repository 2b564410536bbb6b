"""Runs ingestions in forked children and kills them where it is told to. One line of JSON in, one line of JSON out.

In: `{"data", "warehouse", "first_day", "last_day", "kill_after", "wait_s"}`: `kill -9` that long after that many
reports of progress; `kill_after` null lets it end. Out: `{"reports", "ended"}`. Forking a process that has imported
everything and started nothing saves each ingestion the seconds of its imports.
"""

import functools
import json
import os
import signal
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import ccxt.async_support  # noqa: F401  (the expensive one)

from pipelines import progress
from pipelines.policy import load_policy
from pipelines.raw import session
from pipelines.settings import load_settings
from warehouse.connection import Warehouse

ROWS_PER_TRANSACTION = 400  # many small transactions: more places to be killed at


def serve() -> None:
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _run(order: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _ingest(order, writing)
    os.close(writing)
    reports = 0
    while order["kill_after"] is None or reports < order["kill_after"]:
        if not os.read(reading, 1):
            break
        reports += 1
    if order["kill_after"] is not None:
        time.sleep(order["wait_s"])
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return {"reports": reports, "ended": os.waitstatus_to_exitcode(status)}


def _ingest(order: dict[str, Any], writing: int) -> None:
    """Ingest and leave with 0; every report of progress is one byte to the parent."""
    code = 1
    try:
        session.Limits = functools.partial(session.Limits, flush_rows=ROWS_PER_TRANSACTION)
        settings = load_settings(source="recorded", data=Path(order["data"]), warehouse_dir=Path(order["warehouse"]))
        days = (date.fromisoformat(order["first_day"]), date.fromisoformat(order["last_day"]))
        with (
            progress.listening(lambda _: os.write(writing, b".")),
            session.IngestSession(
                settings, load_policy(), Warehouse(settings.warehouse_dir), "run", settings.exchanges, *days
            ) as ingestion,
        ):
            reports = [ingestion.report(exchange) for exchange in settings.exchanges]
        code = 0 if all(report.blocked is None and not report.failures for report in reports) else 2
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
