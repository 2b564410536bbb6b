"""The static site in a real browser, opened as a file: nothing is fetched, and the two halves lead to one another."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

PROJECT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; install it with: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("site") / "site"
    subprocess.run([sys.executable, "docs/site_builder/build.py", str(directory)], cwd=PROJECT, check=True)
    return directory


@pytest.fixture
def visit() -> Iterator:
    """Opens a page at a size; complaints and requests that are no file of the site are collected."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )

        def visit(path: Path, size: dict[str, int] = DESKTOP) -> tuple[Page, list[str], list[str]]:
            page, complaints, requests = browser.new_context(viewport=size).new_page(), [], []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(path.as_uri())
            return page, complaints, requests

        yield visit
        browser.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_fit_the_screen_and_fetch_nothing_but_pictures_of_the_site(visit, site, size):
    for name in ("index.html", "docs/tables.html", "docs/exchanges.html"):
        page, complaints, requests = visit(site / name, size)
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"], name
        assert complaints == [] and all(url.startswith(site.as_uri()) for url in requests), name


def test_pictures_of_the_site_are_shown(visit, site):
    picture = site / "docs" / "square.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"/>')
    text = (site / "docs" / "tables.html").read_text(encoding="utf-8").replace("</h1>", '</h1><img src="square.svg">')
    (site / "docs" / "pictured.html").write_text(text, encoding="utf-8")
    page, complaints, _ = visit(site / "docs" / "pictured.html")
    assert (page.locator("img").evaluate("image => image.naturalWidth"), complaints) == (40, [])


def test_a_person_goes_from_the_first_page_to_a_models_columns_and_back(visit, site):
    page, complaints, requests = visit(site / "index.html")
    page.get_by_text("Pages", exact=True).click()
    page.get_by_role("link", name="Models, columns and lineage (dbt)").click()
    page.get_by_role("heading", name="The warehouse's models").wait_for()
    page.goto(page.url.partition("#")[0] + "#!/model/model.rotation.sector_funding_daily")
    page.get_by_text("funding_8h_bps", exact=True).first.wait_for()
    page.goto(page.url.partition("#")[0] + "#!/exposure/exposure.rotation.nightly_report")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="View this exposure").click()
    opened.value.get_by_role("heading", name="The nightly report").wait_for()
    assert complaints == []
    assert all(url.startswith(site.as_uri()) for url in requests)
