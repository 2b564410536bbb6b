"""What should have been told, by what the releases and the runs say; and what was told instead.

Made from the published tables and Dagster's runs alone, night by night, without the code that makes the alerts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

STALE_AFTER = timedelta(hours=26)
_DERIVED = (
    "state_change", "position_opened", "position_closed", "concentration", "concentration_over", "stale_release",
    "run_failed", "gate_blocked", "exchanges_unreachable", "withdrawn",
)  # fmt: skip


@dataclass(frozen=True)
class Decided:
    """What a release says of its newest day and of the decided day before.

    Attributes:
        before: None in a release of one day.
        states, states_before: Sector to state.
        opened: Ids of positions that are held on the day and were not on the day before.
        closed: Ids of positions that were held on the day before and are not on the day.
        concentration, concentration_before: The role that takes most of the margin; None: none does.
    """

    release_id: str
    published_at: datetime
    day: date
    before: date | None
    states: dict[str, str]
    states_before: dict[str, str]
    opened: frozenset[str]
    closed: frozenset[str]
    concentration: str | None
    concentration_before: str | None


def read_release(path: Path) -> Decided:
    """Read a release file."""
    with duckdb.connect(str(path), read_only=True) as con:

        def rows(sql: str, *values: object) -> list[tuple[Any, ...]]:
            return con.execute(sql, values).fetchall()

        ((release_id, published_at),) = rows("select release_id, published_at from quality.release_info")
        days = [day for (day,) in rows("select as_of_date from portfolio.decisions order by 1 desc limit 2")]
        day, before = days[0], days[1] if len(days) > 1 else None

        def states(of: date | None) -> dict[str, str]:
            return dict(rows("select sector, state from portfolio.sector_signals where as_of_date = ?", of))

        def held(of: date | None) -> frozenset[str]:
            found = rows("select hedge_id from portfolio.hedges where as_of_date = ? and status <> 'close'", of)
            return frozenset(name for (name,) in found)

        def role(of: date | None) -> str | None:
            found = rows(
                "select concentration_role from portfolio.futures_sleeve where as_of_date = ? and is_concentrated", of
            )
            return found[0][0] if found else None

        # A position that is closed in the night after it was opened stands in one release only; one that is opened
        # and closed in the same night in none.
        return Decided(
            release_id, published_at, day, before, states(day), states(before), held(day) - held(before),
            held(before) - held(day), role(day), role(before),
        )  # fmt: skip


def of_releases(releases: Sequence[Decided]) -> Counter[str]:
    """Event ids that the releases, in the order of publication, call for."""
    told: Counter[str] = Counter()
    for release in releases:
        day = release.day
        if release.before is not None:
            for sector in release.states.keys() | release.states_before.keys():
                then, now = release.states_before.get(sector), release.states.get(sector)
                if then != now:
                    told[f"state_change:{day}:{sector}:{then}>{now}"] += 1
        told.update(f"position_opened:{day}:{name}" for name in release.opened)
        told.update(f"position_closed:{day}:{name}" for name in release.closed)
        then, now = release.concentration_before, release.concentration
        if now is not None and now != then:
            told[f"concentration:{day}:concentration:{now}"] += 1
        if then is not None and now is None:
            told[f"concentration_over:{day}:over:concentration:{then}"] += 1
    return told


def of_age(releases: Sequence[Decided], until: datetime) -> Counter[str]:
    """Event ids of the releases that became too old before the next one came, or before the end."""
    ends = [release.published_at for release in releases[1:]] + [until]
    return Counter(
        f"stale:{release.release_id}"
        for release, end in zip(releases, ends, strict=True)
        if end - release.published_at > STALE_AFTER
    )


@dataclass
class Comparison:
    """Told against expected, of one channel.

    Attributes:
        lost: Expected and not told.
        invented: Told and not expected.
        repeated: Told more than once.
        kinds: How many events of each kind were told.
    """

    lost: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def is_exact(self) -> bool:
        """True where each was told once and nothing else was told."""
        return not (self.lost or self.invented or self.repeated)


def compare(expected: Iterable[str], told: Sequence[dict[str, Any]]) -> Comparison:
    """What a channel that tells event ids has told, against what it should have.

    Alarms on single positions and on margin are not derived here: that they are told once is all that is asked.
    """
    wanted = set(expected)
    ids = Counter(event["event_id"] for event in told)
    derived = {event["event_id"] for event in told if event["kind"] in _DERIVED}
    return Comparison(
        sorted(wanted - ids.keys()),
        sorted(derived - wanted),
        sorted(name for name, times in ids.items() if times > 1),
        Counter(event["kind"] for event in told),
    )
