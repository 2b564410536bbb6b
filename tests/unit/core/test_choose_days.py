"""Which days a run decides."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import nightly
from pipelines.policy import Policy
from pipelines.settings import SettingsError, load_settings
from warehouse.release import Release

NOW = datetime(2026, 11, 22, 10, 0)
NEWEST = date(2026, 11, 21)


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch):
    monkeypatch.setattr(nightly, "utc_now", lambda: NOW)


def choose(published=None, day=None, first=None, last=None):
    return nightly.choose_days(load_settings(), Policy(), published, day, first, last)


def released(day):
    return Release("000001", NOW, day, "simulated", None, None, None, {}, 0, Path("x"), True, True)


def test_a_first_run_decides_the_days_whose_history_is_fetched():
    # 200 days are fetched, 132 of them are history of the first decision
    assert choose() == (NEWEST - timedelta(days=67), NEWEST)


def test_a_later_run_decides_the_newest_day_alone_and_does_not_catch_up():
    assert choose(released(NEWEST - timedelta(days=3))) == (NEWEST, NEWEST)


def test_one_day_and_a_range_can_be_asked_for():
    day = date(2026, 11, 1)
    assert choose(day=day) == (day, day)
    assert choose(first=day) == (day, NEWEST)
    assert choose(first=day, last=day + timedelta(days=1)) == (day, day + timedelta(days=1))


def test_a_day_that_is_not_over_cannot_be_decided():
    with pytest.raises(SettingsError, match="the newest complete day of the source is 2026-11-21"):
        choose(day=NOW.date())


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(SettingsError, match="swap the two"):
        choose(first=NEWEST, last=NEWEST - timedelta(days=1))


def test_deciding_an_old_day_again_must_reach_the_newest_decision():
    with pytest.raises(SettingsError, match="needs --to 2026-11-20"):
        choose(released(date(2026, 11, 20)), day=date(2026, 11, 1))
    assert choose(released(date(2026, 11, 20)), first=date(2026, 11, 1), last=date(2026, 11, 20))[0] == date(
        2026, 11, 1
    )
