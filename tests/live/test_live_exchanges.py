"""The real exchanges, one tiny call per kind of data: `pytest -m live tests/live`."""

import asyncio

import pytest

from pipelines.clock import utc_now
from pipelines.exchanges.probe import probe
from pipelines.exchanges.registry import ADAPTERS, open_adapter

pytestmark = pytest.mark.live


@pytest.mark.parametrize("exchange", sorted(ADAPTERS))
def test_exchange_gives_what_its_capabilities_say(exchange):
    async def look():
        async with open_adapter(exchange) as adapter:
            return await probe(adapter, utc_now())

    probes = asyncio.run(look())
    assert len(probes) > 5
    assert [found for found in probes if found.outcome not in ("as expected", "not offered")] == []
