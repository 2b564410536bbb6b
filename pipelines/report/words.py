"""Numbers and codes in the words of the page: units, signs, and what every code means."""

import math
from datetime import date, datetime
from typing import Any

UNKNOWN = "unknown"
DISCLAIMER = (
    "Paper only: proposals, no order was sent. Not investment advice. That the signals earn money is not demonstrated."
)
SOURCE_LABELS = {
    "simulated": "SIMULATED MARKET. These numbers are made up and say nothing about any real coin.",
    "recorded": "RECORDED MARKET. Replayed from files, not fetched from the exchanges.",
}
_MINUS = "\u2212"

METRICS: dict[str, tuple[str, str]] = {
    "funding_3d_bps": ("Funding, mean of 3 days", "bps"),
    "funding_pctl_90d": ("Funding percentile among 90 days", "rank"),
    "market_excess_bps": ("Funding above the rest of the market", "bps"),
    "funding_peak_28d_bps": ("Peak of funding in 28 days", "bps"),
    "funding_stdev_14d_bps": ("Standard deviation of funding in 14 days", "bps"),
    "funding_stdev_median_90d_bps": ("Median of that deviation in 90 days", "bps"),
    "funding_sign_flips_14d": ("Changes of funding's sign in 14 days", "count"),
    "volatility_pctl_90d": ("Futures volatility percentile among 90 days", "rank"),
    "open_interest_z_90d": ("Open interest in coins, z-score over 90 days", "number"),
    "open_interest_usd_z_90d": ("Open interest in USD (contains the price), z-score", "number"),
    "open_interest_change_7d_frac": ("Open interest change in 7 days", "change"),
    "volume_ratio_7d_28d": ("Futures volume, 7 days over the 28 before", "number"),
    "momentum_14d_frac": ("Futures price change in 14 days", "change"),
    "momentum_14d_peak_28d_frac": ("Highest 14-day price change in 28 days", "change"),
    "coverage_frac": ("Share of open interest with complete data", "share"),
    "is_fresh": ("Data is fresh", "flag"),
    "missing_metrics": ("Metrics that are unknown", "count"),
}
_DECIMALS = {"bps": 2, "rank": 1, "count": 0, "number": 2, "change": 1, "share": 0}

STATES = {
    "STALE": "too little fresh data; frozen",
    "NO_DATA": "too little data to judge; frozen",
    "OVERLEVERAGED": "crowded longs: high funding and new leverage",
    "LOSING_MOMENTUM": "leverage is leaving while funding or the price comes down",
    "UNSTABLE": "volatile futures with funding that swings",
    "CAPITULATION": "shorts pay a lot; neither sold nor bought",
    "ACCUMULATION": "rising quietly on low, stable funding",
    "NEUTRAL": "none of the other states",
}
ACTIONS = {
    "REDUCE": "cut",
    "TRIM": "cut a little",
    "INCREASE": "raise with the proceeds of cuts",
    "HOLD": "leave as it is",
    "FREEZE": "do not touch: no data",
}
STATE_KINDS = {
    "STALE": "frozen",
    "NO_DATA": "frozen",
    "OVERLEVERAGED": "cut",
    "LOSING_MOMENTUM": "cut",
    "UNSTABLE": "cut",
    "CAPITULATION": "hold",
    "ACCUMULATION": "raise",
    "NEUTRAL": "hold",
}  # what a state means for the holding: its colour and its shape, never the colour alone
SHAPES = {"cut": "▼", "raise": "▲", "hold": "■", "frozen": "◇"}
CODES = {
    "INCEPTION": "first allocation",
    "COOLDOWN": "was cut lately, so it is not cut again",
    "FLOOR": "at the least that it may hold",
    "BAND": "the change would be too small",
    "TURNOVER_CAP": "scaled down: too much would be sold in one night",
    "SECTOR_CAP": "at the most that one sector may hold",
    "TILT_CAP": "at the most that it may hold above its strategic weight",
    "STEP_CAP": "at the most that may be added in one night",
    "NO_PROCEEDS": "there is nothing to buy with",
    "CASH_CAP": "cash above its limit went back to it",
    "RECENTRE": "idle cash goes back to sectors below their strategic weight",
    "DRIFT_ABOVE_CAP": "above the most by price alone: no forced sale",
    "SPREAD_VETO": "not raised: another sector runs ahead of it",
    "SINGLE_NAME": "not raised: too few coins stand for it",
    "FREEZE": "no data: nothing is bought or sold",
    "DATA_HALT": "too many sectors without data",
    "CALENDAR_TILT": "held a tenth lower while its near future is dear",
    "RECLASS": "one of its coins changed the sector: no trade",
    "DEPEG": "the stablecoin is off its dollar: nothing is sold into it",
    "NOT_A_DECISION_DAY": "no day of decision",
    "MIN_NOTIONAL": "too small to trade",
}
HEDGE_STATUS = {"open": "open a new", "hold": "keep the", "resize": "resize the", "close": "close the"}
HEDGE_REASONS = {
    "OVERBOUGHT": "the coin is overbought",
    "MARKET": "the whole market is crowded",
    "EXPOSURE_CHANGED": "the coins that it stands for changed",
    "FUNDING_NORMAL": "funding is normal again",
    "PCTL_NORMAL": "funding is no longer high in its own history",
    "BREADTH_NORMAL": "the whole market is no longer crowded",
    "MAX_DAYS": "it reached its longest age",
    "FUNDING_NEGATIVE": "the short would have to pay",
    "NO_EXPOSURE": "the coins that it stood for are no longer held",
    "DUPLICATE_HEDGE": "another short stands for the same coins",
    "MIN_NOTIONAL": "it would be smaller than the smallest order",
    "MARGIN": "no margin is left for it",
    "LIQUIDATED": "its margin was used up",
    "LIMIT_PRICE": "the price rose to its limit",
    "STATE_LEFT": "the state that called for it ended",
    "STOP": "the close was at or below its stop",
    "SOLD_SHORT": "the same coin is sold short",
    "SWITCHED_OFF": "the policy no longer asks for it",
}
FUNDING_PATHS = {
    "persist": "funding stays as it is",
    "linear": "funding goes back to rest",
    "flip": "funding turns: the short pays",
}
GLOSSARY = (
    (
        "Funding",
        "What longs pay shorts on perpetual futures. 1 bp/8h is 0.01% of the position every 8 hours, 10.95% a year.",
    ),
    ("Long, short", "A long gains when the price rises, a short gains when it falls."),
    ("Spot sleeve", "The coins and the cash. The futures sleeve beside it is the collateral of the hedges."),
    ("Strategic weight", "The share that a sector has when nothing speaks for or against it."),
    ("Leaders", "The coins with the most open interest of a sector; its figures are theirs."),
    ("Open interest", "Futures contracts that are open. Every long has a short, so it has no direction."),
    ("Percentile", "0 to 100: how many of the 90 days before were lower. z-score: how many deviations above them."),
    ("Slack", "How far a condition is from changing: positive while it is met, negative while it is not."),
    ("Basis", "How far a dated future stands above spot, per year. It is the price of leverage, no forecast."),
    ("Offset", "The share of a fall's loss that a hedge gives back. A short of 10% gives back about 10%."),
    ("bp", "Basis point: 0.01%."),
)


