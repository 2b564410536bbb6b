from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.connection import Connection, Warehouse
from warehouse.schema import create_tables


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "data", threads=2)


@pytest.fixture
def con(warehouse: Warehouse) -> Iterator[Connection]:
    with warehouse.open_build() as connection:
        create_tables(connection)
        yield connection
