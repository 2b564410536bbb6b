"""The nightly report in a real browser: every chart is there at every size and in every light, and nothing is fetched.

With `SCREENSHOTS_TO=docs/img` in the environment the pictures of the documentation are made here, too.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.policy import Policy
from pipelines.report.files import write_report
from warehouse.connection import Warehouse

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS_TO = os.environ.get("SCREENSHOTS_TO")
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
FIGURES = ("weights", "scenario-0", "funding", "open-interest", "momentum", "spreads", "matrix", "curve")
SIZE_OF_EVERY_DRAWING = """
figure => [...figure.querySelectorAll('svg')].map(svg => {
  const box = svg.getBoundingClientRect(), shapes = svg.querySelectorAll('path, rect, line').length;
  return {width: box.width, height: box.height, shapes, shown: svg.checkVisibility()};
})
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; install it with: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def hedged_night(small_release, tmp_path_factory) -> Path:
    """The page of the last night on which a hedge was open."""
    directory = tmp_path_factory.mktemp("report") / "warehouse"
    shutil.copytree(small_release, directory, symlinks=True)
    warehouse = Warehouse(directory)
    with warehouse.open_release() as con:
        (day,) = con.execute("select max(as_of_date) from portfolio.hedge_scenarios").fetchone()
    assert day is not None
    write_report(warehouse, Policy())
    return write_report(warehouse, Policy(), day).page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens a file at a size and in a light; complaints and requests of the page are collected."""
    contexts = []

    def visit(path: Path, size: dict[str, int], light: str = "light") -> tuple[Page, list[str], list[str]]:
        context = browser.new_context(viewport=size, color_scheme=light)
        contexts.append(context)
        page, complaints, requests = context.new_page(), [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page, complaints, requests

    yield visit
    for context in contexts:
        context.close()


@pytest.mark.parametrize("light", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_chart_is_drawn_and_nothing_is_fetched(visit, hedged_night, size, light):
    page, complaints, requests = visit(hedged_night, size, light)
    for name in FIGURES:
        drawings = page.locator(f"figure#{name}").evaluate(SIZE_OF_EVERY_DRAWING)
        shown = [drawing for drawing in drawings if drawing["shown"]]
        assert shown, name
        assert all(d["width"] > 150 and d["height"] > 80 and d["shapes"] > 3 for d in shown), (name, shown)
        assert all(d["width"] <= size["width"] for d in shown), (name, shown)
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert (complaints, requests) == ([], [hedged_night.as_uri()])
    if SCREENSHOTS_TO:
        kind = "phone" if size is PHONE else "desktop"
        page.screenshot(path=Path(SCREENSHOTS_TO) / f"report-{kind}-{light}.png")


@pytest.mark.parametrize("name", ["index", "night"])
@pytest.mark.parametrize("light", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, hedged_night, light, name):
    from axe_playwright_python.sync_playwright import Axe

    page, _, _ = visit(hedged_night if name == "night" else hedged_night.with_name("index.html"), DESKTOP, light)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    found = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []


def test_lines_are_not_the_colour_of_the_page_in_the_dark(visit, hedged_night):
    colours = {}
    for light in ("light", "dark"):
        page, _, _ = visit(hedged_night, DESKTOP, light)
        colours[light] = page.locator("figure#momentum svg path[stroke='var(--line)']").first.evaluate(
            "line => [getComputedStyle(line).stroke, getComputedStyle(document.body).backgroundColor]"
        )
    assert colours["light"] == ["rgb(0, 103, 163)", "rgb(255, 255, 255)"]
    assert colours["dark"] == ["rgb(86, 180, 233)", "rgb(20, 23, 27)"]


def test_the_decision_fits_on_one_desktop_screen_and_says_that_it_is_paper(visit, hedged_night):
    page, _, _ = visit(hedged_night, DESKTOP)
    for text in ("Sell", "Buy", "Hedge"):
        box = page.locator(".columns .box h3", has_text=text).bounding_box()
        assert box is not None
        assert box["y"] < DESKTOP["height"] - 100
    assert page.get_by_text("RECORDED MARKET").bounding_box()["y"] < 200
    assert page.get_by_text("Not investment advice").first.bounding_box()["y"] < 300


def test_the_keyboard_reaches_the_decision_the_conditions_and_the_tables(visit, hedged_night):
    page, _, _ = visit(hedged_night, DESKTOP)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the decision"
    page.keyboard.press("Enter")
    assert page.url.endswith("#tonight")
    conditions = page.locator(".card details summary").first
    conditions.focus()
    page.keyboard.press("Enter")
    assert page.locator(".card details table").first.is_visible()


def test_on_paper_every_sector_and_chart_is_black_on_white(visit, hedged_night):
    page, _, _ = visit(hedged_night, DESKTOP, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    look = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert look == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert not page.locator("nav").first.is_visible()
    assert len(page.pdf()) > 50_000


def test_the_index_leads_to_the_page_and_back(visit, hedged_night):
    page, complaints, _ = visit(hedged_night.with_name("index.html"), PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_role("link", name=hedged_night.stem).click()
    assert page.get_by_role("heading", level=1).inner_text() == f"Sector rotation, night of {hedged_night.stem}"
    page.get_by_role("link", name="All nights").click()
    assert page.url.endswith("/index.html")
    assert complaints == []
