"""What ccxt's rate limiter charges for: the requests of every exchange, and the seconds that they cost."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Charged:
    """Per exchange: the seconds that its limiter charges, and the requests that it charges for."""

    seconds: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)


@contextmanager
def charged() -> Iterator[Charged]:
    """Count what every client's limiter charges inside the block; the limiter goes on limiting."""
    import ccxt.async_support as ccxt

    counted = Charged()
    throttle = ccxt.Exchange.throttle

    async def counting(self: Any, cost: float | None = None) -> None:
        counted.seconds[self.id] += (cost or 1) * self.rateLimit / 1000
        counted.requests[self.id] += 1
        await throttle(self, cost)

    ccxt.Exchange.throttle = counting
    try:
        yield counted
    finally:
        ccxt.Exchange.throttle = throttle
