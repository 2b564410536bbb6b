"""The page: every section, nothing that could run or be fetched, and honest labels."""

import re
from dataclasses import replace
from datetime import datetime

import pytest

from pipelines.policy import Policy
from pipelines.report.data import CHART_DAYS
from pipelines.report.index import render_index
from pipelines.report.nights import Nights
from pipelines.report.page import render_night

POLICY = Policy()
HOSTILE = "<script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)>"
ORDER = {
    "trade_id": "t1", "exchange": "binance", "symbol": "UNI/USDT", "side": "sell", "sector": "DEFI", "asset": "UNI",
    "quantity_base": 12.5, "price_usd": 8.0, "notional_usd": 100.0, "fee_usd": 0.1, "slippage_usd": 0.05,
    "reason_codes": [], "decision_id": "d",
}  # fmt: skip
FIGURES = ("weights", "scenario-0", "funding", "open-interest", "momentum", "spreads", "matrix", "curve")


@pytest.fixture
def page(night, take_apart):
    return take_apart(render_night(night, POLICY))


def test_every_section_and_figure_is_there(page):
    sections = ("tonight", "weights-table", "hedges", "sectors", "market", "data", "words")
    assert [name for name in (*sections, *FIGURES) if name not in page.ids] == []
    assert len(page.ids) == len(set(page.ids))
    assert page.count("article") == 3 + 3  # a sale, a purchase and a hedge; three sectors


def test_every_figure_has_its_numbers_as_a_table(page):
    for name in FIGURES:
        assert f"{name}-title" in page.ids or f"{name}-0-title" in page.ids or f"{name}-wide-title" in page.ids
    assert page.count("figure") == page.count("details") - 3 == len(FIGURES)


def test_every_drawing_has_a_name_and_no_colour_of_its_own(page):
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(a["role"] == "img" and ("aria-labelledby" in a or "aria-label" in a) for a in drawings)
    painted = {
        a[key]
        for tag, a in page.tags
        if tag in ("path", "rect", "line", "text")
        for key in ("fill", "stroke")
        if key in a
    }
    assert {
        colour for colour in painted if not re.fullmatch(r"var\(--[\w-]+\)|currentColor|none|transparent", colour)
    } == set()


@pytest.mark.parametrize(
    ("source", "label"), [("simulated", "SIMULATED MARKET"), ("recorded", "RECORDED MARKET"), ("live", None)]
)
def test_what_the_market_is_made_from_is_said_first(changed, night, take_apart, source, label):
    text = take_apart(render_night(changed(info=night.info | {"source": source}), POLICY)).text
    assert ("MARKET." in text) == (label is not None)
    if label:
        assert text.index(label) < text.index("Tonight")


def test_the_disclaimer_stands_above_the_decision_and_at_the_end(page):
    assert page.text.count("Not investment advice") == 2
    assert page.text.index("Not investment advice") < page.text.index("Sell DEFI")


