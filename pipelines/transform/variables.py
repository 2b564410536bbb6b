"""The policy's numbers as dbt variables: section and key joined by an underscore, `windows.baseline` and the like."""

from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from pipelines.policy import Policy

POLICY_VARIABLES: dict[str, tuple[str, ...]] = {
    "decide": ("at",),
    "windows": (
        *("baseline", "min_frac", "funding_mean", "oi_change", "momentum", "spread", "peak"),
        *("funding_vol", "vol_recent", "vol_prior"),
    ),
    "leaders": ("k", "min_perp_age_days", "oi_weight_cap", "median_days", "median_min"),
    "metrics": (
        *("funding_z_floor_bps", "oi_z_floor", "spread_z_floor", "funding_min_hours", "flip_level_bps"),
        *("dte_min", "dte_max", "dte_gap", "intervals", "volume_min_hours", "round_decimals"),
    ),
    "data": (
        *("stale_exchange_hours", "oi_jump", "oi_jump_others", "price_jump", "dropped_share"),
        *("oi_carry_days", "oi_window_min"),
    ),
    "health": ("coverage", "fresh_hours"),
    "calendar": ("front", "excess"),
}
"""The keys of the policy that the SQL reads; the dbt project holds the same names with the policy's defaults."""


def dbt_vars(
    policy: Policy,
    as_of_date: date | None = None,
    known_at: datetime | None = None,
    macros_sha256: str | None = None,
    strategic_weights: Mapping[str, Fraction] | None = None,
) -> dict[str, Any]:
    """The variables of one dbt call, ready for JSON.

    Args:
        policy: The resolved policy.
        as_of_date: Last complete UTC day: the marts end there even when no exchange sent anything for it. None: the
            last day whose end the data has reached.
        known_at: Read only rows ingested at or before this UTC instant (naive), as a replay does. None: everything.
        macros_sha256: Hash of the project's macros, which dbt cannot tell itself: another one than the night before
            rebuilds what that night has kept.
        strategic_weights: Sector to its exact strategic weight, in place of the seed's; a sector left out has 0. None:
            the seed's.

    Returns:
        Every variable of the dbt project. Fractions are exact text ("2/3"), dates and instants ISO text.
    """
    variables: dict[str, Any] = {
        f"{section}_{key}": _plain(getattr(getattr(policy, section), key))
        for section, keys in POLICY_VARIABLES.items()
        for key in keys
    }
    variables["as_of_date"] = as_of_date.isoformat() if as_of_date else None
    variables["macros_sha256"] = macros_sha256
    variables["strategic_weights"] = (
        None if strategic_weights is None else {name: str(weight) for name, weight in strategic_weights.items()}
    )
    variables["known_at"] = known_at.isoformat(sep=" ") if known_at else None
    return variables


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
