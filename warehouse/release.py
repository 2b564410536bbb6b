"""Releases: what the readers see, put in place in one step, and taken back in one step.

A release is its own file, `releases/<release_id>.duckdb`, written under another name until it is complete.
`warehouse.duckdb` is a relative link to the current one, and publishing is one atomic rename of that link. Two
traps decided this:

* A write-ahead log left beside a database file is replayed into whatever file has that name later. So a release
  is checkpointed and closed first, and a `.wal` beside it stops the publication.
* Within one process DuckDB answers a second connection to the same path from the file the first one has open,
  even when that path has been replaced. A link to a file of its own name per release, opened by its resolved
  name (`Warehouse.open_release`), always gives the release that is current at that moment.

A reader that has a release open keeps reading it to the end, also after that file has been removed.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl

from warehouse.connection import Connection, Warehouse, transaction
from warehouse.contracts import FACTS, INPUT_DIGESTS, RELEASE_INFO, RELEASE_LOG, Table
from warehouse.errors import NoRelease, WarehouseError
from warehouse.frames import frame_schema, insert
from warehouse.schema import create_tables

SOURCES = ("live", "recorded", "simulated", "example")
MADE_UP = ("simulated", "example")
PUBLISHED_SCHEMAS = ("marts", "portfolio", "quality")
RawDays = int | Literal["all"] | None


@dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        release_id: Number and day, for example `000042-20261121`; sorts in the order of publication.
        published_at: When, UTC without a zone.
        as_of_date: The last decision day in it.
        source: What the numbers are made from: `live`, `recorded`, `simulated` or `example` (a scripted market).
        git_sha, policy_hash, input_hash: What made it.
        row_counts: Rows per table, for example `{"marts.sector_weights": 5}`.
        checks_passed: How many checks had passed when it was published.
        path: The file; not there any more where `is_kept` is false.
        is_current: True for the release that readers get.
        is_kept: True while its file is kept for a rollback.
    """

    release_id: str
    published_at: datetime
    as_of_date: date
    source: str
    git_sha: str | None
    policy_hash: str | None
    input_hash: str | None
    row_counts: dict[str, int]
    checks_passed: int
    path: Path
    is_current: bool
    is_kept: bool


def publish(
    warehouse: Warehouse,
    *,
    as_of_date: date,
    source: str,
    git_sha: str | None,
    policy_hash: str | None,
    input_hash: str | None,
    checks_passed: int,
    keep: int,
    published_at: datetime,
    raw_days: RawDays = 7,
) -> Release:
    """Make a release of the build file and put it in place for all readers at once.

    Call it only after every blocking check has passed. Whatever kills it leaves the old release in place; the
    next publication removes what it left over.

    Args:
        warehouse: Its build file is opened; the write lock is taken if this process does not hold it.
        as_of_date: The last decision day in the release.
        source: `live`, `recorded` or `simulated`: the label that every reader finds in `quality.release_info`.
        git_sha: The code's version; None when unknown.
        policy_hash: The policy of the last decision.
        input_hash: The input hash of the last decision.
        checks_passed: How many checks have passed.
        keep: How many releases stay on disk for a rollback, at least 1; the current one always stays.
        published_at: Now, UTC.
        raw_days: How much of raw to include: facts that became available in the last N days, `all`, or None
            for no raw schema.

    Raises:
        WarehouseLocked: somebody else is writing.
        WarehouseError: an argument is wrong, the build file has no marts, or the new file is not complete.
    """
    if source not in SOURCES:
        raise WarehouseError(f"source = {source!r}: a release is made from one of {', '.join(SOURCES)}.")
    if keep < 1:
        raise WarehouseError(f"keep = {keep}: at least the current release stays; give 1 or more.")
    with warehouse.hold_lock("publish"):
        warehouse.releases_dir.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(warehouse)
        with warehouse.open_build() as con:
            create_tables(con, [RELEASE_LOG])
            _adopt_log(con, warehouse)
            release_id = f"{_next_number(con, warehouse):06d}-{as_of_date:%Y%m%d}"
            partial = warehouse.releases_dir / f"{release_id}.duckdb.tmp"
            with _attached(con, partial):
                row_counts = _copy_tables(con, as_of_date, raw_days)
                row = {
                    "release_id": release_id,
                    "published_at": published_at,
                    "as_of_date": as_of_date,
                    "source": source,
                    "git_sha": git_sha,
                    "policy_hash": policy_hash,
                    "input_hash": input_hash,
                    "row_counts": json.dumps(row_counts, sort_keys=True),
                    "checks_passed": checks_passed,
                }
                _describe(con, row)
            _put_in_place(warehouse, partial, release_id)
            insert(con, RELEASE_LOG, pl.DataFrame([row], schema=frame_schema(RELEASE_LOG)))
        _prune(warehouse, keep)
    return next(release for release in list_releases(warehouse) if release.release_id == release_id)


