"""Whatever is booked in whatever order: every transaction sums to 0 and every cent of profit has its place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ledger.book import ROLES, LedgerBook, LedgerError, RoleTotals
from pipelines.ledger.futures import FuturesFill, fill_futures, liquidate
from pipelines.ledger.marks import FundingSettlement, mark_to_market, settle_funding
from pipelines.ledger.opening import (
    OpeningHolding,
    OpeningPosition,
    OpeningStatement,
    open_from_cash,
    open_from_holdings,
    rename,
    transfer,
)
from pipelines.ledger.posting import Entry, Posting
from pipelines.ledger.rows import attribution, nav_row
from pipelines.ledger.spot import SpotFill, fill_spot

Booked = tuple[LedgerBook, tuple[Entry, ...]]
Step = Callable[[LedgerBook, Posting], Booked]

FIRST_DAY = date(2026, 1, 1)
EXCHANGES = st.sampled_from(["binance", "bybit"])
ASSETS = st.sampled_from(["BTC", "ETH", "OLD"])
SLEEVES = st.sampled_from(["spot", "tilt", "collateral"])
ROLE_OF = {"h1": "hedge", "h2": "hedge", "l": "liquidity", "t": "tactical"}
SIZE_OF = {"h1": None, "h2": Fraction(100), "l": None, "t": None}
POSITIONS = st.sampled_from(sorted(ROLE_OF))
PRICES = st.builds(Fraction, st.integers(1, 10**7), st.sampled_from([1, 7, 100, 10**6]))
QUANTITIES = st.builds(Fraction, st.integers(1, 10**5), st.sampled_from([1, 3, 1_000, 10**6]))
SIGNED = st.builds(lambda quantity, sign: quantity * sign, QUANTITIES, st.sampled_from([-1, 1]))
COSTS = st.integers(0, 500)
MARGINS = st.integers(0, 10**6)
RATES = st.builds(Fraction, st.integers(-400, 400), st.just(10_000))


def _futures_fill(name: str, quantity: Fraction, price: Fraction, margin: int, fee: int, slippage: int) -> Step:
    def step(book: LedgerBook, at: Posting) -> Booked:
        symbol = f"BTC-{name}"
        of = (name, ROLE_OF[name], "binance", symbol, "BTC", quantity, price, margin, fee, slippage, SIZE_OF[name])
        return fill_futures(book, [FuturesFill(*of)], at)

    return step


def _close(name: str, price: Fraction) -> Step:
    def step(book: LedgerBook, at: Posting) -> Booked:
        if name not in book.futures:
            return book, ()
        held = book.futures[name]
        of = (name, held.role, held.exchange, held.symbol, held.asset, -held.quantity, price, 0, 1, 1)
        return fill_futures(book, [FuturesFill(*of, held.contract_size_usd)], at)

    return step


def _fund(name: str, rate: Fraction, price: Fraction, times: int) -> Step:
    def step(book: LedgerBook, at: Posting) -> Booked:
        at_hours = [at.booked_at - timedelta(hours=8 * n) for n in range(times)]
        return settle_funding(book, [FundingSettlement(name, hour, rate, price) for hour in at_hours], at)

    return step


def _sell_part(exchange: str, asset: str, part: Fraction, price: Fraction, sleeve: str) -> Step:
    def step(book: LedgerBook, at: Posting) -> Booked:
        held = book.spot.get((exchange, asset))
        if held is None:
            return book, ()
        return fill_spot(book, [SpotFill(exchange, asset, "sell", held.quantity_base * part, price, 1, 1, sleeve)], at)

    return step


def _mark(prices: dict[str, Fraction], closes: dict[str, Fraction]) -> Step:
    futures = {("binance", f"BTC-{name}"): price for name, price in closes.items()}
    return lambda book, at: mark_to_market(book, prices, futures, at)


def _open(quantity: Fraction, price: Fraction | None, signed: Fraction, entry: Fraction, now: Fraction) -> Step:
    position = OpeningPosition("h1", "hedge", "binance", "BTC-h1", "BTC", signed, entry, now, 1_000)
    coins = (OpeningHolding("binance", "BTC", quantity, Fraction(7)), OpeningHolding("bybit", "OLD", quantity, price))
    statement = OpeningStatement(coins, (position,), 10**8, 10**5, 10**8)
    return lambda book, at: open_from_holdings(book, statement, at)


PARTS = st.builds(Fraction, st.integers(1, 9), st.just(9))
STEPS = st.one_of(
    st.builds(
        lambda *of: lambda book, at: fill_spot(book, [SpotFill(*of)], at),
        EXCHANGES, ASSETS, st.just("buy"), QUANTITIES, PRICES, COSTS, COSTS, st.sampled_from(["spot", "tilt"]),
    ),
    st.builds(_sell_part, EXCHANGES, ASSETS, PARTS, PRICES, st.sampled_from(["spot", "tilt"])),
    st.builds(_futures_fill, POSITIONS, SIGNED, PRICES, MARGINS, COSTS, COSTS),
    st.builds(_close, POSITIONS, PRICES),
    st.builds(_fund, POSITIONS, RATES, PRICES, st.integers(1, 24)),
    st.builds(_mark, st.dictionaries(ASSETS, PRICES), st.dictionaries(POSITIONS, PRICES)),
    st.builds(lambda *of: lambda book, at: transfer(book, *of, at), SLEEVES, SLEEVES, st.integers(1, 10**7)),
    st.builds(lambda *of: lambda book, at: liquidate(book, *of, at), POSITIONS, PRICES),
    st.builds(lambda *of: lambda book, at: rename(book, *of, at), ASSETS, ASSETS, PRICES),
    st.builds(_open, QUANTITIES, st.none() | PRICES, SIGNED, PRICES, PRICES),
)  # fmt: skip
# Something is held from the beginning, so that prices, settlements and sales have something to act upon.
HELD: list[Step] = [
    lambda book, at: fill_spot(book, [SpotFill("binance", "BTC", "buy", Fraction(7, 3), Fraction(50_000), 5, 5)], at),
    lambda book, at: fill_spot(book, [SpotFill("bybit", "OLD", "buy", Fraction(1_000), Fraction(1, 7))], at),
    _futures_fill("h1", Fraction(-1, 3), Fraction(50_001), 10**6, 7, 3),
    _futures_fill("h2", Fraction(-20), Fraction(49_999), 10**5, 1, 1),
    _futures_fill("t", Fraction(1, 9), Fraction(50_000), 10**5, 1, 1),
]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_books_balance_whatever_is_booked(steps: list[Step]) -> None:
    posting = Posting(FIRST_DAY, datetime(2026, 1, 2), "d")
    book, opening = open_from_cash(LedgerBook(), 10**14, 10**14, posting)
    ledger = list(opening)
    for number, step in enumerate([*HELD, *steps]):
        at = replace(posting, as_of_date=FIRST_DAY + timedelta(days=number))
        try:
            after, entries = step(book, at)
        except LedgerError:
            continue  # refused, for example more than there is: the book stays as it was
        assert step(book, at) == (after, entries)
        after.check()
        # Profit of each role is what its entries say; what is owned beyond it was brought in.
        found = attribution(book, after)
        for role in ROLES:
            of_role = [entry for entry in entries if entry.role == role]
            assert sum(entry.amount_cents for entry in of_role) == 0
            earned = -sum(entry.amount_cents for entry in of_role if entry.account.startswith("pnl:"))
            assert earned == found.roles[role].profit_cents
        owned = [e.amount_cents for e in entries if not e.account.startswith(("pnl:", "equity:"))]
        assert sum(owned) == found.nav_change_cents
        book = after
        ledger += entries
    transactions: dict[str, int] = {}
    for entry in ledger:
        transactions[entry.transaction_id] = transactions.get(entry.transaction_id, 0) + entry.amount_cents
    assert set(transactions.values()) == {0}
    assert len({entry.entry_id for entry in ledger}) == len(ledger)
    _agrees_with_its_accounts(book, ledger)
    assert LedgerBook.from_json(book.to_json()) == book
    assert nav_row(book, FIRST_DAY, "d")["nav_usd"] == book.nav_cents / 100


def _agrees_with_its_accounts(book: LedgerBook, ledger: list[Entry]) -> None:
    accounts: dict[str, int] = {}
    quantities: dict[str, Fraction] = {}
    for entry in ledger:
        accounts[entry.account] = accounts.get(entry.account, 0) + entry.amount_cents
        quantities[entry.account] = quantities.get(entry.account, Fraction(0)) + (entry.quantity_base or 0)
    held = {f"spot:{exchange}:{asset}": holding for (exchange, asset), holding in book.spot.items()}
    for account, cents in accounts.items():
        owner, _, rest = account.partition(":")
        if owner == "spot":
            assert cents == (held[account].value_cents if account in held else 0)
            assert quantities[account] == (held[account].quantity_base if account in held else 0)
        elif owner == "futures":
            assert cents == (book.futures[rest].unrealised_cents if rest in book.futures else 0)
        elif owner == "pnl":
            role, measure = rest.split(":")
            sign = 1 if measure in ("fee", "slippage") else -1
            assert cents == sign * getattr(book.role_totals(role), f"{measure}_cents")
    cash = (book.cash_cents, book.tilt_cash_cents, book.collateral_cents)
    assert cash == tuple(accounts.get(f"cash:{sleeve}", 0) for sleeve in ("spot", "tilt", "collateral"))
    assert min(cash) >= 0
    assert accounts["equity:opening"] == -book.opening_cents


@settings(max_examples=100, derandomize=True, deadline=None)
@given(SIGNED, PRICES, RATES, st.sampled_from(["h1", "h2"]))
def test_funding_goes_to_the_side_that_the_sign_says(
    quantity: Fraction, price: Fraction, rate: Fraction, name: str
) -> None:
    at = Posting(FIRST_DAY, datetime(2026, 1, 2), "d")
    book, _ = open_from_cash(LedgerBook(), 0, 10**30, at)
    opened, _ = _futures_fill(name, quantity, price, 0, 0, 0)(book, at)
    settled, _ = _fund(name, rate, price, 1)(opened, at)
    received = settled.role_totals("hedge").funding_cents
    is_short, longs_pay = quantity < 0, rate > 0
    notional = abs(quantity) * (SIZE_OF[name] or price)
    assert abs(abs(received) - abs(rate) * notional * 100) <= Fraction(1, 2)
    assert received == 0 or (received > 0) == (is_short == longs_pay)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(SIGNED, PRICES), min_size=1, max_size=8), PRICES, st.sampled_from(["h1", "h2"]))
def test_profit_of_a_closed_position_is_the_cash_of_its_fills(
    fills: list[tuple[Fraction, Fraction]], last: Fraction, name: str
) -> None:
    """Selling dear and buying cheap: for a linear position all profit is minus the sum of quantity times price."""
    at = Posting(FIRST_DAY, datetime(2026, 1, 2), "d")
    book, _ = open_from_cash(LedgerBook(), 0, 10**30, at)
    for quantity, price in fills:
        book, _ = _futures_fill(name, quantity, price, 0, 0, 0)(book, at)
        book, _ = _mark({}, {name: last})(book, at)
    closed, _ = _close(name, last)(book, at)
    net = sum(quantity for quantity, _ in fills)
    flat = replace(closed.role_totals("hedge"), fee_cents=0, slippage_cents=0)
    assert (flat.unrealised_cents, flat.profit_cents) == (0, flat.realised_cents)
    if name == "h1":
        paid = sum(quantity * price for quantity, price in fills) - net * last
        assert abs(flat.realised_cents + paid * 100) <= len(fills) + 1
    assert RoleTotals() == closed.role_totals("tactical")
