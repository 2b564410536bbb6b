"""Dagster's own interface in a real browser, as the person who runs the pipeline uses it.

One warehouse and one history of runs: every test goes on from what the one before has left, and each thing is started
and read in the browser. With `SCREENSHOTS_TO=docs/img` the pictures of the documentation are made here, too.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pipelines.clock import decision_instant
from pipelines.local_exchange.process import LocalExchangeProcess
from warehouse.connection import Warehouse
from warehouse.release import Release, current_release

PROJECT = Path(__file__).parents[2]
THE_WAY = ("raw", "staging", "intermediate", "marts", "signals", "allocations", "hedges", "ledger", "publish")
SIZE = {"width": 1440, "height": 900}
STARTING_S, RUNNING_MS, SHOWING_MS, SETTLING_MS = 180, 400_000, 60_000, 1_500
NO_FUNDING = [{"kind": "html_page", "path": "/fundingRate|/funding/history"}]
ENDED = re.compile("^(Success|Failure|Canceled)$")

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Interface:
    """`rotation ui` with what stands behind it.

    Attributes:
        url: Its address.
        warehouse: Where its runs write.
        exchange: What its runs read.
        first: The first day that is decided.
    """

    url: str
    warehouse: Warehouse
    exchange: LocalExchangeProcess
    first: date

    @property
    def backfill(self) -> tuple[date, date]:
        """The three days after the first."""
        return self.first + timedelta(days=1), self.first + timedelta(days=3)

    @property
    def without_funding(self) -> date:
        """Far enough behind the others that yesterday's funding is too old for it."""
        return self.backfill[1] + timedelta(days=2)

    def release(self) -> Release:
        found = current_release(self.warehouse)
        assert found is not None
        return found

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Of the current release."""
        with self.warehouse.open_release() as connection:
            return connection.execute(sql, list(values)).fetchall()

    def ask(self, query: str) -> dict[str, Any]:
        """Dagster's own answer, beside what its pages show."""
        body = json.dumps({"query": query}).encode()
        request = Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as reply:
            return json.load(reply)["data"]


