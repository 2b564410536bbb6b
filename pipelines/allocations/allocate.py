"""One day's allocation over sectors in exact fractions: cuts, proceeds, fills, cash and re-centring.

All weights are fractions of the spot sleeve. The order of the steps is part of the result: cuts, the turnover
cap, fills out of proceeds and idle cash, the cash cap, then re-centring of idle cash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from pipelines.policy import Action, Policy

ZERO = Fraction(0)
Weights = dict[str, Fraction]


@dataclass(frozen=True)
class Standing:
    """One sector on the morning of a decision.

    Attributes:
        weight: Held weight, a fraction of the sleeve.
        strategic: Strategic weight; 0 is a sector that is only watched.
        action: After vetoes.
        multiplier: What a cut leaves of the weight; None when the cooldown forbids a cut.
        is_quiet: HOLD for so many days that idle cash may flow back.
        is_eligible: Some asset of the sector can be traded.
    """

    weight: Fraction
    strategic: Fraction
    action: Action
    multiplier: Fraction | None = None
    is_quiet: bool = False
    is_eligible: bool = True

    @property
    def is_tradable(self) -> bool:
        return self.action != "FREEZE" and self.is_eligible


@dataclass
class Allocation:
    """Target weights with their reasons; `cash` and the targets sum to exactly 1.

    `shorts` are weights that a futures short stands for instead of a sale; they are not part of the sum.
    """

    targets: Weights
    cash: Fraction
    codes: dict[str, set[str]]
    shorts: Weights = field(default_factory=dict)


def allocate(sectors: Mapping[str, Standing], cash: Fraction, policy: Policy, is_depegged: bool = False) -> Allocation:
    """Target weights for one day.

    Args:
        sectors: Standing per sector; the weights and `cash` sum to exactly 1.
        cash: Idle stablecoin before the decision, a fraction of the sleeve.
        policy: Limits, multipliers and how a REDUCE is expressed.
        is_depegged: The stablecoin is off its dollar: sales may fund purchases, but none may end in cash.
    """
    held = sum((standing.weight for standing in sectors.values()), cash)
    if held != 1:
        raise ValueError(f"held weights and cash sum to {held}, not 1; give every sector and the cash")
    weights = {name: standing.weight for name, standing in sectors.items()}
    plan = Allocation(weights, cash, {name: set() for name in sectors})
    for name, standing in sectors.items():
        if standing.action == "FREEZE":
            plan.codes[name].add("FREEZE")
        if standing.weight > policy.limits.sector_cap:
            plan.codes[name].add("DRIFT_ABOVE_CAP")
    cuts = _cuts(sectors, plan, policy)
    raised = {n: s for n, s in sectors.items() if s.action == "INCREASE" and s.strategic > 0}
    receivers = [name for name, standing in raised.items() if standing.is_tradable]
    fills = _fills(sectors, receivers, sum(cuts.values(), ZERO), plan, policy)
    for name, cut in cuts.items():
        plan.targets[name] -= cut
    for name, fill in fills.items():
        plan.targets[name] += fill
    plan.cash += sum(cuts.values(), ZERO) - sum(fills.values(), ZERO)
    _give_back(cuts, plan.cash - policy.limits.cash_cap, "CASH_CAP", plan)
    if is_depegged:
        _give_back({n: sectors[n].weight - plan.targets[n] for n in cuts}, plan.cash - cash, "DEPEG", plan)
    if not receivers:
        _recentre(sectors, cash, plan, policy)
    return plan


def _cuts(sectors: Mapping[str, Standing], plan: Allocation, policy: Policy) -> Weights:
    """Weight sold per seller, after floor, band and turnover cap."""
    limits, cuts = policy.limits, {}
    for name, standing in sectors.items():
        if standing.action not in ("REDUCE", "TRIM") or not standing.is_tradable:
            continue
        expression = policy.expression.reduce_for(name)
        is_short = expression != "sell_spot" and standing.action == "REDUCE"
        if expression == "short_futures" and not is_short:
            continue
        if standing.multiplier is None:
            plan.codes[name].add("COOLDOWN")
            continue
        weight, floor = standing.weight, limits.floor_frac * standing.strategic
        kept = max(weight * standing.multiplier, min(weight, floor))
        if kept > weight * standing.multiplier:
            plan.codes[name].add("FLOOR")
        cut = weight - kept
        if cut < min(limits.band, weight * limits.band_frac):
            plan.codes[name].add("BAND")
            continue
        sold = {"sell_spot": cut, "split": cut / 2, "short_futures": ZERO}[expression]
        if is_short and cut > 0:
            # A short pays out no cash: what it stands for cannot fund a purchase.
            plan.shorts[name] = cut - sold
            plan.codes[name].add("NO_PROCEEDS")
        if sold > 0:
            cuts[name] = sold
    proceeds = sum(cuts.values(), ZERO)
    if proceeds <= limits.turnover_cap:
        return cuts
    for name in cuts:
        plan.codes[name].add("TURNOVER_CAP")
    return {name: cut * limits.turnover_cap / proceeds for name, cut in cuts.items()}


def _fills(
    sectors: Mapping[str, Standing],
    receivers: list[str],
    proceeds: Fraction,
    plan: Allocation,
    policy: Policy,
) -> Weights:
    """Weight bought per receiver, out of proceeds and the idle cash that the turnover cap leaves room for."""
    limits = policy.limits
    pool = proceeds + max(ZERO, min(plan.cash - limits.cash_target, limits.turnover_cap - proceeds))
    if pool == 0:
        for name in receivers:
            plan.codes[name].add("NO_PROCEEDS")
        return {}
    bounds, heads = {}, {}
    for name in receivers:
        weight, strategic = sectors[name].weight, sectors[name].strategic
        bounds[name] = {
            "SECTOR_CAP": limits.sector_cap,
            "TILT_CAP": max(weight, limits.tilt_cap * strategic),
            "STEP_CAP": weight + limits.max_step,
        }
        heads[name] = max(ZERO, min(bounds[name].values()) - weight)
    fills = water_fill(pool, heads, {name: sectors[name].strategic for name in receivers})
    for name in receivers:
        if fills[name] == heads[name]:
            lowest = min(bounds[name].values())
            plan.codes[name].update(code for code, bound in bounds[name].items() if bound == lowest)
    return fills


def water_fill(pool: Fraction, heads: Mapping[str, Fraction], shares: Mapping[str, Fraction]) -> Weights:
    """Distribute `pool` in proportion to `shares`, no name above its head; the rest is left over."""
    fills = dict.fromkeys(heads, ZERO)
    open_names = [name for name, head in heads.items() if head > 0]
    while open_names and pool > 0:
        total = sum((shares[name] for name in open_names), ZERO)
        full = [name for name in open_names if pool * shares[name] / total >= heads[name]]
        if not full:
            return fills | {name: pool * shares[name] / total for name in open_names}
        for name in full:
            fills[name] = heads[name]
        pool -= sum((heads[name] for name in full), ZERO)
        open_names = [name for name in open_names if name not in full]
    return fills


def _give_back(cuts: Weights, excess: Fraction, code: str, plan: Allocation) -> None:
    """Return cash above a limit to the sellers, pro rata to their cuts and never more than they sold."""
    proceeds = sum(cuts.values(), ZERO)
    if excess <= 0 or proceeds <= 0:
        return
    returned = min(excess, proceeds)
    for name, cut in cuts.items():
        if cut > 0:
            plan.targets[name] += returned * cut / proceeds
            plan.codes[name].add(code)
    plan.cash -= returned


def _recentre(sectors: Mapping[str, Standing], opening_cash: Fraction, plan: Allocation, policy: Policy) -> None:
    """Move idle cash to quiet sectors below their strategic weight; this day's proceeds are not spent."""
    limits = policy.limits
    idle = opening_cash - limits.cash_target
    if idle <= 0:
        return
    shortfalls = {
        name: max(ZERO, min(s.strategic, limits.sector_cap) - s.weight)
        for name, s in sectors.items()
        if s.action == "HOLD" and s.is_quiet and s.is_tradable
    }
    gap = sum(shortfalls.values(), ZERO)
    moved = min(gap, idle, max(limits.recentre * idle, limits.band))
    if moved < limits.band or moved <= 0:
        return
    for name, shortfall in shortfalls.items():
        if shortfall > 0:
            plan.targets[name] += moved * shortfall / gap
            plan.codes[name].add("RECENTRE")
    plan.cash -= moved
