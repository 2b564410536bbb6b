"""The only door to DuckDB: where the files are, and how they are opened.

DuckDB lets one process write a file and then locks every other process out, readers too. So the pipeline writes
`build.duckdb`, which nobody else reads, and people read releases, which nobody writes.
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import lock
from warehouse.errors import NoRelease, WarehouseError, WarehouseLocked
from warehouse.lock import LockHolder, Waiting

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Warehouse:
    """The files of one warehouse directory.

    Attributes:
        directory: Where `build.duckdb`, `warehouse.duckdb` and `releases/` live; created on the first write.
        memory_limit: DuckDB's `memory_limit`, for example `4GB`; None leaves DuckDB's own (80% of the memory).
        threads: DuckDB's `threads`; None leaves one per core.
    """

    directory: Path
    memory_limit: str | None = None
    threads: int | None = None

    @property
    def build_path(self) -> Path:
        """The pipeline's own file: raw to quality, half-made while a run is going on."""
        return self.directory / "build.duckdb"

    @property
    def release_path(self) -> Path:
        """What everybody reads: a link to the last release."""
        return self.directory / "warehouse.duckdb"

    @property
    def releases_dir(self) -> Path:
        return self.directory / "releases"

    @property
    def lock_path(self) -> Path:
        return self.directory / "build.lock"

    def write_lock(
        self, command: str | None = None, wait_s: float = 0.0, waiting: Waiting | None = None
    ) -> AbstractContextManager[LockHolder]:
        """Keep every other writer out for the length of the block; holds no connection.

        A run holds it from its first to its last step, so that another program (dbt) may have the build file
        open in between and no second run slips in.

        Args:
            command: What is being done, shown to whoever is kept out; default the program's command line.
            wait_s: How long to wait while somebody else writes, in seconds; 0: not at all.
            waiting: Told while waiting, twice a second: for whom, and for how many seconds so far.

        Raises:
            WarehouseLocked: somebody else still writes; the message says who, since when and what to do.
        """
        return lock.hold(self.lock_path, command or _command_line(), wait_s, waiting)

    def lock_holder(self) -> LockHolder | None:
        """Who is writing now; None when nobody is (a dead writer counts as nobody)."""
        return lock.holder(self.lock_path)

    def hold_lock(
        self, command: str, wait_s: float = 0.0, waiting: Waiting | None = None
    ) -> AbstractContextManager[LockHolder | None]:
        """The write lock for one step: nothing to do when this process holds it already for its whole run."""
        return nullcontext() if lock.is_held_here(self.lock_path) else self.write_lock(command, wait_s, waiting)

    def describe_lock(self, command: str) -> None:
        """Say anew what this process, which holds the write lock, is doing."""
        lock.describe(self.lock_path, command)

    @contextmanager
    def open_build(self, command: str | None = None) -> Iterator[Connection]:
        """The build file, for reading and writing, closed at the end of the block.

        Takes the write lock for the block unless this process holds it already.

        Raises:
            WarehouseLocked: another process writes, or has the build file open.
            WarehouseError: the file cannot be opened.
        """
        with self.hold_lock(command or _command_line()):
            connection = self._connect(self.build_path, read_only=False)
            # A checkpoint after every group of loads doubles their time; closing makes one in any case.
            connection.execute("set wal_autocheckpoint = '256MB'")
            try:
                yield connection
            finally:
                connection.close()

    @contextmanager
    def look_into_build(self) -> Iterator[Connection]:
        """The build file, read-only, closed at the end of the block: for what no release holds, while nobody writes.

        A run that begins inside the block is refused, so keep it short.

        Raises:
            WarehouseLocked: a run is going on.
            WarehouseError: there is no build file, or it cannot be opened.
        """
        if not self.build_path.is_file():
            raise WarehouseError(f"{self.build_path}: there is no build file here; make one with: rotation run")
        who = self.lock_holder()
        if who is not None:
            raise WarehouseLocked(lock.locked_message(self.directory, who))
        connection = self._connect(self.build_path, read_only=True)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def open_release(self, release_id: str | None = None) -> Iterator[Connection]:
        """A release, read-only, closed at the end of the block; the current one unless named.

        The link is resolved before opening: DuckDB gives a second connection of one process the file that the
        first one has open under the same name, so opening by the link could answer from the old release.

        Raises:
            NoRelease: nothing has been published here, or no release of that name is kept.
            WarehouseError: the file cannot be opened.
        """
        for attempt in range(5):
            path = self.resolve_release(release_id)
            try:
                connection = self._connect(path, read_only=True)
                break
            except WarehouseError:
                # A publisher that keeps one release may remove it between the look and the opening.
                if path.exists() or attempt == 4:
                    raise
        try:
            yield connection
        finally:
            connection.close()

    def resolve_release(self, release_id: str | None = None) -> Path:
        """The file of a release, links followed; the current one unless named.

        Raises:
            NoRelease: nothing has been published here, or no release of that name is kept.
        """
        if release_id is not None:
            path = self.releases_dir / f"{release_id}.duckdb"
            if path.is_file():
                return path.resolve()
            kept = ", ".join(sorted(p.stem for p in self.releases_dir.glob("*.duckdb"))) or "none"
            raise NoRelease(f"{self.directory}: release {release_id!r} is not kept here. Kept: {kept}.")
        path = self.release_path.resolve()
        if path.is_file():
            return path
        if self.release_path.exists():
            return self.release_path.resolve()  # replaced between the two looks
        raise NoRelease(
            f"{self.release_path}: nothing has been published here yet. Make a first release with: rotation run "
            "(or set WAREHOUSE_DIR to the directory that holds one)."
        )

    def _connect(self, path: Path, *, read_only: bool) -> Connection:
        try:
            connection = duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            if "Could not set lock on file" in str(error):
                raise WarehouseLocked(
                    f"{path}: another program has this file open ({_who(error)}). Close it there and try again; "
                    f"for looking at data use {self.release_path.name}, which is never locked."
                ) from None
            raise WarehouseError(
                f"{path}: cannot be opened ({str(error).splitlines()[0]}). If the file is damaged, remove it: a "
                "release can be replaced with `rotation rollback`, the build file is filled again by the next run."
            ) from None
        except duckdb.ConnectionException as error:
            raise WarehouseError(
                f"{path}: this process has the file open in another mode ({str(error).splitlines()[0]}). Close "
                "that connection first."
            ) from None
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set autoinstall_known_extensions = false")
        for setting, value in (("memory_limit", self.memory_limit), ("threads", self.threads)):
            if value is not None:
                try:
                    connection.execute(f"set {setting} = $value", {"value": value})
                except duckdb.Error as error:
                    connection.close()
                    raise WarehouseError(
                        f"{setting} = {value!r} cannot be used ({str(error).splitlines()[0]}). Give memory as in "
                        "4GB and threads as a whole number from 1, or leave the setting out."
                    ) from None
        return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """All or nothing: commits at the end of the block, rolls back when it raises."""
    connection.begin()
    try:
        yield connection
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _command_line() -> str:
    program, *arguments = sys.argv or ["python"]
    return " ".join([Path(program).name or "python", *arguments])


def _who(error: Exception) -> str:
    """The part of DuckDB's message that names the other process."""
    text = str(error)
    start = text.find("Conflicting lock is held in ")
    return text[start:].removeprefix("Conflicting lock is held in ").split(". See also")[0] if start >= 0 else "unknown"
