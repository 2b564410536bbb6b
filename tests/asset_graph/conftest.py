"""The resolved asset graph of the project's definitions."""

import pytest


@pytest.fixture(scope="session")
def graph():
    """Dagster's own view of the assets: keys, parents, groups and checks."""
    from pipelines.definitions import defs

    return defs.resolve_asset_graph()
