"""Releases that are published for real: what each says that the one before did not."""

import json
from datetime import timedelta

import pytest

from pipelines.alerts.check import keep, release_news, stale_news
from pipelines.alerts.told import Told
from tests.alerts.conftest import FIRST, SECOND, THIRD, position, signal, sleeve
from tests.alerts.test_alert_told import NOW, Recording
from warehouse.connection import Warehouse
from warehouse.errors import NoRelease
from warehouse.release import rollback

QUIET = {"signals": [signal("DEFI", "NEUTRAL")]}
CROWDED = {"signals": [signal("DEFI", "OVERLEVERAGED", "REDUCE")], "positions": [position("hedge-BTC", "open")]}
LATER = {"signals": [signal("DEFI", "OVERLEVERAGED", "REDUCE")], "positions": [position("hedge-BTC")]}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "warehouse"


@pytest.fixture
def look(directory):
    """Looks, keeps what is new for one channel, and gives the titles; as one sensor's tick does."""
    told = Told(directory)

    def look() -> list[str]:
        news = release_news(Warehouse(directory), told)
        known = told.known([event.event_id for event in news.events])
        keep(news, told, [Recording("webhook")], NOW)
        return [event.title for event in news.events if event.event_id not in known]

    return look


STATE = "DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)"
OPENED = "Hedge opened: short of 0.04 BTC ($2,000.00) on binance"


def test_nothing_published_is_said_as_such(directory):
    with pytest.raises(NoRelease):
        release_news(Warehouse(directory), Told(directory))


def test_the_first_release_tells_its_newest_day_and_none_of_the_past(directory, publish_days, look):
    publish_days(directory, {FIRST: QUIET, SECOND: CROWDED, THIRD: LATER})
    assert look() == []
    publish_days(directory, {FIRST: LATER, SECOND: QUIET, THIRD: CROWDED})
    assert sorted(look()) == sorted([STATE, OPENED])


def test_a_release_is_looked_at_once(directory, publish_days, look):
    publish_days(directory, {SECOND: QUIET, THIRD: CROWDED})
    assert len(look()) == 2
    assert look() == []


def test_a_release_of_several_new_days_is_compared_with_the_last_day_that_was_told(directory, publish_days, look):
    publish_days(directory, {FIRST: QUIET})
    assert look() == []
    publish_days(directory, {FIRST: QUIET, SECOND: CROWDED, THIRD: LATER})
    assert sorted(look()) == sorted([STATE, OPENED])


def test_the_same_day_decided_again_with_the_same_result_is_no_news(directory, publish_days, look):
    days = {SECOND: QUIET, THIRD: CROWDED}
    publish_days(directory, days)
    look()
    publish_days(directory, days)
    assert look() == []


def test_the_same_day_decided_again_otherwise_withdraws_what_was_told(directory, publish_days, look):
    publish_days(directory, {SECOND: QUIET, THIRD: CROWDED})
    look()
    publish_days(directory, {SECOND: QUIET, THIRD: CROWDED | {"positions": []}})
    assert look() == ["No longer true: 1 thing told before"]
    publish_days(directory, {SECOND: QUIET, THIRD: CROWDED})
    assert look() == [OPENED]  # it is true again, so it is told again


def test_a_rollback_withdraws_what_only_the_later_release_said(directory, publish_days, look):
    publish_days(directory, {FIRST: QUIET, SECOND: QUIET})
    look()
    publish_days(directory, {FIRST: QUIET, SECOND: QUIET, THIRD: CROWDED})
    assert len(look()) == 2
    rollback(Warehouse(directory))
    assert look() == ["No longer true: 2 things told before"]
    assert look() == []
    publish_days(directory, {FIRST: QUIET, SECOND: QUIET, THIRD: CROWDED})
    assert sorted(look()) == sorted([STATE, OPENED])


