"""The questions about decisions and hedges, answered right on a few rows that can be reckoned by hand."""

import json
from datetime import date, datetime, timedelta

import pytest

DAY = date(2026, 11, 20)


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def _move(metric: str, value: float, target: float) -> dict:
    return {"metric": metric, "value": value, "target": target}


def _flip(becomes: str, distance: float, *moves: dict) -> dict:
    return {"moves": list(moves), "distance": distance, "becomes": becomes}


def test_tonight_is_the_newest_day_with_the_largest_change_first(hand_made):
    hand_made.fill("portfolio.target_allocations", {"as_of_date": ago(1), "sector": "L2", "delta_usd": 9.0})
    for sector, change in (("CASH", 0.0), ("DEFI", 50.0), ("L1", -80.0)):
        hand_made.fill("portfolio.target_allocations", {"as_of_date": DAY, "sector": sector, "delta_usd": change})
    assert hand_made.column("tonight", "sector") == ["L1", "DEFI", "CASH"]
    assert hand_made.column("tonight", "sector", date=str(ago(1))) == ["L2"]


def test_the_sector_that_is_nearest_to_another_state_is_first_with_all_its_moves(hand_made):
    near = [_flip("NEUTRAL", 0.2, _move("momentum_14d_frac", 0.2, 0.0)), _flip("UNSTABLE", 0.1)]
    both = [_flip("UNSTABLE", 1.5, _move("b", 1, 2), _move("a", 3, 4))]
    for sector, flips in (("L1", both), ("DEFI", near), ("L2", [])):
        hand_made.fill(
            "portfolio.sector_signals",
            {"as_of_date": DAY, "sector": sector, "distance_to_flip": json.dumps(flips), "latched_state": "NEUTRAL"},
        )
    assert hand_made.column("closest_to_flipping", "sector", "next_state", "metric", "value", "target") == [
        ("DEFI", "NEUTRAL", "momentum_14d_frac", 0.2, 0.0), ("L1", "UNSTABLE", "a", 3.0, 4.0),
        ("L1", "UNSTABLE", "b", 1.0, 2.0), ("L2", None, None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "flips", "expected"),
    [
        (
            "NEUTRAL",
            [
                _flip("ACCUMULATION", 0.1, _move("volume_ratio_7d_28d", 1.2, 1.25)),
                _flip("LOSING_MOMENTUM", 0.8, _move("open_interest_change_7d_frac", -0.01, -0.05)),
            ],
            ("this would cut it", "LOSING_MOMENTUM", -0.04),  # -0.05 - (-0.01)
        ),
        (
            "NEUTRAL",
            [_flip("UNSTABLE", 0.9, _move("a", 1, 2)), _flip("OVERLEVERAGED", 0.2, _move("b", 2.0, 3.5))],
            ("this would cut it", "OVERLEVERAGED", 1.5),  # the nearest is first
        ),
        ("NEUTRAL", [_flip("ACCUMULATION", 0.1, _move("a", 1, 2))], ("no cut among the nearest changes", None, None)),
        ("UNSTABLE", [_flip("NEUTRAL", 0.1, _move("a", 1, 2))], ("cut already", None, None)),
        ("STALE", [], ("no cut among the nearest changes", None, None)),
    ],
)
def test_the_distance_from_a_cut_is_that_of_the_changes_that_cut(hand_made, state, flips, expected):
    signal = {"as_of_date": DAY, "distance_to_flip": json.dumps(flips), "latched_state": state, "sector": "DEFI"}
    hand_made.fill("portfolio.sector_signals", signal, signal | {"sector": "L1"})
    hand_made.fill("portfolio.sector_signals", signal | {"as_of_date": ago(1), "latched_state": "CAPITULATION"})
    rows = hand_made.ask("distance_from_cut")
    assert {(row["sector"], row["state"]) for row in rows} == {("DEFI", state)}
    row = rows[0]
    answer, becomes, gap = expected
    assert (row["answer"], row["becomes"]) == (answer, becomes)
    assert row["gap"] == (gap if gap is None else pytest.approx(gap))


