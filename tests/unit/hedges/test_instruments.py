"""Contracts by hand arithmetic: linear and inverse, long and short."""

import datetime as dt
from fractions import Fraction as F

import pytest

from pipelines.hedges.instruments import inverse_pnl_base, inverse_pnl_usd, linear_pnl_usd, liquidation_price
from pipelines.hedges.positions import HedgeError, Position

DAY = dt.date(2024, 3, 4)
MMR = F(4, 1000)


def position(side, leverage, is_inverse, size=F(80), margin=F(8_000), at=F(50_000)):
    role = "hedge" if side == "short" else "tactical"
    sector, triggers = (None, {"OVERBOUGHT": DAY}) if side == "short" else ("L1", {})
    contract = F(100) if is_inverse else None
    return Position(
        "x", role, "BTC", "e", "s", side, DAY, size, margin, at, at, F(leverage), contract, sector, triggers
    )  # fmt: skip


def test_an_inverse_contract_settles_in_coins():
    # 80 contracts of 100 USD from 50,000 to 40,000: 8,000 (1/50,000 - 1/40,000) = 0.16 - 0.20 = -0.04 coins
    assert inverse_pnl_base("long", F(80), F(100), F(50_000), F(40_000)) == F(-4, 100)
    assert inverse_pnl_base("short", F(80), F(100), F(50_000), F(40_000)) == F(4, 100)
    # 0.04 coins at 40,000
    assert inverse_pnl_usd("short", F(80), F(100), F(50_000), F(40_000)) == 1_600
    # from 50,000 to 62,500: 0.16 - 0.128 = 0.032 coins, at 62,500 = 2,000
    assert inverse_pnl_usd("long", F(80), F(100), F(50_000), F(62_500)) == 2_000


def test_a_linear_contract_settles_in_dollars():
    assert linear_pnl_usd("short", F(4, 100), F(50_000), F(45_000)) == 200
    assert linear_pnl_usd("long", F(4, 100), F(50_000), F(45_000)) == -200


def test_an_inverse_position_keeps_its_dollars_and_changes_its_coins():
    short = position("short", 1, True)
    assert (short.notional_usd(F(50_000)), short.notional_usd(F(40_000))) == (8_000, 8_000)
    assert (short.coins(F(50_000)), short.coins(F(40_000))) == (F(16, 100), F(20, 100))
    assert short.pnl_usd(short.entry_price_usd, F(40_000)) == 1_600
    # the margin of 0.16 coins and the gain of 0.04, at 40,000
    assert short.equity_usd(F(40_000)) == 8_000


@pytest.mark.parametrize(
    ("side", "is_inverse", "leverage", "price"),
    [
        ("short", False, 1, F(100_000_000, 1004)),  # 50,000 x 2 / 1.004 = 99,601.59
        ("short", False, 2, F(75_000_000, 1004)),
        ("long", False, 1, None),
        ("long", False, 2, F(25_000_000, 996)),  # 50,000 x 0.5 / 0.996 = 25,100.40
        ("short", True, 1, None),
        ("short", True, 2, F(99_600)),  # 50,000 x 0.996 / 0.5
        ("long", True, 1, F(25_100)),  # 50,000 x 1.004 / 2
        ("long", True, 2, F(50_200_000, 1_500)),  # 50,000 x 1.004 / 1.5
    ],
)
def test_at_the_liquidation_price_the_margin_is_down_to_the_maintenance_margin(side, is_inverse, leverage, price):
    assert liquidation_price(side, is_inverse, F(leverage), F(50_000), MMR) == price
    if price is not None:
        size = F(80) if is_inverse else F(16, 100)
        one = position(side, leverage, is_inverse, size, F(8_000, leverage))
        assert one.equity_usd(price) == MMR * one.notional_usd(price)
        assert one.is_liquidated(price, MMR)
        assert not one.is_liquidated((price + 50_000) / 2, MMR)


def test_what_is_added_enters_at_the_mark():
    linear = position("short", 1, False, F(1), F(50_000))
    assert linear.resized(F(2), F(60_000)).entry_price_usd == 55_000
    assert linear.resized(F(1, 2), F(60_000)).entry_price_usd == 50_000
    # 80 contracts at 50,000 and 80 at 40,000: 0.16 + 0.20 coins for 16,000 USD
    assert position("short", 1, True).resized(F(160), F(40_000)).entry_price_usd == F(16_000) / F(36, 100)


def test_a_position_of_the_wrong_kind_is_refused():
    with pytest.raises(HedgeError, match="a hedge is a short"):
        Position("x", "hedge", "BTC", "e", "s", "long", DAY, F(1), F(1), F(1), F(1), triggers={"MARKET": DAY})
    with pytest.raises(HedgeError, match="name a sector"):
        Position("x", "liquidity", "BTC", "e", "s", "short", DAY, F(1), F(1), F(1), F(1))
    with pytest.raises(HedgeError, match="without a trigger never ends"):
        Position("x", "hedge", "BTC", "e", "s", "short", DAY, F(1), F(1), F(1), F(1))
