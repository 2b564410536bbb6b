"""What `rotation exchange serve` says once the local exchange is ready."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_GREETING = """\
The {market} market listens at {url}, its clock began at {now} UTC (ctrl-c ends it). Try it with ccxt:

import ccxt
exchange = ccxt.binance()
exchange.urls["api"] = {{k: v.replace("https://", "{url}/") for k, v in exchange.urls["api"].items()}}
print(exchange.fetch_funding_rate_history("BTC/USDT:USDT", limit=3))
"""


class _Greeter(io.TextIOBase):
    """Takes the server's line of JSON and writes it for people."""

    def __init__(self) -> None:
        self._line = ""
        self._out = sys.stdout

    def write(self, text: str) -> int:
        self._line += text
        if self._line.endswith("\n"):
            self._out.write(_GREETING.format(**json.loads(self._line)))
            self._line = ""
        return len(text)

    def flush(self) -> None:
        self._out.flush()


@contextmanager
def greeting() -> Iterator[None]:
    """Turn the one line that the server prints into its address and four lines of Python to try it with."""
    with redirect_stdout(_Greeter()):
        yield
