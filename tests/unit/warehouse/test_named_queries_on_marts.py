"""The questions about markets and data, answered right on a few rows that can be reckoned by hand."""

from datetime import date, datetime, timedelta

import pytest

DAY = date(2026, 11, 20)


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def at(day: date, hour: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour)


def test_the_sector_furthest_above_the_market_is_first_and_unknown_is_last(hand_made):
    hand_made.fill(
        "marts.sector_funding_daily",
        {"sector": "L1", "market_excess_bps": -0.5},
        {"sector": "DEFI", "market_excess_bps": 2.5},
        {"sector": "MEMES", "market_excess_bps": None},
        {"sector": "L2", "market_excess_bps": 9.0, "date": ago(1)},  # yesterday's
        date=DAY,
    )
    assert hand_made.column("funding_above_market", "sector", "market_excess_bps") == [
        ("DEFI", 2.5), ("L1", -0.5), ("MEMES", None),
    ]  # fmt: skip
    assert hand_made.column("funding_above_market", "sector", date=str(ago(1))) == ["L2"]


def test_the_range_of_funding_is_of_the_days_before_and_not_of_the_day(hand_made):
    # 1, 2, 3 and then 10: the range before the 10 is 1 to 3 with the median 2
    for days, funding in ((3, 1.0), (2, 2.0), (1, 3.0), (0, 10.0)):
        hand_made.fill("marts.sector_funding_daily", {"date": ago(days), "sector": "DEFI", "funding_3d_bps": funding})
    hand_made.fill("marts.sector_funding_daily", {"date": DAY, "sector": "L1", "funding_3d_bps": 99.0})
    rows = hand_made.ask("funding_history", days="2")
    assert [(row["date"], row["range_position"]) for row in rows] == [(ago(1), "above"), (DAY, "above")]
    last = rows[-1]
    assert (last["low_90d_bps"], last["median_90d_bps"], last["high_90d_bps"], last["known_90d"]) == (1, 2, 3, 3)
    assert hand_made.column("funding_history", "range_position")[0] is None  # nothing before the first day


def test_the_range_of_funding_reaches_ninety_days_back_and_no_further(hand_made):
    hand_made.fill("marts.sector_funding_daily", {"date": ago(91), "sector": "DEFI", "funding_3d_bps": 50.0})
    for days in range(90, -1, -1):
        hand_made.fill("marts.sector_funding_daily", {"date": ago(days), "sector": "DEFI", "funding_3d_bps": 5.0})
    last = hand_made.ask("funding_history", days="1")[0]
    assert (last["high_90d_bps"], last["known_90d"], last["range_position"]) == (5, 90, "inside")


def test_leaders_stand_in_order_with_their_weights_and_their_own_open_interest(hand_made):
    led = {"date": DAY, "sector": "L1", "leaders": ["ETH", "SOL"], "leader_weights": [0.6, 0.4]}
    hand_made.fill("marts.sector_funding_daily", led, {"date": DAY, "sector": "DEFI"}, led | {"date": ago(1)})
    hand_made.fill("marts.asset_futures_daily", {"date": DAY, "asset": "SOL", "open_interest_usd": 7.0, "exchanges": 2})
    assert hand_made.column("leaders", "place", "asset", "weight_frac", "open_interest_usd", "exchanges") == [
        (1, "ETH", 0.6, None, None), (2, "SOL", 0.4, 7.0, 2),
    ]  # fmt: skip


def _perpetuals(hand_made) -> None:
    perpetual = {"market_type": "perpetual", "base": "BTC", "contract_multiplier": 1.0, "ingested_at": at(ago(9))}
    for exchange in ("a", "b", "c"):
        hand_made.fill("raw.instruments", perpetual | {"exchange": exchange, "symbol": "BTC"})
    pepe = {"symbol": "PEPE", "contract_multiplier": 1000.0, "ingested_at": at(ago(9)), "market_type": "perpetual"}
    for exchange, base in (("a", "1000PEPE"), ("b", "kPEPE"), ("c", "PEPE1000")):
        hand_made.fill("raw.instruments", pepe | {"exchange": exchange, "base": base})


