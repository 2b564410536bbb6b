"""The held book: drift in whole cents, cooldown memory, serialisation."""

import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.allocations.book import Book, BookError, Cut, cut_multiplier
from pipelines.policy import Policy

DAY = dt.date(2024, 3, 1)
POLICY = Policy()


def test_a_hundred_thousand_is_split_eighty_twenty_to_the_cent():
    book = Book.new(10_000_000, POLICY)
    assert (book.cash_cents, book.futures_cents, book.has_started) == (8_000_000, 2_000_000, False)


def test_an_odd_cent_of_the_portfolio_is_not_lost():
    book = Book.new(10_001, POLICY)  # 4/5 = 8000.8, 1/5 = 2000.2: the larger remainder gets the cent
    assert (book.cash_cents, book.futures_cents) == (8001, 2000)


def test_drift_rounds_half_a_cent_up_and_leaves_cash_alone():
    book = Book(DAY, {"A": 1, "B": 1000}, 7).drifted(DAY + dt.timedelta(1), {"A": 0.5, "B": -0.0005})
    assert (dict(book.cents), book.cash_cents) == ({"A": 2, "B": 1000}, 7)  # 1.5 -> 2; 999.5 -> 1000


def test_drift_uses_nine_decimals_of_the_return():
    # 0.1 + 1e-10 rounds to 0.1 exactly: 5 x 1.1 = 5.5 -> 6; a binary 0.1 must not decide the half cent
    assert Book(DAY, {"A": 5}, 0).drifted(DAY, {"A": 0.1 - 1e-10}).cents["A"] == 6


def test_an_unknown_return_moves_nothing():
    assert Book(DAY, {"A": 5, "B": 5}, 0).drifted(DAY, {"A": None}).cents == {"A": 5, "B": 5}


def test_an_impossible_return_is_named_with_its_day():
    with pytest.raises(BookError, match="spot return of A on 2024-03-01 is -1.5"):
        Book(DAY, {"A": 5}, 0).drifted(DAY, {"A": -1.5})


def test_a_stored_book_comes_back_as_it_was():
    book = Book(DAY, {"A": 5, "B": 0}, 3, 2, {"A": Cut(DAY, "TRIM")}, DAY)
    again = Book.from_json(book.to_json())
    assert again.digest() == book.digest()
    assert (again.as_of, again.cuts, again.first_decision, again.sleeve_cents) == (DAY, book.cuts, DAY, 8)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cuts":{"A":["2024-03-01","SELL"]}}', "null"])
def test_a_damaged_book_is_refused_with_the_remedy(text):
    with pytest.raises(BookError, match="continue from the decision of an earlier day"):
        Book.from_json(text)


def test_a_book_holds_whole_cents_only():
    with pytest.raises(BookError, match="A holds 1.5; give whole cents"):
        Book(DAY, {"A": 1.5}, 0)


@pytest.mark.parametrize(
    ("action", "last", "days_ago", "expected"),
    [
        ("REDUCE", None, 0, F(3, 4)),
        ("TRIM", None, 0, F(5, 6)),
        ("HOLD", None, 0, None),
        ("REDUCE", "REDUCE", 27, None),
        ("REDUCE", "REDUCE", 28, F(3, 4)),
        ("TRIM", "TRIM", 27, None),
        ("TRIM", "REDUCE", 27, None),
        ("REDUCE", "TRIM", 27, F(9, 10)),  # 5/6 x 9/10 = 3/4: together one REDUCE
        ("REDUCE", "TRIM", 28, F(3, 4)),
    ],
)
def test_a_cut_waits_28_days_and_a_small_one_may_follow_a_trim(action, last, days_ago, expected):
    cut = last and Cut(DAY - dt.timedelta(days_ago), last)
    assert cut_multiplier(action, cut, DAY, POLICY) == expected
