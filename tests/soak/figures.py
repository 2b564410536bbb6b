"""Memory and disk, night by night: what they grew by, and whether that has a bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

WARM_UP_NIGHTS = 10  # releases, kept history and caches fill up until then
FEW = 10
MOST_DISK_RATIO, DISK_SLACK_MB = 1.5, 0.3
MOST_DAEMON_RATIO, MOST_RUN_RATIO = 1.2, 1.3

Rows = Sequence[dict[str, Any]]


def folder_mb(path: Path) -> float:
    """Size of a file, or of all files below a folder, in MB; 0 for what is not there."""
    files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
    total = 0
    for file in files:
        try:
            total += file.lstat().st_size
        except FileNotFoundError:
            continue  # removed meanwhile
    return round(total / 1e6, 3)


def disk_mb(warehouse: Path, home: Path, dbt_target: Path) -> dict[str, float]:
    """By part of what a night writes."""
    parts = {
        "build": warehouse / "build.duckdb",
        "releases": warehouse / "releases",
        "reports": warehouse / "reports",
        "logs": warehouse / "logs",
        "alerts": warehouse / "alerts.sqlite",
        "dagster": home,
        "dbt": dbt_target,
    }
    return {name: folder_mb(path) for name, path in parts.items()}


@dataclass(frozen=True)
class Trend:
    """The first nights after the warm-up against the last ones.

    Attributes:
        first, last: Mean of the values, or of the growth per night.
        slope: Least squares over all nights after the warm-up, per night.
        is_bounded: Whether `last` is within its bound.
    """

    name: str
    first: float
    last: float
    slope: float
    bound: float
    is_bounded: bool

    def as_dict(self) -> dict[str, Any]:
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in vars(self).items()}


def disk_trends(nights: Rows) -> list[Trend]:
    """Growth per night by part and in all: of the last nights at most 1.5 times that of the first."""
    trends = []
    for name in [*nights[0]["disk_mb"], "all"]:
        sizes = [sum(row["disk_mb"].values()) if name == "all" else row["disk_mb"][name] for row in nights]
        growth = [after - before for before, after in pairwise(sizes)]
        late = growth[_warm_up(len(growth)) :]
        few = _few(len(late))
        first, last = fmean(late[:few]), fmean(late[-few:])
        bound = max(first, 0.0) * MOST_DISK_RATIO + DISK_SLACK_MB
        trends.append(Trend(f"disk: {name}, MB more per night", first, last, fmean(late), bound, last <= bound))
    return trends


def memory_trends(nights: Rows) -> list[Trend]:
    """RSS of the daemon since it was started last, and of the runs' processes over all nights."""
    start = nights[-1]["daemon_started"]
    same = [row for row in nights if row["daemon_started"] == start and "daemon" in row["memory_mb"]][2:]
    ran = [row for row in nights if row["memory_mb"].get("run")]
    late = ran[_warm_up(len(ran)) :]
    found = []
    for name, rows, most in (("daemon", same, MOST_DAEMON_RATIO), ("run", late, MOST_RUN_RATIO)):
        values = [row["memory_mb"][name] for row in rows]
        if len(values) < 4:
            continue
        few = _few(len(values))
        first, last = median(values[:few]), median(values[-few:])
        trend = Trend(f"RSS: {name}, MB", first, last, _slope(values), first * most, last <= first * most)
        found.append(trend)
    return found


def table(nights: Rows) -> str:
    """The nights as a table in Markdown."""
    head = (
        "| night | day | what went wrong | ends with | alerts | run s | daemon MB | run MB | disk MB |\n"
        + "|---" * 9
        + "|\n"
    )
    lines = [
        f"| {row['night']} | {row['day']} | {row['faults']} | {row['ends_with']} | {row['alerts']} "
        f"| {row['run_seconds']:.0f} | {row['memory_mb'].get('daemon', 0):.0f} | {row['memory_mb'].get('run', 0):.0f} "
        f"| {sum(row['disk_mb'].values()):.0f} |"
        for row in nights
    ]
    return head + "\n".join(lines) + "\n"


def trend_table(trends: Sequence[Trend]) -> str:
    """The trends as a table in Markdown."""
    head = "| | first nights | last nights | slope per night | bound | |\n" + "|---" * 6 + "|\n"
    lines = [
        f"| {one.name} | {one.first:.2f} | {one.last:.2f} | {one.slope:+.3f} | {one.bound:.2f} "
        f"| {'ok' if one.is_bounded else 'ABOVE'} |"
        for one in trends
    ]
    return head + "\n".join(lines) + "\n"


def _warm_up(nights: int) -> int:
    return min(WARM_UP_NIGHTS, nights // 3)


def _few(nights: int) -> int:
    return max(1, min(FEW, nights // 2))


def _slope(values: Sequence[float]) -> float:
    middle, mean = (len(values) - 1) / 2, fmean(values)
    squares = sum((place - middle) ** 2 for place in range(len(values)))
    return sum((place - middle) * (value - mean) for place, value in enumerate(values)) / squares if squares else 0.0
