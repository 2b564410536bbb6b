"""Faults on demand: answers that real exchanges have given, put in the place of the right ones.

A fault file is JSON: `{"faults": [{"kind": "rate_limited", "exchange": "binance", "path": "/klines"}]}`. A
rule meets a request when exchange, host and path all match; of the requests it meets it spoils the nth, or
the first N, or a share drawn with its own seed, or all of them. The first rule that spoils a request wins.
"""

import json
import random
import re
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipelines.local_exchange.row_faults import spoil_rows
from pipelines.local_exchange.wire import Reply

HOSTS = {
    "api.binance.com": "binance",
    "fapi.binance.com": "binance",
    "dapi.binance.com": "binance",
    "api.bybit.com": "bybit",
    "open-api.bingx.com": "bingx",
    "api-spot.weex.com": "weex",
    "api-contract.weex.com": "weex",
    "api.mexc.com": "mexc",
    "data.binance.vision": "binance",
    "s3-ap-northeast-1.amazonaws.com": "binance",
    "api.bitget.com": "bitget",
    "www.okx.com": "okx",
}
"""Host name to exchange, for every host that the server speaks for."""

_HTML = "<html><head><title>Maintenance</title></head><body><h1>System upgrade in progress</h1></body></html>"
_CLOUDFRONT = (
    "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY><H1>403 ERROR</H1>"
    "The Amazon CloudFront distribution is configured to block access from your country.</BODY></HTML>"
)
_RESTRICTED = (
    '{"code":0,"msg":"Service unavailable from a restricted location according to \'b. Eligibility\' in '
    "https://www.binance.com/en/terms. Please contact customer service if you believe you received this "
    'message in error."}'
)
_ANSWERS = {
    "rate_limited": Reply(
        b'{"code":-1003,"msg":"Too many requests; current limit of IP is 2400 requests per minute."}',
        429,
        headers={"Retry-After": "1"},
    ),
    "banned": Reply(
        b'{"code":-1003,"msg":"Way too many requests; IP banned until 1893456000000."}',
        418,
        headers={"Retry-After": "120"},
    ),
    "geo_blocked": Reply(_RESTRICTED.encode(), 451),
    "forbidden_html": Reply(_CLOUDFRONT.encode(), 403, content_type="text/html"),
    "server_error": Reply(b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}', 500),
    "html_page": Reply(_HTML.encode(), 200, content_type="text/html"),
    "empty_body": Reply(b"", 200),
}
_OWN_ANSWERS = {
    ("bingx", "rate_limited"): Reply(b'{"code":100410,"msg":"rate limited","data":{}}'),
    ("mexc", "rate_limited"): Reply(b'{"success":false,"code":510,"message":"Requests are too frequent"}'),
    ("bitget", "rate_limited"): Reply(
        b'{"code":"429","msg":"Too Many Requests","requestTime":1700000000000,"data":null}', 429
    ),
    ("okx", "rate_limited"): Reply(b'{"msg":"Too Many Requests","code":"50011"}', 429),
}
"""Exchange and kind, where an exchange words a fault in its own way."""

FaultKind = Literal[
    "rate_limited", "banned", "geo_blocked", "forbidden_html", "server_error", "html_page", "empty_body",
    "status", "truncated_json", "hang", "connection_reset",
    "nan_price", "negative_price", "duplicate_rows", "conflicting_rows", "microsecond_timestamps",
    "zero_open_interest",
]  # fmt: skip


class BadFaults(ValueError):
    """The fault rules cannot be used; the message says which rule and what to change."""


