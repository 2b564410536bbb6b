"""How large a hedge is: exposure, rounding to lots, budgets of the futures sleeve. Exact fractions of USD."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from pipelines.money import ZERO, exact, to_cent
from pipelines.policy import Policy


class HedgeError(ValueError):
    """Inputs of a hedge cannot be used; the message says which and what to do."""


def asset_exposure_usd(
    asset: str, sector_targets_cents: Mapping[str, int], leader_weights: Mapping[str, Mapping[str, float]]
) -> Fraction:
    """Spot value of `asset` after the decision, over all sectors, in USD to the cent.

    Until targets per asset exist this is the sector's target times the asset's weight among its leaders.

    Args:
        asset: For example BTC.
        sector_targets_cents: Target per sector.
        leader_weights: Sector to the weights of its leaders; an asset that leads nowhere has no exposure.
    """
    parts = [
        Fraction(cents, 100) * exact(round(leader_weights.get(sector, {}).get(asset, 0.0), 9))
        for sector, cents in sorted(sector_targets_cents.items())
    ]
    return to_cent(sum(parts, ZERO))


def linear_quantity(notional_usd: Fraction, mark_price_usd: Fraction, lot_step_base: Fraction) -> Fraction:
    """Coins of a linear contract worth at most `notional_usd`, rounded down to the lot step."""
    return math.floor(notional_usd / mark_price_usd / lot_step_base) * lot_step_base


def inverse_contracts(notional_usd: Fraction, contract_size_usd: Fraction) -> int:
    """Contracts of an inverse instrument worth at most `notional_usd`."""
    return math.floor(notional_usd / contract_size_usd)


@dataclass(frozen=True)
class Use:
    """Margin and notional, in USD, that one hedge of `asset` takes on `exchange`."""

    asset: str
    exchange: str
    margin: Fraction
    notional: Fraction


@dataclass(frozen=True)
class Budget:
    """What hedges may use of the futures sleeve.

    Attributes:
        collateral: The futures sleeve in USD.
        nav: The whole portfolio in USD.
    """

    collateral: Fraction
    nav: Fraction
    policy: Policy

    @property
    def total(self) -> Fraction:
        """Most margin for all hedges together: their share of the collateral, and never the free reserve."""
        budgets = self.policy.budgets
        return min(budgets.hedge, 1 - budgets.reserve) * self.collateral

    def allows(self, uses: list[Use]) -> bool:
        """Whether the hedges together stay inside every budget."""
        budgets, collateral = self.policy.budgets, self.collateral
        per_asset = _sums((use.asset, use.margin) for use in uses)
        per_venue = _sums((use.exchange, use.margin) for use in uses)
        return (
            sum((use.margin for use in uses), ZERO) <= self.total
            and max(per_asset.values(), default=ZERO) <= budgets.asset * collateral
            and max(per_venue.values(), default=ZERO) <= budgets.venue * collateral
            and sum((use.notional for use in uses), ZERO) <= budgets.gross_nav * self.nav
        )

    def fit(self, wanted: Mapping[str, tuple[str, Fraction]]) -> dict[str, Fraction]:
        """Notional per asset after the budgets: the asset's own, then pro rata the venue's and the total's.

        Args:
            wanted: Asset to (exchange, wanted notional in USD); without leverage margin equals notional.
        """
        budgets, collateral = self.policy.budgets, self.collateral
        fitted = {asset: min(usd, budgets.asset * collateral) for asset, (_, usd) in wanted.items()}
        venues = _sums((wanted[asset][0], usd) for asset, usd in fitted.items())
        for asset, (exchange, _) in wanted.items():
            fitted[asset] *= _scale(budgets.venue * collateral, venues[exchange])
        factor = _scale(min(self.total, budgets.gross_nav * self.nav), sum(fitted.values(), ZERO))
        return {asset: usd * factor for asset, usd in fitted.items()}


def _sums(pairs: Iterable[tuple[str, Fraction]]) -> dict[str, Fraction]:
    totals: dict[str, Fraction] = {}
    for name, amount in pairs:
        totals[name] = totals.get(name, ZERO) + amount
    return totals


def _scale(limit: Fraction, total: Fraction) -> Fraction:
    return Fraction(1) if total <= limit else limit / total
