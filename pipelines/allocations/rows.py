"""Decisions as rows of the warehouse, and the sentence that says what a decision does to a sector."""

from fractions import Fraction
from typing import Any

from pipelines.allocations.replay import Decision, TargetRow

_PARTS = {Fraction(1, 4): "a quarter", Fraction(1, 6): "a sixth", Fraction(1, 10): "a tenth"}
_NOTES = {
    "TURNOVER_CAP": "Sales were scaled to the turnover limit.",
    "CASH_CAP": "Part was given back because cash had reached its limit.",
    "SECTOR_CAP": "The sector's largest weight stops it.",
    "STEP_CAP": "The largest step of one day stops it.",
    "TILT_CAP": "The largest tilt over the strategic weight stops it.",
    "FLOOR": "The floor under the strategic weight limits the cut.",
    "BAND": "The cut would be too small to trade.",
    "COOLDOWN": "It was cut too recently to be cut again.",
    "SPREAD_VETO": "Not raised: a reference sector runs ahead.",
    "SINGLE_NAME": "Not raised: too few leaders.",
    "FREEZE": "Frozen: its data are missing or stale.",
    "NO_PROCEEDS": "No proceeds fund a purchase here.",
    "DRIFT_ABOVE_CAP": "Its weight drifted above the largest weight; it is not sold for that.",
    "RECENTRE": "Idle cash flows back towards the strategic weight.",
    "INCEPTION": "First allocation.",
    "NOT_A_DECISION_DAY": "No decision is made on this day.",
    "DATA_HALT": "Nothing is traded: more than the allowed share of the sleeve has no data.",
    "MIN_NOTIONAL": "Nothing is traded: the sleeve is too small.",
    "DEPEG": "Part was given back: the stablecoin is off its dollar.",
}


def dollars(cents: int) -> str:
    """Cents as text, for example $32,000 or $24,000.05."""
    sign, whole, part = "-" if cents < 0 else "", *divmod(abs(cents), 100)
    return f"{sign}${whole:,}" + (f".{part:02d}" if part else "")


def allocation_sentence(row: TargetRow) -> str:
    """What the decision does to the sector and why, from templates only."""
    before, after = dollars(row.current_cents), dollars(row.target_cents)
    if row.target_weight < row.current_weight:
        share = 1 - row.target_weight / row.current_weight
        text = f"Cut by {_PARTS.get(share, f'{float(share):.1%}')}: {before} -> {after}."
    elif row.target_weight > row.current_weight:
        text = f"Raised: {before} -> {after}."
    else:
        text = f"Unchanged at {after}."
    return " ".join([text, *(_NOTES[code] for code in row.reason_codes)])


def target_rows(decision: Decision, decision_id: str) -> list[dict[str, Any]]:
    """Rows of `portfolio.target_allocations`, one per sector and one for CASH, in order of name."""
    return [
        {
            "as_of_date": decision.as_of,
            "sector": row.sector,
            "state": row.state,
            "action": row.action,
            "current_weight_frac": float(row.current_weight),
            "target_weight_frac": float(row.target_weight),
            "delta_weight_frac": float(row.target_weight - row.current_weight),
            "current_usd": row.current_cents / 100,
            "target_usd": row.target_cents / 100,
            "delta_usd": (row.target_cents - row.current_cents) / 100,
            "current_weight_exact": str(row.current_weight),
            "target_weight_exact": str(row.target_weight),
            "reason_codes": list(row.reason_codes),
            "explanation": allocation_sentence(row),
            "decision_id": decision_id,
        }
        for row in decision.rows
    ]


def decision_fields(decision: Decision) -> dict[str, Any]:
    """The columns of `portfolio.decisions` that a decision knows; the caller adds ids, hashes and times."""
    held = decision.held
    return {
        "as_of_date": decision.as_of,
        "portfolio_value_usd": (held.sleeve_cents + held.futures_cents) / 100,
        "spot_sleeve_usd": held.sleeve_cents / 100,
        "futures_sleeve_usd": held.futures_cents / 100,
        "status": decision.status,
        "reason": decision.reason,
        "turnover_frac": float(decision.turnover),
        "book_json": decision.book.to_json(),
    }
