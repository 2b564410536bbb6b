"""The nightly report in a real browser: every chart is drawn, at every size and in every light, and nothing is fetched.

With `SCREENSHOTS_TO=docs/img` in the environment the pictures of the documentation are made here, too.
"""

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pipelines.policy import Policy
from pipelines.report import charts, figures
from pipelines.report.data import Night, read_night
from pipelines.report.files import write_report
from warehouse.connection import Warehouse

SCREENSHOTS_TO = os.environ.get("SCREENSHOTS_TO")
PHONE, DESKTOP, PAPER = ({"width": w, "height": h} for w, h in ((390, 844), (1280, 800), (794, 1123)))
SIZES = {"phone": PHONE, "desktop": DESKTOP}
LIGHTS = ("light", "dark")
LARGEST = 3_000_000
LARGEST_PICTURE = 300_000

# What is drawn, drawing by drawing: cells by their colour, bars, points of lines; and whether it is painted at all.
MARKS = r"""
figure => [...figure.querySelectorAll('svg')].filter(svg => svg.checkVisibility()).map(svg => {
  const box = svg.getBoundingClientRect(), found = {cells: 0, bars: 0, dots: 0, lines: 0, points: 0, unpainted: 0};
  const paper = getComputedStyle(document.body).backgroundColor;
  const clear = colour => ['none', 'rgba(0, 0, 0, 0)', paper].includes(colour);
  for (const path of svg.querySelectorAll('path[fill^="var"], path[stroke^="var"]')) {
    const fill = path.getAttribute('fill') || '', stroke = path.getAttribute('stroke') || '';
    const look = getComputedStyle(path);
    const steps = path.getAttribute('d').match(/[MLHhVv]/g) || [];
    const drawn = path.getBoundingClientRect();
    if (stroke === 'var(--paper)') found.cells += 1;
    else if (/^var\(--(line|c\d)\)$/.test(stroke) && !fill && steps.length > 0) {
      found.lines += 1; found.points += steps.length;
    } else if (/^var\(--(line|second)\)$/.test(fill) && !stroke && drawn.height < 30) found.bars += 1;
    else if (/^var\(--c\d\)$/.test(fill) && !stroke) found.dots += 1;
    if (clear(stroke && !fill ? look.stroke : look.fill) && !fill.startsWith('var(--h')) found.unpainted += 1;
    if (drawn.right > box.right + 1 || drawn.left < box.left - 1) found.unpainted += 1;
  }
  return {...found, width: box.width, height: box.height};
})
"""

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Written:
    """A night's rows, and the page and the index that were made from them."""

    night: Night
    page: Path
    index: Path


@pytest.fixture(scope="module")
def written(small_release, tmp_path_factory) -> Written:
    """The page of a night on which a hedge was open, with orders if there is one, and that of the newest night."""
    directory = tmp_path_factory.mktemp("report") / "warehouse"
    shutil.copytree(small_release, directory, symlinks=True)
    warehouse = Warehouse(directory)
    with warehouse.open_release() as con:
        (day,) = con.execute(
            "select as_of_date from portfolio.hedges left join portfolio.rebalance_trades using (as_of_date) "
            "where status <> 'close' order by trade_id is null, as_of_date desc limit 1"
        ).fetchone()
        night = read_night(con, day, Policy().spread.reference)
    write_report(warehouse, Policy())
    made = write_report(warehouse, Policy(), day)
    return Written(night, made.page, made.index)


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("size", SIZES)
def test_every_chart_draws_the_numbers_of_the_night_and_nothing_is_fetched(visit, written, size, light):
    page, complaints, requests = visit(written.page, SIZES[size], light)
    expected = _expected(written.night, is_wide=size == "desktop")
    assert all(mark > 0 for marks in expected.values() for mark in marks.values())
    assert _counted(page, expected) == expected
    with_data = {row["sector"] for row in written.night.open_interest if row["momentum_14d_frac"] is not None}
    assert page.locator(".spark path").count() == 4 * len(with_data)
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size]["width"]
    assert (complaints, requests) == ([], [written.page.as_uri()])


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["index", "page"])
def test_axe_finds_nothing_serious(visit, written, name, size, light):
    """One fold of each kind is open, and drawings are left to the next test: contrast is slow, and they are alike."""
    page, _, _ = visit(getattr(written, name), SIZES[size], light)
    page.evaluate("document.querySelectorAll('#sector-1 details, #funding details').forEach(d => d.open = true)")
    assert _serious(page, leave_out="svg[aria-labelledby]") == []


