"""What a decision did to a sector's money, in words, after the explanation of its state."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from pipelines.policy import Policy

_WORDS = {
    Fraction(1, 2): "a half",
    Fraction(1, 3): "a third",
    Fraction(1, 4): "a quarter",
    Fraction(1, 5): "a fifth",
    Fraction(1, 6): "a sixth",
    Fraction(1, 8): "an eighth",
    Fraction(1, 10): "a tenth",
}
_CODES = {
    "TURNOVER_CAP": "All sales were scaled down to the turnover cap of {turnover_cap} of the sleeve.",
    "CASH_CAP": "Part of the sale was given back: cash may not exceed {cash_cap} of the sleeve.",
    "SECTOR_CAP": "It is bounded by the sector cap of {sector_cap} of the sleeve.",
    "STEP_CAP": "It is bounded by the largest step of {max_step} of the sleeve.",
    "TILT_CAP": "It is bounded by {tilt_cap} of its strategic weight.",
    "FLOOR": "The cut stops at the floor of {floor_frac} of its strategic weight.",
    "BAND": "The change is smaller than {band} of the sleeve or {band_frac} of the holding, and is left out.",
    "COOLDOWN": "It was cut in the last {cooldown_days} days, and is not cut again.",
    "FREEZE": "Frozen: nothing is bought or sold without data.",
    "MIN_NOTIONAL": "The amount is too small to trade.",
    "MARGIN": "It was scaled down to the free collateral.",
    "NO_PROCEEDS": "No cash was raised by it or for it.",
    "DUPLICATE_HEDGE": "The asset is hedged already, and is not hedged twice.",
    "NOT_A_DECISION_DAY": "It is not a decision day; the weights stay.",
    "DATA_HALT": "The whole plan is halted: sectors with more than {halt_weight} of the sleeve lack data.",
    "DRIFT_ABOVE_CAP": "It drifted above the sector cap of {sector_cap}: no forced sale, no further buying.",
    "RECLASS": "Assets moved between sectors; that is not a trade.",
    "INCEPTION": "This is the first allocation.",
    "RECENTRE": "Idle cash went back after {recentre_after_days} quiet days.",
    "CALENDAR_TILT": "Reduced to {tilt} because the front future is rich against the far one.",
    "DEPEG": "A stablecoin is off its peg: nothing is moved into cash.",
}
# Said with the state already, because they are known before any money is.
_VETOES = ("SPREAD_VETO", "SINGLE_NAME")


def explain_money(
    state_sentence: str,
    current_usd: float | Decimal,
    target_usd: float | Decimal,
    reason_codes: Sequence[str],
    policy: Policy,
) -> str:
    """Append the change of a sector's money, and what bounded it, to the explanation of its state.

    Args:
        state_sentence: The explanation of the sector's state, with its vetoes.
        current_usd: What the sector holds before the decision.
        target_usd: What it shall hold after it.
        reason_codes: The allocation's codes for this sector.
        policy: Gives every limit that is printed.
    """
    current, target = _to_cents(current_usd), _to_cents(target_usd)
    limits = _limits(policy)
    codes = [_CODES.get(code, f"{code}.").format(**limits) for code in reason_codes if code not in _VETOES]
    return " ".join([state_sentence, _change(current, target), *codes])


def _change(current: Decimal, target: Decimal) -> str:
    if target == current:
        return f"Held at {_usd(current)}."
    amounts = f"{_usd(current)} -> {_usd(target)}"
    if current == 0:
        return f"Bought: {amounts}."
    return f"{'Cut' if target < current else 'Raised'} by {_share(abs(target - current), current)}: {amounts}."


def _share(change: Decimal, current: Decimal) -> str:
    """The change in words where it is a simple fraction to the cent, else in percent."""
    for fraction, word in _WORDS.items():
        if abs(current * fraction.numerator / fraction.denominator - change) < Decimal("0.01"):
            return word
    return f"{100 * change / current:.1f}%"


def _to_cents(usd: float | Decimal) -> Decimal:
    return Decimal(str(usd)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


def _usd(amount: Decimal) -> str:
    return f"${amount:,.0f}" if amount == amount.to_integral_value() else f"${amount:,.2f}"


def _limits(policy: Policy) -> dict[str, str | int]:
    bounds = (
        "turnover_cap",
        "cash_cap",
        "sector_cap",
        "max_step",
        "tilt_cap",
        "floor_frac",
        "band",
        "band_frac",
    )
    fractions = {name: getattr(policy.limits, name) for name in bounds}
    fractions |= {"tilt": policy.calendar.tilt, "halt_weight": policy.health.halt_weight}
    return {name: f"{float(100 * value):.6g}%" for name, value in fractions.items()} | {
        "recentre_after_days": policy.limits.recentre_after_days,
        "cooldown_days": policy.decide.cooldown_days,
    }