def test_a_rollback_tells_nothing_of_the_older_release_itself(directory, publish_days, look):
    publish_days(directory, {FIRST: QUIET, SECOND: CROWDED})
    publish_days(directory, {FIRST: QUIET, SECOND: CROWDED, THIRD: LATER})
    assert look() == []
    rollback(Warehouse(directory))
    assert look() == []


def test_what_was_never_told_is_not_withdrawn(directory, publish_days, look):
    publish_days(directory, {SECOND: QUIET, THIRD: CROWDED})
    publish_days(directory, {SECOND: QUIET, THIRD: QUIET})
    assert look() == []


def test_a_release_whose_forerunner_is_not_kept_tells_its_newest_day(directory, publish_days, look):
    publish_days(directory, {FIRST: QUIET})
    look()
    publish_days(directory, {FIRST: QUIET, SECOND: QUIET, THIRD: CROWDED}, keep=1)
    assert sorted(look()) == sorted([STATE, OPENED])


def test_a_liquidation_is_found_in_the_ledger_with_the_cash_that_it_cost(directory, publish_days):
    def entry(number, account, amount):
        return {
            "entry_id": str(number), "transaction_id": "t", "account": account, "amount_usd": amount,
            "kind": "fill", "reason": "LIQUIDATION",
        }  # fmt: skip

    # the position's unrealised loss leaves it, and with the margin of $2,000 the collateral
    ledger = [entry(1, "futures:own:BTC", 1_500.0), entry(2, "cash:collateral", -2_000.0), entry(3, "pnl:x", 500.0)]
    publish_days(directory, {SECOND: {"positions": [position("own:BTC")]}, THIRD: {"ledger": ledger}})
    (event,) = release_news(Warehouse(directory), Told(directory)).events
    assert (event.kind, event.title) == ("liquidated", "Liquidated: own:BTC")
    assert event.text == "The futures sleeve lost $2,000.00."


@pytest.mark.parametrize(("reserve", "alarms"), [("1/5", 0), ("3/10", 1)])
def test_the_margin_alarm_reads_the_reserve_that_was_decided_under(directory, publish_days, reserve, alarms):
    policy = json.dumps({"budgets": {"reserve": reserve}})
    # 5,000 of 20,000 are free: more than a fifth, less than three tenths
    publish_days(directory, {SECOND: {}, THIRD: {"sleeve": sleeve(free_margin_usd=5_000.0)}}, policy_json=policy)
    kinds = [event.kind for event in release_news(Warehouse(directory), Told(directory)).events]
    assert kinds == ["margin"] * alarms


def test_a_release_of_a_version_without_futures_sleeve_and_ledger_is_read(directory, publish_days):
    with Warehouse(directory).open_build():
        pass
    publish_days(directory, {SECOND: QUIET, THIRD: CROWDED})
    with Warehouse(directory).open_build() as con:
        for table in ("futures_sleeve", "ledger", "policies"):
            con.execute(f"drop table portfolio.{table}")
        con.execute("update portfolio.sector_signals set state = 'UNSTABLE' where as_of_date = '2026-11-21'")
    from warehouse.release import publish

    publish(
        Warehouse(directory), as_of_date=THIRD, source="live", git_sha=None, policy_hash="p", input_hash="i",
        checks_passed=1, keep=3, published_at=NOW,
    )  # fmt: skip
    titles = {event.title for event in release_news(Warehouse(directory), Told(directory)).events}
    assert titles == {"DEFI: NEUTRAL became UNSTABLE (REDUCE)", OPENED}


def test_the_releases_age_is_that_of_its_publication(directory, publish_days):
    publish_days(directory, {THIRD: QUIET}, published_at=NOW)
    warehouse = Warehouse(directory)
    assert stale_news(warehouse, NOW + timedelta(hours=26), 26).events == ()
    (event,) = stale_news(warehouse, NOW + timedelta(hours=27), 26).events
    assert event.kind == "stale_release"
    assert event.source == "simulated"
