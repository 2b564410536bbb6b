"""When a calendar tilt begins and ends, and how its book is kept."""

import datetime as dt
import json
from fractions import Fraction as F

import pytest

from pipelines.allocations.tilts import FrontRich, Tilt, TiltBook, review_tilts
from pipelines.policy import Policy, parse_policy

DAY = dt.date(2024, 3, 4)
BTC = Tilt("tilt-BTC-2024-03-01", "BTC", "okx", dt.date(2024, 3, 1), 100_000, 99_900)


def review(book, *futures, day=DAY, frozen=(), policy=None):
    return review_tilts(day, book, {"BTC": futures} if futures else {}, policy or Policy(), frozen)


def ends(*futures, day=DAY, **more):
    return review(TiltBook((BTC,)), *futures, day=day, **more).ending == (BTC,)


def test_a_rich_front_on_one_exchange_is_enough_to_begin_a_tilt():
    plain, rich = FrontRich("binance", False, 0.01), FrontRich("okx", True, 0.12)
    assert review(TiltBook(), plain, rich).beginning == {"BTC": "okx"}
    assert review(TiltBook(), plain).beginning == {}
    assert review(TiltBook(), rich, FrontRich("bybit", True, 0.2)).beginning == {"BTC": "bybit"}


def test_a_live_tilt_is_not_joined_by_a_second_one():
    found = review(TiltBook((BTC,)), FrontRich("okx", True, 0.12))
    assert (found.staying, found.beginning) == ((BTC,), {})


def test_a_tilt_is_over_after_its_days():
    rich = FrontRich("okx", True, 0.12)
    assert not ends(rich, day=dt.date(2024, 3, 14))
    assert ends(rich, day=dt.date(2024, 3, 15))
    assert ends(rich, day=dt.date(2024, 3, 3), policy=parse_policy({"calendar": {"days": 2}}))


def test_a_tilt_is_over_when_the_excess_falls_below_the_exit_on_the_exchange_that_raised_it():
    assert not ends(FrontRich("okx", False, 0.05))
    assert ends(FrontRich("okx", False, 0.0499))
    assert not ends(FrontRich("binance", False, 0.01), FrontRich("okx", True, 0.12))
    assert ends(FrontRich("binance", True, 0.3), FrontRich("okx", False, 0.01))


def test_an_excess_of_floats_that_is_the_exit_in_decimals_does_not_end_a_tilt():
    assert 0.25 - 0.2 < 0.05 + 1e-12 and 0.35 - 0.3 < 0.05
    assert not ends(FrontRich("okx", False, 0.35 - 0.3))


def test_without_a_far_contract_the_days_decide():
    assert not ends(FrontRich("okx", False, None))
    assert not ends()


def test_a_tilt_that_ends_under_a_rich_front_begins_again_only_after_the_front_was_not_rich():
    rich, plain = FrontRich("okx", True, 0.12), FrontRich("okx", False, 0.08)
    after = review(TiltBook((BTC,)), rich, day=dt.date(2024, 3, 15))
    assert (after.beginning, after.waiting) == ({}, ("BTC",))
    waiting = TiltBook((), after.waiting)
    assert review(waiting, rich).beginning == {}
    assert review(waiting, rich).waiting == ("BTC",)
    assert review(waiting).waiting == ("BTC",)  # no data is not "no longer rich"
    assert review(waiting, plain).waiting == ()
    assert review(TiltBook(), rich).beginning == {"BTC": "okx"}


def test_a_tilt_that_ends_under_a_plain_front_does_not_wait():
    assert review(TiltBook((BTC,)), FrontRich("okx", False, 0.01)).waiting == ()


def test_a_frozen_asset_neither_begins_nor_ends_a_tilt():
    late = dt.date(2024, 6, 1)
    assert not ends(day=late, frozen={"BTC"})
    assert review(TiltBook(), FrontRich("okx", True, 0.12), frozen={"BTC"}).beginning == {}


def test_the_book_of_tilts_survives_json():
    book = TiltBook((BTC, Tilt("tilt-ETH-2024-03-02", "ETH", "binance", dt.date(2024, 3, 2), 5, 4)), ("SOL",))
    assert TiltBook.from_record(json.loads(json.dumps(book.to_record()))) == book
    assert book.cash_cents == 99_904


@pytest.mark.parametrize("record", [{}, {"tilts": [{"asset": "BTC"}], "waiting": []}])
def test_a_record_that_is_no_book_of_tilts_is_refused(record):
    with pytest.raises((KeyError, TypeError, ValueError)):
        TiltBook.from_record(record)


def test_the_tilt_share_of_the_policy_is_nine_tenths():
    assert Policy().calendar.tilt == F(9, 10)
