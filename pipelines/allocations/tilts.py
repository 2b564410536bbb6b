"""Calendar tilts: an asset whose front future is rich against the far one is held a little lower for a while."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from pipelines.policy import Policy


@dataclass(frozen=True)
class FrontRich:
    """The dated futures of one asset on one exchange, on one day.

    Attributes:
        is_front_rich: The front contract is rich, outright and against the far one.
        excess: Annualised basis of the front minus that of the far contract, decimal; None: no far contract.
    """

    exchange: str
    is_front_rich: bool
    excess: float | None


@dataclass(frozen=True)
class Tilt:
    """One live tilt.

    Attributes:
        exchange: The exchange whose futures raised it; the same futures end it.
        started: Day of the decision that began it.
        sold_cents: What was sold, at reference prices: the amount to buy back.
        cash_cents: What the sale left after costs: cash that is tagged for the tilt. Both are 0 until the sale is
            filled, apart from a purchase that was withheld.
    """

    tilt_id: str
    asset: str
    exchange: str
    started: dt.date
    sold_cents: int = 0
    cash_cents: int = 0


@dataclass(frozen=True)
class TiltBook:
    """The live tilts, at most one per asset.

    Attributes:
        tilts: In order of asset.
        waiting: Assets whose tilt ended while a front was still rich: no new one begins before it no longer is,
            else every tilt that ends would be sold again the next night.
    """

    tilts: tuple[Tilt, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def cash_cents(self) -> int:
        """Cash tagged for tilts; it is no part of the cash that sectors are allocated from."""
        return sum(tilt.cash_cents for tilt in self.tilts)

    def to_record(self) -> dict[str, Any]:
        """The book in plain types, ready for JSON."""
        tilts = [asdict(tilt) | {"started": tilt.started.isoformat()} for tilt in self.tilts]
        return {"tilts": tilts, "waiting": list(self.waiting)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The book that `to_record` wrote.

        Raises:
            KeyError, TypeError, ValueError: the record is no book of tilts.
        """
        tilts = [Tilt(**{**one, "started": dt.date.fromisoformat(one["started"])}) for one in record["tilts"]]
        return cls(tuple(tilts), tuple(record["waiting"]))


@dataclass(frozen=True)
class TiltReview:
    """What tonight's futures do to the tilts: which end, which stay, and asset to exchange of which may begin."""

    ending: tuple[Tilt, ...]
    staying: tuple[Tilt, ...]
    beginning: Mapping[str, str]
    waiting: tuple[str, ...]


def review_tilts(
    day: dt.date,
    book: TiltBook,
    front_rich: Mapping[str, Sequence[FrontRich]],
    policy: Policy,
    frozen_assets: Collection[str] = (),
) -> TiltReview:
    """End tilts that are over and name the assets where one may begin.

    A tilt is over `calendar.days` after its start, or when the excess on the exchange that raised it is known and
    below `calendar.exit`. A rich front on any exchange begins one; the first exchange by name counts as its origin.

    Args:
        day: Day of the decision.
        book: The tilts before it.
        front_rich: Asset to its dated futures per exchange; an absent asset has none, or they are unknown.
        policy: Gives exit and days.
        frozen_assets: Neither bought nor sold: no tilt of theirs begins or ends.
    """
    ending = tuple(
        tilt for tilt in book.tilts if tilt.asset not in frozen_assets and _is_over(tilt, day, front_rich, policy)
    )
    staying = tuple(tilt for tilt in book.tilts if tilt not in ending)
    rich = {
        asset: min(one.exchange for one in futures if one.is_front_rich)
        for asset, futures in sorted(front_rich.items())
        if any(one.is_front_rich for one in futures)
    }
    ended = {tilt.asset for tilt in ending if tilt.asset in rich}
    waiting = {asset for asset in book.waiting if asset in rich or not front_rich.get(asset)} | ended
    closed = waiting | {tilt.asset for tilt in book.tilts} | set(frozen_assets)
    beginning = {asset: exchange for asset, exchange in rich.items() if asset not in closed}
    return TiltReview(ending, staying, beginning, tuple(sorted(waiting)))


def _is_over(tilt: Tilt, day: dt.date, front_rich: Mapping[str, Sequence[FrontRich]], policy: Policy) -> bool:
    if (day - tilt.started).days >= policy.calendar.days:
        return True
    excesses = [one.excess for one in front_rich.get(tilt.asset, ()) if one.exchange == tilt.exchange]
    # Rounded, so that a difference of floats does not decide on its last binary digit.
    return any(excess is not None and round(excess, 9) < policy.calendar.exit for excess in excesses)
