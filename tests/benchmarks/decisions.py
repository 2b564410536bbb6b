"""A thousand nights decided in one run: from the marts to orders, books and scenarios, in seconds and memory."""

import re
import resource
import subprocess
import tempfile
from datetime import date, timedelta

from pipelines.settings import PROJECT_ROOT
from tests.benchmarks.nights import ROTATION
from tests.benchmarks.report import Ratio

LAST_DAY = date(2026, 11, 20)
NIGHTS = 1_000
GOAL_SECONDS, GOAL_MIB = 20.0, 1024.0

# Progress lines of the stages from the marts to everything that a night decides.
_STAGE = re.compile(r"(?:signals|portfolio): done in ([0-9.]+) s")


def main() -> list[Ratio]:
    """The second run over the same days, as `rotation run` does it; the peak is that of the whole process."""
    days = ["--from", str(LAST_DAY - timedelta(days=NIGHTS - 1)), "--to", str(LAST_DAY)]
    with tempfile.TemporaryDirectory() as folder:
        command = [ROTATION, "run", "--warehouse", folder, *days]
        for _ in range(2):
            done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"rotation run ended with {done.returncode}:\n{done.stderr[-2000:]}")
    stages = [float(seconds) for seconds in _STAGE.findall(done.stderr)]
    if len(stages) != 2:
        raise RuntimeError(f"the run told the seconds of {len(stages)} stages, not of two:\n{done.stderr[-2000:]}")
    seconds, peak_mib = sum(stages), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return [
        Ratio(f"{NIGHTS:,} nights decided in one run / {GOAL_SECONDS:.0f} s", seconds, GOAL_SECONDS, 1.0,
              f"signals {stages[0]:.1f} s, portfolio {stages[1]:.1f} s"),
        Ratio(f"peak memory of the whole run / {GOAL_MIB:.0f} MiB", peak_mib, GOAL_MIB, 1.0, f"{peak_mib:.0f} MiB"),
    ]  # fmt: skip
