"""What goes wrong in which night, drawn from a seed."""

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

Rule = dict[str, Any]

EXCHANGES = ("binance", "bybit")
CLEAN = "none"

_UNKNOWN_SYMBOL = {
    "binance": (400, '{"code":-1121,"msg":"Invalid symbol."}'),
    "bybit": (200, '{"retCode":10001,"retMsg":"params error: symbol invalid"}'),
}


def _market_faults(exchange: str, seed: int) -> dict[str, list[Rule]]:
    """Name of a fault to the local exchange's rules; `exchange` is the one that has it, where only one has."""
    own = {"exchange": exchange}
    return {
        "rate limit for a while": [{"kind": "rate_limited", **own, "first": 20}],
        "rate limit that lasts": [{"kind": "rate_limited", **own}],
        "banned": [{"kind": "banned", **own}],
        "one exchange out of reach": [{"kind": "connection_reset", **own}],
        "all exchanges out of reach": [{"kind": "connection_reset"}],
        "server errors": [{"kind": "server_error", "probability": 0.1, "seed": seed}],
        "maintenance page": [{"kind": "html_page", **own}],
        "half answers, some": [{"kind": "truncated_json", "probability": 0.15, "seed": seed}],
        "half answers, all candles": [{"kind": "truncated_json", **own, "path": "(?i)kline"}],
        "no answers, some": [{"kind": "hang", "first": 4}],
        "prices that are no numbers": [{"kind": "nan_price", "probability": 0.1, "seed": seed}],
        "negative prices": [{"kind": "negative_price", "probability": 0.1, "seed": seed}],
        "rows twice": [{"kind": "duplicate_rows", "probability": 0.3, "seed": seed}],
        "conflicting rows": [{"kind": "conflicting_rows", "probability": 0.1, "seed": seed}],
        "times in microseconds": [{"kind": "microsecond_timestamps", "probability": 0.3, "seed": seed}],
        "open interest of zero": [{"kind": "zero_open_interest", **own}],
        "symbols missing": [
            {"kind": "status", "exchange": name, "path": "=(BTC|ETH|UNI)USDT", "status": status, "body": body}
            for name, (status, body) in _UNKNOWN_SYMBOL.items()
        ],
        STALE_MARKET: [],
    }  # fmt: skip


# Of a run; in each of them it writes something that the next run has to cope with.
STEPS = ("raw__binance", "raw_tables", "marts", "portfolio", "audit", "publish__release", "publish__report")
STALE_MARKET = "yesterday's market"


@dataclass(frozen=True)
class Night:
    """One night's surroundings.

    Attributes:
        number: From 1 on.
        day: The UTC day that is decided.
        market: Name of what is wrong with the exchanges; `CLEAN` for nothing.
        rules: The local exchange's fault rules.
        killed_in: The run's process is killed (SIGKILL) in this step of it; None: it is not.
        power_cut: What is killed then is the daemon with everything that it started.
        daemon_restarted: The daemon is ended (SIGTERM) and started again before the night.
        webhook_down: The webhook's receiver answers 503 from the run on until the next night.
        mail_down: The mail server takes nothing for as long.
    """

    number: int
    day: date
    market: str = CLEAN
    rules: tuple[Rule, ...] = ()
    killed_in: str | None = None
    power_cut: bool = False
    daemon_restarted: bool = False
    webhook_down: bool = False
    mail_down: bool = False

    @property
    def is_clean(self) -> bool:
        """True where nothing that concerns the run goes wrong."""
        return self.market == CLEAN and self.killed_in is None

    @property
    def is_stale_market(self) -> bool:
        """True where the exchanges have not gone on since the day before."""
        return self.market == STALE_MARKET

    @property
    def words(self) -> str:
        """All of it on one line."""
        parts = [] if self.market == CLEAN else [self.market]
        if self.killed_in is not None:
            parts.append(f"{'power cut' if self.power_cut else 'run killed'} in {self.killed_in}")
        parts += [
            word
            for word, is_so in (
                ("daemon restarted", self.daemon_restarted),
                ("webhook down", self.webhook_down),
                ("mail down", self.mail_down),
            )
            if is_so
        ]
        return ", ".join(parts) or "-"


def draw(nights: int, seed: int, first_day: date) -> list[Night]:
    """The nights in order: about half of them with healthy exchanges, every kind of fault before any comes again.

    The first and the last are clean. Everything that ends the daemon is in the first half, so that its memory can be
    watched over the second.
    """
    rng = random.Random(seed)
    plan = [Night(number, first_day + timedelta(days=number - 1)) for number in range(1, nights + 1)]
    inner = list(range(1, nights - 1))

    def some(share: float, among: list[int] | None = None) -> list[int]:
        places = inner if among is None else among
        return rng.sample(places, min(len(places), max(1, round(nights * share)))) if places else []

    def change(place: int, **changes: Any) -> None:
        plan[place] = replace(plan[place], **changes)

    names: list[str] = []
    for place in sorted(some(0.4)):
        names = names or rng.sample(sorted(_market_faults("", 0)), len(_market_faults("", 0)))
        name = names.pop()
        rules = _market_faults(rng.choice(EXCHANGES), rng.randrange(1_000))[name]
        change(place, market=name, rules=tuple(rules))
    for place in some(0.08):
        change(place, killed_in=rng.choice(STEPS))
    first_half = [place for place in inner if nights // 10 < place < nights // 2 and plan[place].is_clean]
    for place in some(0.04, first_half):
        change(place, killed_in=rng.choice(STEPS), power_cut=True)
    for place in some(0.04, [place for place in inner if place < nights // 2]):
        change(place, daemon_restarted=True)
    for place in some(0.1):
        change(place, webhook_down=True)
    for place in some(0.06):
        change(place, mail_down=True)
    return plan
