"""A whole night: over five years of history against over 120 days, and a year in one run against one day."""

import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from pipelines.settings import PROJECT_ROOT
from tests.benchmarks.report import Ratio

LAST_DAY = date(2026, 11, 20)
ROTATION = str(Path(sys.executable).parent / "rotation")


def main() -> list[Ratio]:
    """Each night is a process of its own, as the schedule starts it."""
    with tempfile.TemporaryDirectory() as folder:
        short, long, year = (Path(folder) / name for name in ("short", "long", "year"))
        run(short, LAST_DAY, LAST_DAY)
        year_seconds = run(year, LAST_DAY - timedelta(days=364), LAST_DAY)
        run(long, LAST_DAY - timedelta(days=5 * 365 - 140), LAST_DAY)
        tonight = LAST_DAY + timedelta(days=1)
        short_seconds, long_seconds = run(short, tonight, tonight), run(long, tonight, tonight)
    return [
        Ratio("a night over 5 years of history / over 132 days", long_seconds, short_seconds, 1.3,
              f"{long_seconds:.1f} s against {short_seconds:.1f} s"),
        Ratio("a year decided in one run / one night", year_seconds, short_seconds, 8.0, f"{year_seconds:.1f} s"),
    ]  # fmt: skip


def run(warehouse: Path, first_day: date, last_day: date) -> float:
    """Seconds of `rotation run`; output goes nowhere unless it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [ROTATION, "run", "--warehouse", str(warehouse), "--from", str(first_day), "--to", str(last_day)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"rotation run ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started
