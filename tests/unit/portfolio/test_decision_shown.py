"""The decision as the interface shows it: labelled, short enough to be shown without a click, one reason each."""

from datetime import date

import pytest

from pipelines.portfolio.shown import MAX_CHARACTERS, decision_texts

DAY = date(2026, 11, 21)
SENTENCE = "2026-11-21: sell $3.00 of ADA; no futures position. Paper only: a proposal, no order was placed."
L1 = {
    "sector": "L1",
    "state": "OVERLEVERAGED",
    "reason_codes": [],
    "explanation": "L1: OVERLEVERAGED. Funding 4.97 bp/8h (limit 3 bp/8h); percentile 100.0 (limit 90); more. "
    "Cut by a quarter: $30,165.96 -> $22,624.47.",
}
DEFI = {
    "sector": "DEFI",
    "state": "ACCUMULATION",
    "reason_codes": None,
    "explanation": "DEFI: ACCUMULATION. Funding low at 0.52 bp/8h. Bought: $0 -> $100.",
}
TARGETS = [{"sector": "CASH", "state": None, "reason_codes": [], "explanation": "CASH. Raised."}, DEFI, L1]
ORDERS = [
    {"side": "sell", "sector": "L1", "asset": "SOL", "notional_usd": 2000.25},
    {"side": "sell", "sector": "L1", "asset": "ADA", "notional_usd": 1000.0},
    {"side": "buy", "sector": "DEFI", "asset": "UNI", "notional_usd": 100.0},
]
HEDGE = {
    "asset": "ETH",
    "role": "hedge",
    "status": "open",
    "explanation": "ETH: Opened a short of 0.15 ETH on binance at 1x ($722.05). It offsets about 10% of the loss on "
    "$7,483.76 of spot if the price falls: the loss gets smaller by about one tenth.",
}


def test_what_to_buy_sell_and_hedge_is_told_with_a_reason_each():
    texts = decision_texts(DAY, "live", SENTENCE, TARGETS, ORDERS, [HEDGE])
    assert texts == {
        "decision": "Night of 2026-11-21: sell $3.00 of ADA; no futures position. Paper only: a proposal, no order was "
        "placed.",
        "decision_sell": "- **L1 $3,000.25** of ADA, SOL (OVERLEVERAGED): Funding 4.97 bp/8h (limit 3 bp/8h); "
        "percentile 100.0 (limit 90).\n",
        "decision_buy": "- **DEFI $100.00** of UNI (ACCUMULATION): Funding low at 0.52 bp/8h.\n",
        "decision_hedge": "- **ETH** (hedge, open): Opened a short of 0.15 ETH on binance at 1x ($722.05). It offsets "
        "about 10% of the loss on $7,483.76 of spot if the price falls.\n",
    }


def test_a_night_without_an_order_says_so_whatever_a_sector_wants():
    texts = decision_texts(DAY, "live", SENTENCE, TARGETS, [], [])
    assert {texts[name] for name in ("decision_buy", "decision_sell", "decision_hedge")} == {"Nothing."}


@pytest.mark.parametrize("source", ["simulated", "example", "recorded"])
def test_a_market_that_is_not_live_is_labelled_before_anything_else(source):
    assert decision_texts(DAY, source, SENTENCE, [], [], [])["decision"].startswith(f"**{source.upper()}")


def test_the_first_allocation_is_not_explained_by_the_sectors_state():
    first = DEFI | {"reason_codes": ["INCEPTION"]}
    told = decision_texts(DAY, "live", SENTENCE, [first], ORDERS[2:], [])["decision_buy"]
    assert told == "- **DEFI $100.00** of UNI (ACCUMULATION): This is the first allocation.\n"


def test_many_changes_stay_short_and_the_rest_is_counted():
    many = [L1 | {"sector": f"SECTOR_{n}"} for n in range(24)]
    orders = [ORDERS[0] | {"sector": f"SECTOR_{n}", "notional_usd": 1000.0 - n} for n in range(24)]
    told = decision_texts(DAY, "live", SENTENCE, many, orders, [])["decision_sell"]
    shown = told.count("- **SECTOR_")
    assert 0 < shown < 24
    assert told.startswith("- **SECTOR_0 $1,000.00**")  # the largest first
    assert f"- and {24 - shown} more" in told
    assert len(told) <= MAX_CHARACTERS