def test_nothing_on_the_page_can_run_or_be_fetched(night):
    html = render_night(night, POLICY)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    assert not re.search(r"<script|<img|<iframe|<object|@import|\son\w+=|javascript:", html, re.IGNORECASE)
    outside = set(re.findall(r"https?://[^\s\"'<)]+", html)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()


def test_text_from_outside_is_escaped_wherever_it_stands(changed, night, take_apart):
    def spoil(rows):
        return [
            {key: HOSTILE if isinstance(value, str) and key not in kept else value for key, value in row.items()}
            for row in rows
        ]

    kept = (
        "rule_trace",
        "distance_to_flip",
        "state",
        "latched_state",
        "action",
        "status",
        "sector",
        "side",
        "funding_path",
    )
    spoiled = changed(
        hedges=spoil(night.hedges), scenarios=spoil(night.scenarios), curve=spoil(night.curve),
        loads=spoil(night.loads),
        health=spoil(night.health), failed_checks=spoil(night.failed_checks), signals=spoil(night.signals),
        sector_names=dict.fromkeys(night.sector_names, HOSTILE), decision=night.decision | {"code_version": HOSTILE},
        book={"rebalance_trades": [ORDER | {"symbol": HOSTILE, "reason_codes": [HOSTILE]}]},
    )  # fmt: skip
    html = render_night(spoiled, POLICY)
    page = take_apart(html)
    assert {"script", "img"} & {tag for tag, _ in page.tags} == set()
    assert page.text.count("alert('x')") >= 8


def test_a_hostile_sector_name_is_text_in_charts_and_tables(changed, night, take_apart):
    def rename(rows):
        return [
            row | {key: HOSTILE for key in ("sector", "reference_sector") if row.get(key) == "DEFI"} for row in rows
        ]

    lists = (
        "targets",
        "signals",
        "previous_signals",
        "weights",
        "funding",
        "open_interest",
        "spreads",
        "spread_matrix",
        "health",
    )
    weights = {HOSTILE if name == "DEFI" else name: weight for name, weight in night.strategic_weights.items()}
    spoiled = changed(**{name: rename(getattr(night, name)) for name in lists}, strategic_weights=weights)
    page = take_apart(render_night(spoiled, POLICY))
    assert {"script", "img"} & {tag for tag, _ in page.tags} == set()
    assert page.text.count("alert('x')") > 20


def test_figures_of_a_sector_show_what_would_get_it_cut(page):
    card = page.text[page.text.index("Layer 1 ▲ ACCUMULATION") :]
    assert (
        "OVERLEVERAGED (a cut sells 25.0% of the holding): "
        "if funding, mean of 3 days rises to 3.00 bp/8h (now 1.80 bp/8h)" in card
    )
    assert "Its figures ask for a cut already: they say LOSING_MOMENTUM." in page.text
    # MEMES was cut on 2026-11-10; 28 days later is 2026-12-08
    assert "Last cut: 2026-11-10 (REDUCE). It is not cut again before 2026-12-08" in page.text


def test_the_sectors_are_ranked_by_their_distance_from_a_cut(changed, night, take_apart):
    text = take_apart(render_night(night, POLICY)).text
    table = text[text.index("How far each sector is from a cut") : text.index("Layer 1 ▲")]
    # only L1 is in no state that is cut; MEMES was cut lately
    assert table.index("L1 ") < table.index("DEFI its figures ask for a cut already") < table.index("MEMES its figures")
    assert "MEMES its figures ask for a cut already; last cut 2026-11-10 ▼ UNSTABLE 2026-12-08" in table
    nearest = text[text.index("Nearest to a cut") : text.index("All sectors by distance")]
    # two figures have to move, for OVERLEVERAGED three; a sixth of the 32,000 that L1 will hold
    assert "L1 ▼ UNSTABLE if futures volatility percentile among 90 days rises to 80.0 (now 40.0) and" in nearest
    assert "A cut would sell 16.7%, about $5,333.33." in nearest


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"failed_checks": [], "loads": [], "checks_run": 116}, "complete"),
        ({"loads": [], "checks_run": 116}, "with gaps"),
        ({"failed_checks": [], "checks_run": 116}, "with gaps"),
    ],
)
def test_the_first_screen_says_whether_the_data_has_gaps(changed, night, take_apart, changes, told):
    health = [row | {"exchanges_left_out": None} for row in night.health]
    text = take_apart(render_night(changed(health=health, **changes), POLICY)).text
    assert f"Tonight's data: {told} All 3 sectors were judged. All data is fresh and complete." in text


def test_a_frozen_sector_is_a_gap_and_says_what_it_lacks(changed, night, take_apart):
    signals = [
        row | {"state": "NO_DATA", "action": "FREEZE", "explanation": "L1: NO_DATA. Missing: momentum."}
        if row["sector"] == "L1" else row
        for row in night.signals
    ]  # fmt: skip
    text = take_apart(render_night(changed(signals=signals), POLICY)).text
    assert "Tonight's data: with gaps 2 of 3 sectors were judged. Too little data, so no trade: L1." in text
    assert "L1 NO. Missing: momentum." in text


def test_data_health_names_what_was_left_out(page):
    for text in ("bybit: stale (UNI)", "rows_follow_each_other on raw/funding_rates (warning): two gaps",
                 "2 requests for data failed.",
                 "weex, open_interest: 2 failed (HTTP 500): ADA/USDT:USDT, UNI/USDT:USDT"):  # fmt: skip
        assert text in page.text


def test_a_release_of_an_earlier_version_without_a_column_is_shown_all_the_same(changed, night, take_apart):
    health = [{key: value for key, value in row.items() if key != "exchanges_left_out"} for row in night.health]
    assert "Health of the data" in take_apart(render_night(changed(health=health), POLICY)).text


def test_a_night_of_which_next_to_nothing_is_known_still_has_a_page(changed, night, take_apart):
    empty = {
        name: []
        for name in ("targets", "signals", "hedges", "scenarios", "weights", "funding", "open_interest", "spreads",
                     "spread_matrix", "curve", "health", "failed_checks", "loads", "previous_signals")
    }  # fmt: skip
    text = take_apart(render_night(changed(**empty), POLICY)).text
    assert "No sector has a signal tonight." in text
    assert "No hedge is open. If prices fall, nothing gives any of the loss back." in text
    assert "No dated contract has a price tonight." in text


