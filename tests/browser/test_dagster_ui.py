"""Dagster's own interface in a real browser: a person sees the stages, starts a night and reads its checks."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from warehouse.connection import Warehouse
from warehouse.release import current_release

PROJECT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
GROUPS = ("raw", "seeds", "staging", "intermediate", "marts", "signals", "allocations", "hedges", "publish")
STARTING_S, RUNNING_MS, SHOWING_MS = 180, 400_000, 60_000
ZOOM_OUT_CLICKS = 4

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; install it with: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def warehouse_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser") / "warehouse"


@pytest.fixture(scope="module")
def interface(dagster_home, small_market, warehouse_dir) -> Iterator[str]:
    """`rotation ui` over the small market; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "DAGSTER_HOME": str(dagster_home),
        "WAREHOUSE_DIR": str(warehouse_dir),
        "ROTATION_SOURCE": "recorded",
        "ROTATION_DATA": str(small_market),
    }
    log = (dagster_home / "ui.log").open("w+")
    rotation = str(Path(sys.executable).with_name("rotation"))
    process = subprocess.Popen(
        [rotation, "ui", "--port", str(port)], cwd=PROJECT, env=os.environ | environment, stdout=log, stderr=log
    )
    try:
        _wait_until_served(f"http://127.0.0.1:{port}/server_info", process, Path(log.name))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


@pytest.fixture
def page(interface) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(base_url=interface, viewport={"width": 3600, "height": 1200}, timezone_id="UTC")
        page.set_default_timeout(SHOWING_MS)
        # Dagster greets a new home with an advertisement
        page.add_locator_handler(page.get_by_text("Join the Dagster community"), lambda: _button(page, "Skip").click())
        yield page
        browser.close()


def test_the_job_shows_every_stage_and_its_schedule(page):
    page.goto("/locations/rotation/jobs/nightly")
    expect(page.get_by_text("raw", exact=True).first).to_be_visible(timeout=SHOWING_MS)
    for _ in range(ZOOM_OUT_CLICKS):  # what lies outside the view is not drawn
        _button(page, "zoom_out").click()
    for group in GROUPS:
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=SHOWING_MS)
    expect(page.get_by_text(re.compile("At 12:15 AM")).first).to_be_visible()


def test_a_night_started_in_the_browser_ends_in_a_release_with_its_checks_shown(page, warehouse_dir, market_days):
    day: date = market_days[1] - timedelta(days=3)
    page.goto("/locations/rotation/jobs/nightly")
    page.get_by_text("Materialize all").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Show all partitions").click()
    partitions = dialog.locator("input[type=text]").first
    partitions.fill(day.isoformat())
    partitions.press("Enter")
    partitions.blur()
    dialog.get_by_role("button", name="Launch 1 run").click()
    expect(page.get_by_text("Launched run").first).to_be_visible()
    page.goto("/runs")
    ended = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    expect(ended).to_be_visible(timeout=RUNNING_MS)
    expect(ended).to_have_text("Success")

    released = current_release(Warehouse(warehouse_dir))
    assert released is not None
    assert (released.as_of_date, released.source) == (day, "recorded")

    page.goto("/assets/raw/load_batches?view=checks")
    expect(page.get_by_text("raw__load_batches__not_all_failed").first).to_be_visible()
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    page.goto("/assets/portfolio/target_allocations?view=events")
    expect(page.get_by_text(day.isoformat()).first).to_be_visible()


def _button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def _wait_until_served(url: str, process: subprocess.Popen, log: Path) -> None:
    give_up = time.monotonic() + STARTING_S
    while time.monotonic() < give_up:
        assert process.poll() is None, f"rotation ui ended by itself: {log.read_text()[-3000:]}"
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"rotation ui was not ready after {STARTING_S} s: {log.read_text()[-3000:]}")
