from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest

from pipelines.ledger.book import LedgerBook, LedgerError
from pipelines.ledger.futures import FuturesFill, fill_futures, liquidate
from pipelines.ledger.marks import FundingSettlement, mark_to_market, settle_funding
from pipelines.ledger.posting import Posting

Balances = Callable[..., dict[str, int]]
BTC = "BTC/USDT:USDT"


def fill(quantity: str, price: int, margin_cents: int = 200_000, **more: Any) -> FuturesFill:
    return FuturesFill(more.pop("position_id", "h"), more.pop("role", "hedge"), "binance", more.pop("symbol", BTC),
                       "BTC", Fraction(quantity), Fraction(price), margin_cents, **more)  # fmt: skip


def marked(book: LedgerBook, price: int, at: Posting, symbol: str = BTC) -> LedgerBook:
    return mark_to_market(book, {}, {("binance", symbol): Fraction(price)}, at)[0]


def test_opening_a_short_moves_no_money_but_its_costs(book: LedgerBook, at: Posting, balances: Balances) -> None:
    # 0.040 BTC at 50,000: notional 2,000.00
    opened, entries = fill_futures(book, [fill("-1/25", 50_000, fee_cents=100, slippage_cents=40)], at)
    assert balances(entries) == {
        "futures:h": 0, "cash:collateral": -140, "pnl:hedge:fee": 100, "pnl:hedge:slippage": 40,
    }  # fmt: skip
    assert [(e.quantity_base, e.price_usd) for e in entries if e.account == "futures:h"] == [(Fraction(-1, 25), 50_000)]
    assert {entry.book for entry in entries} == {"futures", "cash"}
    position = opened.futures["h"]
    assert (position.margin_cents, position.unrealised_cents) == (200_000, 0)
    assert position.signed_notional_usd(Fraction(50_000)) == -2_000
    assert (opened.cash_cents, opened.spot) == (book.cash_cents, book.spot)  # a futures fill touches no coin
    opened.check()


def test_short_earns_what_a_fall_takes_and_realises_it_part_by_part(
    book: LedgerBook, at: Posting, balances: Balances
) -> None:
    opened = marked(fill_futures(book, [fill("-1/25", 50_000)], at)[0], 45_000, at)
    assert opened.futures["h"].unrealised_cents == 20_000  # 0.04 x 5,000
    assert opened.nav_cents == book.nav_cents + 20_000
    # A quarter is bought back at 44,000: realised 0.01 x 6,000 = 60.00; a quarter of the 200.00 is unrealised no more.
    reduced, entries = fill_futures(opened, [fill("1/100", 44_000, 150_000)], at)
    assert balances(entries) == {
        "futures:h": -5_000, "cash:collateral": 6_000, "pnl:hedge:realised": -6_000, "pnl:hedge:unrealised": 5_000,
    }  # fmt: skip
    left = reduced.futures["h"]
    assert (left.quantity, left.entry_price_usd, left.unrealised_cents, left.margin_cents) == (
        Fraction(-3, 100), 50_000, 15_000, 150_000,
    )  # fmt: skip
    closed, _ = fill_futures(reduced, [fill("3/100", 52_000)], at)  # 0.03 x -2,000 = -60.00
    assert not closed.futures
    assert closed.role_totals("hedge").realised_cents == closed.role_totals("hedge").profit_cents == 0
    assert closed.nav_cents == book.nav_cents


def test_adding_averages_the_entry_by_coins(book: LedgerBook, at: Posting) -> None:
    added, _ = fill_futures(book, [fill("-1/100", 40_000), fill("-3/100", 48_000, 184_000)], at)
    position = added.futures["h"]
    assert (position.quantity, position.entry_price_usd) == (Fraction(-1, 25), 46_000)  # (40 + 3 x 48) / 4
    assert marked(added, 46_000, at).futures["h"].unrealised_cents == 0


def test_turning_a_position_closes_it_and_opens_the_other_side(book: LedgerBook, at: Posting) -> None:
    opened = marked(fill_futures(book, [fill("-1/100", 50_000)], at)[0], 45_000, at)
    turned, entries = fill_futures(opened, [fill("3/100", 40_000, 80_000)], at)
    position = turned.futures["h"]
    assert (position.quantity, position.entry_price_usd, position.unrealised_cents) == (Fraction(1, 50), 40_000, 0)
    assert turned.role_totals("hedge").realised_cents == 10_000  # 0.01 x 10,000
    assert len({entry.transaction_id for entry in entries}) == 1
    turned.check()


def test_inverse_profit_is_made_in_coins_and_told_at_the_price(book: LedgerBook, at: Posting) -> None:
    symbol = "BTC/USD:BTC"
    size = Fraction(100)
    opened, entries = fill_futures(book, [fill("-20", 50_000, symbol=symbol, contract_size_usd=size)], at)
    assert entries[0].quantity_base == Fraction(-1, 25)  # 2,000 USD in coins
    # 20 x 100 x (1/40,000 - 1/50,000) = 0.01 BTC, worth 400.00 at 40,000
    fallen = marked(opened, 40_000, at, symbol)
    position = fallen.futures["h"]
    assert (position.unrealised_cents, position.signed_notional_usd(Fraction(40_000))) == (40_000, -2_000)
    assert position.quantity_base == Fraction(-1, 20)
    # By contracts the mean entry of 50,000 and 40,000 is their harmonic mean.
    added, _ = fill_futures(fallen, [fill("-20", 40_000, symbol=symbol, contract_size_usd=size)], at)
    assert added.futures["h"].entry_price_usd == Fraction(round(Fraction(400_000, 9) * 10**18), 10**18)
    closed, _ = fill_futures(fallen, [fill("20", 40_000, symbol=symbol, contract_size_usd=size)], at)
    assert closed.role_totals("hedge").realised_cents == 40_000
    # Funding of an inverse contract is paid on its contracts: 1 bp of 2,000.00 whatever the price.
    paid = FundingSettlement("h", datetime(2026, 3, 10, 8), Fraction(1, 10_000), Fraction(40_000))
    assert settle_funding(fallen, [paid], at)[0].role_totals("hedge").funding_cents == 20


