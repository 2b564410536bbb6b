"""What a hedge does and does not do, in words: templates filled from its row, no free text."""

from collections.abc import Mapping
from typing import Any, Protocol

from pipelines.policy import Policy


class Metrics(Protocol):
    """The asset's figures that the trigger reads; null is unknown."""

    funding_3d_bps: float | None
    funding_pctl_90d: float | None
    open_interest_z_90d: float | None
    open_interest_usd_z_90d: float | None


_CLOSED = {
    "FUNDING_NORMAL": "funding is normal again",
    "PCTL_NORMAL": "funding is no longer high in its own history",
    "MAX_DAYS": "it has reached its longest age",
    "FUNDING_NEGATIVE": "the last settlements were negative, so the short pays",
    "NO_EXPOSURE": "no spot of the asset is held any more",
    "MIN_NOTIONAL": "its size would fall below the smallest order",
    "MARGIN": "the futures sleeve has no margin left for it",
    "LIQUIDATED": "the price passed the level at which its margin was used up",
}
_OPENED = {"open": "Opened a short of", "hold": "Kept a short of", "resize": "Resized the short to"}


def explain(row: Mapping[str, Any], metrics: Metrics, policy: Policy) -> str:
    """The sentence of one row of `portfolio.hedges`: honest offset, liquidation and the trigger's figures."""
    rule = policy.hedge
    figures = (
        f"Funding {_text(metrics.funding_3d_bps, '.2f')} bp/8h (limit {rule.f:g}), "
        f"percentile {_text(metrics.funding_pctl_90d, '.2f')} (limit {rule.pct:g}); open interest z "
        f"{_text(metrics.open_interest_z_90d, '+.2f')} in coins (limit {rule.oi_z:g}) and "
        f"{_text(metrics.open_interest_usd_z_90d, '+.2f')} in USD (limit {rule.oi_usd_z:g}; "
        "it contains the price)."
    )
    if row["status"] == "close":
        return f"{row['asset']}: hedge closed, {_CLOSED[row['reason']]}. {figures} Spot is not sold."
    size = f"{row['quantity_base']:.10g} {row['asset']}"
    short = f"{row['asset']}: {_OPENED[row['status']]} {size} on {row['exchange']} at {row['leverage']:g}x"
    if row["notional_usd"] is None:
        return f"{short}; it has no price today, so its offset is unknown. {figures} Spot is not sold."
    limit = " Its size is limited by the margin of the futures sleeve." if row["reason"] == "MARGIN" else ""
    return (
        f"{short} (${row['notional_usd']:,.2f}). It offsets about {_percent(row['offset_frac'])} of the "
        f"loss on ${row['exposure_usd']:,.2f} of spot if the price falls; an offset of "
        f"{policy.scenarios.wanted_offset:.0%} needs a ratio of {row['ratio_for_80pct_offset_frac']:.2f}."
        f"{limit} Its margin is used up by a rise of {row['liquidation_move_frac']:.1%}. {figures} "
        "Spot is not sold."
    )


def _text(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _percent(share: float) -> str:
    # 9.98% after rounding to lots reads as 10%, half a percent stays visible.
    return f"{share:.0%}" if share >= 0.05 else f"{share:.1%}"