def test_orders_ledger_and_value_are_shown_where_the_release_has_them(changed, night, take_apart):
    bare = take_apart(render_night(night, POLICY))
    assert "book" not in bare.ids and "nav" not in bare.ids
    nav = [{"as_of_date": night.day, "nav_usd": 100_000.0}, {"as_of_date": night.day, "nav_usd": 101_000.0}]
    full = take_apart(render_night(changed(book={"rebalance_trades": [ORDER], "ledger": []}, nav=nav), POLICY))
    assert {"book", "nav"} <= set(full.ids)
    assert "sell UNI $100.00 12.5 $8 $0.15 binance UNI/USDT DEFI target weight of its sector" in full.text
    assert "sell $100.00, buy $0.00" in full.text
    assert "Paper ledger: none tonight." in full.text


def test_a_night_decided_under_another_policy_says_so(changed, night, take_apart):
    other = changed(decision=night.decision | {"policy_hash": "0" * 64})
    assert "under another policy" in take_apart(render_night(other, POLICY)).text
    assert "under another policy" not in take_apart(render_night(night, POLICY)).text


def test_a_year_of_twelve_sectors_stays_far_under_three_megabytes(changed, night):
    def many(rows, days_of):
        return [row | {"sector": f"S{number}"} for number in range(12) for row in days_of(rows)]

    one = [row for row in night.signals if row["sector"] == "L1"]
    history = {
        name: many(getattr(night, name), lambda rows: ([r for r in rows if r["sector"] == "MEMES"] * 5)[:CHART_DAYS])
        for name in ("funding", "open_interest", "spreads")
    }
    big = changed(signals=many(one, list), **history, strategic_weights={f"S{n}": 1 / 12 for n in range(12)})
    assert len(render_night(big, POLICY).encode()) < 1_500_000


def test_the_same_night_gives_the_same_bytes(night):
    assert render_night(night, POLICY) == render_night(replace(night), POLICY)


def test_the_index_has_every_night_the_newest_first_and_links_what_there_is(night, take_apart):
    first, last = night.previous_day, night.day
    decisions = [
        {
            "as_of_date": first,
            "status": "halted",
            "reason": "DATA_HALT",
            "turnover_frac": 0.0,
            "portfolio_value_usd": 1e5,
        },
        {"as_of_date": last, "status": "decided", "reason": None, "turnover_frac": 0.1, "portfolio_value_usd": 1e5},
    ]
    nights = Nights(
        decisions=decisions,
        sectors=[{"as_of_date": last, "sector": "DEFI", "state": "UNSTABLE", "previous_state": "NEUTRAL"}],
        trades=[
            {"as_of_date": last, "sector": "DEFI", "side": "sell", "usd": 8000.0},
            {"as_of_date": last, "sector": "L1", "side": "buy", "usd": 8000.0},
        ],
        hedges=[{"as_of_date": last, "asset": "BTC", "status": "open"}],
        releases=[
            {"release_id": "2-b", "published_at": datetime(2026, 11, 21), "as_of_date": last, "checks_passed": 116},
            {"release_id": "1-a", "published_at": datetime(2026, 11, 20), "as_of_date": first, "checks_passed": 115},
        ],
        stopped=[
            {"checked_at": datetime(2026, 11, 20), "check_name": "no_gap", "asset_key": "raw.x", "details": "two rows"}
        ],
    )
    page = take_apart(render_index(night.info, nights, {f"{last}.html", "2020-01-01.html"}))
    links = [a["href"] for tag, a in page.tags if tag == "a" and not a["href"].startswith("#")]
    assert links == [f"{last}.html", f"{last}.html", "2020-01-01.html"]  # the night, its release, and a withdrawn one
    assert (
        f"{last} DEFI: NEUTRAL → UNSTABLE DEFI $8,000.00 L1 $8,000.00 BTC: open $100,000.00 10.0% 116 passed"
        in page.text
    )
    assert "2026-11-20 00:00 UTC: no_gap on raw.x. two rows" in page.text
    assert "115 passed" in page.text
    assert "halted: too many sectors without data (DATA_HALT)" in page.text
    assert page.text.index(str(last)) < page.text.index(str(first))
    assert "SIMULATED MARKET" in page.text
