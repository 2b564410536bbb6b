"""Tables of a release as files for other programs: Parquet or CSV, with a manifest that says what they are.

Every file is written beside its place and renamed, and the manifest after it: whatever kills an export leaves whole
files only. A later export into the same folder replaces the tables that it writes and keeps the others; the manifest
names the release of each.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import duckdb

from warehouse.connection import Connection, Warehouse
from warehouse.contracts import RELEASE_INFO
from warehouse.errors import WarehouseError

MANIFEST = "manifest.json"
KIND = "rotation export"
Form = Literal["parquet", "csv"]
# The column that places a row in time, the first that a table has; a table with none is exported whole.
_DAY_COLUMNS = (
    "as_of_date", "date", "opened_at", "settled_at", "observed_at", "window_end_at", "quarantined_at", "checked_at",
)  # fmt: skip
_WRITTEN = {"parquet": "format parquet, compression zstd", "csv": "format csv, header true"}


class ExportError(WarehouseError):
    """Nothing more can be exported; the message says why and what to do."""


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export, as the manifest has it.

    Attributes:
        file: Its name in the folder.
        table: Qualified name of the table.
        release_id: The release that it was taken from.
        first_day, last_day: ISO days asked for, both included; None: no limit, or the table has no days.
        day_column: The column that the limits are of; None where the table is exported whole.
        rows: How many.
        sha256: Of the file.
    """

    file: str
    table: str
    release_id: str
    first_day: str | None
    last_day: str | None
    day_column: str | None
    rows: int
    sha256: str


@dataclass(frozen=True)
class Export:
    """A finished export.

    Attributes:
        directory: Where.
        release_id: The release.
        source: `live`, `recorded` or `simulated`.
        files: What was written now, in the order of the tables' names.
    """

    directory: Path
    release_id: str
    source: str
    files: tuple[ExportedFile, ...]


def export(
    warehouse: Warehouse,
    directory: Path,
    form: Form,
    tables: Sequence[str] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    on_file: Callable[[ExportedFile], None] = lambda file: None,
) -> Export:
    """Write tables of the current release into a folder, one file each, and a manifest.

    Args:
        warehouse: Where the release is.
        directory: A new or empty folder, or that of an earlier export from the same source.
        form: `parquet`, or `csv` with a header, unknown as an empty field and lists as JSON.
        tables: Qualified names; None for every table of the release.
        first_day, last_day: UTC days, both included; tables without days are exported whole.
        on_file: Is told of every file when it is in place.

    Raises:
        ExportError: the folder holds something else, a table is not there, or a file cannot be written.
        NoRelease: nothing has been published.
    """
    if first_day and last_day and first_day > last_day:
        raise ExportError(f"the first day {first_day} lies after the last day {last_day}; swap them")
    with warehouse.open_release() as con:
        columns = _columns(con)
        names = sorted(columns) if tables is None else _chosen(tables, columns)
        files = _file_names(names, form)
        info = con.execute(f"select release_id, source from {RELEASE_INFO.qualified_name}").fetchall()
        release_id, source = info[0]
        manifest = _open_folder(directory, source)
        written = []
        for name in names:
            select, day_column = _select(name, columns[name], form, first_day, last_day)
            path = directory / files[name]
            labels = {"release_id": release_id, "source": source, "table": name}
            rows = _write(con, select, path, form, labels)
            is_limited = day_column is not None
            entry = ExportedFile(
                file=path.name,
                table=name,
                release_id=release_id,
                first_day=first_day.isoformat() if first_day and is_limited else None,
                last_day=last_day.isoformat() if last_day and is_limited else None,
                day_column=day_column,
                rows=rows,
                sha256=_sha256(path),
            )
            manifest["files"] = [f for f in manifest["files"] if f["file"] != path.name] + [asdict(entry)]
            manifest |= {"release_id": release_id, "source": source, "is_simulated": source == "simulated"}
            _write_manifest(directory, manifest)
            written.append(entry)
            on_file(entry)
    return Export(directory, release_id, source, tuple(written))


