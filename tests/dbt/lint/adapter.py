"""Stands in for dbt's `adapter` while sqlfluff renders the models: an engine macro becomes a function call."""

from collections.abc import Callable


def dispatch(name: str, _package: str) -> Callable[..., str]:
    """The macro `name` of any engine: writes itself and its arguments as a call, which is all a linter needs."""
    return lambda *arguments: f"{name}({', '.join(str(argument) for argument in arguments)})"
