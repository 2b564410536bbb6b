"""Exact numbers: money is whole cents, quantities and prices are fractions; no float takes part in a sum."""

import math
from fractions import Fraction

ZERO = Fraction(0)
CENT = Fraction(1, 100)


def exact(value: float) -> Fraction:
    """The decimal number that the float is written as: 0.001 is one thousandth."""
    return Fraction(str(value))


def to_cent(amount_usd: Fraction) -> Fraction:
    """USD rounded to the cent, halves up."""
    return math.floor(amount_usd / CENT + Fraction(1, 2)) * CENT
