"""`rotation doctor --live` against the local exchange: what it finds in order, and how it names each fault."""

import asyncio
from collections import Counter
from datetime import datetime

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.probe import probe
from pipelines.exchanges.registry import ADAPTERS, open_adapter
from pipelines.exchanges.retries import RetryPolicy
from pipelines.local_exchange.process import LocalExchangeProcess

NOW = datetime(2024, 6, 30, 0, 15)
EXCHANGES = sorted(ADAPTERS)
KINDS = {
    "instruments", "spot last candles", "perpetual last candles", "perpetual mark candles", "perpetual index candles",
    "funding history", "funding now", "open interest history", "open interest now",
}  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with LocalExchangeProcess(now=NOW) as process:
        yield process


@pytest.fixture
def look(server):
    """`look(exchange, fault)` probes an exchange that has one fault (None: none); gives the findings by kind."""

    def look(exchange, fault=None):
        server.set_faults([{"exchange": exchange, **fault}] if fault else [])

        async def all_kinds():
            async with open_adapter(
                exchange, base_url=server.url, now_ms=lambda: to_milliseconds(NOW), rate_limit=False, timeout_s=3.0,
                retry=RetryPolicy(attempts=1, first_wait_s=0),
            ) as adapter:  # fmt: skip
                return {found.kind: found for found in await probe(adapter, NOW)}

        return asyncio.run(all_kinds())

    yield look
    server.set_faults([])


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_sound_exchange_gives_every_kind_that_it_offers(look, exchange):
    found = look(exchange)
    assert found.keys() >= KINDS
    assert Counter(one.outcome for one in found.values()).keys() <= {"as expected", "not offered"}
    absent = {kind for kind, one in found.items() if one.outcome == "not offered"}
    offers = ADAPTERS[exchange].capabilities
    assert ("open interest history" in absent) == ("open_interest" in offers.absences)
    assert ("dated last candles" in found) == ("dated" in offers.market_types)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(
    ("kind", "words"), [("geo_blocked", "does not serve this country"), ("forbidden_html", "country")]
)
def test_a_block_is_told_from_a_rate_limit_and_has_its_remedy(look, exchange, kind, words):
    found = look(exchange, {"kind": kind})
    assert [one.outcome for one in found.values()] == ["failed"]
    assert words in found["instruments"].detail and "take the exchange out" in found["instruments"].detail


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_rate_limit_is_no_block(look, exchange):
    (one,) = look(exchange, {"kind": "rate_limited"}).values()
    assert "too many requests" in one.detail and "country" not in one.detail


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_kinds_that_fail_or_change_their_form_are_named_and_the_others_looked_at(look, exchange):
    sound = look(exchange)
    found = look(exchange, {"kind": "empty_body", "path": "(?i)fund"})
    broken = {kind for kind, one in found.items() if one.outcome != sound[kind].outcome}
    assert broken and broken <= {"funding history", "funding now"}
    nan = look(exchange, {"kind": "nan_price", "path": "(?i)kline|candle"})
    assert "differs" in {one.outcome for one in nan.values()}
    assert nan["instruments"].outcome == "as expected"