def _columns(con: Connection) -> dict[str, dict[str, str]]:
    """Every table of the release, with its columns and their types."""
    found = con.execute(
        "select table_schema || '.' || table_name, column_name, data_type from information_schema.columns "
        "where table_catalog = current_database() order by 1, ordinal_position"
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        tables.setdefault(table, {})[column] = kind
    return tables


def _chosen(wanted: Sequence[str], columns: dict[str, dict[str, str]]) -> list[str]:
    for name in wanted:
        if name not in columns:
            near = get_close_matches(name, columns, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"It has: {', '.join(sorted(columns))}."
            raise ExportError(f"the release has no table {name!r}; {hint}")
    return sorted(set(wanted))


def _file_names(tables: Sequence[str], form: Form) -> dict[str, str]:
    """Table to file name, of letters, digits, dots and underscores only."""
    names = {table: f"{re.sub(r'[^A-Za-z0-9_.]', '_', table).lstrip('.')}.{form}" for table in tables}
    if len({name.lower() for name in names.values()}) < len(names):
        raise ExportError("two tables of the release would have the same file name; export them one at a time")
    return names


def _open_folder(directory: Path, source: str) -> dict[str, Any]:
    """Make the folder or look at what is in it; gives the manifest to go on with."""
    new = {"kind": KIND, "release_id": None, "source": source, "is_simulated": source == "simulated", "files": []}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_empty = next(directory.iterdir(), None) is None
    except OSError as error:
        raise ExportError(f"{directory}: cannot be used as a folder ({error.strerror}); give another one") from None
    if is_empty:
        _write_manifest(directory, new)  # first, so that the folder of an export that was killed is known as one
        return new
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        if manifest["kind"] != KIND or not all(isinstance(entry["file"], str) for entry in manifest["files"]):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise ExportError(
            f"{directory}: the folder is not empty and holds no export of this program; nothing was written. Give a "
            "new or an empty folder."
        ) from None
    if manifest.get("source") != source:
        raise ExportError(
            f"{directory}: the folder holds an export of source {manifest.get('source')}, this release is of source "
            f"{source}, and the two are not mixed; give another folder."
        )
    return manifest


def _select(
    table: str, columns: dict[str, str], form: Form, first_day: date | None, last_day: date | None
) -> tuple[str, str | None]:
    """The query of a table, in a fixed order, and the column that places its rows in time."""
    day_column = next((c for c in _DAY_COLUMNS if c in columns), None)
    if table == RELEASE_INFO.qualified_name:
        day_column = None  # the line that says which release this is belongs to every range
    conditions = []
    if day_column and first_day:
        conditions.append(f"cast({_quoted(day_column)} as date) >= date '{first_day}'")
    if day_column and last_day:
        conditions.append(f"cast({_quoted(day_column)} as date) <= date '{last_day}'")
    listed = ", ".join(_column(name, kind, form) for name, kind in columns.items())
    schema, name = table.split(".", 1)
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {listed} from {_quoted(schema)}.{_quoted(name)}{where} order by all", day_column


def _column(name: str, kind: str, form: Form) -> str:
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f"to_json({_quoted(name)}) as {_quoted(name)}" if form == "csv" and is_nested else _quoted(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _write(con: Connection, select: str, path: Path, form: Form, labels: dict[str, str]) -> int:
    """Write beside the place, sync and rename; gives the rows."""
    partial = path.with_name(f".{path.name}.partial")
    options = _WRITTEN[form]
    if form == "parquet":
        options += (
            ", kv_metadata {" + ", ".join(f"{_quoted(key)}: {_text(value)}" for key, value in labels.items()) + "}"
        )
    try:
        partial.unlink(missing_ok=True)  # a link that somebody put there would lead the writing elsewhere
        copied = con.execute(f"copy ({select}) to {_text(str(partial))} ({options})").fetchall()
        _put_in_place(partial, path)
    except (duckdb.Error, OSError) as error:
        raise ExportError(
            f"{path}: cannot be written ({str(error).splitlines()[0]}). Files written before are whole; check the "
            "folder and the free disk space, then export again."
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return int(copied[0][0])


def _write_manifest(directory: Path, manifest: dict[str, Any]) -> None:
    partial = directory / f".{MANIFEST}.partial"
    try:
        partial.unlink(missing_ok=True)
        manifest["files"].sort(key=lambda entry: entry["file"])
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        _put_in_place(partial, directory / MANIFEST)
    except OSError as error:
        raise ExportError(f"{directory / MANIFEST}: cannot be written ({error.strerror}); export again.") from None


def _put_in_place(partial: Path, path: Path) -> None:
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
