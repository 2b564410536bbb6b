"""Dagster's own SQLite storage, with its connections kept open.

Dagster records two events per asset and day. Its SQLite event log opens a new engine for every event, 13 ms each
here: a three-year range of five assets took over two minutes for bookkeeping alone. One engine per file and thread
brings that to 3 ms, and one statement for the events that Dagster hands over together, with one update of an asset's
newest event, to a fraction of it. A run that is deleted takes its files along. Nothing else is changed; a home written
by one can be read by the other.
"""

import fcntl
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import func, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import SingletonThreadPool

BUSY_TIMEOUT_SECONDS = 60
OPEN_FILES = 8  # the daemon lives for years and sees every run: only the files in use stay open


class PooledEventLogStorage(SqliteEventLogStorage):
    """Event log that reuses one connection per file and thread."""

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._engines_lock = threading.RLock()
        self._known_names: set[str] = set()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        engine = self._engine(shard)
        with self._db_lock, engine.connect() as connection, connection.begin():
            yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run, all or none of them; asset events in one statement per file."""
        if not all(event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS for event in events):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        engines = [self._engine(shard) for shard in (events[0].run_id, INDEX_SHARD_NAME)]
        with self._db_lock, ExitStack() as files:
            of_run, index = (files.enter_context(engine.begin()) for engine in engines)
            for connection in (of_run, index):
                connection.execute(SqlEventLogStorageTable.insert(), rows)
            # Nobody else writes before the transaction ends, so the ids are the last ones.
            last_id = index.execute(select(func.max(SqlEventLogStorageTable.c.id))).scalar_one()
            ids = range(last_id - len(rows) + 1, last_id + 1)
            self._store_asset_event_tags(index, events, ids)
            # The table of assets holds the newest event of each kind: of a batch the last one is all that stays.
            newest = {(row["asset_key"], row["dagster_event_type"]): place for place, row in enumerate(rows)}
            for place in sorted(newest.values()):
                self._store_asset_event(index, events[place], ids[place])

    def delete_events(self, run_id: str) -> None:
        """Delete what a run has told, its checks and its files included, which Dagster itself would leave behind."""
        super().delete_events(run_id)
        with self.index_connection() as connection:
            mine = AssetCheckExecutionsTable.c.run_id == run_id
            connection.execute(AssetCheckExecutionsTable.delete().where(mine))
        self._close(run_id)
        self._initialized_dbs.discard(run_id)
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{end}").unlink(missing_ok=True)

    def dispose(self) -> None:
        """Close every file, so that SQLite moves its write-ahead logs into the databases and removes them."""
        for shard in list(self._engines):
            self._close(shard)
        super().dispose()

    def _close(self, shard: str) -> None:
        with self._engines_lock, self._db_lock:
            engine = self._engines.pop(shard, None)
            if engine is not None:
                engine.dispose()

    def _engine(self, shard: str) -> Engine:
        with self._engines_lock:
            engine = self._engines.get(shard)
            if engine is None:
                with super()._connect(shard):  # creates and migrates the file on first use
                    pass
                engine = self._engines[shard] = create_engine(
                    self.conn_string_for_shard(shard),
                    poolclass=SingletonThreadPool,
                    # one thread closes what others have opened; none uses another's connection
                    connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
                )
            self._engines.move_to_end(shard)
            while len(self._engines) > OPEN_FILES:
                self._close(next(iter(self._engines)))
            return engine

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._known_names and super().has_table(table_name):
            self._known_names.add(table_name)
        return table_name in self._known_names

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        # Asked for every event; a column that is there does not go away.
        column = f"asset_keys.{column_name}"
        if column not in self._known_names and super()._has_asset_key_col_on_connection(conn, column_name):
            self._known_names.add(column)
        return column in self._known_names


class PooledSqliteStorage(DagsterSqliteStorage):
    """Run, event and schedule storage under one folder, with the pooled event log."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        home = Path(base_dir)
        home.mkdir(parents=True, exist_ok=True)
        # Programs that meet in a new home (daemon and webserver, say) would all make its databases, and some fail.
        with (home / "setup.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            super().__init__(base_dir, inst_data)
            self._event_log_storage = PooledEventLogStorage(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: dict[str, Any]) -> "PooledSqliteStorage":
        return cls.from_local(inst_data=inst_data, **config_value)