def test_axe_finds_nothing_serious_in_any_fold(visit, written):
    page, _, _ = visit(written.page, DESKTOP)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert _serious(page, rules={"color-contrast": {"enabled": False}}) == []


def test_axe_sees_what_is_wrong(visit, written):
    page, _, _ = visit(written.index, PHONE)
    page.evaluate("document.documentElement.removeAttribute('lang'); document.querySelector('a').textContent = ''")
    assert {name for name, _ in _serious(page)} >= {"html-has-lang", "link-name"}


def test_lines_have_the_colours_of_the_light(visit, written):
    colours = {}
    for light in LIGHTS:
        page, _, _ = visit(written.page, DESKTOP, light)
        colours[light] = page.locator("figure#momentum svg path[stroke='var(--line)']").first.evaluate(
            "line => [getComputedStyle(line).stroke, getComputedStyle(document.body).backgroundColor]"
        )
    assert colours == {
        "light": ["rgb(0, 103, 163)", "rgb(255, 255, 255)"],
        "dark": ["rgb(86, 180, 233)", "rgb(20, 23, 27)"],
    }


def test_the_decision_is_on_the_first_screen_and_said_to_be_paper(visit, written):
    page, _, _ = visit(written.page, DESKTOP)
    for text in ("Sell", "Buy", "Hedge"):
        box = page.locator(".box h3", has_text=text).first.bounding_box()
        assert box["y"] < DESKTOP["height"] / 2
    assert page.locator(".columns").first.bounding_box()["y"] + 100 < DESKTOP["height"]
    assert page.get_by_text("RECORDED MARKET").bounding_box()["y"] < 100
    assert page.get_by_text("Not investment advice").first.bounding_box()["y"] < 150
    phone, _, _ = visit(written.page, PHONE)
    assert phone.locator(".headline").bounding_box()["y"] < PHONE["height"] / 2


def test_the_keyboard_reaches_the_sections_and_opens_the_folds(visit, written):
    page, _, _ = visit(written.page, DESKTOP)
    focused = []
    for _ in range(9):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("document.activeElement.textContent"))
    assert focused[:2] == ["To the decision", "All nights"]
    assert {"Weights", "Hedges", "Sectors", "Market", "Data"} <= set(focused)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert "#" in page.url
    fold = page.locator(".card details").first
    assert not fold.locator("table").first.is_visible()
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.locator("table").first.is_visible()


def test_a_table_wider_than_the_phone_is_scrolled_by_keyboard_and_keeps_its_first_column(visit, written):
    page, _, _ = visit(written.page, PHONE)
    region = page.get_by_role("region", name="Weights by sector")
    region.focus()
    before = region.locator("tbody th").first.bounding_box()["x"]
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("region => region.scrollLeft > 0", arg=region.element_handle())
    assert region.locator("tbody th").first.bounding_box()["x"] == pytest.approx(before, abs=1)


def test_every_drawing_is_told_in_words_and_as_a_table(visit, written):
    page, _, _ = visit(written.page, DESKTOP)
    for drawing in page.locator("svg[role=img]:visible").all()[:60]:
        name = drawing.evaluate(
            "svg => svg.getAttribute('aria-label') || (svg.getAttribute('aria-labelledby') || '').split(' ')"
            ".map(id => document.getElementById(id)?.textContent || '').join(' ')"
        )
        assert len(name.strip()) > 15
    for figure in page.locator("figure").all():
        assert figure.locator("table tbody tr").count() > 0


