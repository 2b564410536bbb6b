from collections.abc import Callable, Iterable
from datetime import date, datetime
from fractions import Fraction

import pytest

from pipelines.ledger.book import LedgerBook
from pipelines.ledger.opening import OpeningHolding, OpeningStatement, open_from_holdings
from pipelines.ledger.posting import Entry, Posting

Balances = Callable[[Iterable[Entry]], dict[str, int]]


@pytest.fixture
def at() -> Posting:
    """Night of 10 March, caused by the decision of the 9th."""
    return Posting(date(2026, 3, 10), datetime(2026, 3, 11), "d9")


@pytest.fixture
def book() -> LedgerBook:
    """2 BTC at 20,000.00 each, 10,000.00 of cash, 10,000.00 of collateral: 60,000.00."""
    coins = OpeningHolding("binance", "BTC", Fraction(2), Fraction(20_000))
    opening = Posting(date(2026, 3, 9), datetime(2026, 3, 10), None)
    statement = OpeningStatement((coins,), (), 1_000_000, 0, 1_000_000)
    return open_from_holdings(LedgerBook(), statement, opening)[0]


@pytest.fixture
def balances() -> Balances:
    def add_up(entries: Iterable[Entry]) -> dict[str, int]:
        """Account to its change in cents; every transaction must sum to 0."""
        entries = list(entries)
        changed: dict[str, int] = {}
        transactions: dict[str, int] = {}
        for entry in entries:
            changed[entry.account] = changed.get(entry.account, 0) + entry.amount_cents
            transactions[entry.transaction_id] = transactions.get(entry.transaction_id, 0) + entry.amount_cents
        assert set(transactions.values()) <= {0}
        return changed

    return add_up
