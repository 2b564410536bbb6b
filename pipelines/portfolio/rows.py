"""A night as rows of the warehouse: the one place where exact numbers meet the tables' floats."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import polars as pl

from pipelines.allocations.order_rows import asset_target_rows, trade_rows
from pipelines.allocations.rows import target_rows
from pipelines.ledger.rows import ledger_rows, nav_row
from pipelines.policy import Policy
from pipelines.portfolio.explain import explain_night
from pipelines.portfolio.night import Night
from warehouse.contracts import (
    ASSET_TARGETS,
    FUTURES_SLEEVE,
    HEDGE_SCENARIOS,
    HEDGES,
    LEDGER,
    NAV_DAILY,
    REBALANCE_TRADES,
    TARGET_ALLOCATIONS,
    Table,
)
from warehouse.frames import frame_schema

NIGHT_TABLES: tuple[Table, ...] = (
    TARGET_ALLOCATIONS, ASSET_TARGETS, REBALANCE_TRADES, HEDGES, HEDGE_SCENARIOS, FUTURES_SLEEVE, LEDGER, NAV_DAILY,
)  # fmt: skip

Rows = list[dict[str, Any]]


def night_rows(
    night: Night, sentences: Mapping[str, str], strategic: Mapping[str, Fraction], policy: Policy
) -> dict[str, Rows]:
    """Table name to the rows of one night.

    Args:
        night: What was decided.
        sentences: Sector to the explanation of its state.
        strategic: Exact strategic weight per sector.
        policy: Gives every limit that a sentence prints.
    """
    day, decision_id = night.decision.as_of, night.decision_id
    named = {"decision_id": decision_id}
    notes = {"notes": list(night.notes)}
    return {
        TARGET_ALLOCATIONS.name: target_rows(night.decision, decision_id, sentences, strategic, policy),
        ASSET_TARGETS.name: asset_target_rows(day, night.orders.targets, decision_id),
        REBALANCE_TRADES.name: trade_rows(day, night.orders.orders, decision_id),
        HEDGES.name: [row | named for row in night.sleeve.rows],
        HEDGE_SCENARIOS.name: list(night.sleeve.scenarios),
        FUTURES_SLEEVE.name: [night.sleeve.sleeve | named | notes | {"role_correlations": None}],
        LEDGER.name: ledger_rows(night.entries),
        NAV_DAILY.name: [nav_row(night.ledger, day, decision_id)],
    }


def decision_row(night: Night) -> dict[str, Any]:
    """The columns of `portfolio.decisions` that the night knows; the caller adds hashes and times."""
    decision = night.decision
    return {
        "decision_id": night.decision_id,
        "as_of_date": decision.as_of,
        "portfolio_value_usd": night.ledger.nav_cents / 100,
        "spot_sleeve_usd": decision.held.sleeve_cents / 100,
        "futures_sleeve_usd": night.ledger.futures_equity_cents / 100,
        "tilt_cash_usd": night.ledger.tilt_cash_cents / 100,
        "status": decision.status,
        "reason": decision.reason,
        "turnover_frac": float(decision.turnover),
        "book_json": night.book.to_json(),
        "explanation": explain_night(night),
    }


def frame(table: Table, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame with all columns of their table."""
    return pl.DataFrame(list(rows), schema=frame_schema(table), orient="row")
