"""What the assets are given: the settings of the run, the warehouse under its write lock, the open exchanges."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from pipelines.holdings.effective import Effective, load_effective
from pipelines.partitions import run_days
from pipelines.policy import Policy
from pipelines.settings import Settings, load_settings
from warehouse.connection import Warehouse
from warehouse.lock import LockHolder, Waiting, writer

if TYPE_CHECKING:
    from pipelines.raw.session import IngestSession

LOG_WAITING_EVERY_S = 60.0


class RunSettings(dg.ConfigurableResource):
    """The settings of one run. What is left empty comes from the environment, so the UI needs none of it."""

    source: str | None = None
    data: str | None = None
    seed: int | None = None
    exchanges: list[str] | None = None
    portfolio_value_usd: float | None = None
    policy: str | None = None
    portfolio: str | None = None

    def load(self) -> Settings:
        """The settings in force: this resource's values over the environment's."""
        return load_settings(
            source=self.source,
            data=Path(self.data) if self.data else None,
            seed=self.seed,
            exchanges=tuple(self.exchanges) if self.exchanges else None,
            portfolio_value_usd=self.portfolio_value_usd,
            policy=Path(self.policy) if self.policy else None,
            portfolio=Path(self.portfolio) if self.portfolio else None,
        )

    def load_effective(self) -> Effective:
        """The portfolio in force, and the policy as it changes it."""
        return load_effective(self.load())

    def load_policy(self) -> Policy:
        """The policy in force, the portfolio's split, limits and expressions included."""
        return self.load_effective().policy


class PipelineWarehouse(dg.ConfigurableResource):
    """The warehouse, with the write lock held from the run's first step to its last."""

    directory: str | None = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PipelineWarehouse"]:
        run, files = context.run, self.files
        days = run_days(run.tags)
        what = f"{run.job_name}{f' of {days}' if days else ''}, Dagster run {run.run_id}"
        with files.hold_lock(what, load_settings().lock_wait_seconds, _tell_log(context.log)):
            files.describe_lock(what)  # where the command line has taken the lock before it knew the days
            yield self

    @property
    def files(self) -> Warehouse:
        """Where the build file and the releases are, and how to open them."""
        return Warehouse(load_settings(warehouse_dir=Path(self.directory) if self.directory else None).warehouse_dir)


class Exchanges(dg.ConfigurableResource):
    """The exchanges of the run, read all at once; started by the first step that asks, closed after the last.

    With the source `simulated` or `recorded` the local exchange runs for just as long.
    """

    _open: ExitStack = PrivateAttr(default_factory=ExitStack)
    _session: "IngestSession | None" = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Exchanges"]:
        with self._open:
            yield self

    def session(self, start: Callable[[], "IngestSession"]) -> "IngestSession":
        """The run's ingestion: the first call starts it, later calls get the same one."""
        if self._session is None:
            self._session = self._open.enter_context(start())
        return self._session

    def close(self) -> None:
        """Wait for every exchange and give the build file back, so that the next step can open it."""
        self._open.close()


def _tell_log(log: logging.Logger) -> Waiting:
    """Writes into a run's log for whom it waits: at once, whenever that is somebody else, and every minute."""
    told: tuple[LockHolder | None, float] | None = None

    def tell(who: LockHolder | None, waited_s: float) -> None:
        nonlocal told
        if told is None or who != told[0] or waited_s - told[1] >= LOG_WAITING_EVERY_S:
            log.info(f"waiting for its turn for {waited_s:,.0f} s now: the warehouse is being written by {writer(who)}")
            told = who, waited_s

    return tell
