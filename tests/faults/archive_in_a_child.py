"""Imports the archive in forked children and kills them where it is told to. One line of JSON in, one line out.

In: `{"url", "warehouse", "first_day", "last_day", "kill_after", "wait_s"}`: `kill -9` that long after that many reports
of progress; `kill_after` null lets it end. Out: `{"reports", "ended"}`.
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

from pipelines import progress
from pipelines.archive import session
from pipelines.archive.names import KINDS
from pipelines.policy import load_policy
from pipelines.settings import load_settings

ROWS_PER_TRANSACTION = 600  # many small transactions: more places to be killed at


def serve() -> None:
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _run(order: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _import(order, writing)
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


def _import(order: dict[str, Any], writing: int) -> None:
    """Import and leave with 0; every report of progress is one byte to the parent."""
    code = 1
    try:
        session.Limits = functools.partial(session.Limits, flush_rows=ROWS_PER_TRANSACTION)
        settings = load_settings(warehouse_dir=Path(order["warehouse"]))
        days = (date.fromisoformat(order["first_day"]), date.fromisoformat(order["last_day"]))
        with progress.listening(lambda _: os.write(writing, b".")):
            outcome = session.run_import(settings, load_policy(), session.Order(*days, KINDS, (), order["url"]))
        code = 2 if outcome.report.refused else 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
