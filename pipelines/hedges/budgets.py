"""What positions may use of the futures sleeve, per role, exchange and asset. Exact fractions of USD."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipelines.hedges.positions import Role
from pipelines.money import ZERO
from pipelines.policy import Policy

ONE = Fraction(1)


@dataclass(frozen=True)
class Use:
    """Margin and notional, in USD, that one position takes or wants."""

    role: Role
    asset: str
    exchange: str
    margin: Fraction
    notional: Fraction


@dataclass(frozen=True)
class Budget:
    """The limits of the sleeve; a sleeve or a portfolio below zero allows nothing.

    Attributes:
        collateral: The futures sleeve in USD.
        nav: The whole portfolio in USD.
    """

    collateral: Fraction
    nav: Fraction
    policy: Policy

    def role_limit(self, role: Role) -> Fraction:
        """Most margin of a role: its share of the collateral, and never the free reserve."""
        budgets = self.policy.budgets
        return min(getattr(budgets, role), 1 - budgets.reserve) * max(self.collateral, ZERO)

    def allows(self, uses: Sequence[Use]) -> bool:
        """Whether positions together stay inside every budget."""
        budgets, collateral = self.policy.budgets, max(self.collateral, ZERO)
        return (
            all(margin <= self.role_limit(role) for role, margin in sums((u.role, u.margin) for u in uses).items())
            and sum((use.margin for use in uses), ZERO) <= (1 - budgets.reserve) * collateral
            and max(sums((u.asset, u.margin) for u in uses).values(), default=ZERO) <= budgets.asset * collateral
            and max(sums((u.exchange, u.margin) for u in uses).values(), default=ZERO) <= budgets.venue * collateral
            and sum((use.notional for use in uses), ZERO) <= budgets.gross_nav * max(self.nav, ZERO)
        )

    def scales(self, wanted: Sequence[Use], used: Sequence[Use] = ()) -> list[Fraction]:
        """What the budgets leave of each wanted use, 0..1: its asset's first, then its exchange's, then the rest.

        Args:
            wanted: Uses of one role; each limit is shared pro rata.
            used: What other positions keep, of every role; it goes first.
        """
        if not wanted:
            return []
        budgets, collateral = self.policy.budgets, max(self.collateral, ZERO)
        factors = [ONE] * len(wanted)
        for limit, name in ((budgets.asset, "asset"), (budgets.venue, "exchange")):
            taken = sums((getattr(use, name), use.margin) for use in used)
            asked = sums((getattr(u, name), u.margin * k) for u, k in zip(wanted, factors, strict=True))
            room = {key: _scale(limit * collateral - taken.get(key, ZERO), total) for key, total in asked.items()}
            factors = [k * room[getattr(use, name)] for use, k in zip(wanted, factors, strict=True)]
        role = wanted[0].role
        of_role = sum((use.margin for use in used if use.role == role), ZERO)
        of_all = sum((use.margin for use in used), ZERO)
        gross = budgets.gross_nav * max(self.nav, ZERO) - sum((use.notional for use in used), ZERO)
        margin = min(self.role_limit(role) - of_role, (1 - budgets.reserve) * collateral - of_all)
        factor = min(
            _scale(margin, sum((u.margin * k for u, k in zip(wanted, factors, strict=True)), ZERO)),
            _scale(gross, sum((u.notional * k for u, k in zip(wanted, factors, strict=True)), ZERO)),
        )
        return [k * factor for k in factors]


def sums(pairs: Iterable[tuple[str, Fraction]]) -> dict[str, Fraction]:
    """Totals per name."""
    totals: dict[str, Fraction] = {}
    for name, amount in pairs:
        totals[name] = totals.get(name, ZERO) + amount
    return totals


def _scale(room: Fraction, total: Fraction) -> Fraction:
    if total <= room or total == 0:
        return ONE
    return max(room, ZERO) / total