@pytest.mark.parametrize(("quantity", "rate_bps", "cents"), [("-1/25", 5, 90), ("-1/25", -3, -54), ("1/25", 5, -90)])
def test_short_receives_positive_funding_and_long_pays_it(
    book: LedgerBook, at: Posting, balances: Balances, quantity: str, rate_bps: int, cents: int
) -> None:
    opened, _ = fill_futures(book, [fill(quantity, 50_000)], at)
    settled_at = datetime(2026, 3, 10, 8)
    # 0.04 x 45,000 = 1,800.00; 5 bp of it are 0.90
    settlement = FundingSettlement("h", settled_at, Fraction(rate_bps, 10_000), Fraction(45_000))
    settled, entries = settle_funding(opened, [settlement], at)
    assert balances(entries) == {"cash:collateral": cents, "pnl:hedge:funding": -cents}
    assert settled.role_totals("hedge").funding_cents == cents
    assert {(entry.kind, entry.booked_at) for entry in entries} == {("funding", settled_at)}
    settled.check()


def test_many_small_settlements_lose_nothing_to_rounding(book: LedgerBook, at: Posting) -> None:
    opened, _ = fill_futures(book, [fill("-1/1000", 40_000)], at)
    # 40.00 x 1 bp = 0.4 cents, 24 times: 9.6 cents
    hourly = [
        FundingSettlement("h", datetime(2026, 3, 10, hour), Fraction(1, 10_000), Fraction(40_000)) for hour in range(24)
    ]
    assert settle_funding(opened, hourly, at)[0].role_totals("hedge").funding_cents == 10


def test_liquidation_loses_the_margin_exactly(book: LedgerBook, at: Posting, balances: Balances) -> None:
    opened = marked(fill_futures(book, [fill("-1/25", 50_000)], at)[0], 90_000, at)
    assert opened.futures["h"].unrealised_cents == -160_000
    lost, entries = liquidate(opened, "h", Fraction(120_000), at)
    assert balances(entries) == {
        "futures:h": 160_000, "cash:collateral": -200_000, "pnl:hedge:realised": 200_000,
        "pnl:hedge:unrealised": -160_000,
    }  # fmt: skip
    assert lost.nav_cents == book.nav_cents - 200_000 and not lost.futures
    assert {entry.reason for entry in entries} == {"LIQUIDATION"}
    with pytest.raises(LedgerError, match="liquidation of h: it needs a position that is open"):
        liquidate(lost, "h", Fraction(1), at)


def test_roles_are_kept_apart(book: LedgerBook, at: Posting) -> None:
    two = [fill("-1/25", 50_000), fill("1/50", 50_000, position_id="t", role="tactical")]
    both = marked(fill_futures(book, two, at)[0], 45_000, at)
    assert both.role_totals("hedge").unrealised_cents == 20_000
    assert both.role_totals("tactical").unrealised_cents == -10_000


def test_fill_for_another_instrument_than_the_position_is_refused(book: LedgerBook, at: Posting) -> None:
    opened, _ = fill_futures(book, [fill("-1/25", 50_000)], at)
    for other in ({"role": "liquidity"}, {"symbol": "BTC/USD:BTC"}, {"contract_size_usd": Fraction(1)}):
        with pytest.raises(LedgerError, match=r"the position is hedge in BTC/USDT:USDT on binance; give .* another id"):
            fill_futures(opened, [fill("-1/25", 50_000, **other)], at)


@pytest.mark.parametrize("wrong", [{"quantity": "0"}, {"price": 0}, {"margin_cents": -1}, {"fee_cents": -1}])
def test_futures_fill_that_cannot_be_is_refused(book: LedgerBook, at: Posting, wrong: dict[str, Any]) -> None:
    with pytest.raises(LedgerError, match="margin and costs of 0 or more"):
        fill_futures(book, [fill(**({"quantity": "-1", "price": 1} | wrong))], at)


def test_funding_of_nothing_is_refused(book: LedgerBook, at: Posting) -> None:
    with pytest.raises(LedgerError, match="funding of h at 2026-03-10 08:00:00: it needs a position that is open"):
        settle_funding(book, [FundingSettlement("h", datetime(2026, 3, 10, 8), Fraction(1), Fraction(1))], at)


def test_loss_beyond_the_collateral_is_refused(book: LedgerBook, at: Posting) -> None:
    opened, _ = fill_futures(book, [fill("-1", 50_000)], at)
    with pytest.raises(LedgerError, match=r"needs 10,000.01 USD of collateral cash, but there is 10,000.00 USD"):
        fill_futures(opened, [fill("1", 60_000, fee_cents=1)], at)
