"""A thousand nights decided in one run: from the marts to orders, books and scenarios, in seconds and memory."""

import json
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from pipelines.settings import PROJECT_ROOT
from tests.benchmarks.nights import run
from tests.benchmarks.report import Ratio

LAST_DAY = date(2026, 11, 20)
NIGHTS = 1_000
GOAL_SECONDS, GOAL_MIB = 20.0, 1024.0

# A process of its own, so that its peak is its own: signals and portfolio as a night runs them, on marts made before.
_DECIDE = """
import json, resource, sys, time
from datetime import date
from pathlib import Path
from pipelines.audit_trail.decide import decide_again
from pipelines.policy import Policy
from warehouse.connection import Warehouse
first, last = map(date.fromisoformat, sys.argv[2:4])
import pipelines.definitions, pipelines.publish.assets
started = time.perf_counter()
decide_again(Warehouse(Path(sys.argv[1])), first, last, Policy(), {"source": "simulated"}, with_marts=False)
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main() -> list[Ratio]:
    """The marts are built before; Dagster's own bookkeeping is part of the time."""
    first_day = LAST_DAY - timedelta(days=NIGHTS - 1)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder)
        run(warehouse, first_day, LAST_DAY)
        command = [sys.executable, "-c", _DECIDE, str(warehouse), str(first_day), str(LAST_DAY)]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the decisions could not be made again:\n{done.stderr[-2000:]}")
        seconds, peak_mib = json.loads(done.stdout.splitlines()[-1])
    return [
        Ratio(f"{NIGHTS:,} nights decided in one run / {GOAL_SECONDS:.0f} s", seconds, GOAL_SECONDS, 1.0,
              f"{seconds:.1f} s, {1000 * seconds / NIGHTS:.1f} ms a night"),
        Ratio(f"their peak memory / {GOAL_MIB:.0f} MiB", peak_mib, GOAL_MIB, 1.0, f"{peak_mib:.0f} MiB"),
    ]  # fmt: skip
