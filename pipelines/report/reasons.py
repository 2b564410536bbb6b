"""Why a sector or a coin is traded, in one sentence: its state, and the figures that decided."""

import json
from collections.abc import Sequence

from pipelines.report import words
from pipelines.report.data import Row

_SHOWN = 2
# The conditions that say most about a state, the most telling first.
_TELLING = {
    "OVERLEVERAGED": (
        "over.f", "over.oi_chg", "over.oi_z", "over.oi_usd_z",
        "over.stay_f", "over.stay_oi_chg", "over.stay_oi_z", "over.stay_oi_usd_z",
    ),
    "LOSING_MOMENTUM": ("lose.oi_chg", "lose.mom", "lose.norm"),
    "UNSTABLE": ("unstable.rv_pct", "unstable.flips", "unstable.fvol", "unstable.stay_rv_pct", "unstable.stay_fvol"),
    "CAPITULATION": ("capitulation.f", "capitulation.pct"),
    "ACCUMULATION": ("accum.mom_above", "accum.f_max", "accum.vr", "accum.oi_chg"),
}  # fmt: skip
_SHORT = {
    "funding_3d_bps": "funding {}",
    "funding_pctl_90d": "funding percentile {}",
    "funding_sign_flips_14d": "funding changed its sign {} times in 14 days",
    "funding_stdev_14d_bps": "funding deviates by {}",
    "volatility_pctl_90d": "volatility percentile {}",
    "open_interest_z_90d": "open interest {} deviations above its 90 days",
    "open_interest_usd_z_90d": "open interest in USD {} deviations above its 90 days",
    "open_interest_change_7d_frac": "open interest {} in 7 days",
    "volume_ratio_7d_28d": "volume {} times its usual",
    "momentum_14d_frac": "price {} in 14 days",
}
_TILT = {
    "sell": "Its near future is dear against the far one, so a tenth of the coin is held in cash for a while.",
    "buy": "Its near future is no longer dear, or the time is up: the dollars that were set apart buy it back.",
}
_ASKED = {"sell": ("REDUCE", "TRIM"), "buy": ("INCREASE",)}
_BY_CODE = {
    "INCEPTION": "The first allocation: every sector gets its strategic weight.",
    "RECENTRE": "Idle cash goes back to sectors that are below their strategic weight and quiet.",
    "CASH_CAP": "There would be more cash than allowed, so part of it goes back.",
}


def state_in_short(signal: Row) -> str:
    """A state in a sentence with the figures that decided it.

    Args:
        signal: A row of `portfolio.sector_signals`; without a trace, the sentence has no figures.
    """
    state = signal.get("state") or ""
    meaning = words.STATES.get(state, state)
    now = signal.get("latched_state")
    if now and now != state:
        return f"Counts as {state} ({meaning}) until {now}, seen tonight, has been seen on enough days in a row."
    facts = _facts(state, signal)
    return f"{meaning[:1].upper()}{meaning[1:]}{': ' if facts else ''}{words.names(facts)}."


def trade_in_short(side: str, codes: Sequence[str], signal: Row, is_tilt: bool) -> str:
    """Why a sector, or a coin of it, is bought or sold.

    Args:
        side: `buy` or `sell`.
        codes: The reason codes of the sector's target.
        signal: The sector's signal; empty where it has none.
        is_tilt: Whether the trade is a calendar tilt of one coin.
    """
    if is_tilt:
        return _TILT[side]
    for code, sentence in _BY_CODE.items():
        if code in codes:
            return sentence
    if signal.get("action") in _ASKED[side]:
        return state_in_short(signal)
    return "It goes back to its target weight; its state asks for nothing."


def _facts(state: str, signal: Row) -> list[str]:
    records = {
        r["predicate"]: r
        for r in json.loads(signal.get("rule_trace") or "[]")
        if r["state"] == state and r["satisfied"]
    }
    found: dict[str, str] = {}
    for name in _TELLING.get(state, ()):
        record = records.get(name)
        if record is None or record["metric"] in found or len(found) == _SHOWN:
            continue
        metric, value, limit = record["metric"], record["value"], record["threshold"]
        text = _SHORT.get(metric, f"{words.metric_label(metric)} {{}}").format(words.metric_value(metric, value, limit))
        found[metric] = (
            f"{text} (limit {words.comparison_sign(record['comparison'])} {words.metric_limit(metric, limit)})"
        )
    return list(found.values())