def test_conditions_stand_in_the_order_of_the_rules_and_only_those_that_apply(hand_made):
    def entry(predicate: str, value: object, slack: float | None, applies: bool = True) -> dict:
        return {"predicate": predicate, "value": value, "threshold": 3.0, "slack": slack, "satisfied": False,
                "applies": applies, "state": "OVERLEVERAGED"}  # fmt: skip

    trace = [
        entry("is_fresh", True, None),
        entry("over.f", 4.5, 1.5),
        entry("a", 1.0, 0.0, False),
        entry("b", None, None),
    ]
    for day, sector, said in ((DAY, "DEFI", trace), (DAY, "L1", [trace[1]]), (ago(1), "DEFI", [trace[1]])):
        hand_made.fill(
            "portfolio.sector_signals", {"as_of_date": day, "sector": sector, "rule_trace": json.dumps(said)}
        )
    assert hand_made.column("conditions", "predicate", "value", "slack") == [
        ("is_fresh", None, None), ("over.f", 4.5, 1.5), ("b", None, None),
    ]  # fmt: skip


def test_turnover_counts_what_was_sold_and_bought_a_year_without_the_first_allocation(hand_made):
    rows = (
        (date(2025, 12, 30), "HOLD", 0.30, 24_000.0, ["INCEPTION"]),
        (date(2025, 12, 31), "REDUCE", -0.10, -8_000.0, []),
        (date(2026, 1, 1), "REDUCE", 0.0, 0.0, ["COOLDOWN"]),  # asked for, not done: no cut
        (date(2026, 1, 2), "TRIM", -0.05, -4_000.0, []),
        (date(2026, 1, 3), "INCREASE", 0.20, 16_000.0, []),
        (date(2026, 1, 4), "INCREASE", 0.0, 0.0, ["NO_PROCEEDS"]),
        (date(2026, 1, 5), "HOLD", 0.025, 2_000.0, ["RECENTRE"]),
        (date(2026, 1, 6), "REDUCE", -0.0625, -5_000.0, []),
    )
    for day, action, weight, usd, codes in rows:
        hand_made.fill(
            "portfolio.target_allocations",
            {
                "as_of_date": day, "sector": "L1", "action": action, "delta_weight_frac": weight, "delta_usd": usd,
                "reason_codes": codes,
            },
        )  # fmt: skip
    assert hand_made.column(
        "turnover_and_cuts", "year", "nights", "cuts", "raises", "sold_frac", "bought_frac", "sold_usd", "bought_usd"
    ) == [(2025, 1, 1, 0, 0.10, 0, 8_000.0, 0), (2026, 6, 2, 1, 0.1125, 0.225, 9_000.0, 18_000.0)]


def test_what_followed_a_state_is_counted_where_the_return_is_known(hand_made):
    # 100, 90, 99, 99: after two days -1% and +10%; the newest two days have no day after them yet
    for days, price, state in ((3, 100.0, "A"), (2, 90.0, "A"), (1, 99.0, "B"), (0, 99.0, "A")):
        hand_made.fill("portfolio.sector_signals", {"as_of_date": ago(days), "sector": "L1", "state": state})
        hand_made.fill(
            "marts.sector_open_interest_daily", {"date": ago(days), "sector": "L1", "spot_price_index": price}
        )
    a, b = hand_made.ask("what_followed_each_state", days="2", fall="0.01")
    assert (a["state"], a["n"], a["episodes"], a["n_known"], a["falls"], a["falls_frac"]) == ("A", 3, 2, 2, 1, 0.5)
    assert a["median_return_frac"] == pytest.approx(0.045) and a["worst_return_frac"] == pytest.approx(-0.01)
    assert (b["state"], b["n"], b["n_known"], b["falls_frac"], b["median_return_frac"]) == ("B", 1, 0, None, None)


