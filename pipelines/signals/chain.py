"""The day-by-day chain of a sector's states: memory of the last state, and confirmation by a second day."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.signals.metrics import UNKNOWN, SectorMetrics
from pipelines.signals.rules import DATA_STATES, NEUTRAL, Rules
from pipelines.signals.states import state_of


@dataclass(frozen=True)
class SectorDay:
    """One sector on one day of its chain.

    Attributes:
        date: The UTC day.
        metrics: Its metrics; all unknown on a day without a row.
        raw_state: The state by that day's metrics alone.
        latch: The remembered state: the last `latched_state` that is neither STALE nor NO_DATA, at most
            `latch_days` old; None if there is none.
        latched_state: The state by the metrics and the latch.
        held_days: Calendar days for which `latched_state` has held without a break, this day included.
        state: The confirmed state, on which decisions act.
        previous_state: `state` of the day before; None on the chain's first day.
    """

    date: dt.date
    metrics: SectorMetrics
    raw_state: str
    latch: str | None
    latched_state: str
    held_days: int
    state: str
    previous_state: str | None


def sector_chain(days: Mapping[dt.date, SectorMetrics], rules: Rules, last_day: dt.date) -> list[SectorDay]:
    """Chain one sector's states from its first day of data to `last_day`, every calendar day once.

    A day without a row is a NO_DATA day. STALE and NO_DATA count at once; any other state counts after it was
    the latched state on `confirm_days` days in a row, and until then the state before stays (NEUTRAL if that
    was STALE, NO_DATA or nothing).
    """
    chain: list[SectorDay] = []
    if not days:
        return chain
    first_day = min(days)
    remembered: tuple[dt.date, str] | None = None
    latched_state, state, held_days = None, None, 0
    for offset in range((last_day - first_day).days + 1):
        date = first_day + dt.timedelta(days=offset)
        metrics = days.get(date, UNKNOWN)
        latch = None
        if remembered is not None and (date - remembered[0]).days <= rules.latch_days:
            latch = remembered[1]
        previous_latched, previous_state = latched_state, state
        raw_state = state_of(metrics, rules)
        latched_state = state_of(metrics, rules, latch)
        held_days = held_days + 1 if latched_state == previous_latched else 1
        if latched_state in DATA_STATES or held_days >= rules.confirm_days:
            state = latched_state
        elif state is None or state in DATA_STATES:
            state = NEUTRAL
        if latched_state not in DATA_STATES:
            remembered = (date, latched_state)
        chain.append(SectorDay(date, metrics, raw_state, latch, latched_state, held_days, state, previous_state))
    return chain
