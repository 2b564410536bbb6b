"""The static site in a real browser, opened as a file: nothing is fetched, and the two halves lead to one another."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("site") / "site"
    subprocess.run([sys.executable, "docs/site_builder/build.py", str(directory)], cwd=PROJECT, check=True)
    return directory


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
    page, complaints, _ = visit(site / "docs" / "pictured.html", DESKTOP)
    assert (page.locator("img").evaluate("image => image.naturalWidth"), complaints) == (40, [])


def test_a_person_goes_from_the_first_page_to_a_models_columns_and_back(visit, site):
    page, complaints, requests = visit(site / "index.html", DESKTOP)
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
