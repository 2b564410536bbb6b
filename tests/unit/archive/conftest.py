"""An archive in a folder, file by file, and its import into a warehouse."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.archive.names import KINDS
from pipelines.archive.session import Order, Outcome, run_import
from pipelines.policy import Policy
from pipelines.settings import load_settings
from warehouse.connection import Warehouse

METRICS_HEADER = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
METRICS = "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-{day}.zip"


class ArchiveFolder:
    """A folder with the archive's layout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "data").mkdir(parents=True)

    @staticmethod
    def pack(*entries: tuple[str, str | bytes]) -> bytes:
        """A zip file with these entries."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, table in entries:
                archive.writestr(zipfile.ZipInfo(name), table, zipfile.ZIP_DEFLATED)
        return packed.getvalue()

    @staticmethod
    def metrics_rows(day: date, count: int = 288, first: int = 0, amount: float = 100.0) -> list[str]:
        """Rows every five minutes from the `first`th on, a coin more each, at 10 dollars."""
        begins = datetime.combine(day, datetime.min.time())
        return [
            f"{begins + timedelta(minutes=5 * step)},BTCUSDT,{amount + step},{10 * (amount + step)},1.1,1.2,0.9,0.8"
            for step in range(first, first + count)
        ]

    def put(self, key: str, packed: bytes, checksum: str | bytes | None = "right") -> None:
        """A file and its checksum: the right one, the given text, or none."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)
        beside = path.with_name(f"{path.name}.CHECKSUM")
        beside.unlink(missing_ok=True)
        if checksum == "right":
            checksum = f"{hashlib.sha256(packed).hexdigest()}  {path.name}\n"
        if checksum is not None:
            beside.write_bytes(checksum.encode() if isinstance(checksum, str) else checksum)

    def put_table(self, key: str, rows: list[str], header: str | None = None) -> str:
        """A good file; gives its SHA-256."""
        table = "\n".join([*([header] if header else []), *rows]) + "\n"
        packed = self.pack((f"{Path(key).stem}.csv", table))
        self.put(key, packed)
        return hashlib.sha256(packed).hexdigest()

    def put_metrics(self, day: date, rows: list[str]) -> str:
        return self.put_table(METRICS.format(day=day), rows, METRICS_HEADER)


@pytest.fixture
def archive(tmp_path: Path) -> ArchiveFolder:
    return ArchiveFolder(tmp_path / "archive")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The warehouse that the archive is imported into."""
    return tmp_path / "warehouse"


@pytest.fixture
def import_days(archive: ArchiveFolder, directory: Path) -> Callable[..., Outcome]:
    """Imports the folder: `import_days(first, last, symbols, kinds)`."""

    def import_days(first: date, last: date, *symbols: str, kinds: tuple[str, ...] = KINDS) -> Outcome:
        settings = load_settings(warehouse_dir=directory)
        return run_import(settings, Policy(), Order(first, last, kinds, symbols or ("BTC",), folder=archive.root))

    return import_days


@pytest.fixture
def query(directory: Path) -> Callable[[str], pl.DataFrame]:
    """Asks the warehouse."""

    def query(sql: str, **parameters: Any) -> pl.DataFrame:
        with Warehouse(directory).open_build() as connection:
            return connection.execute(sql, parameters).pl()

    return query
