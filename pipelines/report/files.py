"""Where the pages lie: `reports/<day>.html` and `reports/index.html` beside the release, each put in place whole."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.policy import Policy
from pipelines.report.data import read_night, release_info
from pipelines.report.index import page_name, render_index
from pipelines.report.nights import read_nights
from pipelines.report.page import render_night
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

INDEX = "index.html"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        day: The night.
        page, index: The files.
        release_id: The release that the page was made from.
    """

    day: date
    page: Path
    index: Path
    release_id: str


def reports_dir(warehouse: Warehouse) -> Path:
    return warehouse.directory / "reports"


def reports_index(warehouse: Warehouse) -> Path:
    """The page over all nights; it may not exist yet."""
    return reports_dir(warehouse) / INDEX


def write_report(warehouse: Warehouse, policy: Policy, day: date | None = None) -> Written:
    """Make the page of one night from the current release, and the index over all of its nights.

    Only the release is read, so a night that a gate stopped, which has none, gets no page.

    Args:
        warehouse: Where the release is; the pages go beside it.
        policy: The policy in force.
        day: The night; None for the newest.

    Raises:
        NoSuchNight: the release has no decision about that day.
        WarehouseError: there is no release, it was made by another version, or the page cannot be written.
    """
    folder = reports_dir(warehouse)
    with warehouse.open_release() as con:
        night = read_night(con, day, policy.spread.reference)
        info, nights = release_info(con), read_nights(con)
    before = None if night.previous_day is None else page_name(night.previous_day)
    page, index = folder / page_name(night.day), reports_index(warehouse)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(page, render_night(night, policy, before if before and (folder / before).is_file() else None))
        pages = {path.name for path in folder.glob("*.html")} - {INDEX}
        _write(index, render_index(info, nights, pages))
    except OSError as error:
        raise WarehouseError(
            f"{error.filename or folder}: the report could not be written ({error.strerror}). The release is in place. "
            "Check the free disk space and who owns the folder, then: rotation report"
        ) from None
    return Written(night.day, page, index, info["release_id"])


def _write(path: Path, text: str) -> None:
    """A reader sees the old page or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
