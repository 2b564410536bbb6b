"""The held book: integer cents per sector, how it drifts, and what the cooldown must remember."""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, Self

from pipelines.policy import Action, Policy

CASH = "CASH"
CutKind = Literal["REDUCE", "TRIM"]


class BookError(ValueError):
    """A held book cannot be used; the message says what is wrong with it and what to do."""


@dataclass(frozen=True)
class Cut:
    """A sector's last cut: the day its target was below its held weight, and by which action."""

    day: dt.date
    kind: CutKind


@dataclass(frozen=True)
class Book:
    """What is held after a day, in integer cents. Nothing else is carried from one decision to the next.

    Attributes:
        as_of: The day after which the cents are held; None for a book that has not met a day yet.
        cents: Spot value per sector.
        cash_cents: Stablecoin of the spot sleeve.
        futures_cents: Collateral of the futures sleeve; rotation never touches it.
        cuts: Last cut per sector; a sector never cut is absent.
        first_decision: Day of the first decision; None before it.
    """

    as_of: dt.date | None
    cents: Mapping[str, int]
    cash_cents: int
    futures_cents: int = 0
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    first_decision: dt.date | None = None

    def __post_init__(self) -> None:
        amounts = {**self.cents, CASH: self.cash_cents, "futures sleeve": self.futures_cents}
        for name, amount in amounts.items():
            if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
                raise BookError(f"{name} holds {amount!r}; give whole cents, not negative")
        if CASH in self.cents:
            raise BookError("CASH is not a sector; give it as cash_cents")

    @classmethod
    def new(cls, value_cents: int, policy: Policy) -> Self:
        """A book all in cash, split into the spot and the futures sleeve to the cent."""
        if value_cents < 0:
            raise BookError(f"the portfolio is worth {value_cents} cents; give 0 or more")
        sleeves = to_cents({"futures": policy.split.futures, "spot": policy.split.spot}, value_cents)
        return cls(None, {}, sleeves["spot"], sleeves["futures"])

    @property
    def sleeve_cents(self) -> int:
        """Value of the spot sleeve."""
        return sum(self.cents.values()) + self.cash_cents

    @property
    def has_started(self) -> bool:
        """Something is held, or a first decision was made."""
        return self.first_decision is not None or any(self.cents.values())

    def weight(self, sector: str) -> Fraction:
        """Held weight of `sector`; an empty sleeve is all cash."""
        total = self.sleeve_cents
        return Fraction(self.cents.get(sector, 0), total) if total else Fraction(0)

    def drifted(self, day: dt.date, spot_returns: Mapping[str, float | None]) -> Self:
        """The book one day later: each sector moves with its spot return, cash stays.

        Args:
            day: The day whose returns are applied.
            spot_returns: Return of the day per sector, decimal; null or absent counts as no move.
        """
        moved = {name: _grown(name, cents, spot_returns.get(name), day) for name, cents in self.cents.items()}
        return replace(self, as_of=day, cents=moved)

    def to_json(self) -> str:
        """The book as JSON with sorted keys and no spaces: the same book gives the same bytes."""
        record = {
            "as_of": self.as_of and self.as_of.isoformat(),
            "cash_cents": self.cash_cents,
            "cents": {name: cents for name, cents in self.cents.items() if cents},
            "cuts": {name: [cut.day.isoformat(), cut.kind] for name, cut in self.cuts.items()},
            "first_decision": self.first_decision and self.first_decision.isoformat(),
            "futures_cents": self.futures_cents,
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The book that `to_json` wrote.

        Raises:
            BookError: the text is no book; start again from the stored decision of an earlier day.
        """
        try:
            record = json.loads(text)
            parse = dt.date.fromisoformat
            cuts = {name: Cut(parse(day), kind) for name, (day, kind) in record["cuts"].items()}
            dates = {key: record[key] and parse(record[key]) for key in ("as_of", "first_decision")}
            amounts = {key: record[key] for key in ("cash_cents", "futures_cents")}
            kinds = {cut.kind for cut in cuts.values()}
            if not kinds <= {"REDUCE", "TRIM"}:
                raise ValueError(f"unknown kind of cut in {sorted(kinds)}")
            return cls(cents=dict(record["cents"]), cuts=cuts, **dates, **amounts)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BookError(
                f"the stored book cannot be read ({error}); continue from the decision of an earlier day"
            ) from None

    def digest(self) -> str:
        """SHA-256 of `to_json`, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _grown(sector: str, cents: int, spot_return: float | None, day: dt.date) -> int:
    if spot_return is None:
        return cents
    if not math.isfinite(spot_return) or spot_return < -1:
        raise BookError(f"spot return of {sector} on {day} is {spot_return}; check its spot prices")
    # The text of nine decimals is exact, the float is not: half a cent must not depend on binary rounding.
    return math.floor(cents * (1 + Fraction(f"{spot_return:.9f}")) + Fraction(1, 2))


def to_cents(weights: Mapping[str, Fraction], total_cents: int) -> dict[str, int]:
    """Whole cents that sum to `total_cents`: largest remainder, ties to the name that sorts first."""
    exact = {name: weights[name] * total_cents for name in sorted(weights)}
    cents = {name: math.floor(amount) for name, amount in exact.items()}
    left = total_cents - sum(cents.values())
    by_remainder = sorted(exact, key=lambda name: cents[name] - exact[name])
    for name in by_remainder[:left]:
        cents[name] += 1
    return cents


def cut_multiplier(action: Action, last: Cut | None, day: dt.date, policy: Policy) -> Fraction | None:
    """What a cut on `day` leaves of the weight; None when the cooldown forbids it or the action is no cut.

    A REDUCE soon after a TRIM is allowed once, with the smaller cut that makes the two together one REDUCE.
    """
    if action not in ("REDUCE", "TRIM"):
        return None
    if last is None or (day - last.day).days >= policy.decide.cooldown_days:
        return getattr(policy.multipliers, action)
    if action == "REDUCE" and last.kind == "TRIM":
        return policy.multipliers.REDUCE_AFTER_TRIM
    return None
