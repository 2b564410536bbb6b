"""The formulas' unit tests, which stand beside the models and are left out of a night's build."""

import shutil
from collections.abc import Callable
from typing import Any


def test_formulas_give_the_numbers_beside_them(market_build: Any, dbt_build: Callable[[str], Any]) -> None:
    build = dbt_build("unit_tests")
    shutil.copy(market_build.build.path, build.path)
    statuses = build.dbt("test", "--select", "test_type:unit")
    assert len(statuses) >= 12
    assert set(statuses.values()) == {"pass"}
