"""What to do with a sector: its state's action, and the vetoes that turn a raise into holding."""

from collections.abc import Iterable, Mapping

from pipelines.policy import Action, Policy, State

REASON_CODES = (
    *("TURNOVER_CAP", "CASH_CAP", "SECTOR_CAP", "STEP_CAP", "FLOOR", "BAND", "COOLDOWN", "SPREAD_VETO"),
    *("FREEZE", "SINGLE_NAME", "MIN_NOTIONAL", "MARGIN", "NO_PROCEEDS", "DUPLICATE_HEDGE", "TILT_CAP"),
    *("NOT_A_DECISION_DAY", "DATA_HALT", "DRIFT_ABOVE_CAP", "RECLASS", "INCEPTION", "RECENTRE"),
    *("CALENDAR_TILT", "DEPEG"),
)


def ordered_codes(codes: Iterable[str]) -> tuple[str, ...]:
    """Reason codes once each, in one fixed order, so that equal decisions are equal byte for byte."""
    return tuple(sorted(set(codes), key=REASON_CODES.index))


def action_for(
    sector: str, state: State, spread_z: Mapping[str, float | None], leader_count: int | None, policy: Policy
) -> tuple[Action, tuple[str, ...]]:
    """The action on `sector` and the codes of the vetoes that changed it. A veto never changes the state.

    Args:
        sector: The sector's name.
        state: Its confirmed state.
        spread_z: Reference sector to the z of its lead over `sector`; null is unknown and never vetoes.
        leader_count: Number of the sector's leaders; null is unknown and counts as too few.
        policy: Gives the action of each state and the limits of the vetoes, which are inclusive.
    """
    action: Action = getattr(policy.actions, state)
    if action != "INCREASE":
        return action, ()
    codes = []
    if policy.spread.mode == "veto":
        leads = [spread_z.get(name) for name in policy.spread.reference if name != sector]
        if any(z is not None and z >= policy.spread.z for z in leads):
            codes.append("SPREAD_VETO")
    has_too_few = leader_count is None or leader_count < policy.leaders.min_for_increase
    if has_too_few and sector not in policy.leaders.single_name_ok:
        codes.append("SINGLE_NAME")
    return ("HOLD", tuple(codes)) if codes else ("INCREASE", ())