@pytest.fixture(scope="module")
def interface(tmp_path_factory, small_market, market_days) -> Iterator[Interface]:
    """The interface over the small market, which a local exchange serves."""
    home, directory = tmp_path_factory.mktemp("ui_home"), tmp_path_factory.mktemp("ui") / "warehouse"
    shutil.copy(PROJECT / "dagster.yaml", home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = market_days[0] - timedelta(days=1)
    now = decision_instant(first + timedelta(days=5))
    with LocalExchangeProcess("recorded", small_market, now=now) as exchange, (home / "ui.log").open("w+") as log:
        environment = {
            "DAGSTER_HOME": str(home),
            "WAREHOUSE_DIR": str(directory),
            "ROTATION_SOURCE": "recorded",
            "ROTATION_DATA": str(small_market),
            "ROTATION_EXCHANGE_URL": exchange.url,
            "ROTATION_EXCHANGES": "binance,bybit",
            "ROTATION_INGEST__RETRY_SECONDS": "0",
        }
        rotation = str(Path(sys.executable).with_name("rotation"))
        process = subprocess.Popen(
            [rotation, "ui", "--port", str(port)], cwd=PROJECT, env=os.environ | environment, stdout=log, stderr=log
        )
        try:
            _wait_until_served(f"http://127.0.0.1:{port}/server_info", process, Path(log.name))
            yield Interface(f"http://127.0.0.1:{port}", Warehouse(directory), exchange, first)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture
def page(request: pytest.FixtureRequest, interface: Interface, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        base_url=interface.url,
        viewport=SIZE,
        timezone_id="UTC",
        device_scale_factor=getattr(request, "param", 1),
    )
    page = context.new_page()
    page.set_default_timeout(SHOWING_MS)
    expect.set_options(timeout=SHOWING_MS)
    yield page
    context.close()


@pytest.mark.parametrize("page", [2], indirect=True, ids=["sharp"])
def test_the_asset_graph_reads_from_left_to_right_as_the_datas_way(page, take_picture):
    page.goto("/asset-groups")
    graph = page.locator("foreignObject.group")
    boxes = []
    for group in THE_WAY:
        node = graph.filter(has_text=re.compile(f"^{group}")).first
        expect(node).to_be_visible()
        boxes.append(node.bounding_box())
    places = [box["x"] for box in boxes]
    assert places == sorted(places)
    assert places[0] < places[-1] - 500
    top, bottom = min(box["y"] for box in boxes), max(box["y"] + box["height"] for box in boxes)
    around = {"x": places[0] - 20, "y": top - 40, "height": bottom - top + 80}
    take_picture(page, "ui-asset-graph", clip=around | {"width": SIZE["width"] - around["x"]})


def test_materialize_all_ends_green_in_a_release(page, interface, take_picture):
    page.goto("/asset-groups")
    _launch(page, interface.first.isoformat(), "Launch 1 run")
    assert _newest_ends(page, launched=1) == "Success"
    page.locator("a[href^='/runs/']").first.click()
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    expect(page.get_by_text("Loading run logs")).to_be_hidden()
    _settle(page)
    take_picture(page, "ui-finished-run")
    assert (interface.release().as_of_date, interface.release().source) == (interface.first, "recorded")


def test_a_range_of_three_days_is_one_run_and_decides_each_of_them(page, interface):
    begins, ends = interface.backfill
    page.goto("/locations/rotation/jobs/nightly")
    _launch(page, f"[{begins}...{ends}]", "Launch backfill")
    assert _newest_ends(page, launched=2) == "Success"
    found = interface.ask(
        "{partitionBackfillsOrError { ... on PartitionBackfills {"
        " results { status numPartitions runs { status } } } } }"
    )["partitionBackfillsOrError"]["results"]
    assert found == [{"status": "COMPLETED_SUCCESS", "numPartitions": 3, "runs": [{"status": "SUCCESS"}]}]
    decided = interface.rows("select as_of_date from portfolio.decisions order by 1")
    assert [day for (day,) in decided] == [interface.first + timedelta(days=passed) for passed in range(4)]


def test_the_decision_is_read_on_the_allocation_with_its_reasons_and_its_page(page, interface, take_picture):
    _, night = interface.backfill
    page.goto("/assets/portfolio/target_allocations")
    expect(page.get_by_text("RECORDED MARKET: replayed from files")).to_be_visible()
    (sentence,) = interface.rows("select explanation from portfolio.decisions where as_of_date = $1", night)[0]
    expect(page.get_by_text(f"Night of {night}: {sentence.removeprefix(f'{night}: ')}")).to_be_visible()
    orders = interface.rows(
        "select sector, sum(notional_usd), string_agg(asset, ', ' order by asset), any_value(state) "
        "from portfolio.rebalance_trades join portfolio.target_allocations using (as_of_date, sector) "
        "where as_of_date = $1 group by sector, side",
        night,
    )
    for sector, usd, coins, state in orders:
        expect(page.get_by_text(f"{sector} ${usd:,.2f} of {coins} ({state}): ")).to_be_visible()
    hedged = interface.rows("select asset from portfolio.hedges where as_of_date = $1", night)
    for (asset,) in hedged:
        expect(page.get_by_text(f"{asset} (hedge, ")).to_be_visible()
    assert orders
    assert hedged
    report = page.get_by_text(f"reports/{night}.html").inner_text()
    assert Path(report).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    page.set_viewport_size(SIZE | {"height": 1250})  # down to the last line of the decision
    _settle(page)
    take_picture(page, "ui-decision")


def test_columns_say_what_they_mean_and_where_they_come_from(page):
    page.goto("/assets/marts/sector_funding_daily")
    row = page.get_by_role("row").filter(has_text="funding_3d_bps").first
    expect(row).to_contain_text("mean of the last 3 days")
    expect(row).to_contain_text("from intermediate.int_sector_daily: ")


def test_size_and_age_of_the_data_are_numbers_that_can_be_drawn(interface):
    found = interface.ask(
        '{assetNodeOrError(assetKey: {path: ["raw", "funding_rates"]}) { ... on AssetNode { assetMaterializations {'
        " metadataEntries { label ... on IntMetadataEntry { intValue }"
        " ... on FloatMetadataEntry { floatValue } } } } } }"
    )["assetNodeOrError"]["assetMaterializations"]
    last, first = (
        {one["label"]: one.get("intValue", one.get("floatValue")) for one in run["metadataEntries"]} for run in found
    )
    assert last["dagster/row_count"] > first["dagster/row_count"] > 0
    assert all(0 <= one["data_age_hours"] < 1 for one in (first, last))


def test_a_gate_that_says_no_tells_why_and_which_rows(page, interface, take_picture):
    before = interface.release().release_id
    interface.exchange.set_faults(NO_FUNDING)
    page.goto("/locations/rotation/jobs/nightly")
    _launch(page, interface.without_funding.isoformat(), "Launch 1 run")
    assert _newest_ends(page, launched=3) == "Failure"
    interface.exchange.set_faults([])
    assert interface.release().release_id == before

    page.goto("/assets/raw/load_batches?view=checks&checkDetail=raw__load_batches__some_exchange_is_fresh")
    expect(page.get_by_text("No exchange has a row of this kind from the last 26 hours").first).to_be_visible()
    expect(page.get_by_text("Check the network and raw.load_batches.error").first).to_be_visible()
    _settle(page)
    take_picture(page, "ui-gate")
    page.get_by_role("row").filter(has_text="failing_rows").get_by_text("[Show Markdown]").click()
    table = page.get_by_role("dialog").get_by_role("table")
    expect(table).to_contain_text("funding rates")
    expect(table).not_to_contain_text("open interest")


def test_a_range_started_from_the_graph_is_refused_and_the_right_place_is_named(page, interface):
    begins, before = interface.backfill[1] + timedelta(days=1), interface.release().release_id
    page.goto("/asset-groups")
    _launch(page, f"[{begins}...{begins + timedelta(days=1)}]", "Launch backfill")
    assert _newest_ends(page, launched=4) == "Failure"
    told = interface.ask(
        "{runsOrError(limit: 1) { ... on Runs { results { eventConnection { events {"
        " ... on ExecutionStepFailureEvent { error { message causes { message } } } } } } } } }"
    )
    assert "start it under Jobs, nightly, Materialize all" in json.dumps(told)
    assert interface.release().release_id == before


def test_the_schedule_is_switched_on_and_off(page, interface, take_picture):
    page.goto("/automation")
    row = page.locator("[data-index]").filter(has_text="nightly_schedule")
    switch, is_on = row.locator("label").last, row.locator("input[type=checkbox]").last
    expect(row.locator("input[type=checkbox]")).to_have_count(2)  # till then the last one only selects the row
    _click_until(switch, lambda: is_on.is_checked())
    _eventually(lambda: _schedule(interface) == "RUNNING")
    _settle(page)
    take_picture(page, "ui-schedule")
    _click_until(switch, lambda: not is_on.is_checked())
    _eventually(lambda: _schedule(interface) == "STOPPED")


def _launch(page: Page, days: str, button: str) -> None:
    """Materialize all, for these days."""
    page.get_by_text("Materialize all").first.click()
    confirm = page.get_by_role("button", name="Confirm")
    choice = page.get_by_role("dialog").filter(has_text="Partition selection")
    expect(choice.or_(confirm)).to_be_visible()
    if confirm.is_visible():  # an asset that the job leaves out was never made: it need not be
        confirm.click()
    _settle(page)
    everything = choice.get_by_text("Show all partitions")
    if everything.is_visible():
        everything.click()
    field = choice.locator("input[type=text]").first
    field.fill(days)
    field.press("Enter")
    field.blur()
    choice.get_by_role("button", name=button).click()
    expect(choice).to_be_hidden()


def _newest_ends(page: Page, launched: int) -> str:
    """Wait on the page of the runs until all that were launched have ended, a backfill being one; the newest's end."""
    page.goto("/runs")
    expect(page.get_by_text(ENDED)).to_have_count(launched, timeout=RUNNING_MS)
    return page.get_by_text(ENDED).first.inner_text()


def _schedule(interface: Interface) -> str:
    found = interface.ask(
        '{scheduleOrError(scheduleSelector: {repositoryName: "__repository__", repositoryLocationName: "rotation",'
        ' scheduleName: "nightly_schedule"}) { ... on Schedule { scheduleState { status } } } }'
    )
    return found["scheduleOrError"]["scheduleState"]["status"]


def _click_until(switch: Locator, is_so: Callable[[], bool], attempts: int = 3) -> None:
    """A click goes nowhere while the page still draws itself anew; then it is done once more, as a person would."""
    for _ in range(attempts):
        _settle(switch.page)
        switch.click()
        give_up = time.monotonic() + SHOWING_MS / 1000 / attempts
        while time.monotonic() < give_up:
            if is_so():
                return
            switch.page.wait_for_timeout(200)
    raise AssertionError("the switch does not move")


def _eventually(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SHOWING_MS / 1000
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.2)


def _settle(page: Page) -> None:
    """Dagster's pages move while their parts arrive."""
    page.wait_for_timeout(SETTLING_MS)


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
