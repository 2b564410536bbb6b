"""Fifty nights in a row with faults, on a shortened clock: `python -m tests.soak --to FOLDER` (`make soak`).

The real `dagster-daemon run` with the nightly schedule switched on; the local exchange's simulated market over HTTP;
alerts to real HTTP and SMTP servers on loopback. Only the wall clock of those processes is set: after every night it
is moved on to the next one. What goes wrong in which night is drawn from the seed.

It ends with 1 when something was not as it should be, and says what.
"""

import argparse
import json
import platform
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

from tests.soak.expected import compare, of_age, of_releases
from tests.soak.figures import disk_trends, memory_trends, table, trend_table
from tests.soak.nights import SCHEDULE, Soak, surroundings
from tests.soak.plan import draw
from tests.soak.surroundings import Stuck

FIRST_DAY = date(2026, 9, 15)  # hedges are opened and closed within the fifty days after it


def judge(soak: Soak, is_long: bool) -> dict:
    """Compare what was told with releases and runs, and memory and disk with their bounds."""
    failed = Counter(f"run:{run_id}" for run_id, status in soak.runs.items() if status == "FAILURE")
    expected = of_releases(soak.releases) + of_age(soak.releases, soak.clock.now) + failed
    told = soak.told
    found = compare(expected, told)
    soak.violations += [f"alert lost: {name}" for name in found.lost]
    soak.violations += [f"alert invented: {name}" for name in found.invented]
    soak.violations += [f"alert told more than once: {name}" for name in found.repeated]
    by_webhook = Counter(" ".join(event["title"].split()) for event in told)
    soak.violations += [f"mail and webhook differ: {name}" for name in by_webhook - soak.mailed]
    soak.violations += [f"mail and webhook differ: {name}" for name in soak.mailed - by_webhook]
    trends = disk_trends(soak.rows) + memory_trends(soak.rows) if is_long else []
    soak.violations += [
        f"not bounded: {one.name}: {one.last:.2f} > {one.bound:.2f}" for one in trends if not one.is_bounded
    ]
    ticks = Counter(status for _, status in soak.daemon.schedule_ticks(SCHEDULE))
    return {
        "told": dict(found.kinds),
        "expected": sum(expected.values()),
        "runs": dict(Counter(soak.runs.values())),
        "schedule_ticks": dict(ticks),
        "trends": [one.as_dict() for one in trends],
        "trend_table": trend_table(trends) if trends else "",
    }


def report(soak: Soak, verdict: dict, seed: int, seconds: float, folder: Path) -> None:
    """Write `soak.json` and `soak.md`."""
    released = sum(not row["ends_with"].endswith("kept") for row in soak.rows)
    about = {
        "nights": len(soak.rows),
        "seed": seed,
        "market": "SIMULATED",
        "released": released,
        "kept": len(soak.rows) - released,
        "minutes": round(seconds / 60, 1),
        "python": platform.python_version(),
    }
    trends = verdict.pop("trend_table")
    folder.mkdir(parents=True, exist_ok=True)
    content = about | verdict | {"violations": soak.violations, "by_night": soak.rows}
    (folder / "soak.json").write_text(json.dumps(content, indent=1, default=str))
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(verdict["told"].items()))
    said = "\n".join(f"- {line}" for line in soak.violations) or "- nothing"
    (folder / "soak.md").write_text(
        f"# {about['nights']} nights with faults (SIMULATED market, seed {seed})\n\n"
        f"{released} ended with a new release, {about['kept']} with the kept one; {about['minutes']:g} minutes.\n"
        f"Alerts: {kinds}.\n\nWhat should not have been:\n\n{said}\n\n{trends}\n{table(soak.rows)}"
    )


def main() -> int:
    """Give 0 when everything was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=50)
    parser.add_argument(
        "--seed", type=int, default=381, help="of the faults; with 381 every kind of trouble comes early"
    )
    parser.add_argument("--to", type=Path, default=Path("soak"), help="where soak.json and soak.md go")
    parser.add_argument("--work", type=Path, help="where warehouse, Dagster home and logs go; default: a temporary one")
    chosen = parser.parse_args()
    asked: list[int] = []  # to end early: the night is lived through, and judged with those before
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    began = time.monotonic()
    plan = draw(chosen.nights, chosen.seed, FIRST_DAY)
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        work = chosen.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        with surroundings(work.resolve(), FIRST_DAY) as soak:
            try:
                for night in plan:
                    if asked:
                        break
                    soak.live_through(night)
            except Stuck as error:
                soak.violations.append(f"stuck after night {len(soak.rows)}: {error}")
            verdict = judge(soak, len(soak.rows) >= 20)
        report(soak, verdict, chosen.seed, time.monotonic() - began, chosen.to)
    print((chosen.to / "soak.md").read_text())
    return 1 if soak.violations else 0


if __name__ == "__main__":
    sys.exit(main())
