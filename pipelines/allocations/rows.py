"""Decisions as rows of the warehouse."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pipelines.allocations.explain import explain_money
from pipelines.allocations.replay import Decision
from pipelines.policy import Policy


def target_rows(
    decision: Decision,
    decision_id: str,
    state_sentences: Mapping[str, str],
    strategic: Mapping[str, Fraction],
    policy: Policy,
) -> list[dict[str, Any]]:
    """Rows of `portfolio.target_allocations`, one per sector and one for CASH, in order of name.

    Args:
        decision: What was decided.
        decision_id: Its id.
        state_sentences: Sector to the explanation of its state; the change of money is added to it.
        strategic: Exact strategic weight per sector: a tilt is told against it.
        policy: Gives every limit that a sentence prints.
    """
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
            "explanation": explain_money(
                state_sentences.get(row.sector, f"{row.sector}."),
                Decimal(row.current_cents) / 100,
                Decimal(row.target_cents) / 100,
                row.reason_codes,
                policy,
            ),
            "decision_id": decision_id,
            "strategic_weight_frac": float(strategic[row.sector]) if row.sector in strategic else None,
            "active_weight_frac": (
                float(row.target_weight - strategic[row.sector]) if row.sector in strategic else None
            ),
        }
        for row in decision.rows
    ]