def test_the_exchange_that_disagrees_on_funding_is_first_whatever_its_interval(hand_made):
    _perpetuals(hand_made)
    settled = {"symbol": "BTC", "ingested_at": at(DAY), "settled_at": at(DAY), "interval_hours": 8.0}
    # per 8 hours: a 1 bp (mean of 0.5 and 1.5), b 4 bp (2 bp per 4 hours), c 1 bp: the median is 1, b is 3 above it
    hand_made.fill(
        "raw.funding_rates",
        {"exchange": "a", "funding_rate": 50e-4, "settled_at": at(ago(3))},  # three days ago: just too old
        {"exchange": "a", "funding_rate": 0.5e-4, "settled_at": at(ago(1), 16)},
        {"exchange": "a", "funding_rate": 1.5e-4},
        {"exchange": "b", "funding_rate": 2e-4, "interval_hours": 4.0},
        {"exchange": "c", "funding_rate": 1e-4},
        **settled,
    )
    hand_made.fill("marts.asset_futures_daily", {"date": DAY, "asset": "BTC"})
    rows = hand_made.ask("funding_by_exchange", asset="BTC")
    assert [row["exchange"] for row in rows] == ["b", "a", "c"]
    assert rows[0]["difference_bps"] == pytest.approx(3.0) and rows[0]["median_8h_bps"] == pytest.approx(1.0)


def test_funding_by_exchange_takes_the_newest_revision_and_the_hours_since_the_settlement_before(hand_made):
    _perpetuals(hand_made)
    silent = {"exchange": "a", "symbol": "PEPE", "interval_hours": None, "ingested_at": at(DAY)}
    spoken = {"exchange": "b", "symbol": "PEPE", "interval_hours": 8.0, "settled_at": at(DAY)}
    # a says no interval: 4 hours lie between its settlements, so 1 bp is 2 bp per 8 hours; b corrected 9 bp to 2 bp
    hand_made.fill(
        "raw.funding_rates",
        silent | {"settled_at": at(ago(1), 20), "funding_rate": 5e-4},
        silent | {"settled_at": at(DAY), "funding_rate": 1e-4},
        spoken | {"funding_rate": 9e-4, "ingested_at": at(DAY)},
        spoken | {"funding_rate": 2e-4, "ingested_at": at(DAY, 1)},
    )
    rows = hand_made.ask("funding_by_exchange")
    assert {row["asset"] for row in rows} == {"PEPE"} and [row["settlements"] for row in rows] == [1, 1]
    assert [row["funding_8h_bps"] for row in rows] == pytest.approx([2.0, 2.0])


def test_the_carry_of_a_short_is_the_mean_funding_of_the_known_days(hand_made):
    # BTC: 0.10 and -0.02: mean 0.04 over 2 known days, 1 paid; ETH is known only before the two days asked for
    for days, annualised in ((2, 0.9), (1, 0.10), (0, -0.02)):
        hand_made.fill(
            "marts.asset_futures_daily", {"date": ago(days), "asset": "BTC", "funding_annualised": annualised}
        )
    for days, annualised in ((2, 0.5), (1, None), (0, None)):
        hand_made.fill(
            "marts.asset_futures_daily", {"date": ago(days), "asset": "ETH", "funding_annualised": annualised}
        )
    (row,) = hand_made.ask("short_carry", days="2")
    assert row["carry_annualised"] == pytest.approx(0.04) and row["carry_1d_annualised"] == pytest.approx(-0.02)
    assert (row["asset"], row["known_days"], row["days_paid"]) == ("BTC", 2, 1)


def _grown(hand_made) -> None:
    # open interest 100 -> 120 coins (+20%) with the price 10 -> 10.2 (+2%); the other grows as much with +5%
    coins = (("UNI", 100.0, 120.0, 10.2), ("SOL", 100.0, 120.0, 10.5), ("ETH", 1000.0, 900.0, 10.0))
    for asset, before, after, price in coins:
        hand_made.fill(
            "marts.asset_futures_daily",
            {"date": ago(7), "asset": asset, "open_interest_base": before, "perp_close_usd": 10.0, "exchanges": 1},
            {
                "date": DAY, "asset": asset, "open_interest_base": after, "perp_close_usd": price, "exchanges": 2,
                "open_interest_usd": after * price,
            },
        )  # fmt: skip


def test_open_interest_that_grows_with_the_price_is_not_growth_without_price(hand_made):
    _grown(hand_made)
    (row,) = hand_made.ask("open_interest_without_price")
    assert (row["asset"], row["exchanges"], row["exchanges_before"]) == ("UNI", 2, 1)
    assert row["open_interest_change_frac"] == pytest.approx(0.2)
    assert row["price_change_frac"] == pytest.approx(0.02)
    assert hand_made.column("open_interest_without_price", "asset", move="0.06") == ["SOL", "UNI"]
    assert hand_made.ask("open_interest_without_price", growth="0.3") == []


