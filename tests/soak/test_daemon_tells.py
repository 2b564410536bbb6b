"""The real daemon runs the alert sensors, and a real HTTP server gets each alert once."""

import os
from datetime import timedelta

import pytest

from tests.alerts.conftest import *  # noqa: F403  small releases that are published for real, and the server
from tests.alerts.conftest import SECOND, THIRD, position, signal
from tests.soak.clock import NoCompiler, SettableClock
from tests.soak.surroundings import Daemon, wait_for

DAYS = {
    SECOND: {"signals": [signal("DEFI", "NEUTRAL")]},
    THIRD: {"signals": [signal("DEFI", "OVERLEVERAGED", "REDUCE")], "positions": [position("hedge-BTC", "open")]},
}


def test_the_daemon_tells_of_a_release_once_and_of_its_age_a_day_later(environment, publish_days, http, tmp_path):
    try:
        clock = SettableClock(tmp_path)
    except NoCompiler as error:
        pytest.skip(str(error))
    daemon = Daemon(tmp_path, tmp_path / "home", dict(os.environ) | {"DAGSTER_HOME": str(tmp_path / "home")}, clock)
    publish_days(environment, DAYS, published_at=clock.now)
    daemon.start()
    try:
        wait_for("the release's alerts", 120, lambda: http.taken)
        for later in (timedelta(hours=27), timedelta(hours=1)):
            moment = clock.now + later
            daemon.set_clock(moment)
            daemon.wait_for_ticks(moment)
    finally:
        daemon.stop()
    assert http.titles == [
        "[SIMULATED] DEFI: NEUTRAL became OVERLEVERAGED (REDUCE)",
        "[SIMULATED] Hedge opened: short of 0.04 BTC ($2,000.00) on binance",
        "[SIMULATED] No new release for 26 hours",
    ]
