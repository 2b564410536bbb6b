"""The charts as Vega-Lite specifications. Panels are as wide as a phone; the page sets them side by side."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from pipelines.report.data import Row

PANEL_WIDTH, PANEL_HEIGHT = 320, 150
HEAT_BOUNDS_BPS = (-2.0, -0.5, 0.5, 1.5, 3.0, 5.0)
SPREAD_BOUNDS = (-1.5, -0.5, 0.5, 1.0, 1.5, 2.5)  # the third class is the quiet one, as in the colours
_INK, _LINE, _SECOND, _RULE = "currentColor", "var(--line)", "var(--second)", "var(--rule)"
_DASHES = [[1, 0], [5, 3], [1, 2], [8, 2, 2, 2], [3, 3], [10, 3], [2, 4], [6, 2, 1, 2]]
_PALETTE = [f"var(--c{number})" for number in range(8)]
_CONFIG: dict[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "domainColor": _INK,
        "tickColor": _INK,
        "gridColor": _INK,
        "gridOpacity": 0.14,
        "domainOpacity": 0.5,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": _INK,
        "titleColor": _INK,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "orient": "top",
        "titleFontWeight": "normal",
        "labelLimit": 260,
    },
}


def line_panel(
    rows: Sequence[tuple[date, str, float | None]],
    *,
    unit: str,
    rules: Sequence[float] = (),
    area: bool = False,
    series: Sequence[str] = (),
    top: float | None = None,
) -> dict[str, Any]:
    """A line over days; unknown days are gaps.

    Args:
        rows: Day, series, value.
        unit: Number format of the axis (d3), for example `.0%`.
        rules: Values at which a dashed horizontal line is drawn.
        area: Fill down to 0 as a step: for weights.
        series: Names in the order of their line styles; with more than one there is a legend.
        top: Where the axis of an area ends, so that panels can be compared; None for its own largest value.
    """
    values = [{"day": day.isoformat(), "series": name, "value": value} for day, name, value in rows]
    mark = {
        "type": "area",
        "interpolate": "step-after",
        "fillOpacity": 0.25,
        "line": {"color": _LINE, "strokeWidth": 1.5},
    }
    days = sorted({day for day, _, _ in rows})
    if area:  # the last value holds until the next night, or its step would have no width
        last = [(days[-1] + timedelta(days=1), name, value) for day, name, value in rows if day == days[-1]]
        values += [{"day": day.isoformat(), "series": name, "value": value} for day, name, value in last]
    encoding: dict[str, Any] = {
        "x": {
            "field": "day",
            "type": "temporal",
            "scale": {"type": "utc"},
            "axis": {
                "title": None,
                "format": "%d %b %y",
                "values": [_instant(days[place]) for place in sorted({0, len(days) // 2, len(days) - 1})],
                "labelAngle": 0,
                "labelFlush": True,
                "grid": False,
            },
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "scale": {"zero": area} | ({"domain": [0, top]} if area and top else {}),
            "axis": {"title": None, "format": unit, "tickCount": 4},
        },
    }
    if len(series) > 1:
        names = list(series)
        encoding["color"] = {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": names, "range": _cycle(_PALETTE, len(names))},
            "legend": {"title": None, "symbolType": "stroke", "symbolSize": 300, "columns": 2},
        }
        encoding["strokeDash"] = {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": names, "range": _cycle(_DASHES, len(names))},
        }
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"value": rule}]},
            "mark": {"type": "rule", "stroke": _RULE, "strokeDash": [4, 3]},
            "encoding": {"y": {"field": "value", "type": "quantitative"}},
        }
        for rule in rules
    ]
    shown = mark | {"color": _LINE} if area else {"type": "line", "strokeWidth": 1.7}
    if not area and len(series) <= 1:
        shown["stroke"] = _LINE
    layers.append({"data": {"values": values}, "mark": shown, "encoding": encoding})
    return _panel({"layer": layers})


def heatmap(
    rows: Sequence[Row],
    *,
    x: str,
    y: str,
    value: str,
    bounds: Sequence[float],
    width: int,
    order: Sequence[str],
    unit: str,
    is_time: bool,
    has_numbers: bool = False,
) -> dict[str, Any]:
    """Cells in classes of a colour-blind safe diverging palette; an unknown cell is crossed out.

    Args:
        rows: Rows with the three fields.
        x, y, value: Field names; x is a date where `is_time`.
        bounds: Where a class ends and the next begins, ascending; one class more than bounds.
        width: Of the whole drawing.
        order: The y categories from top to bottom.
        unit: Written into the legend.
        is_time: Whether x is a date.
        has_numbers: Whether each value is written into its cell; not for cells too small for it.
    """
    classes = _class_names(bounds, unit)
    cells = [
        {
            "x": row[x].isoformat() if is_time else row[x],
            "y": row[y],
            "text": "\u00d7"
            if row[value] is None
            else f"{round(row[value], 1) + 0.0:+.1f}".replace("-", "\u2212")
            if has_numbers
            else "",
            "ink": _ink(row[value], bounds),
            "class": "unknown \u00d7" if row[value] is None else classes[sum(row[value] >= bound for bound in bounds)],
        }
        for row in rows
    ]
    axis: dict[str, Any] = {"title": None, "grid": False, "ticks": False, "domain": False}
    across: dict[str, Any]
    if is_time:
        across = {
            "field": "x",
            "type": "temporal",
            "timeUnit": "utcyearmonthdate",
            "axis": axis | {"format": "%d %b", "labelOverlap": "greedy", "labelSeparation": 12},
        }
    else:
        across = {
            "field": "x",
            "type": "nominal",
            "sort": list(order),
            "axis": axis | {"labelAngle": -60, "labelLimit": 110},
        }
    down = {"field": "y", "type": "nominal", "sort": list(order), "axis": axis | {"labelLimit": 120}}
    colour = {
        "field": "class",
        "type": "nominal",
        "scale": {
            "domain": [*classes, "unknown \u00d7"],
            "range": [*(f"var(--h{number})" for number in range(len(classes))), "var(--unknown)"],
        },
        "legend": {
            "title": None,
            "columns": 8 if width > PANEL_WIDTH * 2 else 2,
            "symbolType": "square",
            "symbolSize": 120,
        },
    }
    written = {
        "transform": [{"filter": "datum.text != ''"}],
        "mark": {"type": "text", "fontSize": 10, "baseline": "middle"},
        "encoding": {
            "x": across | ({"bandPosition": 0.5} if is_time else {}),
            "y": down,
            "text": {"field": "text"},
            "color": {"field": "ink", "type": "nominal", "scale": None},
        },
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "autosize": {"type": "fit", "contains": "padding"},
        "width": width,
        "height": (60 if is_time else 150) + 20 * len(order) + (0 if width > PANEL_WIDTH * 2 else 50),
        "data": {"values": cells},
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 0.5},
                "encoding": {"x": across, "y": down, "color": colour},
            },
            written,
        ],
        "config": _CONFIG,
    }


def _ink(value: float | None, bounds: Sequence[float]) -> str:
    """The colour of text in a cell, by the cell's class."""
    place = None if value is None else sum(value >= bound for bound in bounds)
    if place == len(bounds) - 1:
        return "var(--on-warm)"
    return "var(--on-strong)" if place in (0, len(bounds)) else "var(--on-weak)"


