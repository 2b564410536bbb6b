"""A night's settlements of many contracts from shared pages: the same rows as one by one, in few requests."""

import asyncio
from datetime import datetime, timedelta

import pytest

from pipelines.clock import to_milliseconds
from pipelines.exchanges.binance import Binance
from pipelines.exchanges.binance_funding import PAGE
from pipelines.exchanges.retries import Caller, RetryPolicy

END = datetime(2024, 3, 10, 0, 15)
START = END - timedelta(days=2)
HOUR = 3_600_000


class Client:
    """Binance with contracts that settle hourly, three milliseconds late; a page holds `cap` rows."""

    def __init__(self, contracts, cap=PAGE, spoil=lambda rows: rows):
        self.names = [f"C{number}USDT" for number in range(contracts)]
        self.cap, self.spoil, self.requests = cap, spoil, []

    def milliseconds(self):
        return to_milliseconds(END)

    def market(self, symbol):
        name = symbol.split("/")[0] + "USDT"
        return {"symbol": symbol, "id": name, "linear": True, "inverse": False, "type": "swap", "info": {}}

    async def fapiPublicGetFundingRate(self, params):  # noqa: N802 (ccxt's name)
        self.requests.append(params)
        first, last = params["startTime"], params["endTime"]
        times = [time + 3 for time in range(first // HOUR * HOUR, last, HOUR) if first <= time + 3 <= last]
        rows = [
            {"symbol": name, "fundingTime": time, "fundingRate": str((number + time // HOUR % 7) / 1e5)}
            for time in times
            for number, name in enumerate(self.names)
            if params.get("symbol") in (None, name)
        ]
        page = rows[: min(self.cap, params["limit"])]
        return page if "symbol" in params else self.spoil(page)


def night(client, symbols, days=2, reads_many=True):
    async def read():
        adapter = Binance(client, Caller("binance", RetryPolicy(attempts=1, first_wait_s=0)))
        adapter.reads_many = reads_many
        window = (END - timedelta(days=days), END)
        return await asyncio.gather(*(adapter.funding_rates(symbol, *window) for symbol in symbols))

    return asyncio.run(read())


def symbols(count):
    return [f"C{number}/USDT:USDT" for number in range(count)]


@pytest.fixture
def one_by_one():
    """The frames of forty contracts, each from a client of its own that is asked for nothing else."""
    return [night(Client(40), [symbol], reads_many=False)[0].frame for symbol in symbols(40)]


def test_forty_contracts_take_a_handful_of_requests_and_give_the_same_rows(one_by_one):
    client = Client(40)
    got = night(client, symbols(40))
    # 48 settlements of 40 contracts are 1,920 rows: two pages, and one more that brings nothing new.
    assert len(client.requests) == 3
    for fetched, alone in zip(got, one_by_one, strict=True):
        assert fetched.frame.height >= 48 and fetched.frame.equals(alone)


def test_settlements_of_one_time_on_two_pages_are_neither_lost_nor_doubled(one_by_one):
    client = Client(49)  # a page ends in the middle of a time
    for fetched, alone in zip(night(client, symbols(40)), one_by_one, strict=True):
        assert fetched.frame.equals(alone)


@pytest.mark.parametrize(
    "spoil", [lambda rows: rows[::-1], lambda rows: "<html>", lambda rows: [{"fundingTime": "soon"}]]
)
def test_shared_pages_that_cannot_be_used_cost_one_request_and_no_rows(one_by_one, spoil):
    client = Client(40, spoil=spoil)
    for fetched, alone in zip(night(client, symbols(40)), one_by_one, strict=True):
        assert fetched.frame.equals(alone)
    assert len(client.requests) == 40 + 1


def test_a_contract_that_the_shared_pages_lack_is_asked_for_by_itself(one_by_one):
    client = Client(40, spoil=lambda rows: [row for row in rows if row["symbol"] != "C30USDT"])
    for fetched, alone in zip(night(client, symbols(40)), one_by_one, strict=True):
        assert fetched.frame.equals(alone)
    assert [params.get("symbol") for params in client.requests].count("C30USDT") == 1


def test_pages_that_may_have_been_cut_in_the_middle_of_a_time_are_not_trusted():
    client = Client(150, cap=120)
    got = night(client, symbols(40))
    alone = [night(Client(150), [symbol], reads_many=False)[0].frame for symbol in symbols(40)]
    for fetched, frame in zip(got, alone, strict=True):
        assert fetched.frame.equals(frame)


def test_pages_are_shared_only_where_many_contracts_are_read():
    client = Client(40)
    night(client, symbols(3), reads_many=False)
    assert [params["symbol"] for params in client.requests] == ["C0USDT", "C1USDT", "C2USDT"]


def test_a_long_window_is_read_contract_by_contract():
    client = Client(10)
    night(client, symbols(10), days=30)
    assert all("symbol" in params for params in client.requests)