def rollback(warehouse: Warehouse, to: str | None = None) -> Release:
    """Give readers an earlier release again; files are not changed, only the link is.

    Args:
        warehouse: Where.
        to: The release id; None for the one before the current one.

    Returns:
        The release that is current now.

    Raises:
        NoRelease: nothing is published, nothing earlier is kept, or `to` is not kept.
        WarehouseLocked: a run is writing; it might publish on top of the rollback.
    """
    with warehouse.hold_lock("rollback"):
        if to is None:
            current = _current_id(warehouse) or warehouse.resolve_release().stem
            published = [release.release_id for release in list_releases(warehouse) if release.is_kept]
            earlier = [release_id for release_id in published if release_id < current]
            if not earlier:
                raise NoRelease(
                    f"{warehouse.directory}: no release before {current} is kept; there is nothing to go back to."
                )
            to = earlier[-1]
        _point_to(warehouse, warehouse.resolve_release(to).stem)
    return next(release for release in list_releases(warehouse) if release.is_current)


def list_releases(warehouse: Warehouse) -> list[Release]:
    """Every release that was ever published here, the oldest first; empty when there is none."""
    kept = _kept_ids(warehouse)
    if not kept:
        return []
    current = _current_id(warehouse)
    with warehouse.open_release(kept[-1]) as con:  # the newest file's log holds all earlier lines
        log = con.execute(f"from {RELEASE_LOG.qualified_name}").pl()
    rows = {row["release_id"]: {name: row[name] for name in RELEASE_LOG.columns} for row in log.to_dicts()}
    return [
        Release(
            **(rows[release_id] | {"row_counts": json.loads(rows[release_id]["row_counts"])}),
            path=warehouse.releases_dir / f"{release_id}.duckdb",
            is_current=release_id == current,
            is_kept=release_id in kept,
        )
        for release_id in sorted(rows)
    ]


def current_release(warehouse: Warehouse) -> Release | None:
    """The release that readers get; None before the first one."""
    return next((release for release in list_releases(warehouse) if release.is_current), None)


@contextmanager
def _attached(con: Connection, partial: Path) -> Iterator[None]:
    """The new file as catalog `release`; checkpointed and closed at the end, removed when something fails."""
    quoted = str(partial).replace("'", "''")
    try:
        con.execute(f"attach '{quoted}' as release")
        try:
            yield
            con.execute("checkpoint release")
        finally:
            con.execute("detach release")
    except BaseException as error:
        for path in (partial, _wal_of(partial)):
            path.unlink(missing_ok=True)
        if isinstance(error, duckdb.Error):
            raise WarehouseError(
                f"{partial}: the release could not be written ({str(error).splitlines()[0]}). The last release is "
                "still in place. Check the free disk space, then run again."
            ) from None
        raise


def _copy_tables(con: Connection, as_of_date: date, raw_days: RawDays) -> dict[str, int]:
    """Copy tables, and views as tables, into the new file; gives the rows of each outside quality."""
    found = con.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = current_database() order by all"
    ).fetchall()
    if not any(schema == "marts" for schema, _ in found):
        raise WarehouseError(
            "The build file has no marts yet, so there is nothing to publish. Run the transform step first."
        )
    schemas = (*PUBLISHED_SCHEMAS, *(() if raw_days is None else ("raw",)))
    for schema in schemas:
        con.execute(f"create schema release.{schema}")
    # One thread: every thread holds a part of a table with all its long texts, and two write it no sooner.
    con.execute("set threads = 1")
    row_counts: dict[str, int] = {}
    for schema, table in found:
        name = f"{schema}.{table}"
        if schema in schemas and name != INPUT_DIGESTS.qualified_name:
            condition = _recent(table, as_of_date, raw_days) if schema == "raw" else "true"
            copied = con.execute(
                f'create table release.{schema}."{table}" as from {schema}."{table}" where {condition}'
            ).fetchall()
            if schema != "quality":
                row_counts[name] = int(copied[0][0])
    return row_counts


