"""What one night hands to the next: the ledger's book, the futures sleeve, tilts, cuts and orders not filled yet."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Self, get_args, get_type_hints

from pipelines.allocations.book import Book, BookError, Cut
from pipelines.allocations.tilts import TiltBook
from pipelines.allocations.trades import Order
from pipelines.hedges.positions import HedgeError, SleeveBook
from pipelines.hedges.rows import SleeveOrder
from pipelines.ledger.book import LedgerBook, LedgerError


@dataclass(frozen=True)
class Pending:
    """Orders of the last decision: they are filled at the next open after it.

    Attributes:
        decision_id: Whose orders they are; None before the first decision.
        transfer_cents: From the spot sleeve's cash into the futures sleeve; negative: out of it.
        sleeve_before: The sleeve without these orders, for one that cannot be filled.
    """

    decision_id: str | None = None
    spot: tuple[Order, ...] = ()
    futures: tuple[SleeveOrder, ...] = ()
    transfer_cents: int = 0
    sleeve_before: SleeveBook = field(default_factory=SleeveBook)


@dataclass(frozen=True)
class NightBook:
    """Everything that is carried from one night to the next, and nothing else is.

    Attributes:
        as_of: The day after which it stands; None before the opening.
        ledger: What is owned.
        sleeve: The futures positions as decided.
        tilts: Live calendar tilts.
        cuts: Last cut per sector.
        first_decision: Day of the first decision; None before it.
        sectors: Held asset to the sector that it was in.
        statement: Digest of the opening statement that the ledger was opened with; None: from cash.
        pending: Orders that wait for the next open.
    """

    as_of: dt.date | None = None
    ledger: LedgerBook = field(default_factory=LedgerBook)
    sleeve: SleeveBook = field(default_factory=SleeveBook)
    tilts: TiltBook = field(default_factory=TiltBook)
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    first_decision: dt.date | None = None
    sectors: Mapping[str, str] = field(default_factory=dict)
    statement: str | None = None
    pending: Pending = field(default_factory=Pending)

    @property
    def is_open(self) -> bool:
        return self.as_of is not None

    def rotation(self, sector_cents: Mapping[str, int], cash_cents: int) -> Book:
        """The spot sleeve as the allocation sees it: value per sector and cash that no tilt has tagged."""
        return Book(
            self.as_of,
            sector_cents,
            cash_cents,
            max(0, self.ledger.futures_equity_cents),
            self.cuts,
            self.first_decision,
        )

    def to_json(self) -> str:
        """The book as JSON with sorted keys and no spaces: the same book gives the same bytes."""
        record = {
            "as_of": self.as_of and self.as_of.isoformat(),
            "cuts": {name: [cut.day.isoformat(), cut.kind] for name, cut in self.cuts.items()},
            "first_decision": self.first_decision and self.first_decision.isoformat(),
            "ledger": self.ledger.to_record(),
            "pending": {
                "decision_id": self.pending.decision_id,
                "futures": [_plain(order) for order in self.pending.futures],
                "sleeve_before": json.loads(self.pending.sleeve_before.to_json()),
                "spot": [_plain(order) for order in self.pending.spot],
                "transfer_cents": self.pending.transfer_cents,
            },
            "sectors": dict(self.sectors),
            "sleeve": json.loads(self.sleeve.to_json()),
            "statement": self.statement,
            "tilts": self.tilts.to_record(),
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The book that `to_json` wrote.

        Raises:
            BookError: the text is no book; go on from the decision of an earlier day, or in another warehouse.
        """
        parse = dt.date.fromisoformat
        try:
            record = json.loads(text)
            pending = record["pending"]
            return cls(
                as_of=record["as_of"] and parse(record["as_of"]),
                ledger=LedgerBook.from_record(record["ledger"]),
                sleeve=SleeveBook.from_json(json.dumps(record["sleeve"])),
                tilts=TiltBook.from_record(record["tilts"]),
                cuts={name: Cut(parse(day), kind) for name, (day, kind) in record["cuts"].items()},
                first_decision=record["first_decision"] and parse(record["first_decision"]),
                sectors=record["sectors"],
                statement=record["statement"],
                pending=Pending(
                    pending["decision_id"],
                    tuple(_parsed(Order, order) for order in pending["spot"]),
                    tuple(_parsed(SleeveOrder, order) for order in pending["futures"]),
                    pending["transfer_cents"],
                    SleeveBook.from_json(json.dumps(pending["sleeve_before"])),
                ),
            )
        except (KeyError, TypeError, AttributeError, ValueError, LedgerError, HedgeError) as error:
            raise BookError(
                f"the stored book cannot be read ({error}); go on from the decision of an earlier day (rotation "
                "rollback), or begin anew in another warehouse"
            ) from None

    def digest(self) -> str:
        """SHA-256 of `to_json`, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _plain(order: Order | SleeveOrder) -> dict[str, Any]:
    """An order in the plain types of JSON: exact numbers as text."""
    values = {one.name: getattr(order, one.name) for one in fields(order)}
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}


def _parsed(kind: Any, plain: Mapping[str, Any]) -> Any:
    """The order that `_plain` wrote."""
    types = get_type_hints(kind)
    values = dict(plain)
    for name, value in plain.items():
        is_exact = types[name] is Fraction or Fraction in get_args(types[name])
        if value is not None and is_exact:
            values[name] = Fraction(value)
        elif isinstance(value, list):
            values[name] = tuple(value)
    return kind(**values)
