"""The numbers that the gates compare with. A policy file may change them; these are its defaults."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Thresholds of the data-quality gates.

    Attributes:
        max_abs_funding: Largest believable funding rate per settlement, decimal.
        funding_intervals_hours: Settlement intervals that exist, in hours.
        fresh_hours: How old the newest row of an exchange may be at the decision instant, in hours.
        close_mark_frac: Largest believable distance of a traded close from the mark price.
        mark_index_frac: Largest believable distance of the mark from the index price.
        open_interest_usd_frac: Distance of published from computed open interest that raises an alarm.
        open_interest_jump_frac: Change of open interest from one day to the next that raises an alarm.
        sector_coverage_frac: Share of a sector's open interest that must have valid data.
    """

    max_abs_funding: float = 0.04
    funding_intervals_hours: tuple[int, ...] = (1, 2, 4, 6, 8, 12, 24)
    fresh_hours: float = 26
    close_mark_frac: float = 0.05
    mark_index_frac: float = 0.05
    open_interest_usd_frac: float = 0.02
    open_interest_jump_frac: float = 0.60
    sector_coverage_frac: float = 0.60


DEFAULT_LIMITS = Limits()
