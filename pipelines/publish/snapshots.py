"""The night's targets, orders and futures positions as decided, kept beside tables that a later run may replace."""

import hashlib
import json
from datetime import date, datetime
from typing import Any

import polars as pl

from warehouse.connection import Connection
from warehouse.contracts import ALLOCATION_SNAPSHOTS
from warehouse.frames import frame_schema
from warehouse.portfolio import append, read

_DECISIONS = """
select as_of_date, decision_id, decided_at, lag(decision_id) over (order by as_of_date) as previous_decision_id,
    policy_hash, input_hash, taxonomy_hash, portfolio_hash, code_version, source
from portfolio.decisions
qualify as_of_date between $first_day and $last_day
order by as_of_date
"""
_TARGETS = """
select as_of_date, sector, state, action, target_weight_exact, target_usd, reason_codes
from portfolio.target_allocations
where as_of_date between $first_day and $last_day
order by all
"""
_HEDGES = """
select as_of_date, hedge_id, role, exchange, symbol, side, quantity_base, notional_usd, status, reason
from portfolio.hedges
where as_of_date between $first_day and $last_day
order by all
"""
_ORDERS = """
select as_of_date, trade_id, exchange, symbol, asset, side, quantity_base, notional_usd, reason_codes
from portfolio.rebalance_trades
where as_of_date between $first_day and $last_day
order by all
"""


def snapshot_rows(
    decisions: pl.DataFrame, targets: pl.DataFrame, orders: pl.DataFrame, hedges: pl.DataFrame, taken_at: datetime
) -> list[dict[str, Any]]:
    """One row per decided day; `snapshot_id` is a digest of the content, so an equal decision is one snapshot.

    Args:
        decisions: as_of_date, decision_id, and what else a snapshot keeps of the decision.
        targets: as_of_date and what was decided per sector.
        orders: as_of_date and what is to be traded on spot.
        hedges: as_of_date and what was decided per futures position.
        taken_at: When, UTC.
    """
    by_day = [_json_by_day(frame) for frame in (targets, orders, hedges)]
    rows = []
    for decision in decisions.iter_rows(named=True):
        day, decision_id = decision["as_of_date"], decision["decision_id"]
        allocations_json, orders_json, hedges_json = (content.get(day, "[]") for content in by_day)
        text = "\n".join([day.isoformat(), decision_id, allocations_json, orders_json, hedges_json])
        rows.append(
            decision
            | {
                "snapshot_id": hashlib.sha256(text.encode()).hexdigest()[:32],
                "taken_at": taken_at,
                "allocations_json": allocations_json,
                "orders_json": orders_json,
                "hedges_json": hedges_json,
            }
        )
    return rows


def take_snapshots(connection: Connection, first_day: date, last_day: date, taken_at: datetime) -> int:
    """Keep the decisions of the days; gives how many are new. A stored snapshot is never changed."""
    days = {"first_day": first_day, "last_day": last_day}
    rows = snapshot_rows(*(read(connection, sql, days) for sql in (_DECISIONS, _TARGETS, _ORDERS, _HEDGES)), taken_at)
    return append(connection, ALLOCATION_SNAPSHOTS, pl.DataFrame(rows, schema=frame_schema(ALLOCATION_SNAPSHOTS)))


def _json_by_day(frame: pl.DataFrame) -> dict[date, str]:
    return {
        day: json.dumps(part.drop("as_of_date").to_dicts(), sort_keys=True, separators=(",", ":"))
        for (day,), part in frame.partition_by("as_of_date", as_dict=True, maintain_order=True).items()
    }