def test_what_changed_is_what_is_said_otherwise_than_on_the_night_decided_before(hand_made):
    # two nights apart: the day between was not decided; what an earlier night said does not matter
    hand_made.fill("portfolio.target_allocations", {"as_of_date": ago(5), "sector": "L1", "target_weight_frac": 0.9})
    for day, state, weight, status in ((ago(2), "NEUTRAL", 0.1, "open"), (DAY, "UNSTABLE", 0.1, "close")):
        hand_made.fill(
            "portfolio.sector_signals", {"as_of_date": day, "sector": "L1", "state": state, "action": "HOLD"}
        )
        hand_made.fill(
            "portfolio.target_allocations",
            {"as_of_date": day, "sector": "L1", "target_weight_frac": weight},
            {"as_of_date": day, "sector": "CASH", "target_weight_frac": weight if day == DAY else 0.125},
        )
        hand_made.fill("portfolio.hedges", {"as_of_date": day, "hedge_id": "h", "asset": "BTC", "status": status})
    hand_made.fill("portfolio.hedges", {"as_of_date": DAY, "hedge_id": "i", "asset": "ETH", "status": "hold"})
    assert hand_made.column("changed_since_yesterday", "subject", "what", "before", "after") == [
        ("BTC", "hedge", "open", "close"), ("L1", "state", "NEUTRAL", "UNSTABLE"),
        ("CASH", "target weight", "12.50%", "10.00%"),
    ]  # fmt: skip


def test_halted_nights_are_told_with_what_was_frozen_by_the_newest_decision(hand_made):
    early, late = datetime(2026, 11, 21, 0, 15), datetime(2026, 11, 21, 9)
    hand_made.fill(
        "portfolio.decisions",
        {"as_of_date": ago(1), "status": "halted", "reason": "DATA_HALT", "decided_at": early, "decision_id": "a"},
        {"as_of_date": DAY, "status": "halted", "reason": "DATA_HALT", "decided_at": early, "decision_id": "b"},
        {"as_of_date": DAY, "status": "decided", "decided_at": late, "decision_id": "c"},  # decided again, with data
        {"as_of_date": ago(2), "status": "no_trade", "reason": "NOT_A_DECISION_DAY", "decision_id": "d"},
    )
    for sector, action in (("L2", "FREEZE"), ("DEFI", "FREEZE"), ("L1", "HOLD")):
        hand_made.fill("portfolio.sector_signals", {"as_of_date": ago(1), "sector": sector, "action": action})
    assert hand_made.column("halted_decisions", "as_of_date", "reason", "frozen_sectors") == [
        (ago(1), "DATA_HALT", ["DEFI", "L2"]),
        (ago(2), "NOT_A_DECISION_DAY", []),
    ]


def test_open_hedges_are_those_of_the_newest_night_even_if_there_are_none(hand_made):
    hedge = {"hedge_id": "h", "asset": "BTC", "opened_date": ago(9), "offset_frac": 0.1}
    hand_made.fill("portfolio.hedges", hedge | {"as_of_date": ago(1), "status": "hold"})
    larger = {"hedge_id": "i", "asset": "ETH", "as_of_date": ago(1), "status": "open", "opened_date": ago(1)}
    hand_made.fill("portfolio.hedges", larger | {"notional_usd": 9.0, "offset_frac": 0.2})
    hand_made.fill("portfolio.hedges", hedge | {"as_of_date": DAY, "status": "close"})
    hand_made.fill("portfolio.target_allocations", {"as_of_date": ago(1)}, {"as_of_date": DAY})
    hand_made.fill("marts.asset_futures_daily", {"date": ago(1), "asset": "BTC", "funding_3d_bps": 4.0})
    assert hand_made.ask("open_hedges") == []
    columns = ("hedge_id", "days_open", "offset_frac", "funding_3d_bps")
    assert hand_made.column("open_hedges", *columns, date=str(ago(1))) == [
        ("i", 0, 0.2, None), ("h", 8, 0.1, 4.0),
    ]  # fmt: skip


def _scenario(hedge_id: str, day: date, shock: float, net: float, path: str = "persist") -> dict:
    spot = 20_000 * shock
    return {
        "as_of_date": day, "hedge_id": hedge_id, "shock_frac": shock, "horizon_days": 7, "funding_path": path,
        "spot_pnl_usd": spot, "net_pnl_usd": net, "offset_frac": abs((net - spot) / spot),
    }  # fmt: skip


