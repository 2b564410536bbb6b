"""The codes that say why a row is what it is."""

from collections.abc import Iterable

REASON_CODES = (
    *("TURNOVER_CAP", "CASH_CAP", "SECTOR_CAP", "STEP_CAP", "FLOOR", "BAND", "COOLDOWN", "SPREAD_VETO"),
    *("FREEZE", "SINGLE_NAME", "MIN_NOTIONAL", "MARGIN", "NO_PROCEEDS", "DUPLICATE_HEDGE", "TILT_CAP"),
    *("NOT_A_DECISION_DAY", "DATA_HALT", "DRIFT_ABOVE_CAP", "RECLASS", "INCEPTION", "RECENTRE"),
    *("CALENDAR_TILT", "DEPEG"),
)


def ordered_codes(codes: Iterable[str]) -> tuple[str, ...]:
    """Reason codes once each, in one fixed order, so that equal decisions are equal byte for byte."""
    return tuple(sorted(set(codes), key=REASON_CODES.index))
