"""Drawings are made of shapes and text only, and say what they show."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from pipelines.report import charts
from pipelines.report.svg import DrawingError, draw, sparkline

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</text></svg><script>alert(1)</script><img src="https://evil.example/x" onerror=alert(2)>&"\''


def line(values):
    rows = [(date(2026, 1, 1) + timedelta(days=day), "", value) for day, value in enumerate(values)]
    return charts.line_panel(rows, unit=".1f")


def longest_path(svg):
    return max((e.get("d", "") for e in ElementTree.fromstring(svg).iter(f"{SVG}path")), key=len)


def test_a_drawing_is_announced_by_its_title_and_description():
    root = ElementTree.fromstring(draw(line([1.0, 2.0]), "one", "Momentum: L1", "2.0 on 2026-01-02"))
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "one-title one-desc")
    assert [root[0].text, root[1].text] == ["Momentum: L1", "2.0 on 2026-01-02"]


def test_an_unknown_day_is_a_gap_in_the_line():
    assert longest_path(draw(line([1.0, 2.0, 3.0, 4.0]), "a", "t", "d")).count("M") == 1
    assert longest_path(draw(line([1.0, 2.0, None, 3.0, 4.0]), "a", "t", "d")).count("M") == 2


def test_a_hostile_name_is_text_and_nothing_else():
    rows = [{"x": date(2026, 1, 1), "y": HOSTILE, "v": 1.0}]
    spec = charts.heatmap(
        rows, x="x", y="y", value="v", bounds=(0.0,), width=340, order=[HOSTILE], unit="", is_time=True
    )
    svg = draw(spec, "h", HOSTILE, HOSTILE)
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert tags <= {"svg", "g", "path", "rect", "line", "text", "title", "desc"}
    assert "<script" not in svg and "<img" not in svg


def test_what_could_load_something_is_refused():
    spec = line([1.0, 2.0])
    spec["layer"].append(
        {
            "data": {"values": [{}]},
            "mark": {"type": "image", "url": "https://evil.example/x.png", "width": 9, "height": 9},
        }
    )
    with pytest.raises(DrawingError, match="image"):
        draw(spec, "x", "t", "d")


def test_a_cell_falls_into_the_class_of_its_bound_and_unknown_has_its_own():
    rows = [{"x": date(2026, 1, 1 + day), "y": "A", "v": value} for day, value in enumerate((-1.0, 0.0, 0.5, None))]
    spec = charts.heatmap(
        rows, x="x", y="y", value="v", bounds=(0.0, 1.0), width=340, order=["A"], unit="bp", is_time=True
    )
    assert [cell["class"] for cell in spec["data"]["values"]] == ["under 0", "0 to 1", "0 to 1", "unknown ×"]


def test_a_sparkline_breaks_where_a_day_is_unknown_and_says_what_it_shows():
    svg = sparkline([1.0, 2.0, None, 3.0], 'from "1" to 3')
    assert ElementTree.fromstring(svg).get("aria-label") == 'from "1" to 3'
    assert longest_path(str(svg).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')).count("M") == 2


def test_a_sparkline_of_one_known_day_is_not_drawn():
    assert sparkline([None, 1.0], "x") == ""