def test_the_scenarios_are_those_of_the_latest_hedge_and_not_of_the_whole_plan(hand_made):
    hand_made.fill(
        "portfolio.hedge_scenarios",
        _scenario("old", ago(1), -0.1, -1_800.0),
        _scenario("new", ago(3), -0.1, -1_700.0),
        _scenario("new", DAY, 0.1, 1_800.0),
        _scenario("new", DAY, -0.1, -1_800.0),
        _scenario("new", DAY, -0.1, -1_790.0, "flip"),
        _scenario("PLAN", DAY, -0.1, -1_000.0),
    )
    columns = ("hedge_id", "shock_frac", "net_pnl_usd")
    assert hand_made.column("hedge_scenarios", *columns) == [("new", -0.1, -1_800.0), ("new", 0.1, 1_800.0)]
    assert hand_made.column("hedge_scenarios", *columns, path="flip") == [("new", -0.1, -1_790.0)]
    assert hand_made.column("hedge_scenarios", *columns, hedge_id="old") == [("old", -0.1, -1_800.0)]
    assert hand_made.column("hedge_scenarios", *columns, hedge_id="PLAN") == [("PLAN", -0.1, -1_000.0)]


def test_the_honest_offset_is_what_the_hedge_adds_to_spot_in_fall_and_rise(hand_made):
    # spot -2,000 and net -1,783: the hedge gives 217 back, 10.85%; spot +2,000 and net 1,819: it takes 181, 9.05%
    hand_made.fill("portfolio.hedges", {"as_of_date": DAY, "hedge_id": "h", "asset": "BTC", "status": "open"})
    hand_made.fill(
        "portfolio.hedge_scenarios",
        _scenario("h", DAY, -0.1, -1_783.0),
        _scenario("h", DAY, 0.1, 1_819.0),
        _scenario("h", DAY, -0.1, -1_000.0) | {"horizon_days": 30},
        _scenario("h", DAY, -0.1, -1_000.0, "flip"),
        _scenario("h", DAY, 0.1, 1_000.0, "linear"),
        _scenario("h", DAY, -0.2, -1_000.0),
        _scenario("h", ago(1), -0.1, -1_000.0),
        _scenario("i", DAY, -0.1, -1_000.0),
    )
    (row,) = hand_made.ask("hedge_honesty")
    assert (row["given_back_usd"], row["taken_usd"]) == (217.0, 181.0)
    assert (row["given_back_frac"], row["taken_frac"]) == (pytest.approx(0.1085), pytest.approx(0.0905))


def _prices(hand_made, prices: list[float], funding_bps: float | None = 1.0) -> None:
    for days, price in enumerate(reversed(prices)):
        hand_made.fill(
            "marts.asset_futures_daily",
            {"date": ago(days), "asset": "BTC", "spot_close_usd": price, "funding_8h_bps": funding_bps},
        )


def test_what_the_hedge_would_have_given_back_in_a_fall_is_reckoned_with_funding_and_costs(hand_made):
    _prices(hand_made, [100.0, 100.0, 90.0, 90.0])
    hand_made.fill("portfolio.hedges", {"as_of_date": ago(3), "asset": "BTC", "status": "hold"})
    # Windows of two days end on 90 (-10%) twice: the first of equal ones is taken. Short 10% of 20,000 = 2,000:
    # price +200; funding 2 days * 3 * 1 bp on the mean of 2,000 and 1,800: 1.14; costs 2 * 2,000 * 7 bp = 2.80
    (row,) = hand_made.ask("hedge_in_past_falls", days="2")
    assert (row["from_date"], row["to_date"], row["was_open"]) == (ago(3), ago(1), True)
    assert row["return_frac"] == pytest.approx(-0.1) and row["spot_pnl_usd"] == pytest.approx(-2_000)
    assert row["hedge_price_pnl_usd"] == pytest.approx(200) and row["funding_pnl_usd"] == pytest.approx(1.14)
    assert row["cost_usd"] == pytest.approx(2.8) and row["given_back_usd"] == pytest.approx(198.34)
    assert row["offset_frac"] == pytest.approx(198.34 / 2_000)


