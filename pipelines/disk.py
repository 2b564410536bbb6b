"""What takes room on the disk, and what of it may go."""

import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.clock import to_milliseconds
from pipelines.settings import DBT_DIRECTORY

DBT_TARGET = DBT_DIRECTORY / "target"
FAILED_TARGETS_KEPT = 5
_IN_USE = timedelta(days=1)  # a run of another warehouse may be using what is younger


def disk_use(warehouse_dir: Path, dagster_home: Path, dbt_target: Path = DBT_TARGET) -> dict[str, int]:
    """Bytes on the disk per part; 0 where there is nothing yet.

    Args:
        warehouse_dir: The warehouse.
        dagster_home: Where Dagster keeps its runs; most often inside the warehouse, and counted as a part of its own.
        dbt_target: What dbt leaves behind, shared by all warehouses.
    """
    parts = {
        "build": [*warehouse_dir.glob("build.duckdb*")],
        "releases": [warehouse_dir / "releases"],
        "reports": [warehouse_dir / "reports"],
        "logs": [warehouse_dir / "logs"],
        "dagster": [dagster_home],
        "dbt_target": [dbt_target],
    }
    return {name: sum(map(_size, _files(places))) for name, places in parts.items()}


def remove_old_logs(directory: Path, before: datetime) -> int:
    """Remove the logs that were last written before an instant (UTC); gives how many."""
    old = [path for path in directory.glob("*.log") if _changed_before(path, before)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def remove_dbt_targets(run_id: str, now: datetime, target: Path = DBT_TARGET) -> int:
    """Remove what dbt left of a run that went well, and of failed ones all but the newest; gives how many folders.

    Args:
        run_id: The run that went well.
        now: UTC.
        target: dbt's target folder.
    """
    mine = list(target.glob(f"marts-{run_id[:7]}-*"))
    others = [path for path in target.glob("marts-*") if path not in mine]
    newest_first = sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
    old = [path for path in newest_first[FAILED_TARGETS_KEPT:] if _changed_before(path, now - _IN_USE)]
    for path in (*mine, *old):
        shutil.rmtree(path, ignore_errors=True)
    return len(mine) + len(old)


def _changed_before(path: Path, moment: datetime) -> bool:
    return path.stat().st_mtime * 1000 < to_milliseconds(moment)


def _files(places: Iterable[Path]) -> list[Path]:
    return [path for place in places for path in ([place] if place.is_file() else place.rglob("*"))]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:  # gone since it was listed
        return 0
