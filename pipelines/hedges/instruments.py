"""Arithmetic of futures contracts, linear and inverse, long and short: profit, liquidation, rounding to lots.

A linear contract is a number of coins and settles in dollars. An inverse contract is a number of dollars and
settles in coins: of n contracts of S dollars, a long gains n S (1/entry - 1/mark) coins and a short loses them.
The margin of an inverse contract is coins; they count as spot that is held, so their own change of value is no
part of the contract's profit.
"""

import math
from fractions import Fraction
from typing import Literal

from pipelines.money import floor_to_step

Side = Literal["long", "short"]
SIGN = {"long": 1, "short": -1}


def linear_pnl_usd(side: Side, quantity_base: Fraction, entry_usd: Fraction, mark_usd: Fraction) -> Fraction:
    """Profit in USD of `quantity_base` coins of a linear contract."""
    return SIGN[side] * quantity_base * (mark_usd - entry_usd)


def inverse_pnl_base(
    side: Side, contracts: Fraction, contract_size_usd: Fraction, entry_usd: Fraction, mark_usd: Fraction
) -> Fraction:
    """Profit in coins of an inverse contract: it settles in the coin that it is written on."""
    return SIGN[side] * contracts * contract_size_usd * (1 / entry_usd - 1 / mark_usd)


def inverse_pnl_usd(
    side: Side, contracts: Fraction, contract_size_usd: Fraction, entry_usd: Fraction, mark_usd: Fraction
) -> Fraction:
    """Profit of an inverse contract in USD, its coins valued at the mark."""
    return inverse_pnl_base(side, contracts, contract_size_usd, entry_usd, mark_usd) * mark_usd


def liquidation_price(
    side: Side, is_inverse: bool, leverage: Fraction, margined_at_usd: Fraction, mmr: Fraction
) -> Fraction | None:
    """Price at which the isolated margin is down to the maintenance margin; None is never.

    With P the price at which the margin was set, L the leverage and m the maintenance margin rate:
    linear short P (1 + 1/L)/(1 + m), linear long P (1 - 1/L)/(1 - m), inverse short P (1 - m)/(1 - 1/L),
    inverse long P (1 + m)/(1 + 1/L).
    """
    if is_inverse:
        if side == "long":
            return margined_at_usd * (1 + mmr) / (1 + 1 / leverage)
        return None if leverage <= 1 else margined_at_usd * (1 - mmr) / (1 - 1 / leverage)
    if side == "short":
        return margined_at_usd * (1 + 1 / leverage) / (1 + mmr)
    return None if leverage <= 1 else margined_at_usd * (1 - 1 / leverage) / (1 - mmr)


def linear_quantity(notional_usd: Fraction, mark_price_usd: Fraction, lot_step_base: Fraction) -> Fraction:
    """Coins of a linear contract worth at most `notional_usd`, rounded down to the lot step."""
    return floor_to_step(notional_usd / mark_price_usd, lot_step_base)


def inverse_contracts(notional_usd: Fraction, contract_size_usd: Fraction) -> int:
    """Contracts of an inverse instrument worth at most `notional_usd`."""
    return math.floor(notional_usd / contract_size_usd)
