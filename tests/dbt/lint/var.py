"""Stands in for dbt's `var()` while sqlfluff renders the models: the defaults of the project.

sqlfluff offers a module under its own name, so this module has to be callable itself.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

_PROJECT = Path(__file__).parents[3] / "dbt" / "dbt_project.yml"
_DEFAULTS = yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["vars"]["rotation"]


class _Variables(ModuleType):
    def __call__(self, name: str) -> Any:
        return _DEFAULTS[name]


sys.modules[__name__].__class__ = _Variables
