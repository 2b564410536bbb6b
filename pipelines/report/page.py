"""A night's page: every part put together and poured into the template, all text escaped."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipelines.policy import Policy
from pipelines.report import words
from pipelines.report.conditions import CUTS, Group, Way, flip_sentence, groups, ways_to_be_cut
from pipelines.report.data import Night, Row
from pipelines.report.figures import market_figures, nav_figure, scenario_figures, weights_figure
from pipelines.report.svg import sparkline
from pipelines.report.tonight import last_cut, reason, tonight, wanted

SPARK_DAYS = 30
MOST_BOOK_ROWS = 200
_TEMPLATES = Path(__file__).parent / "templates"
_BOOK_TITLES = {
    "rebalance_trades": ("Orders per coin", "What to trade on which exchange. Paper only: nothing was sent."),
    "asset_targets": ("Targets per coin", "What is held and what should be held of each coin."),
    "futures_sleeve": ("Futures sleeve", "Collateral and margin of the hedges."),
    "ledger": ("Paper ledger", "What this night booked."),
}
_LEFT_OUT = {"as_of_date", "decision_id"}


@dataclass(frozen=True)
class Metric:
    """A figure of a sector's card with its last days."""

    label: str
    value: str
    spark: Markup


@dataclass(frozen=True)
class Card:
    """One sector."""

    sector: str
    name: str
    signal: Row
    target: Row | None
    why: str
    leaders: tuple[str, ...]
    metrics: tuple[Metric, ...]
    flips: tuple[str, ...]
    ways: tuple[Way, ...]
    is_cut_state: bool
    last_cut: tuple[date, str] | None
    free_from: date | None
    groups: tuple[Group, ...]


def render_night(night: Night, policy: Policy, previous_page: str | None = None) -> str:
    """The page of one night as HTML.

    Args:
        night: Its rows.
        policy: The policy in force: which states are cut, and the limits that are drawn. A night that was decided
            under another one gets a note.
        previous_page: File name of the page of the night before, where there is one.
    """
    return (
        environment()
        .get_template("night.html.j2")
        .render(
            night=night,
            tonight=tonight(night),
            cards=[_card(night, sector, policy) for sector in night.sectors],
            targets=night.targets,
            weights=weights_figure(night),
            scenarios=scenario_figures(night),
            nav=nav_figure(night),
            figures=market_figures(night, policy.spread.z, policy.lose.mom),
            book=[_book(name, rows) for name, rows in night.book.items()],
            is_other_policy=night.decision["policy_hash"] not in (None, policy.canonical_hash()),
            source_label=words.SOURCE_LABELS.get(night.info["source"]),
            previous_page=previous_page,
            words=words,
            wanted=wanted,
        )
    )


@cache
def environment() -> Any:
    """The templates' engine; text from a release is escaped everywhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["style"] = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    found.filters |= {"usd": words.usd, "percent": words.percent, "moment": words.moment}
    return found


def _card(night: Night, sector: str, policy: Policy) -> Card:
    signal = next(row for row in night.signals if row["sector"] == sector)
    trace = json.loads(signal["rule_trace"] or "[]")
    cut = last_cut(night, sector)
    is_cut_state = getattr(policy.actions, signal["latched_state"] or "", None) in CUTS
    return Card(
        sector=sector,
        name=night.sector_names.get(sector) or "",
        signal=signal,
        target=next((row for row in night.targets if row["sector"] == sector), None),
        why=reason(signal),
        leaders=tuple(_leaders(night, sector)),
        metrics=tuple(_metrics(night, sector, signal)),
        flips=tuple(flip_sentence(flip) for flip in json.loads(signal["distance_to_flip"] or "[]")),
        ways=() if is_cut_state else tuple(ways_to_be_cut(trace, policy)),
        is_cut_state=is_cut_state,
        last_cut=cut,
        free_from=_free_from(night, cut, policy),
        groups=tuple(groups(trace)),
    )


def _leaders(night: Night, sector: str) -> list[str]:
    """The coins that stand for the sector tonight, the largest first."""
    row = next((r for r in reversed(night.funding) if r["sector"] == sector and r["date"] == night.day), {})
    return row.get("leaders") or []


def _free_from(night: Night, cut: tuple[date, str] | None, policy: Policy) -> date | None:
    """The first night on which the cooldown lets the sector be cut again; None where that is not in the future."""
    found = None if cut is None else cut[0] + timedelta(days=policy.decide.cooldown_days)
    return found if found is not None and found > night.day else None


def _metrics(night: Night, sector: str, signal: Row) -> list[Metric]:
    sources = (
        ("funding_3d_bps", night.funding),
        ("open_interest_change_7d_frac", night.open_interest),
        ("momentum_14d_frac", night.open_interest),
        ("volume_ratio_7d_28d", night.open_interest),
    )
    found = []
    for name, rows in sources:
        history = [row[name] for row in rows if row["sector"] == sector][-SPARK_DAYS:]
        known = [words.metric_value(name, value) for value in history if value is not None]
        label = words.metric_label(name)
        spoken = f"{label}, last {len(history)} days: from {known[0]} to {known[-1]}" if known else label
        found.append(Metric(label, words.metric_value(name, signal[name]), sparkline(history, spoken)))
    return found


def _book(name: str, rows: list[Row]) -> dict[str, Any]:
    """A table of the paper book with whatever columns the release has."""
    title, caption = _BOOK_TITLES[name]
    columns = [column for column in (rows[0] if rows else ()) if column not in _LEFT_OUT]
    shown = [[_text(column, row[column]) for column in columns] for row in rows[:MOST_BOOK_ROWS]]
    headings = [_heading(column) for column in columns]
    return {"name": name, "title": title, "caption": caption, "columns": headings, "rows": shown, "count": len(rows)}


def _heading(column: str) -> str:
    for suffix, unit in (("_usd", " USD"), ("_frac", ""), ("_base", " (coins)"), ("_annualised", " per year")):
        if column.endswith(suffix):
            column = column.removesuffix(suffix) + unit
            break
    text = column.removeprefix("is_").replace("_", " ")
    return text[:1].upper() + text[1:]


def _text(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        if column.endswith("_usd"):
            return words.usd(value) if column != "price_usd" and column != "entry_price_usd" else f"${value:,.6g}"
        return words.percent(value) if column.endswith("_frac") else words.quantity(value)
    return words.moment(value) if hasattr(value, "isoformat") else str(value)
