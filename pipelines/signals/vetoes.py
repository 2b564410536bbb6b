"""Vetoes: reasons not to raise a sector although its state says so; they change the action, not the state."""

from collections.abc import Mapping

from pipelines.policy import Policy


def leading_references(sector: str, spread_z: Mapping[str, float | None], policy: Policy) -> list[str]:
    """Reference sectors that run ahead of `sector` by so much that it is not raised.

    Args:
        sector: The sector that would be raised.
        spread_z: Reference sector to the z of its lead over `sector`; None is unknown and never vetoes.
        policy: Gives the references and the limit, which is included.
    """
    if policy.spread.mode != "veto":
        return []
    leads = {name: spread_z.get(name) for name in policy.spread.reference if name != sector}
    return [name for name, z in leads.items() if z is not None and z >= policy.spread.z]


def apply_vetoes(
    action: str, sector: str, spread_z: Mapping[str, float | None], leader_count: int | None, policy: Policy
) -> tuple[str, list[str]]:
    """The action after the vetoes, and their codes: INCREASE becomes HOLD, everything else stays.

    Codes: SPREAD_VETO (a reference sector runs ahead), SINGLE_NAME (too few leaders, and the sector is not
    one that may consist of a single name). An unknown leader count is too few.
    """
    if action != "INCREASE":
        return action, []
    codes = []
    if leading_references(sector, spread_z, policy):
        codes.append("SPREAD_VETO")
    has_too_few = leader_count is None or leader_count < policy.leaders.min_for_increase
    if has_too_few and sector not in policy.leaders.single_name_ok:
        codes.append("SINGLE_NAME")
    return ("HOLD" if codes else action), codes
