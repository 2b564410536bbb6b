"""Amounts as a person or an exchange writes them, kept exactly; and the other way round."""

import re
from decimal import Decimal
from fractions import Fraction

from pipelines.money import CENT

# More digits than any exchange gives, and few enough that no text can become a number of megabytes.
_PLAIN = re.compile(r"\d{1,18}(\.\d{0,30})?|\.\d{1,30}", re.ASCII)
_SCIENTIFIC = re.compile(r"\d(\.\d{0,30})?[eE][+-]?\d{1,2}", re.ASCII)


def parse_amount(value: object) -> Fraction:
    """An exact amount from text ("0.25", "1e-8"), a whole number or a decimal; at least 0.

    Raises:
        ValueError: it is no such number; says what to write.
    """
    if isinstance(value, Fraction):
        text = decimal_text(value)
    elif isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        text = ""
    else:
        text = str(value).strip()
    if _PLAIN.fullmatch(text) or _SCIENTIFIC.fullmatch(text):
        return Fraction(text)
    number = text.removeprefix("-")
    if text != number and (_PLAIN.fullmatch(number) or _SCIENTIFIC.fullmatch(number)):
        raise ValueError(f"{text} is negative; what is held is 0 or more")
    hint = ", with a point for decimals and no other separators" if "," in text or " " in text or "'" in text else ""
    raise ValueError(f"{value!r} is no amount; write a number such as 0.25{hint}")


def parse_money(value: object) -> Fraction:
    """USD in whole cents.

    Raises:
        ValueError: it is no amount, or has parts of a cent.
    """
    amount = parse_amount(value)
    if (amount / CENT).denominator != 1:
        raise ValueError(f"{value} has parts of a cent; write USD with two decimals at most")
    return amount


def decimal_text(amount: Fraction) -> str:
    """An amount as decimal text without an exponent, exact for everything that `parse_amount` gives."""
    if amount.denominator == 1:
        return str(amount.numerator)
    places = 0
    while (amount * 10**places).denominator != 1:
        places += 1
        if places > 200:
            raise ValueError(f"{amount} is no decimal number")
    digits = str(abs(amount * 10**places).numerator).rjust(places + 1, "0")
    return f"{'-' if amount < 0 else ''}{digits[:-places]}.{digits[-places:]}"
