"""What a hedge, and the whole plan, earns and costs by price move: drawn, and as tables."""

from collections.abc import Sequence

from pipelines.report import charts, words
from pipelines.report.data import Night, Row
from pipelines.report.figures import Drawing, Figure, Table
from pipelines.report.hedging import PLAN, horizon
from pipelines.report.svg import draw

_MOST_FIGURES = 8


def scenario_figures(night: Night) -> list[Figure]:
    """What each hedge, and the whole plan where the release has it, would earn and cost."""
    ids = list(dict.fromkeys(row["hedge_id"] for row in night.scenarios))
    ids.sort(key=lambda name: (name != PLAN, name))
    coins = {row["hedge_id"]: row["asset"] for row in night.hedges}
    found = []
    for number, hedge_id in enumerate(ids[:_MOST_FIGURES]):
        rows = [row for row in night.scenarios if row["hedge_id"] == hedge_id]
        days = horizon(rows)
        shown = [r for r in rows if r["horizon_days"] == days and r["funding_path"] == "persist"]
        title = (
            "If the whole market moves: all holdings and all hedges"
            if hedge_id == PLAN
            else f"If {coins.get(hedge_id, 'the coin')} moves: {hedge_id}"
        )
        caption = (
            f"Profit and loss in USD within {days} days by price move, funding as today, costs included. Holding: the "
            "coins alone. Given back: the share of the holding's change, loss or gain, that the hedge takes away."
        )
        figure = f"scenario-{number}"
        svg = draw(charts.scenario_panel(shown), figure, title, caption)
        found.append(Figure(figure, title, caption, (Drawing("", svg),), _scenario_table(rows), _short_table(shown)))
    return found


def _short_table(rows: Sequence[Row]) -> Table:
    """The drawn numbers: one horizon, funding as today."""
    cells = []
    for r in sorted(rows, key=lambda row: row["shock_frac"]):
        own = None if r["net_pnl_usd"] is None else r["net_pnl_usd"] - r["spot_pnl_usd"]
        cells.append(
            (
                words.percent(r["shock_frac"], sign=True, decimals=0)
                + (", margin used up" if r["is_liquidated"] else ""),
                words.usd(r["spot_pnl_usd"], sign=True),
                words.usd(own, sign=True),
                words.usd(r["net_pnl_usd"], sign=True),
                "" if r["shock_frac"] == 0 else words.percent(r["offset_frac"]),
            )
        )
    return Table(("Price move", "Holding", "Hedge", "Together", "Given back"), tuple(cells))


def _scenario_table(rows: Sequence[Row]) -> Table:
    ordered = sorted(rows, key=lambda r: (r["horizon_days"], r["funding_path"], r["shock_frac"]))
    return Table(
        (
            "Price move",
            "Days",
            "Funding",
            "Holding alone",
            "Hedge, price",
            "Hedge, funding",
            "Cost",
            "Together",
            "Given back",
        ),
        tuple(
            (
                words.percent(r["shock_frac"], sign=True, decimals=0),
                str(r["horizon_days"]),
                words.FUNDING_PATHS.get(r["funding_path"], r["funding_path"])
                + ("; margin used up" if r["is_liquidated"] else ""),
                words.usd(r["spot_pnl_usd"], sign=True),
                words.usd(r["hedge_price_pnl_usd"], sign=True),
                words.usd(r["funding_pnl_usd"], sign=True),
                words.usd(r["cost_usd"]),
                words.usd(r["net_pnl_usd"], sign=True),
                words.percent(r["offset_frac"]),
            )
            for r in ordered
        ),
    )
