"""The page over all nights: what changed and what was done, each with a link to its own page."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pipelines.report import words
from pipelines.report.data import Row
from pipelines.report.page import environment
from pipelines.report.tonight import CENT


@dataclass(frozen=True)
class Line:
    """One night of the index; `page` is None where it has no page yet."""

    day: date
    page: str | None
    status: str
    value_usd: float | None
    turnover_frac: float | None
    sold: tuple[str, ...]
    bought: tuple[str, ...]
    states: tuple[str, ...]
    hedges: tuple[str, ...]


def page_name(day: date) -> str:
    """The file name of a night's page."""
    return f"{day}.html"


def render_index(info: Row, decisions: list[Row], sectors: list[Row], hedges: list[Row], pages: Collection[str]) -> str:
    """The index as HTML, the newest night first.

    Args:
        info: The line of `quality.release_info`.
        decisions, sectors, hedges: See `data.read_nights`.
        pages: File names of the pages that exist.
    """
    by_day, hedges_by_day = defaultdict(list), defaultdict(list)
    for row in sectors:
        by_day[row["as_of_date"]].append(row)
    for row in hedges:
        hedges_by_day[row["as_of_date"]].append(f"{row['asset']} {row['status']}")
    lines = [
        _line(row, by_day[row["as_of_date"]], hedges_by_day[row["as_of_date"]], pages) for row in reversed(decisions)
    ]
    known = {page_name(line.day) for line in lines}
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            info=info,
            lines=lines,
            strays=sorted(set(pages) - known, reverse=True),
            source_label=words.SOURCE_LABELS.get(info["source"]),
            words=words,
        )
    )


def _line(decision: Row, sectors: list[Row], hedges: list[str], pages: Collection[str]) -> Line:
    name = page_name(decision["as_of_date"])
    is_decided = decision["status"] == "decided"
    return Line(
        day=decision["as_of_date"],
        page=name if name in pages else None,
        status=decision["status"] if is_decided else f"{decision['status']}: {decision['reason'] or 'no reason given'}",
        value_usd=decision["portfolio_value_usd"],
        turnover_frac=decision["turnover_frac"],
        sold=tuple(_traded(row) for row in sectors if (row["delta_usd"] or 0) <= -CENT),
        bought=tuple(_traded(row) for row in sectors if (row["delta_usd"] or 0) >= CENT),
        states=tuple(
            f"{row['sector']}: {row['previous_state'] or 'none'} → {row['state']}"
            for row in sectors
            if row["state"] is not None and row["state"] != row["previous_state"]
        ),
        hedges=tuple(hedges),
    )


def _traded(row: Row) -> str:
    return f"{row['sector']} {words.usd(abs(row['delta_usd']))}"
