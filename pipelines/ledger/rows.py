"""Entries and books as rows of the warehouse, and where the change of value between two books came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.ledger.book import ROLES, LedgerBook, LedgerError, RoleTotals, usd
from pipelines.ledger.posting import Entry


def ledger_rows(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Rows of `portfolio.ledger`, in the order given."""
    rows = []
    for entry in entries:
        row = entry._asdict()
        for name in ("quantity_base", "price_usd"):
            row[name] = None if row[name] is None else float(row[name])
        row["amount_usd"] = row.pop("amount_cents") / 100
        rows.append(row)
    return rows


def nav_row(book: LedgerBook, as_of_date: date, decision_id: str) -> dict[str, Any]:
    """Row of `portfolio.nav_daily`: the book of a night, marked at its closes.

    Raises:
        LedgerError: the book does not balance; nothing may be written then.
    """
    book.check()
    per_role = {role: book.role_totals(role) for role in ROLES}
    total = sum(per_role.values(), RoleTotals())
    cents = {
        "nav_usd": book.nav_cents,
        "spot_usd": book.spot_cents,
        "spot_cash_usd": book.cash_cents,
        "tilt_cash_usd": book.tilt_cash_cents,
        "futures_equity_usd": book.futures_equity_cents,
        "realised_pnl_usd": total.realised_cents,
        "unrealised_pnl_usd": total.unrealised_cents,
        "fees_usd": total.fee_cents,
        "slippage_usd": total.slippage_cents,
        "funding_usd": total.funding_cents,
        **{f"{role}_pnl_usd": totals.profit_cents for role, totals in per_role.items()},
    }
    amounts = {name: amount / 100 for name, amount in cents.items()}
    return {"as_of_date": as_of_date, "decision_id": decision_id, **amounts}


@dataclass(frozen=True)
class Attribution:
    """Where a change of value came from.

    Attributes:
        nav_change_cents: Change of the net asset value: transfers in and the profits of all roles, to the cent.
        transfers_in_cents: What was brought in, or with a minus taken out. At a new opening also all earlier
            profit, which belongs to what is brought in from then on.
        roles: Role to what it earned and cost in between.
    """

    nav_change_cents: int
    transfers_in_cents: int
    roles: Mapping[str, RoleTotals]

    @property
    def total(self) -> RoleTotals:
        """All roles together."""
        return sum(self.roles.values(), RoleTotals())


def attribution(before: LedgerBook, after: LedgerBook) -> Attribution:
    """What changed the value from one book to a later one.

    Change of value = realised + unrealised + funding - fees - slippage + transfers in.

    Raises:
        LedgerError: the parts do not sum to the change.
    """
    found = Attribution(
        after.nav_cents - before.nav_cents,
        after.opening_cents - before.opening_cents,
        {role: after.role_totals(role) - before.role_totals(role) for role in ROLES},
    )
    off = found.nav_change_cents - found.transfers_in_cents - found.total.profit_cents
    if off:
        raise LedgerError(f"the value changed by {usd(off)} that no entry explains; go on from an earlier book")
    return found
