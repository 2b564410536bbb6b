"""The page's figures: each a set of drawings, a caption that says how to read it, and the same numbers as a table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

from pipelines.report import charts, words
from pipelines.report.data import Night, Row
from pipelines.report.svg import draw

TABLE_DAYS = 30
HEAT_DAYS_WIDE, HEAT_DAYS_NARROW = 120, 45


@dataclass(frozen=True)
class Drawing:
    """One drawing with its heading; `width` is `wide` or `narrow` where it is for one kind of screen only."""

    heading: str
    svg: Markup
    width: str = ""


@dataclass(frozen=True)
class Table:
    """Cells as text: the first column heads its row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """One figure of the page. Without drawings there is nothing to show, and `caption` says why.

    `table` is folded below the drawings, `beside` always shown.
    """

    name: str
    title: str
    caption: str
    drawings: tuple[Drawing, ...] = ()
    table: Table | None = None
    beside: Table | None = None


Sample = tuple[date, str, str, float | None]  # day, panel, series, value


def market_figures(night: Night, spread_limit: float, cut_momentum: float) -> list[Figure]:
    """The figures about the market, over the last months.

    Args:
        night: The night.
        spread_limit: z-score from which a leading sector vetoes a purchase.
        cut_momentum: 14-day change of the price below which a sector may be cut.
    """
    return [
        _funding_heatmap(night),
        _panels(
            night,
            "open-interest",
            "Open interest",
            "Open interest in coins, so price alone does not move it; 100 on the first day shown. It has no direction. "
            "Each panel has its own scale.",
            _rebased(night.open_interest, "open_interest_index", night.sectors),
            "d",
            "{:.1f}".format,
        ),
        _panels(
            night,
            "momentum",
            "Momentum",
            f"Change of the futures price over 14 days. Dashed: 0 and {words.percent(cut_momentum, decimals=0)}, below "
            "which a sector that also loses open interest is cut. Each panel has its own scale.",
            [(r["date"], r["sector"], "", r["momentum_14d_frac"]) for r in night.open_interest],
            "+.0%",
            lambda v: words.percent(v, sign=True),
            rules=(0.0, cut_momentum),
        ),
        _panels(
            night,
            "spreads",
            "Spreads between sectors: who runs ahead",
            "How far another sector's futures ran ahead of this one in 14 days, in deviations from the 90 days before "
            f"(z-score). From {spread_limit:g} on (dashed) this sector is not raised. Each panel has its own scale.",
            [(r["date"], r["sector"], f"{r['reference_sector']} ahead", r["spread_z_90d"]) for r in night.spreads],
            "+.1f",
            "{:+.2f}".format,
            rules=(spread_limit,),
        ),
        _spread_matrix(night),
        _curve(night),
    ]


def weights_figure(night: Night) -> Figure:
    """Target weights over all decided nights, cash included."""
    strategic = {sector: (weight,) for sector, weight in night.strategic_weights.items()}
    return _panels(
        night,
        "weights",
        "Weights over time",
        "Target weight in the spot sleeve after each decision, all panels on one scale. Dashed: the strategic weight.",
        [(r["as_of_date"], r["sector"], "", r["target_weight_frac"]) for r in night.weights],
        ".0%",
        words.percent,
        rules_of=strategic,
        area=True,
        also=("CASH",),
    )


def nav_figure(night: Night) -> Figure | None:
    """The value of everything over time; None where the release keeps no such book."""
    if len(night.nav) < 2:
        return None
    samples = [(row["as_of_date"], "", "", row["nav_usd"]) for row in night.nav]
    caption = "Value of everything held on paper after each night: spot, cash and the futures sleeve."
    spec = charts.line_panel([(day, series, value) for day, _, series, value in samples], unit="$,.0f")
    svg = draw(spec, "nav", "Value over time", f"{caption} {_span(samples, words.usd)}")
    recent = tuple((str(row["as_of_date"]), words.usd(row["nav_usd"])) for row in reversed(night.nav[-TABLE_DAYS:]))
    return Figure("nav", "Value over time", caption, (Drawing("", svg),), Table(("Day", "Value"), recent))


