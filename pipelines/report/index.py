"""The page over all nights: what changed and what was done, each with a link to its own page."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pipelines.report import words
from pipelines.report.data import Row
from pipelines.report.nights import Nights
from pipelines.report.page import environment


@dataclass(frozen=True)
class Line:
    """One night of the index; `page` is None where it has no page yet.

    `release` is the line of `quality.release_log` that first published the night, which every blocking check passed.
    """

    day: date
    page: str | None
    status: str
    value_usd: float | None
    turnover_frac: float | None
    sold: tuple[str, ...]
    bought: tuple[str, ...]
    states: tuple[str, ...]
    hedges: tuple[str, ...]
    release: Row | None


def page_name(day: date) -> str:
    """The file name of a night's page."""
    return f"{day}.html"


def render_index(info: Row, nights: Nights, pages: Collection[str]) -> str:
    """The index as HTML, the newest night first.

    Args:
        info: The line of `quality.release_info`.
        nights: What every night decided, and what the gates said.
        pages: File names of the pages that exist.
    """
    told: dict[str, dict[date, list[str]]] = {name: defaultdict(list) for name in ("states", "sell", "buy", "hedges")}
    for row in nights.sectors:
        change = f"{row['sector']}: {row['previous_state'] or 'none'} → {row['state']}"
        told["states"][row["as_of_date"]].append(change)
    for row in nights.trades:
        told[row["side"]][row["as_of_date"]].append(f"{row['sector']} {words.usd(row['usd'])}")
    for row in nights.hedges:
        told["hedges"][row["as_of_date"]].append(f"{row['asset']}: {row['status']}")
    releases = sorted(nights.releases, key=lambda row: (row["as_of_date"], row["release_id"]))
    lines = [
        _line(row, {name: found[row["as_of_date"]] for name, found in told.items()}, releases, pages)
        for row in reversed(nights.decisions)
    ]
    known = {page_name(line.day) for line in lines}
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            info=info,
            lines=lines,
            releases=[(row, page_name(row["as_of_date"])) for row in nights.releases],
            stopped=nights.stopped,
            pages=pages,
            strays=sorted(set(pages) - known, reverse=True),
            source_label=words.SOURCE_LABELS.get(info["source"]),
            words=words,
        )
    )


def _line(decision: Row, told: dict[str, list[str]], releases: list[Row], pages: Collection[str]) -> Line:
    day = decision["as_of_date"]
    first = bisect_left([row["as_of_date"] for row in releases], day)
    is_decided = decision["status"] == "decided"
    return Line(
        day=day,
        page=page_name(day) if page_name(day) in pages else None,
        status="" if is_decided else f"{decision['status']}: {words.codes([decision['reason'] or 'no reason given'])}",
        value_usd=decision["portfolio_value_usd"],
        turnover_frac=decision["turnover_frac"],
        sold=tuple(told["sell"]),
        bought=tuple(told["buy"]),
        states=tuple(told["states"]),
        hedges=tuple(told["hedges"]),
        release=releases[first] if first < len(releases) else None,
    )