def _recent(table: str, as_of_date: date, raw_days: RawDays) -> str:
    """Which rows of a raw table go into a release; instruments always do, the others' symbols need them."""
    if raw_days is None or raw_days == "all" or table == "instruments":
        return "true"
    since = as_of_date + timedelta(days=1) - timedelta(days=raw_days)
    if table in {fact.name for fact in FACTS}:
        return f"available_at >= timestamp '{since}'"
    column = {"load_batches": "window_end_at", "quarantine": "quarantined_at"}.get(table)
    return "true" if column is None else f"coalesce({column} >= timestamp '{since}', true)"


def _describe(con: Connection, row: dict[str, Any]) -> None:
    """Write the release's own line in its log, and the one line that says which release the file is."""
    info = {name: row[name] for name in RELEASE_INFO.columns if name in row}
    info["is_simulated"] = row["source"] in MADE_UP
    for table, values in ((RELEASE_LOG, row), (RELEASE_INFO, info)):
        _create_in_release(con, table)
        frame = pl.DataFrame([values], schema=frame_schema(table))
        con.register("described", frame)
        con.execute(f"insert into release.{table.qualified_name} by name from described")
        con.unregister("described")


def _create_in_release(con: Connection, table: Table) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())
    con.execute(f"create table if not exists release.{table.qualified_name} ({columns})")


def _put_in_place(warehouse: Warehouse, partial: Path, release_id: str) -> None:
    if _wal_of(partial).exists():
        raise WarehouseError(
            f"{_wal_of(partial)}: the new release still has a write-ahead log, so the file is not complete. Nothing "
            "was published; run again, and report this if it happens twice."
        )
    _sync(partial)
    partial.chmod(0o444)
    partial.rename(warehouse.releases_dir / f"{release_id}.duckdb")
    _sync(warehouse.releases_dir)
    _point_to(warehouse, release_id)


def _point_to(warehouse: Warehouse, release_id: str) -> None:
    link = warehouse.directory / ".warehouse.duckdb.tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(warehouse.releases_dir.name) / f"{release_id}.duckdb")
    link.replace(warehouse.release_path)
    _sync(warehouse.directory)


def _wal_of(database: Path) -> Path:
    return database.with_name(database.name + ".wal")


def _sync(path: Path) -> None:
    """Force a file or a directory to disk, so that a power cut cannot leave a link to half a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _current_id(warehouse: Warehouse) -> str | None:
    """Where the link points; None before the first release."""
    return warehouse.release_path.readlink().stem if warehouse.release_path.is_symlink() else None


def _kept_ids(warehouse: Warehouse) -> list[str]:
    return sorted(path.stem for path in warehouse.releases_dir.glob("*.duckdb"))


def _next_number(con: Connection, warehouse: Warehouse) -> int:
    logged = [row[0] for row in con.execute(f"select release_id from {RELEASE_LOG.qualified_name}").fetchall()]
    return max((int(release_id.split("-")[0]) for release_id in [*logged, *_kept_ids(warehouse)]), default=0) + 1


def _adopt_log(con: Connection, warehouse: Warehouse) -> None:
    """Copy log lines that the build file lacks: a run was killed after the swap, or the build file is new."""
    try:
        current = warehouse.resolve_release()
    except NoRelease:
        return
    with warehouse.open_release(current.stem) as release:
        log = release.execute(f"from {RELEASE_LOG.qualified_name}").pl()
    known = con.execute(f"select release_id from {RELEASE_LOG.qualified_name}").pl()
    missing = log.join(known, on="release_id", how="anti")
    if not missing.is_empty():
        with transaction(con):
            insert(con, RELEASE_LOG, missing.select(list(RELEASE_LOG.columns)))


def _remove_leftovers(warehouse: Warehouse) -> None:
    """Remove the half-made files of a killed publication."""
    for path in [*warehouse.releases_dir.glob("*.duckdb.tmp"), *warehouse.releases_dir.glob("*.duckdb.tmp.wal")]:
        if path.is_file():  # a reader's spill directory has the same kind of name
            path.unlink()


def _prune(warehouse: Warehouse, keep: int) -> None:
    for release_id in _kept_ids(warehouse)[:-keep]:
        if release_id != _current_id(warehouse):
            (warehouse.releases_dir / f"{release_id}.duckdb").unlink(missing_ok=True)