def _panels(
    night: Night,
    name: str,
    title: str,
    caption: str,
    samples: Iterable[Sample],
    unit: str,
    text: Callable[[float], str],
    rules: Sequence[float] = (),
    rules_of: dict[str, Sequence[float]] | None = None,
    area: bool = False,
    also: Sequence[str] = (),
) -> Figure:
    by_panel: dict[str, list[Sample]] = {}
    samples = list(samples)
    first = min((sample[0] for sample in samples if sample[3] is not None), default=None)
    top = max((sample[3] for sample in samples if sample[3] is not None), default=None)
    for sample in samples:
        if first is None or sample[0] < first:  # days before anything is known would only squeeze the others
            continue
        by_panel.setdefault(sample[1], []).append(sample)
    order = [panel for panel in (*night.sectors, *also) if any(s[3] is not None for s in by_panel.get(panel, ()))]
    if not order:
        return Figure(name, title, f"{caption} Nothing is known about these days.")
    drawings = []
    for number, panel in enumerate(order):
        rows = by_panel[panel]
        series = sorted({row[2] for row in rows})
        spec = charts.line_panel(
            [(day, label, value) for day, _, label, value in rows],
            unit=unit,
            rules=rules or (rules_of or {}).get(panel, ()),
            area=area,
            series=series,
            top=top,
        )
        told = " ".join(f"{label} {_span([row for row in rows if row[2] == label], text)}".strip() for label in series)
        drawings.append(Drawing(panel, draw(spec, f"{name}-{number}", f"{title}: {panel}", told)))
    return Figure(name, title, caption, tuple(drawings), _day_table(order, by_panel, text))


def _day_table(order: list[str], by_panel: dict[str, list[Sample]], text: Callable[[float], str]) -> Table:
    """The last days by panel and series, the newest day first."""
    columns = [(panel, series) for panel in order for series in sorted({row[2] for row in by_panel[panel]})]
    values = {(row[0], row[1], row[2]): row[3] for panel in order for row in by_panel[panel]}
    days = sorted({key[0] for key in values}, reverse=True)[:TABLE_DAYS]
    rows = tuple((str(day), *(_cell(values.get((day, *column)), text) for column in columns)) for day in days)
    return Table(("Day", *(" ".join(filter(None, column)) for column in columns)), rows)


def _funding_heatmap(night: Night) -> Figure:
    caption = (
        "Funding of each sector's leaders by day, in bp per 8 hours. Above 0 longs pay shorts; high funding with new "
        "leverage is what gets a sector cut."
    )
    days = sorted({row["date"] for row in night.funding})
    if not any(row["funding_8h_bps"] is not None for row in night.funding):
        return Figure("funding", "Funding by sector and day", f"{caption} Nothing is known about these days.")
    drawings = []
    for kind, count, width in (("wide", HEAT_DAYS_WIDE, 860), ("narrow", HEAT_DAYS_NARROW, 340)):
        shown = set(days[-count:])
        rows = [row for row in night.funding if row["date"] in shown]
        spec = charts.heatmap(
            rows,
            x="date",
            y="sector",
            value="funding_8h_bps",
            bounds=charts.HEAT_BOUNDS_BPS,
            width=width,
            order=night.sectors,
            unit="bp/8h",
            is_time=True,
        )
        title = f"Funding by sector and day, last {len(shown)} days"
        drawings.append(Drawing("", draw(spec, f"funding-{kind}", title, caption), kind))
    by_panel = {
        sector: [(r["date"], sector, "", r["funding_8h_bps"]) for r in night.funding if r["sector"] == sector]
        for sector in night.sectors
    }
    table = _day_table([sector for sector in night.sectors if by_panel[sector]], by_panel, "{:.2f}".format)
    return Figure("funding", "Funding by sector and day", caption, tuple(drawings), table)