def usd(value: float | None, *, sign: bool = False) -> str:
    """An amount to the cent."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    rounded = round(value, 2) + 0.0
    mark = _MINUS if rounded < 0 else "+" if sign and rounded > 0 else ""
    return f"{mark}${abs(rounded):,.2f}"


def percent(value: float | None, *, sign: bool = False, decimals: int = 1) -> str:
    """A fraction in percent."""
    return UNKNOWN if value is None else f"{_number(100 * value, decimals, sign)}%"


def quantity(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.8g}"


def price(value: float | None) -> str:
    """The price of one coin in USD."""
    return UNKNOWN if value is None else f"${value:,.6g}"


def moment(value: datetime | date | None) -> str:
    """UTC, to the minute."""
    if value is None:
        return UNKNOWN
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else f"{value}"


def metric_label(metric: str) -> str:
    return METRICS.get(metric, (metric, ""))[0]


def metric_value(metric: str, value: Any, limit: Any = None, *, sign: bool = False) -> str:
    """A metric in its unit, with enough decimals not to seem on the other side of `limit` (2.999, not 3.00)."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    scaled, decimals = _scaled(metric, value)
    if isinstance(limit, (int, float)) and not isinstance(limit, bool):
        edge, _ = _scaled(metric, limit)
        while decimals < 9 and _side(round(scaled, decimals), edge) != _side(scaled, edge):
            decimals += 1
    return _with_unit(metric, scaled, decimals, sign)


def metric_limit(metric: str, threshold: Any) -> str:
    """A threshold in its metric's unit: exact, but for a multiple of another metric, which has no end."""
    if threshold is None or isinstance(threshold, bool):
        return metric_value(metric, threshold)
    scaled, usual = _scaled(metric, threshold)
    decimals = next((number for number in range(usual, 5) if round(scaled, number) == scaled), usual)
    return _with_unit(metric, scaled, decimals, sign=False)


def comparison_sign(comparison: str) -> str:
    return {">=": "≥", "<=": "≤", "=": "is"}.get(comparison, comparison)


def codes(values: list[str] | None) -> str:
    """Reason codes as words, each followed by itself."""
    return "; ".join(f"{CODES[code]} ({code})" if code in CODES else code for code in values or [])


def readable_name(sector: str, name: str | None) -> str:
    """A sector's name where it says more than the sector's code does."""
    same = (name or "").casefold().replace(" ", "_").replace("-", "_") == sector.casefold()
    return "" if same else name or ""


def names(values: list[str]) -> str:
    """A list in a sentence: a, b and c."""
    return " and ".join(filter(None, [", ".join(values[:-1]), *values[-1:]]))


def _number(value: float, decimals: int, sign: bool) -> str:
    rounded = round(value, decimals) + 0.0
    mark = _MINUS if rounded < 0 else "+" if sign and rounded > 0 else ""
    return f"{mark}{abs(rounded):,.{decimals}f}"


def _unit(metric: str) -> str:
    return METRICS.get(metric, (metric, "number"))[1]


def _scaled(metric: str, value: float) -> tuple[float, int]:
    """A value as it is written, and its usual decimals."""
    unit = _unit(metric)
    return round(value * (100 if unit in ("rank", "change", "share") else 1), 10), _DECIMALS.get(unit, 2)


def _with_unit(metric: str, scaled: float, decimals: int, sign: bool) -> str:
    unit = _unit(metric)
    suffix = {"bps": " bp/8h", "change": "%", "share": "%"}.get(unit, "")
    return f"{_number(scaled, decimals, sign or unit == 'change')}{suffix}"


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
