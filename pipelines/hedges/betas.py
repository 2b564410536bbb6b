"""Beta of what is held against a hedge asset: shrunk, clipped, and not believed without a fit."""

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from pipelines.hedges.intents import Proxy
from pipelines.hedges.market import Beta
from pipelines.money import ZERO, exact
from pipelines.policy import Policy

MIN_R2 = 0.5
"""A slope that explains less than half of an asset's variance is mostly noise: the asset counts one for one."""

YEAR_DAYS = 365
ONE = Fraction(1)


def used_beta(beta: Beta | None, policy: Policy) -> Fraction | None:
    """Beta as it is used: shrunk towards 1 (2/3 b + 1/3), clipped; None when the fit does not carry it."""
    rule = policy.hedge
    if beta is None or beta.beta_raw is None or beta.r2 is None:
        return None
    if beta.n < policy.windows.needed(rule.beta_days) or round(beta.r2, policy.metrics.round_decimals) < MIN_R2:
        return None
    slope = exact(round(beta.beta_raw, policy.metrics.round_decimals))
    shrunk = rule.beta_shrink * slope + (1 - rule.beta_shrink)
    return min(max(shrunk, ZERO), exact(rule.beta_max))


def beta_or_one(asset: str, hedge_asset: str, betas: Mapping[tuple[str, str], Beta], policy: Policy) -> Fraction:
    """The used beta, 1 for the hedge asset itself and where there is none."""
    if asset == hedge_asset:
        return ONE
    used = used_beta(betas.get((asset, hedge_asset)), policy)
    return ONE if used is None else used


def proxy(
    hedge_asset: str,
    values_usd: Mapping[str, Fraction],
    unallocated_usd: Fraction,
    betas: Mapping[tuple[str, str], Beta],
    policy: Policy,
) -> Proxy | None:
    """How holdings move with `hedge_asset`; None when nothing is held.

    Args:
        values_usd: Asset to spot value.
        unallocated_usd: Spot of no known asset: it counts one for one, and its fit is unknown.
    """
    held = {asset: usd for asset, usd in sorted(values_usd.items()) if usd > 0}
    total = sum(held.values(), unallocated_usd)
    if total <= 0:
        return None
    slope = sum((beta_or_one(a, hedge_asset, betas, policy) * usd for a, usd in held.items()), unallocated_usd) / total
    shares = {asset: float(usd / total) for asset, usd in held.items()}
    itself = Beta(1.0, 1.0, 0.0, policy.hedge.beta_days)
    fits = {asset: itself if asset == hedge_asset else betas.get((asset, hedge_asset)) for asset in held}
    if unallocated_usd > 0:
        return Proxy(slope, None, None)
    r2 = _weighted(shares, {asset: fit and fit.r2 for asset, fit in fits.items()})
    residual = _weighted(shares, {asset: fit and fit.residual_daily_vol for asset, fit in fits.items()})
    return Proxy(slope, r2, None if residual is None else residual * math.sqrt(YEAR_DAYS))


def unbelieved(hedge_asset: str, assets: Iterable[str], betas: Mapping[tuple[str, str], Beta], policy: Policy) -> str:
    """The assets that count one for one for want of a fit, in words; empty when there are none."""
    names = [a for a in sorted(assets) if a != hedge_asset and used_beta(betas.get((a, hedge_asset)), policy) is None]
    if not names:
        return ""
    return (
        f"{', '.join(names)}: the beta on {hedge_asset} is unknown or explains less than {MIN_R2:.0%} of the "
        "variance, so it counts one for one."
    )


def _weighted(shares: Mapping[str, float], values: Mapping[str, float | None]) -> float | None:
    if any(value is None for value in values.values()):
        return None
    return math.fsum(shares[asset] * value for asset, value in values.items())
