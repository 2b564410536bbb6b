"""What an exchange's error means, whether to ask again, and what a person can do about it.

ccxt's class alone does not say it: a country block of Bybit arrives as RateLimitExceeded, a rate limit of
MEXC as plain ExchangeError. So the reply's status and body are looked at first, and the class last. The same
rows are the table in `docs/exchanges.md`.
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

Kind = Literal["blocked", "retryable", "bad_symbol", "history_refused", "permanent", "malformed"]
RETRIED: tuple[Kind, ...] = ("retryable", "malformed")


@dataclass(frozen=True)
class Reply:
    """The HTTP reply behind an error: status, its `Retry-After` in seconds (None: not said), body."""

    status: int
    retry_after_s: float | None
    body: str


@dataclass(frozen=True)
class Rule:
    """One row of the error table; every condition that is given must hold."""

    kind: Kind
    meaning: str
    remedy: str
    exchange: str = ""
    statuses: tuple[int, ...] = ()
    body: str = ""  # regular expression over the reply's body, case ignored
    classes: tuple[str, ...] = ()  # names of ccxt's or Python's exception classes, bases included
    wait_s: float | None = None  # to wait before asking again, where the exchange does not say it

    def fits(self, exchange: str, classes: frozenset[str], reply: Reply | None) -> bool:
        if self.exchange and self.exchange != exchange:
            return False
        if self.classes and not classes.intersection(self.classes):
            return False
        if (self.statuses or self.body) and reply is None:
            return False
        if self.statuses and reply is not None and reply.status not in self.statuses:
            return False
        return not self.body or (reply is not None and re.search(self.body, reply.body, re.IGNORECASE) is not None)


_COUNTRY = "take the exchange out of ROTATION_EXCHANGES, or run from a country it serves"
_SLOWER = "nothing, it is asked again more slowly; if it persists, let no other program use this address"
_DELISTED = "nothing if it was delisted; else check its base in dbt/seeds/asset_symbols.csv"
_WAIT = "nothing, it is asked again; if it persists, see the exchange's status page and run again later"


def _code(name: str, number: int) -> str:
    return rf'"{name}"\s*:\s*"?{number}\b'


RULES: tuple[Rule, ...] = (
    Rule(
        "blocked", "this address is banned for asking too often", "wait before the next run", statuses=(418,),
    ),
    Rule("blocked", "the exchange does not serve this country", _COUNTRY, statuses=(451,)),
    Rule(
        "blocked", "the exchange does not serve this country", _COUNTRY,
        statuses=(403,), body="cloudfront|block access from your country|restricted location",
    ),
    Rule(
        "retryable", "too many requests from this address", _SLOWER,
        exchange="bybit", statuses=(403,), body="too frequent", wait_s=600,
    ),
    Rule("blocked", "this address is banned", _COUNTRY, exchange="bybit", body=_code("retCode", 10009)),
    Rule("blocked", "the exchange refuses this address", _COUNTRY, statuses=(403,)),
    Rule("retryable", "too many requests", _SLOWER, statuses=(429,)),
    Rule("retryable", "too many requests", _SLOWER, exchange="bybit", body=_code("retCode", 10006)),
    Rule("retryable", "too many requests", _SLOWER, exchange="okx", body=_code("code", 50011)),
    Rule("retryable", "too many requests", _SLOWER, exchange="bitget", body=_code("code", 429)),
    Rule("retryable", "too many requests", _SLOWER, exchange="bingx", body=r"\b100410\b|\b109429\b"),
    Rule("retryable", "too many requests", _SLOWER, exchange="weex", body=r"-1003\b"),
    Rule("retryable", "too many requests", _SLOWER, exchange="mexc", body=_code("code", 510)),
    Rule(
        "history_refused", "the exchange does not keep history that far back",
        "nothing, the older part is recorded as absent",
        exchange="binance", body=r"-1130\b.*startTime|startTime.*-1130\b",
    ),
    Rule(
        "history_refused", "the exchange does not keep history that far back",
        "nothing, the older part is recorded as absent", exchange="weex", body=_code("code", -1170),
    ),
    Rule(
        "blocked", "the exchange refuses this address", _COUNTRY,
        exchange="weex", body=f'{_code("code", -1056)}|{_code("code", -1190)}',
    ),
    Rule(
        "retryable", "the exchange is down or under maintenance", _WAIT,
        exchange="weex", body=f'{_code("code", -1000)}|{_code("code", -1054)}',
    ),
    Rule(
        "permanent", "the exchange refuses this computer's clock",
        "set the clock of this computer, then run again", exchange="bingx", body=r"\b100421\b.*timestamp",
    ),
    Rule("bad_symbol", "the exchange does not list this symbol", _DELISTED, classes=("BadSymbol",)),
    Rule(
        "bad_symbol", "the exchange does not list this symbol", _DELISTED,
        exchange="weex", body=r"-1142\b.*'symbol'",
    ),
    Rule(
        "bad_symbol", "the exchange does not list this symbol", _DELISTED,
        exchange="bybit", body="symbol invalid|not supported symbols",
    ),
    Rule(
        "bad_symbol", "the exchange does not list this symbol", _DELISTED,
        exchange="bitget", body=_code("code", 40034) + "|" + _code("code", 40309),
    ),
    Rule("bad_symbol", "the symbol is offline", _DELISTED, exchange="bingx", body=r"\b109415\b"),
    Rule(
        "bad_symbol", "the exchange does not list this symbol", _DELISTED,
        exchange="bingx", body=r"\b109425\b|\b109419\b|OpenInterestNotExist",
    ),
    Rule(
        "retryable", "the exchange is down or under maintenance", _WAIT,
        exchange="bingx", body=r"\b100500\b|\b100503\b|\b109500\b|\b109701\b",
    ),
    Rule(
        "bad_symbol", "the exchange does not list this symbol", _DELISTED,
        exchange="mexc", body=_code("code", 1001),
    ),
    Rule("retryable", "the exchange is down or under maintenance", _WAIT, statuses=(*range(500, 531),)),
    Rule("retryable", "the exchange is down or under maintenance", _WAIT, exchange="mexc", body=_code("code", 500)),
    Rule(
        "permanent", "the exchange no longer has this endpoint", "open an issue with this message",
        statuses=(404, 410),
    ),
    Rule("retryable", "no reply in time", _WAIT, classes=("RequestTimeout", "TimeoutError")),
    Rule("retryable", "too many requests", _SLOWER, classes=("DDoSProtection", "RateLimitExceeded")),
    Rule(
        "malformed", "the reply cannot be read as this endpoint's data",
        "nothing, it is asked again; if it persists, the exchange changed its format: open an issue",
        classes=("UnreadableReply", "BadResponse", "NullResponse", "JSONDecodeError"),
    ),
    Rule(
        "retryable", "the exchange cannot be reached",
        "check the network connection; it is asked again", classes=("OperationFailed", "OSError"),
    ),
    Rule(
        "permanent", "the exchange asks for a key, which public data should not need",
        "open an issue: the endpoint is no longer public",
        classes=("AuthenticationError", "PermissionDenied"),
    ),
    Rule(
        "permanent", "the exchange refuses the request", "open an issue with this message",
        classes=("ExchangeError", "BaseError"),
    ),
    Rule(
        "malformed", "the reply cannot be read as this endpoint's data",
        "nothing, it is asked again; if it persists, the exchange changed its format: open an issue",
    ),
)  # fmt: skip


class ExchangeFailure(Exception):
    """An exchange could not be read; the text says which call, what it means and what to do.

    Attributes:
        kind: `blocked`: the whole exchange is out of reach. `retryable`, `malformed`: asked again, without
            success. `bad_symbol`, `history_refused`, `permanent`: asking again would not help.
        retry_after_s: Seconds to wait before asking again; None where the exchange does not say.
    """

    def __init__(
        self,
        exchange: str,
        call: str,
        symbol: str | None,
        rule: Rule,
        said: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.exchange, self.call, self.symbol = exchange, call, symbol
        self.kind, self.meaning, self.remedy = rule.kind, rule.meaning, rule.remedy
        self.retry_after_s = retry_after_s
        where = " ".join(part for part in (exchange, call, symbol) if part)
        quoted = f' (it said "{said}")' if said else ""
        super().__init__(f"{where}: {rule.meaning}{quoted}. What to do: {rule.remedy}.")

    @property
    def is_retried(self) -> bool:
        return self.kind in RETRIED


def classify(error: Exception, exchange: str, call: str, symbol: str | None = None) -> ExchangeFailure:
    """What `error`, raised by a call through ccxt, means.

    Args:
        error: The exception; the HTTP reply behind it, if there was one, hangs on its attribute `reply`.
        exchange: ccxt's name of the exchange.
        call: What was asked for, for example `funding rates`.
        symbol: ccxt's unified symbol, where the call is about one.
    """
    reply: Reply | None = getattr(error, "reply", None)
    classes = frozenset(base.__name__ for base in type(error).__mro__)
    rule = next(rule for rule in RULES if rule.fits(exchange, classes, reply))
    wait_s = reply.retry_after_s if reply and reply.retry_after_s is not None else rule.wait_s
    return ExchangeFailure(exchange, call, symbol, rule, _said(error, reply), wait_s)


def retry_after_s(headers: dict[str, str]) -> float | None:
    """The reply's `Retry-After` in seconds; a date counts from the reply's own `Date`. None: not said."""
    found = {name.lower(): value for name, value in headers.items()}
    given = found.get("retry-after", "").strip()
    if given.replace(".", "", 1).isdigit():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - parsedate_to_datetime(found["date"])).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def pause_s(body: str, now_ms: int) -> float | None:
    """Seconds until the time (epoch milliseconds) at which a body says it answers again; None: it does not say.

    BingX: "...is currently in the disabled period and will be unblocked after 1727193814249".
    """
    named = re.search(r"(?:unblocked after|retry after time:?) *(\d{13})\b", body)
    seconds = (int(named.group(1)) - now_ms) / 1000 if named else 0.0
    return seconds if seconds > 0 else None


def _said(error: Exception, reply: Reply | None) -> str:
    """The exchange's own words, short, without addresses: a URL carries parameters that belong in no log."""
    if reply is None:
        return str(error)[:160] if type(error).__name__ == "UnreadableReply" else ""
    code = re.search(r'"(?:code|retCode)"\s*:\s*"?(-?\d+)', reply.body)
    text = re.search(r'"(?:msg|retMsg|message)"\s*:\s*"([^"]*)"', reply.body)
    title = re.search(r"<title>(.*?)</title>", reply.body, re.IGNORECASE | re.DOTALL)
    words = text.group(1) if text else title.group(1) if title else re.sub(r"<[^>]*>", " ", reply.body)
    parts = [f"HTTP {reply.status}", code.group(1) if code else "", re.sub(r"\S+://\S+|\?\S+=\S+", "", words)]
    return " ".join(" ".join(part for part in parts if part).split())[:160]