def curve_panel(rows: Sequence[Row]) -> dict[str, Any]:
    """One asset's basis per year over the days to expiry, a line per exchange.

    Args:
        rows: Rows of `marts.calendar_spreads_daily` of one asset and day.
    """
    points = [
        {"days": row[f"{leg}_days"], "basis": row[f"{leg}_basis_annualised"], "exchange": row["exchange"]}
        for row in rows
        for leg in ("front", "far")
        if row[f"{leg}_days"] is not None and row[f"{leg}_basis_annualised"] is not None
    ]
    names = sorted({point["exchange"] for point in points})
    scale = {"domain": names}
    return _panel(
        {
            "data": {"values": points},
            "mark": {"type": "line", "strokeWidth": 1.7, "point": {"filled": True, "size": 45}},
            "encoding": {
                "x": {
                    "field": "days",
                    "type": "quantitative",
                    "axis": {"title": "days to expiry", "tickCount": 5, "grid": False},
                },
                "y": {
                    "field": "basis",
                    "type": "quantitative",
                    "scale": {"zero": True},
                    "axis": {"title": None, "format": "+.1%", "tickCount": 4},
                },
                "color": {
                    "field": "exchange",
                    "type": "nominal",
                    "scale": scale | {"range": _cycle(_PALETTE, len(names))},
                    "legend": {"title": None, "symbolType": "stroke", "symbolSize": 300},
                },
                "strokeDash": {
                    "field": "exchange",
                    "type": "nominal",
                    "scale": scale | {"range": _cycle(_DASHES, len(names))},
                },
            },
        }
    )


def scenario_panel(rows: Sequence[Row]) -> dict[str, Any]:
    """Profit and loss by price move: the holding alone, and with its hedge.

    Args:
        rows: Rows of `portfolio.hedge_scenarios` of one hedge, horizon and path of funding.
    """
    parts = (("holding alone", "spot_pnl_usd"), ("holding with hedge", "net_pnl_usd"))
    bars = [
        {"move": f"{row['shock_frac']:+.0%}".replace("-", "\u2212"), "part": part, "usd": row[column]}
        for row in sorted(rows, key=lambda row: row["shock_frac"])
        for part, column in parts
        if row["shock_frac"] != 0 and abs(row["shock_frac"]) <= 0.5
    ]
    names = [part for part, _ in parts]
    return _panel(
        {
            "data": {"values": bars},
            "mark": {"type": "bar", "strokeWidth": 1},
            "encoding": {
                "y": {"field": "move", "type": "nominal", "sort": None, "axis": {"title": "price move", "grid": False}},
                "yOffset": {"field": "part", "type": "nominal", "sort": names},
                "x": {
                    "field": "usd",
                    "type": "quantitative",
                    "axis": {"title": None, "format": "$~s", "tickCount": 4, "labelOverlap": "greedy"},
                },
                "color": {
                    "field": "part",
                    "type": "nominal",
                    "scale": {"domain": names, "range": [_SECOND, _LINE]},
                    "legend": {"title": None},
                },
            },
        },
        height=280,
    )


def _panel(body: dict[str, Any], height: int = PANEL_HEIGHT) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "autosize": {"type": "fit", "contains": "padding"},
        "width": PANEL_WIDTH,
        "height": height,
        "config": _CONFIG,
        **body,
    }


def _instant(day: date) -> dict[str, Any]:
    return {"year": day.year, "month": day.month, "date": day.day, "utc": True}


def _cycle(values: Sequence[Any], count: int) -> list[Any]:
    return [values[number % len(values)] for number in range(count)]


def _class_names(bounds: Sequence[float], unit: str) -> list[str]:
    def text(bound: float) -> str:
        return f"{bound:g}".replace("-", "\u2212")

    inner = [f"{text(low)} to {text(high)}" for low, high in pairwise(bounds)]
    return [f"under {text(bounds[0])}", *inner, f"{text(bounds[-1])} {unit} or more".replace("  ", " ")]
