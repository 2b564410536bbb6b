"""The soak test's own judgement: what it draws, what it expects to be told, and when it calls growth bounded."""

from datetime import date, datetime, timedelta

import pytest

from tests.soak.expected import Decided, compare, of_age, of_releases
from tests.soak.figures import disk_trends, memory_trends
from tests.soak.plan import CLEAN, draw

FIRST = date(2026, 9, 15)


def test_a_seed_always_draws_the_same_nights_and_half_of_them_have_healthy_exchanges():
    plan = draw(50, 1, FIRST)
    assert plan == draw(50, 1, FIRST) != draw(50, 2, FIRST)
    assert [night.day for night in plan] == [FIRST + timedelta(days=back) for back in range(50)]
    faults = [night.market for night in plan if night.market != CLEAN]
    assert len(faults) == 20 and len(set(faults)) == 18  # each of the 18 kinds before any comes again
    assert plan[0].words == plan[-1].words == "-"
    assert sum(night.power_cut for night in plan) == 2
    assert any(night.killed_in is not None and not night.power_cut for night in plan)
    assert {True} == {any(getattr(night, name) for night in plan) for name in ("webhook_down", "mail_down")}


def decided(number: int, back: int, **changed: object) -> Decided:
    """The release of a day, published at 00:16 of the next one."""
    day = FIRST + timedelta(days=back)
    usual = {
        "release_id": f"{number:06d}-{day:%Y%m%d}", "published_at": datetime(2026, 9, 16, 0, 16) + timedelta(days=back),
        "day": day, "before": day - timedelta(days=1),
        "states": {"DEFI": "NEUTRAL"}, "states_before": {"DEFI": "NEUTRAL"},
        "opened": frozenset(), "closed": frozenset(), "concentration": None, "concentration_before": None,
    }  # fmt: skip
    return Decided(**(usual | changed))


def test_what_a_release_says_is_what_should_be_told():
    releases = [
        decided(1, 0),
        decided(2, 1, states={"DEFI": "STALE"}, opened=frozenset({"hedge-BTC"}), concentration="hedge"),
        decided(3, 2, states_before={"DEFI": "STALE"}, closed=frozenset({"hedge-BTC"}), concentration_before="hedge"),
    ]
    assert set(of_releases(releases)) == {
        "state_change:2026-09-16:DEFI:NEUTRAL>STALE",
        "position_opened:2026-09-16:hedge-BTC",
        "concentration:2026-09-16:concentration:hedge",
        "state_change:2026-09-17:DEFI:STALE>NEUTRAL",
        "position_closed:2026-09-17:hedge-BTC",
        "concentration_over:2026-09-17:over:concentration:hedge",
    }


def test_a_release_is_old_when_the_next_came_more_than_26_hours_later():
    releases = [decided(1, 0), decided(2, 1), decided(3, 3)]  # 24 h, then 48 h, then 2 h to the end
    assert set(of_age(releases, releases[-1].published_at + timedelta(hours=2))) == {"stale:000002-20260916"}
    assert set(of_age(releases[:1], datetime(2026, 9, 17, 2, 17))) == {"stale:000001-20260915"}  # 26 h and a minute
    assert not of_age(releases[:1], datetime(2026, 9, 17, 2, 15))


def event(name: str, kind: str) -> dict[str, str]:
    return {"event_id": name, "kind": kind}


@pytest.mark.parametrize(
    ("told", "lost", "invented", "repeated"),
    [
        (["run:1", "stale:a"], [], [], []),
        (["run:1"], ["stale:a"], [], []),
        (["run:1", "stale:a", "run:2"], [], ["run:2"], []),
        (["run:1", "stale:a", "run:1"], [], [], ["run:1"]),
    ],
)
def test_lost_invented_and_repeated_alerts_are_found(told, lost, invented, repeated):
    kinds = {"run:1": "run_failed", "run:2": "gate_blocked", "stale:a": "stale_release"}
    found = compare(["run:1", "stale:a"], [event(name, kinds[name]) for name in told])
    assert (found.lost, found.invented, found.repeated) == (lost, invented, repeated)
    assert found.is_exact == (not (lost or invented or repeated))


def nights(grows_mb, daemon_mb=lambda _: 100.0):
    """Fifty nights whose build file grows by `grows_mb(night)` and whose daemon has `daemon_mb(night)`."""
    size, rows = 20.0, []
    for night in range(50):
        size += grows_mb(night)
        memory = {"daemon": daemon_mb(night), "run": 500.0}
        rows.append({"disk_mb": {"build": size}, "memory_mb": memory, "daemon_started": 1})
    return rows


def test_growth_that_grows_has_no_bound_and_steady_growth_has():
    assert all(one.is_bounded for one in disk_trends(nights(lambda night: 9.0 if night < 8 else 2.0)))
    assert not any(one.is_bounded for one in disk_trends(nights(lambda night: 0.1 * night)))


def test_a_daemon_that_leaks_is_found():
    assert all(one.is_bounded for one in memory_trends(nights(lambda _: 1.0)))
    leaking = memory_trends(nights(lambda _: 1.0, lambda night: 100.0 + night))
    assert [(one.name, one.is_bounded) for one in leaking] == [("RSS: daemon, MB", False), ("RSS: run, MB", True)]
