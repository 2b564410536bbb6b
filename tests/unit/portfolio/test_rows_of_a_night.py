"""What a night says: its rows, its sentence, and how the roles' profits move together."""

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hand_made import OVERBOUGHT, Market, nights, policy, portfolio

from pipelines.ledger.book import ROLES
from pipelines.portfolio.correlations import role_correlations
from pipelines.portfolio.explain import explain_night
from pipelines.portfolio.rows import NIGHT_TABLES, decision_row, frame, night_rows

COSTS = {"spot_fee": 0.001, "slip_major": 0, "slip_alt": 0}


def daily(days, seed=3):
    random = np.random.default_rng(seed)
    moves = {role: random.normal(0, 100, days).round(2) for role in ROLES}
    moves["liquidity"] = (0.7 * moves["spot"] + random.normal(0, 50, days)).round(2)
    return moves


def nav(moves, first=date(2024, 1, 1)):
    days = len(moves["spot"])
    start = {f"{role}_pnl_usd": np.concatenate([[1000.0], 1000 + np.cumsum(values)]) for role, values in moves.items()}
    return pl.DataFrame({"as_of_date": [first + timedelta(n) for n in range(days + 1)], **start})


def test_correlations_are_those_of_numpy_and_unknown_under_sixty_days():
    moves = daily(70)
    told = role_correlations(nav(moves).sample(fraction=1, shuffle=True, seed=1), 60, date(2024, 1, 2))
    assert len(told) == 70
    for count in (59, 60, 70):
        pair = json.loads(told[date(2024, 1, 1) + timedelta(count)])["spot-liquidity"]
        expected = np.corrcoef(moves["spot"][:count], moves["liquidity"][:count])[0, 1]
        assert pair["n"] == count
        assert pair["correlation"] is None if count < 60 else pair["correlation"] == pytest.approx(expected, abs=1e-5)


def test_days_on_which_a_role_did_nothing_do_not_count():
    moves = daily(70)
    moves["tactical"][:] = 0.0
    moves["hedge"][10:30] = 0.0
    told = json.loads(role_correlations(nav(moves), 50, date(2024, 1, 1))[date(2024, 1, 1) + timedelta(70)])
    known = moves["hedge"] != 0
    assert told["spot-tactical"] == {"correlation": None, "n": 0}
    assert told["spot-hedge"]["n"] == 50
    expected = np.corrcoef(moves["spot"][known], moves["hedge"][known])[0, 1]
    assert told["spot-hedge"]["correlation"] == pytest.approx(expected, abs=1e-5)


def test_profits_that_never_vary_have_no_correlation():
    moves = {role: np.full(70, 1.0) for role in ROLES}
    told = json.loads(role_correlations(nav(moves), 60, date(2024, 1, 1))[date(2024, 1, 1) + timedelta(70)])
    assert told["spot-hedge"] == {"correlation": None, "n": 70}


@pytest.fixture(scope="module")
def decided():
    held = [{"exchange": "binance", "asset": a, "value_usd": usd} for a, usd in (("BTC", 32_000), ("ETH", 24_000))]
    held.append({"exchange": "binance", "asset": "UNI", "value_usd": 24_000})
    says = portfolio(holdings=held, futures={"collateral_usd": 20_000})
    market = Market(
        actions={(0, "L1"): "REDUCE", (0, "DEFI"): "INCREASE"}, metrics={(0, "BTC"): OVERBOUGHT, (1, "BTC"): OVERBOUGHT}
    )
    rules = policy(costs=COSTS | {"perp_taker": 0, "perp_slip": 0})
    return nights(market, 0, 2, rules=rules, says=says), rules


def test_the_sentence_says_what_is_sold_bought_and_shorted_and_that_no_order_was_placed(decided):
    # 6,000 less its fee of 6 leaves 5,994, which buys 5,988.01 at a fee of 5.99.
    assert explain_night(decided[0][0]) == (
        "2024-03-04: sell $6,000.00 of ETH, buy $5,988.01 of UNI, at a cost of about $11.99; futures positions: 1 "
        "opened; cash 0.0% of the spot sleeve after it. Paper only: a proposal, no order was placed."
    )
    assert "no spot order; futures positions: 1 kept" in explain_night(decided[0][1])


@pytest.mark.parametrize(
    ("market", "value_usd", "words"),
    [
        (Market(), 100_000.0, "2024-03-04: first allocation; buy $80,000.00 of BTC, ETH, SOL, UNI"),
        (Market(), 100.0, "the spot sleeve is too small to trade; no futures position; cash 100.0%"),
    ],
)
def test_the_sentence_of_a_first_and_of_a_small_night(market, value_usd, words):
    assert words in explain_night(nights(market, 0, 0, value_usd=value_usd)[0])


def test_the_sentence_of_a_night_that_stands_still_says_why():
    frozen = {(1, name): "FREEZE" for name in ("GOLD", "L1", "DEFI")}
    assert "halted: sectors with too much of the sleeve lack data" in explain_night(
        nights(Market(actions=frozen), 0, 1)[1]
    )
    weekly = policy({"decide": {"cadence": "weekly", "weekday": "TUE"}})
    assert "not a decision day" in explain_night(nights(Market(), 0, 1, rules=weekly)[1])


def test_every_table_of_a_night_has_the_columns_of_its_contract_and_its_decision(decided):
    for night in decided[0]:
        rows = night_rows(night, {"L1": "L1: OVERLEVERAGED."}, {}, decided[1])
        assert set(rows) == {table.name for table in NIGHT_TABLES}
        for table in NIGHT_TABLES:
            made = frame(table, rows[table.name])
            assert made.columns == list(table.columns)
            if table.name not in ("ledger", "hedge_scenarios") and made.height:
                assert set(made["decision_id"]) == {night.decision_id}, table.name
            assert not made.select(table.key).is_duplicated().any()


def test_the_decision_row_and_the_daily_value_tell_the_same_books(decided):
    for night in decided[0]:
        one = decision_row(night)
        (value,) = night_rows(night, {}, {}, decided[1])["nav_daily"]
        assert one["portfolio_value_usd"] == value["nav_usd"]
        parts = ("spot_usd", "spot_cash_usd", "tilt_cash_usd", "futures_equity_usd")
        assert round(sum(value[name] for name in parts), 2) == value["nav_usd"]
        assert one["spot_sleeve_usd"] == pytest.approx(value["spot_usd"] + value["spot_cash_usd"], abs=0.005)
        earned = sum(value[f"{role}_pnl_usd"] for role in ROLES)
        assert round(value["nav_usd"] - earned, 2) == 100_000


def test_notes_of_the_fills_stand_on_the_row_of_the_futures_sleeve():
    market = Market(prices={(1, "UNI"): None})
    second = nights(market, 0, 1)[1]
    (sleeve,) = night_rows(second, {}, {}, policy())["futures_sleeve"]
    assert any("UNI" in note and "lapsed" in note for note in sleeve["notes"])
