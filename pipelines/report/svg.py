"""Drawings without a script: Vega-Lite makes the SVG when the page is written, and here it is made fit for a page.

Colours come from the page's style sheet (`var(--...)`, `currentColor`), so that one drawing serves light, dark and
paper. Whatever a drawing could run, link to or load is refused.
"""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = {"svg", "g", "path", "line", "rect", "text", "tspan", "circle", "defs", "clipPath", "title", "desc"}
_DROPPED = re.compile(r"^(aria-.*|role|class|pointer-events|style|href|on.*)$")
_LONG_DECIMALS = re.compile(r"(\.\d{2})\d+")
_SPARK_WIDTH, _SPARK_HEIGHT = 96.0, 24.0


class DrawingError(ValueError):
    """A drawing contains what does not belong on the page: a defect, never a user's fault."""


def draw(spec: dict[str, Any], name: str, title: str, description: str) -> Markup:
    """A Vega-Lite chart as inline SVG that a screen reader announces by its title and description.

    Args:
        spec: The chart, data inside.
        name: Unique on the page; letters, digits and hyphens.
        title: What it is.
        description: What is to be seen on it.
    """
    import vl_convert  # starts a JavaScript engine: not for a command that draws nothing

    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))
    _clean(root, name)
    width, height = root.attrib.pop("width"), root.attrib.pop("height")
    root.set("width", width)  # an upper bound: the style sheet lets it shrink
    root.set("height", height)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(position, element)
    ElementTree.register_namespace("", _SVG)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def sparkline(values: Sequence[float | None], label: str) -> Markup:
    """A line of the last days without axes; unknown days are gaps, the last day is a dot.

    Args:
        values: One per day, the oldest first.
        label: What a screen reader says.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = (_SPARK_WIDTH - 6) / max(len(values) - 1, 1)
    points = [
        None if value is None else (3 + step * day, 3 + (_SPARK_HEIGHT - 6) * (1 - (value - low) / span))
        for day, value in enumerate(values)
    ]
    path, is_drawing = [], False
    for point in points:
        if point is not None:
            path.append(f"{'L' if is_drawing else 'M'}{point[0]:.1f},{point[1]:.1f}")
        is_drawing = point is not None
    dot = "" if points[-1] is None else f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2.2"/>'
    return Markup(
        f'<svg class="spark" role="img" aria-label="{escape(label)}" viewBox="0 0 {_SPARK_WIDTH:g} {_SPARK_HEIGHT:g}" '
        f'width="{_SPARK_WIDTH:g}" height="{_SPARK_HEIGHT:g}"><path d="{"".join(path)}"/>{dot}</svg>'
    )


def _clean(root: ElementTree.Element, name: str) -> None:
    """Names made unique on the page, decimals that nobody sees cut off, and nothing but shapes and text."""
    for element in root.iter():
        tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if tag not in _ELEMENTS:
            raise DrawingError(f"{name}: the drawing has an element <{tag}>, which does not belong on the page")
        for key, value in list(element.attrib.items()):
            if _DROPPED.match(key.rpartition("}")[2]):
                del element.attrib[key]
            elif key == "id":
                element.set(key, f"{name}-{value}")
            elif "url(" in value:
                if not value.startswith("url(#"):
                    raise DrawingError(f"{name}: the drawing refers to {value!r}, which is not on the page")
                element.set(key, value.replace("url(#", f"url(#{name}-"))
            elif key in ("d", "transform", "x", "y", "x2", "y2", "width", "height"):
                element.set(key, _LONG_DECIMALS.sub(r"\1", value))
    _drop_empty(root)


def _drop_empty(parent: ElementTree.Element) -> None:
    for child in list(parent):
        _drop_empty(child)
        is_path = child.tag == f"{{{_SVG}}}path"
        is_group = child.tag == f"{{{_SVG}}}g" and not len(child)
        if is_group or (is_path and (not child.get("d") or "h0v0h0" in child.get("d", ""))):
            parent.remove(child)
