"""A night's page: every part put together and poured into the template, all text escaped."""

from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipelines.policy import Policy
from pipelines.report import words
from pipelines.report.cards import by_distance, cards_of
from pipelines.report.data import Night, Row
from pipelines.report.figures import market_figures, nav_figure, weights_figure
from pipelines.report.moves import wanted
from pipelines.report.scenarios import scenario_figures
from pipelines.report.tonight import tonight
from pipelines.report.trust import trust_of

MOST_BOOK_ROWS = 200
_TEMPLATES = Path(__file__).parent / "templates"
_BOOK_TITLES = {
    "asset_targets": ("Targets per coin", "What is held and what should be held of each coin."),
    "futures_sleeve": ("Futures sleeve", "Collateral and margin of the hedges."),
    "ledger": ("Paper ledger", "What this night booked."),
}
_LEFT_OUT = {"as_of_date", "decision_id"}


def render_night(night: Night, policy: Policy, previous_page: str | None = None) -> str:
    """The page of one night as HTML.

    Args:
        night: Its rows.
        policy: The policy in force: which states are cut, and the limits that are drawn. A night that was decided
            under another one gets a note.
        previous_page: File name of the page of the night before, where there is one.
    """
    cards = cards_of(night, policy)
    return (
        environment()
        .get_template("night.html.j2")
        .render(
            night=night,
            tonight=tonight(night),
            trust=trust_of(night),
            cards=cards,
            nearest=by_distance(cards),
            targets=night.targets,
            orders=_orders(night),
            weights=weights_figure(night),
            scenarios=scenario_figures(night),
            nav=nav_figure(night),
            figures=market_figures(night, policy.spread.z, policy.lose.mom),
            book=[_book(name, rows) for name, rows in night.book.items() if name in _BOOK_TITLES],
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


def _orders(night: Night) -> dict[str, Any] | None:
    """The orders as a person places them, with their sums; None where the release has none."""
    rows = night.book.get("rebalance_trades")
    if rows is None:
        return None
    columns = ("Side", "Coin", "Amount", "Quantity", "Price", "Fee and slippage", "Exchange", "Pair", "Sector", "Why")
    shown = [
        (
            row["side"],
            row["asset"],
            words.usd(row["notional_usd"]),
            words.quantity(row["quantity_base"]),
            words.price(row["price_usd"]),
            words.usd((row["fee_usd"] or 0.0) + (row.get("slippage_usd") or 0.0)),
            row["exchange"],
            row["symbol"],
            row["sector"],
            words.codes(row["reason_codes"]) or "target weight of its sector",
        )
        for row in rows[:MOST_BOOK_ROWS]
    ]
    sums = {side: sum(row["notional_usd"] for row in rows if row["side"] == side) for side in ("sell", "buy")}
    return {"columns": columns, "rows": shown, "count": len(rows), "sums": sums}


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
            return words.price(value) if column in ("price_usd", "entry_price_usd") else words.usd(value)
        return words.percent(value) if column.endswith("_frac") else words.quantity(value)
    return words.moment(value) if hasattr(value, "isoformat") else str(value)