def _spread_matrix(night: Night) -> Figure:
    caption = (
        "Tonight's spread between every two sectors: how far the sector of a column ran ahead of the sector of a row "
        "in 14 days, in deviations from the 90 days before. Blue: it fell behind."
    )
    title = "Spreads between all sectors tonight"
    if not any(row["spread_z_90d"] is not None for row in night.spread_matrix):
        return Figure("matrix", title, f"{caption} Nothing is known tonight.")
    drawings = []
    for kind, width in (("wide", 760), ("narrow", 340)):
        spec = charts.heatmap(
            night.spread_matrix,
            x="reference_sector",
            y="sector",
            value="spread_z_90d",
            bounds=charts.SPREAD_BOUNDS,
            width=width,
            order=night.sectors,
            unit="",
            is_time=False,
            has_numbers=kind == "wide",
        )
        drawings.append(Drawing("", draw(spec, f"matrix-{kind}", title, caption), kind))
    values = {(row["sector"], row["reference_sector"]): row["spread_z_90d"] for row in night.spread_matrix}
    rows = tuple(
        (
            sector,
            *(
                "" if other == sector else _cell(values.get((sector, other)), "{:+.2f}".format)
                for other in night.sectors
            ),
        )
        for sector in night.sectors
    )
    table = Table(("Sector", *(f"{sector} ahead" for sector in night.sectors)), rows)
    return Figure("matrix", title, caption, tuple(drawings), table)


def _curve(night: Night) -> Figure:
    caption = (
        "How far dated futures stand above spot, per year, over the days to expiry. A premium is the price of leverage "
        "and not a forecast. Shapes are in the table."
    )
    title = "Basis curve"
    rows = [row for row in night.curve if row["front_basis_annualised"] is not None]
    if not rows:
        return Figure("curve", title, f"{caption} No dated contract has a price tonight.")
    drawings = []
    for number, asset in enumerate(sorted({row["asset"] for row in rows})):
        own = [row for row in rows if row["asset"] == asset]
        told = "; ".join(f"{r['exchange']}: {r['shape'] or 'one contract only'}" for r in own)
        drawings.append(Drawing(asset, draw(charts.curve_panel(own), f"curve-{number}", f"{title} of {asset}", told)))
    table = Table(
        (
            "Asset",
            "Exchange",
            "Front, days",
            "Front, per year",
            "Far, days",
            "Far, per year",
            "Slope",
            "Shape",
            "Front is rich",
        ),
        tuple(
            (
                r["asset"],
                r["exchange"],
                _cell(r["front_days"], "{:.0f}".format),
                words.percent(r["front_basis_annualised"], sign=True),
                _cell(r["far_days"], "{:.0f}".format),
                words.percent(r["far_basis_annualised"], sign=True),
                words.percent(r["slope_annualised"], sign=True),
                r["shape"] or "",
                "yes" if r["is_front_rich"] else "no" if r["is_front_rich"] is False else words.UNKNOWN,
            )
            for r in rows
        ),
    )
    return Figure("curve", title, caption, tuple(drawings), table)


def _rebased(rows: Sequence[Row], column: str, sectors: Sequence[str]) -> list[Sample]:
    """An index whose level means nothing, as 100 on its first known day."""
    first: dict[str, float] = {}
    for row in rows:
        if row[column] is not None and row[column] > 0:
            first.setdefault(row["sector"], row[column])
    return [
        (row["date"], row["sector"], "", None if row[column] is None else 100 * row[column] / first[row["sector"]])
        for row in rows
        if row["sector"] in first and row["sector"] in sectors
    ]


def _span(rows: Sequence[Sample], text: Callable[[float], str]) -> str:
    """What is to be seen on a line, for somebody who does not see it."""
    known = [(row[0], row[3]) for row in rows if row[3] is not None]
    if not known:
        return "unknown throughout."
    low, high = min(value for _, value in known), max(value for _, value in known)
    return (
        f"{text(known[-1][1])} on {known[-1][0]}; {text(known[0][1])} on {known[0][0]}; between {text(low)} and "
        f"{text(high)}."
    )


def _cell(value: Any, text: Callable[[float], str]) -> str:
    return words.UNKNOWN if value is None else text(value)