def test_the_largest_move_of_open_interest_is_in_dollars_at_todays_price(hand_made):
    _grown(hand_made)
    # ETH -100 coins at 10 = -1,000; SOL +20 at 10.5 = 210; UNI +20 at 10.2 = 204
    rows = hand_made.ask("open_interest_movers", top="2")
    assert [row["asset"] for row in rows] == ["ETH", "SOL"]
    assert [row["moved_usd"] for row in rows] == pytest.approx([-1000.0, 210.0])
    assert [row["open_interest_change_frac"] for row in rows] == pytest.approx([-0.1, 0.2])
    assert [row["price_change_frac"] for row in rows] == pytest.approx([0.0, 0.05])


def test_the_basis_curve_has_front_and_far_contract_of_the_newest_day(hand_made):
    pair = {
        "exchange": "x", "asset": "BTC", "front_symbol": "F", "far_symbol": "G", "front_days": 30.0, "far_days": 120.0,
        "front_basis_annualised": 0.73, "far_basis_annualised": 0.21, "is_front_rich": True, "shape": "CONTANGO",
    }  # fmt: skip
    single = pair | {"asset": "ETH", "far_symbol": None, "far_days": None, "far_basis_annualised": None}
    hand_made.fill(
        "marts.calendar_spreads_daily", pair | {"date": ago(1)}, pair | {"date": DAY}, single | {"date": DAY}
    )
    assert hand_made.column("basis_curve", "asset", "contract", "symbol", "basis_annualised") == [
        ("BTC", "front", "F", 0.73), ("BTC", "far", "G", 0.21), ("ETH", "front", "F", 0.73),
    ]  # fmt: skip


def test_crowded_coins_begin_with_the_highest_percentile(hand_made):
    hand_made.fill(
        "marts.asset_futures_daily",
        {"asset": "BTC", "funding_pctl_90d": 0.9, "funding_3d_bps": 9.0},
        {"asset": "UNI", "funding_pctl_90d": 1.0, "funding_3d_bps": 2.0},
        {"asset": "CRV", "funding_pctl_90d": 1.0, "funding_3d_bps": 5.0},
        {"asset": "NEW", "funding_3d_bps": 50.0},  # too young for a percentile
        {"asset": "OLD", "funding_pctl_90d": 1.0, "funding_3d_bps": 90.0, "date": ago(1)},  # yesterday's
        date=DAY,
    )
    assert hand_made.column("crowded_coins", "asset") == ["CRV", "UNI", "BTC"]
    assert hand_made.column("crowded_coins", "asset", top="1") == ["CRV"]


def test_leverage_by_sector_brings_funding_and_open_interest_of_a_day_together(hand_made):
    for days in (30, 29, 0):
        key = {"date": ago(days), "sector": "DEFI"}
        hand_made.fill("marts.sector_funding_daily", key | {"funding_3d_bps": float(days)})
        hand_made.fill("marts.sector_open_interest_daily", key | {"open_interest_change_7d_frac": days / 100})
    columns = ("date", "funding_3d_bps", "open_interest_change_7d_frac")
    assert hand_made.column("leverage_by_sector", *columns) == [(DAY, 0.0, 0.0), (ago(29), 29.0, 0.29)]


def test_data_gaps_are_the_days_that_are_not_complete_or_where_an_exchange_was_left_out(hand_made):
    hand_made.fill(
        "marts.data_health_daily",
        {"date": DAY, "sector": "L1", "reason": "complete"},
        {"date": DAY, "sector": "DEFI", "reason": "complete", "exchanges_left_out": ["mexc: row too old (UNI)"]},
        {"date": ago(1), "sector": "L2", "reason": "stale: no funding"},
        {"date": ago(30), "sector": "L2", "reason": "stale: no funding"},
    )
    assert hand_made.column("data_gaps", "date", "sector") == [(DAY, "DEFI"), (ago(1), "L2")]
    assert hand_made.column("data_gaps", "date", days="31") == [DAY, ago(1), ago(30)]


