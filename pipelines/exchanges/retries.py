"""Asking again: how often, how slowly, and when to leave an exchange alone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random

from pipelines.exchanges.errors import ExchangeFailure, Rule, classify

_GIVEN_UP = Rule(
    "blocked",
    "it failed so often that the rest of this run leaves it alone",
    "see the exchange's status page and run again later",
)
_TOO_LONG = Rule(
    "blocked",
    "it wants to be left alone for longer than this run waits",
    "run again later",
)


@dataclass(frozen=True)
class RetryPolicy:
    """How patient to be.

    Attributes:
        attempts: Times one request is made at most.
        first_wait_s: Pause before the second attempt; it doubles with every further one, and a random part
            of at most this much is added, so that waiting calls do not come back all at once.
        total_wait_s: Longest that one request waits in all. An exchange that asks for a longer pause is left
            alone for the rest of the run.
        total_retries: Second and later attempts per exchange and run; after that it counts as down.
    """

    attempts: int = 5
    first_wait_s: float = 1.0
    total_wait_s: float = 60.0
    total_retries: int = 200


class Caller:
    """Makes one exchange's calls, asks again where that helps, and stops all of them when it is blocked."""

    def __init__(
        self,
        exchange: str,
        policy: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.exchange = exchange
        self._policy = policy
        self._sleep = sleep
        first_wait_s = policy.first_wait_s
        self._backoff = wait_exponential(first_wait_s, policy.total_wait_s) + wait_random(0, first_wait_s)
        self._retries_left = policy.total_retries
        self._resume_at = 0.0  # on the event loop's clock: the exchange asked everybody to wait until then
        self._blocked: ExchangeFailure | None = None

    async def call(self, name: str, symbol: str | None, function: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `function`, asked again while that may help.

        Args:
            name: What is asked for, in an error's words: `candles`, `funding rates`.
            symbol: The symbol it is about, or None.
            function: Makes the request and reads the reply, so that an unreadable reply is asked for again.

        Raises:
            ExchangeFailure: of kind `blocked` when this exchange is to be left alone for the rest of the run.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, ExchangeFailure) and error.is_retried),
            wait=self._wait_s,
            stop=self._is_last,
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._once, name, symbol, function)

    async def _once(self, name: str, symbol: str | None, function: Callable[[], Awaitable[Any]]) -> Any:
        pause_s = self._resume_at - asyncio.get_running_loop().time()
        if pause_s > 0:
            await self._sleep(pause_s)
        if self._blocked is not None:
            raise self._blocked
        try:
            return await function()
        except Exception as error:  # ccxt's parsers raise anything on a reply they cannot read
            failure = classify(error, self.exchange, name, symbol)
            raise self._judged(failure) from None

    def _judged(self, failure: ExchangeFailure) -> ExchangeFailure:
        """The failure, turned into a block of the whole exchange where waiting for it makes no sense."""
        if failure.is_retried:
            wait_s = failure.retry_after_s
            if wait_s is not None and wait_s > self._policy.total_wait_s:
                failure = self._block(failure, _TOO_LONG, f"{failure.meaning}; retry after {wait_s:.0f} s")
            elif self._retries_left <= 0:
                failure = self._block(failure, _GIVEN_UP, failure.meaning)
            elif wait_s is not None:
                self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + wait_s)
        if failure.kind == "blocked":
            self._blocked = failure
        return failure

    def _block(self, failure: ExchangeFailure, rule: Rule, said: str) -> ExchangeFailure:
        return ExchangeFailure(failure.exchange, failure.call, failure.symbol, rule, said, failure.retry_after_s)

    def _is_last(self, state: RetryCallState) -> bool:
        waited_s = state.idle_for + state.upcoming_sleep
        if state.attempt_number >= self._policy.attempts or waited_s > self._policy.total_wait_s:
            return True
        self._retries_left -= 1
        return False

    def _wait_s(self, state: RetryCallState) -> float:
        """Seconds to wait: as long as the exchange asks, else 1, 2, 4, 8 ... plus up to one at random."""
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.retry_after_s if isinstance(error, ExchangeFailure) else None
        return self._backoff(state) if asked_s is None else asked_s