class FaultRule(BaseModel):
    """One rule: which requests, which of those, and what happens to them.

    Attributes:
        kind: What happens; `status` sends `status`, `body` and `headers` as given.
        exchange: ccxt's name of the exchange; None is any.
        host: Regular expression found anywhere in the host name; None is any.
        path: Regular expression found anywhere in the path with its query (`/klines.*BTCUSDT`); None is any.
        nth: Only the nth request that matches, counted from 1.
        first: Only the first N requests that match.
        probability: Each matching request with this chance, drawn with `seed`.
        seed: Seed of `probability`.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    exchange: Literal["binance", "bybit", "bingx", "weex", "mexc", "bitget", "okx"] | None = None
    host: str | None = None
    path: str | None = None
    nth: int | None = Field(None, ge=1)
    first: int | None = Field(None, ge=1)
    probability: float | None = Field(None, ge=0, le=1)
    seed: int = 0
    status: int | None = Field(None, ge=100, le=599)
    body: str | None = None
    headers: dict[str, str] = {}

    @field_validator("host", "path")
    @classmethod
    def _is_regular_expression(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression ({error})") from error
        return pattern

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> "FaultRule":
        chosen = [name for name in ("nth", "first", "probability") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude one another; keep one")
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("`status` is needed by, and belongs to, the kind `status` alone")
        return self


class _Counted:
    """A rule with what it has met and spoilt so far."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule, self.met, self.spoilt = rule, 0, 0
        self._random = random.Random(rule.seed)

    def spoils(self, host: str, path: str) -> bool:
        rule = self.rule
        if rule.exchange and HOSTS.get(host) != rule.exchange:
            return False
        if (rule.host and not re.search(rule.host, host)) or (rule.path and not re.search(rule.path, path)):
            return False
        self.met += 1
        if rule.nth is not None:
            hit = self.met == rule.nth
        elif rule.first is not None:
            hit = self.met <= rule.first
        else:
            hit = rule.probability is None or self._random.random() < rule.probability
        self.spoilt += hit
        return hit


class Faults:
    """The rules in force."""

    def __init__(self, rules: list[FaultRule] | None = None) -> None:
        self._counted = [_Counted(rule) for rule in rules or []]

    def rule_for(self, host: str, path: str) -> FaultRule | None:
        """The rule that spoils this request, if any; counts the request. `path` is with its query."""
        return next((counted.rule for counted in self._counted if counted.spoils(host, path)), None)

    def report(self) -> list[dict]:
        """Every rule with `met` and `spoilt`: how many requests it matched and how many it changed."""
        return [
            {**counted.rule.model_dump(exclude_defaults=True), "met": counted.met, "spoilt": counted.spoilt}
            for counted in self._counted
        ]


def parse_faults(content: str | bytes, where: str) -> Faults:
    """Read fault rules from JSON.

    Args:
        content: `{"faults": [rule, ...]}`.
        where: Where the JSON is from, for the error.

    Raises:
        BadFaults: Not JSON, not of that shape, or a rule that cannot be used.
    """
    try:
        rules = json.loads(content)["faults"]
        return Faults([FaultRule.model_validate(rule) for rule in rules])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "rule"
        raise BadFaults(f"{where}: fault rule: {place}: {first['msg']}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadFaults(f'{where}: expected {{"faults": [...]}} as JSON; write one object per fault') from error


def read_faults(path: Path) -> Faults:
    """Read fault rules from a file; `BadFaults` names the file."""
    try:
        return parse_faults(path.read_bytes(), str(path))
    except OSError as error:
        raise BadFaults(f"{path}: cannot be read ({error.strerror}); give the path of a JSON file") from error


def spoil(rule: FaultRule, reply: Reply, exchange: str | None = None) -> Reply:
    """The answer of `exchange` sent in the place of `reply`; not for `hang` and `connection_reset`, which send none."""
    if rule.kind == "status":
        return Reply((rule.body or "").encode(), rule.status, headers=rule.headers)
    if rule.kind in _ANSWERS:
        return _OWN_ANSWERS.get((exchange, rule.kind), _ANSWERS[rule.kind])
    if rule.kind == "truncated_json":
        return Reply(reply.body[: len(reply.body) // 2], reply.status)
    return spoil_rows(rule.kind, reply)