def test_what_was_left_out_is_counted_in_days_over_sectors(hand_made):
    too_old, jump = "mexc: newest row too old (UNI, ETH)", "bybit: price departs (SOL)"
    hand_made.fill(
        "marts.data_health_daily",
        {"date": DAY, "sector": "DEFI", "exchanges_left_out": [too_old]},
        {"date": DAY, "sector": "L1", "exchanges_left_out": [too_old, jump]},
        {"date": ago(1), "sector": "DEFI", "exchanges_left_out": [too_old]},
        {"date": ago(1), "sector": "L1"},
        {"date": ago(30), "sector": "L1", "exchanges_left_out": [jump]},  # the day before the thirty
    )
    assert hand_made.column("left_out", "exchange", "finding", "sectors", "days", "first_date") == [
        ("mexc", "newest row too old (UNI, ETH)", ["DEFI", "L1"], 2, ago(1)),
        ("bybit", "price departs (SOL)", ["L1"], 1, DAY),
    ]


def test_the_kind_of_data_that_is_furthest_behind_is_first(hand_made):
    hand_made.fill("quality.release_info", {"as_of_date": DAY})  # the day ends on the 21st at 00:00
    loaded = {"exchange": "binance", "started_at": at(DAY, 1), "status": "ok"}
    hand_made.fill(
        "raw.load_batches",
        loaded | {"dataset": "funding_rates", "symbol": "BTC", "covered_until_at": at(DAY, 16)},  # 8 hours behind
        loaded | {"dataset": "funding_rates", "symbol": "OLD", "covered_until_at": at(ago(2))},  # 72 hours
        loaded | {"dataset": "open_interest", "symbol": "BTC", "covered_until_at": at(ago(1))},  # 48 hours
        loaded | {"dataset": "open_interest", "symbol": "BTC", "started_at": at(DAY, 2), "status": "failed"},
        loaded | {"dataset": "open_interest", "symbol": "NONE", "status": "absent"},
    )
    columns = ("dataset", "series", "stale_series", "hours_behind", "oldest_symbol", "failed_series")
    assert hand_made.column("stale_kinds", *columns) == [
        ("open_interest", 1, 1, 48.0, "BTC", 1), ("funding_rates", 2, 1, 8.0, "OLD", 0),
    ]  # fmt: skip
    assert hand_made.column("stale_kinds", "stale_series", hours="7") == [1, 2]


def test_quarantine_is_counted_by_rule_with_the_newest_example(hand_made):
    row = {"exchange": "mexc", "dataset": "funding_rates", "rule": "rate_is_possible"}
    hand_made.fill(
        "raw.quarantine",
        row | {"symbol": "A", "quarantined_at": at(ago(1)), "row_json": "1"},
        row | {"symbol": "B", "quarantined_at": at(DAY), "row_json": "2"},
        row | {"symbol": "C", "rule": "is_closed", "quarantined_at": at(DAY), "row_json": "3"},
    )
    columns = ("rule", "quarantined_rows", "symbols", "example_symbol", "example_row")
    assert hand_made.column("quarantine_by_rule", *columns) == [
        ("rate_is_possible", 2, 2, "B", "2"), ("is_closed", 1, 1, "C", "3"),
    ]  # fmt: skip
    assert hand_made.column("quarantine_by_rule", "last_quarantined_at") == [at(DAY), at(DAY)]


def test_gate_failures_are_of_the_last_runs_and_what_blocks_is_first(hand_made):
    failed = {"passed": False, "is_blocking": False}
    hand_made.fill(
        "quality.check_results",
        failed | {"run_id": "old", "check_name": "x", "checked_at": at(ago(2))},
        failed | {"run_id": "new", "check_name": "warns", "checked_at": at(DAY)},
        failed | {"run_id": "new", "check_name": "blocks", "checked_at": at(DAY), "is_blocking": True},
        {"run_id": "new", "check_name": "fine", "checked_at": at(DAY), "passed": True},
    )
    assert hand_made.column("gate_failures", "check_name", runs="1") == ["blocks", "warns"]
    assert hand_made.column("gate_failures", "check_name") == ["blocks", "warns", "x"]


def test_releases_say_which_one_answers_and_where_the_policy_changed(hand_made):
    for number, policy in ((1, "p"), (2, "p"), (3, "q")):
        hand_made.fill("quality.release_log", {"release_id": f"00000{number}", "policy_hash": policy})
    hand_made.fill("quality.release_info", {"release_id": "000002"})
    assert hand_made.column("releases", "release_id", "is_policy_changed", "is_this_one") == [
        ("000003", True, False), ("000002", False, True), ("000001", None, False),
    ]  # fmt: skip