def test_on_paper_every_chart_is_printed_dark_on_white_and_nothing_is_cut_off(visit, written):
    page, _, _ = visit(written.page, PAPER, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    look = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert look == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert not page.locator("nav").first.is_visible()
    expected = _expected(written.night, is_wide=True)
    assert _counted(page, expected) == expected
    assert page.evaluate("document.documentElement.scrollWidth") == PAPER["width"]
    pdf = page.pdf(format="A4", print_background=True)
    assert pdf[:5] == b"%PDF-"
    assert len(pdf) > 50_000


def test_the_index_leads_to_the_page_and_back(visit, written):
    page, complaints, _ = visit(written.index, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_role("link", name=written.page.stem, exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == f"Sector rotation, night of {written.page.stem}"
    page.get_by_role("link", name="All nights").click()
    assert page.url.endswith("/index.html")
    assert complaints == []


def test_a_page_is_far_smaller_than_three_megabytes(written):
    assert written.page.stat().st_size < LARGEST
    assert written.index.stat().st_size < LARGEST


@pytest.mark.skipif(not SCREENSHOTS_TO, reason="set SCREENSHOTS_TO=docs/img to make the pictures of the documentation")
@pytest.mark.parametrize(
    ("name", "size", "light"), [("desktop", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light")]
)
def test_pictures_of_the_documentation_are_made(visit, written, name, size, light):
    page, _, _ = visit(written.page, size, light)
    if name == "dark":
        page.evaluate("document.querySelector('#market').scrollIntoView()")
    picture = page.screenshot(path=Path(SCREENSHOTS_TO) / f"report-{name}.png", animations="disabled")
    assert len(picture) < LARGEST_PICTURE


def _serious(page: Page, leave_out: str | None = None, **options: object) -> list[tuple[str, str]]:
    from axe_playwright_python.sync_playwright import Axe

    context = {"exclude": [[leave_out]]} if leave_out else None
    found = Axe().run(page, context, {"resultTypes": ["violations"], **options}).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]


def _counted(page: Page, expected: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """What is drawn in every figure of the page, of the kinds of marks that it is expected to have."""
    drawings = {figure.get_attribute("id"): figure.evaluate(MARKS) for figure in page.locator("figure").all()}
    assert all(
        d["width"] > 150 and d["height"] > 80 and d["unpainted"] == 0 for found in drawings.values() for d in found
    )
    return {
        name: {kind: sum(d[kind] for d in found) for kind in expected.get(name, {"not expected": 0})}
        for name, found in drawings.items()
    }


def _expected(night: Night, is_wide: bool) -> dict[str, dict[str, int]]:
    """How many marks every figure must have, counted from the rows."""
    days = sorted({row["date"] for row in night.funding})
    shown = set(days[-(figures.HEAT_DAYS_WIDE if is_wide else figures.HEAT_DAYS_NARROW) :])
    panels = {row["sector"] for row in night.weights}
    plans = list(
        dict.fromkeys(sorted((r["hedge_id"] for r in night.scenarios), key=lambda name: (name != "PLAN", name)))
    )
    bars = sum(
        0 < abs(row["shock_frac"]) <= 0.5
        for row in night.scenarios
        if (row["hedge_id"], row["horizon_days"], row["funding_path"]) == ("PLAN", 7, "persist")
    )
    leads = {(row["sector"], row["reference_sector"]) for row in night.spreads if row["spread_z_90d"] is not None}
    series = Counter(sector for sector, _ in leads)
    legends = 2 * sum(count for count in series.values() if count > 1)  # a stroke from here to there per name
    legs = [row[f"{leg}_basis_annualised"] for row in night.curve for leg in ("front", "far")]
    return {
        "weights": {"points": len(panels) + 2 * len(night.weights)},  # a step is two points
        "nav": {"points": len(night.nav)},
        **{f"scenario-{number}": {"bars": 2 * bars + 2} for number in range(len(plans))},  # two of the legend
        "funding": {"cells": sum(r["date"] in shown for r in night.funding) + len(charts.HEAT_BOUNDS_BPS) + 2},
        "open-interest": {"points": _known(night.open_interest, "open_interest_index")},
        "momentum": {"points": _known(night.open_interest, "momentum_14d_frac")},
        "spreads": {"points": _known(night.spreads, "spread_z_90d") + legends},
        "matrix": {"cells": len(night.spread_matrix) + len(charts.SPREAD_BOUNDS) + 2},
        "curve": {"dots": sum(basis is not None for basis in legs)},
    }


def _known(rows: list[dict], column: str) -> int:
    return sum(row[column] is not None for row in rows)
