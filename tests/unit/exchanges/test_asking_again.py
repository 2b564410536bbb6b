"""How patient the adapters are, with pauses that are recorded instead of waited for."""

import asyncio

import pytest

from pipelines.exchanges.errors import ExchangeFailure, Reply
from pipelines.exchanges.parse import UnreadableReply
from pipelines.exchanges.retries import Caller, RetryPolicy


class NetworkError(Exception):
    """Named as ccxt's class, for that is what is looked at."""


class ExchangeError(Exception):
    pass


def http(status, retry_after_s=None, body="", error=None):
    error = error or ExchangeError()
    error.reply = Reply(status, retry_after_s, body)
    return error


class Script:
    """A call that raises one error after the other and then answers 42."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    async def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return 42


def run(*errors, policy=None):
    """Result or failure, calls made, pauses taken."""
    script, pauses = Script(*errors), []

    async def sleep(seconds):
        pauses.append(seconds)

    async def ask():
        caller = Caller("binance", policy or RetryPolicy(), sleep)
        try:
            return await caller.call("candles", "BTC/USDT", script)
        except ExchangeFailure as failure:
            return failure

    return asyncio.run(ask()), script.calls, pauses


def test_a_passing_error_is_asked_again_after_doubling_pauses():
    result, calls, pauses = run(http(503), http(500), http(502))
    assert (result, calls) == (42, 4)
    # 1, 2 and 4 seconds, each with at most one more at random
    assert [low <= pause <= low + 1 for low, pause in zip((1, 2, 4), pauses, strict=True)] == [True] * 3


def test_an_error_that_stays_is_raised_after_the_last_attempt():
    result, calls, _ = run(*[http(503)] * 9, policy=RetryPolicy(attempts=3))
    assert isinstance(result, ExchangeFailure)
    assert (result.kind, calls) == ("retryable", 3)


@pytest.mark.parametrize("error", [http(451), http(418), http(404), ExchangeError()])
def test_what_cannot_pass_is_not_asked_again(error):
    result, calls, pauses = run(error)
    assert (calls, pauses) == (1, [])
    assert isinstance(result, ExchangeFailure)


def test_an_unreadable_reply_is_asked_for_again():
    result, calls, _ = run(UnreadableReply("the reply holds no list of rows"))
    assert (result, calls) == (42, 2)


def test_the_pause_is_as_long_as_the_exchange_asks():
    result, calls, pauses = run(http(429, retry_after_s=7))
    assert (result, calls) == (42, 2)
    assert pauses[0] == 7


def test_an_exchange_that_asks_for_a_longer_pause_than_a_run_waits_is_left_alone():
    result, calls, _ = run(http(429, retry_after_s=600), policy=RetryPolicy(total_wait_s=60))
    assert (result.kind, calls) == ("blocked", 1)
    assert "retry after 600 s" in str(result)


def test_one_request_waits_no_longer_than_its_share():
    # Pauses of 20 s each: after two of them a third would exceed 50 s.
    result, calls, pauses = run(*[http(429, retry_after_s=20)] * 9, policy=RetryPolicy(attempts=9, total_wait_s=50))
    assert (result.kind, calls) == ("retryable", 3)
    assert pauses.count(20) == 2


def ask_many(caller, script, times):
    async def ask():
        failures = []
        for _ in range(times):
            try:
                await caller.call("candles", None, script)
            except ExchangeFailure as failure:
                failures.append(failure)
        return failures

    return asyncio.run(ask())


async def no_pause(_):
    return None


def test_a_blocked_exchange_is_not_asked_anything_more():
    script = Script(*[http(451)] * 9)
    failures = ask_many(Caller("binance", RetryPolicy(), no_pause), script, times=5)
    assert script.calls == 1
    assert [failure.kind for failure in failures] == ["blocked"] * 5


def test_an_exchange_that_is_down_is_given_up_after_the_runs_retries_are_used_up():
    # Two attempts a request, three repetitions a run: the third request uses up the last repetition, and when
    # that fails too nothing more is asked. 3 x 2 = 6 calls.
    script = Script(*[NetworkError()] * 99)
    policy = RetryPolicy(attempts=2, total_retries=3)
    failures = ask_many(Caller("binance", policy, no_pause), script, times=20)
    assert script.calls == 6
    assert failures[-1].kind == "blocked"
    assert "failed so often" in str(failures[-1])


def test_all_calls_of_an_exchange_wait_when_one_of_them_is_told_to():
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    async def ask():
        caller = Caller("binance", RetryPolicy(attempts=1), sleep)
        with pytest.raises(ExchangeFailure):
            await caller.call("candles", "A", Script(http(429, retry_after_s=30)))
        return await caller.call("candles", "B", Script())

    assert asyncio.run(ask()) == 42
    assert len(pauses) == 1
    assert 25 < pauses[0] <= 30