def test_past_falls_do_not_overlap_and_the_newest_come_first(hand_made):
    # one-day falls: -10%, -10% (next to each other, both counted), -2% (too small), -20%
    _prices(hand_made, [100.0, 90.0, 81.0, 79.38, 63.504], funding_bps=None)
    falls = hand_made.ask("hedge_in_past_falls", days="1")
    assert [(fall["to_date"], round(fall["return_frac"], 9)) for fall in falls] == [
        (DAY, -0.2), (ago(2), -0.1), (ago(3), -0.1),
    ]  # fmt: skip
    assert [fall["given_back_usd"] for fall in falls] == [None] * 3  # a day's funding is unknown
    assert hand_made.column("hedge_in_past_falls", "to_date", days="1", falls="1") == [DAY]
    # two days: 81 -> 63.504 (-21.6%) shuts out 90 -> 79.38 (-11.8%), which overlaps with it; 100 -> 81 (-19%) stands
    assert hand_made.column("hedge_in_past_falls", "to_date", days="2") == [DAY, ago(2)]
    assert hand_made.column("hedge_in_past_falls", "to_date", days="1", fall="0.15") == [DAY]


def test_weights_stand_beside_the_strategic_ones(hand_made):
    hand_made.fill("marts.sector_weights", {"sector": "L1", "strategic_weight_frac": 0.4})
    for days, weight in ((2, 0.4), (1, 0.6), (0, 0.3)):
        hand_made.fill(
            "portfolio.target_allocations", {"as_of_date": ago(days), "sector": "L1", "target_weight_frac": weight}
        )
    hand_made.fill("portfolio.target_allocations", {"as_of_date": DAY, "sector": "CASH", "target_weight_frac": 0.1})
    rows = hand_made.ask("weights_over_time", days="2")
    assert [(row["sector"], row["as_of_date"]) for row in rows] == [("CASH", DAY), ("L1", ago(1)), ("L1", DAY)]
    assert rows[0]["tilt_frac"] is None
    assert [row["tilt_frac"] for row in rows[1:]] == pytest.approx([0.5, -0.25])  # 0.6 / 0.4 - 1, 0.3 / 0.4 - 1


def test_spreads_say_which_reference_leads_and_which_purchase_was_stopped(hand_made):
    signal = {"as_of_date": DAY, "reason_codes": [], "action": "HOLD"}
    hand_made.fill(
        "portfolio.sector_signals",
        signal | {"sector": "L2", "spread_z": '{"STORE_OF_VALUE": 9.0}', "as_of_date": ago(1)},
        signal | {"sector": "L1", "spread_z": '{"STORE_OF_VALUE": 0.5}'},
        signal | {"sector": "DEFI", "spread_z": '{"STORE_OF_VALUE": 1.6, "L1": null}', "reason_codes": ["SPREAD_VETO"]},
    )
    hand_made.fill(
        "marts.sector_spreads_daily",
        {"date": DAY, "sector": "DEFI", "reference_sector": "STORE_OF_VALUE", "spread_change_14d_log": 0.07},
    )
    columns = ("sector", "reference_sector", "spread_z", "spread_change_14d_log", "is_vetoed")
    assert hand_made.column("spreads_and_vetoes", *columns) == [
        ("DEFI", "STORE_OF_VALUE", 1.6, 0.07, True), ("L1", "STORE_OF_VALUE", 0.5, None, False),
        ("DEFI", "L1", None, None, True),
    ]  # fmt: skip


def test_days_in_a_state_are_counted_since_its_last_beginning(hand_made):
    states = {"L1": "CABAA", "DEFI": "BBBB"}
    for sector, letters in states.items():
        for days, state in enumerate(reversed(letters)):
            hand_made.fill("portfolio.sector_signals", {"as_of_date": ago(days), "sector": sector, "state": state})
    assert hand_made.column("days_in_state", "sector", "state", "since_date", "days", "state_before") == [
        ("L1", "A", ago(1), 2, "B"), ("DEFI", "B", ago(3), 4, None),
    ]  # fmt: skip
