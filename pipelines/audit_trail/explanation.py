"""Why a day was decided as it was, put together from a release."""

import json
from datetime import date
from typing import Any

from pipelines.policy import Policy
from pipelines.signals.distance import Flip, Move
from pipelines.signals.explain import flip_in_words
from pipelines.signals.metrics import METRIC_NAMES
from warehouse.connection import Connection
from warehouse.provenance import has_table, read_snapshots
from warehouse.query import query

Row = dict[str, Any]
_BY_SECTOR = ("asset_targets", "rebalance_trades")
_OF_THE_NIGHT = ("futures_sleeve", "nav_daily")


def explain_day(con: Connection, day: date, policy: Policy, sector: str | None = None, asset: str | None = None) -> Row:
    """Everything a release says about one day's decision.

    Args:
        con: The release.
        day: A decided day.
        policy: Gives the windows that the words name.
        sector: Only this sector; None for all.
        asset: Of assets, orders and hedges only these of this asset.

    Returns:
        as_of_date, decision and previous_decision (None: the first one), sectors (one record each), hedges, the
        tables of assets, orders and the futures sleeve that the release has, and the snapshots of the day.
    """
    decision = _one(con, "from portfolio.decisions where as_of_date = ?", day)
    before = _one(con, "from portfolio.decisions where as_of_date < ? order by as_of_date desc limit 1", day)
    earlier = before["as_of_date"] if before else None
    signals, old_signals = (_by_sector(con, "portfolio.sector_signals", when) for when in (day, earlier))
    targets, old_targets = (_by_sector(con, "portfolio.target_allocations", when) for when in (day, earlier))
    health = _by_sector(con, "marts.data_health_daily", day, "date")
    names = sorted({*signals, *targets}, key=lambda name: (name == "CASH", name))
    tables = (signals, old_signals, targets, old_targets, health)
    sectors = [
        _sector(name, *(table.get(name) for table in tables), policy) for name in names if sector in (None, name)
    ]
    report: Row = {
        "as_of_date": day,
        "decision": _without_book(decision),
        "previous_decision": _without_book(before),
        "sectors": sectors,
        "hedges": _of(con, "hedges", day, sector, asset),
    }
    for name in _BY_SECTOR:
        if has_table(con, f"portfolio.{name}"):
            report[name] = _of(con, name, day, sector, asset)
    for name in _OF_THE_NIGHT:
        if has_table(con, f"portfolio.{name}"):
            report[name] = _of(con, name, day, None, None)
    report["snapshots"] = [
        {"snapshot_id": one.snapshot_id, "taken_at": one.taken_at, "is_current": one.is_current}
        for one in read_snapshots(con)
        if one.as_of_date == day
    ]
    return report


def _sector(
    name: str,
    signal: Row | None,
    old_signal: Row | None,
    target: Row | None,
    old_target: Row | None,
    health: Row | None,
    policy: Policy,
) -> Row:
    record: Row = {"sector": name, "explanation": (target or signal or {}).get("explanation")}
    if signal:
        flips = json.loads(signal["distance_to_flip"] or "[]")
        record |= {
            "state": signal["state"],
            "raw_state": signal["raw_state"],
            "latched_state": signal["latched_state"],
            "previous_state": signal["previous_state"],
            "action": signal["action"],
            "vetoes": signal["reason_codes"],
            "spread_z": json.loads(signal["spread_z"] or "{}"),
            "metrics": {metric: signal[metric] for metric in METRIC_NAMES},
            "predicates": json.loads(signal["rule_trace"] or "[]"),
            "distance_to_flip": [flip | {"in_words": _in_words(flip, policy)} for flip in flips],
            "data_health": {key: value for key, value in (health or {}).items() if key not in ("date", "sector")},
        }
    if target:
        record |= {
            "current_weight_exact": target["current_weight_exact"],
            "target_weight_exact": target["target_weight_exact"],
            "current_usd": target["current_usd"],
            "target_usd": target["target_usd"],
            "delta_usd": target["delta_usd"],
            "reason_codes": target["reason_codes"],
        }
    record["changed"] = [
        *_changed(("state", "action", *METRIC_NAMES), old_signal, signal),
        *_changed(("target_weight_exact", "target_usd", "reason_codes"), old_target, target),
    ]
    return record


def _in_words(flip: Row, policy: Policy) -> str:
    moves = tuple(Move(**move) for move in flip["moves"])
    return flip_in_words(Flip(moves, flip["distance"], flip["becomes"]), policy)


def _changed(columns: tuple[str, ...], before: Row | None, after: Row | None) -> list[Row]:
    """What is another value than at the decision before; nothing where one of the two has no row."""
    if before is None or after is None:
        return []
    return [
        {"what": name, "before": before[name], "after": after[name]} for name in columns if before[name] != after[name]
    ]


def _of(con: Connection, table: str, day: date, sector: str | None, asset: str | None) -> list[Row]:
    rows = query(con, f"from portfolio.{table} where as_of_date = ? order by all", [day]).dicts()
    for column, wanted in (("sector", sector), ("asset", asset)):
        rows = [row for row in rows if wanted is None or column not in row or row[column] in (None, wanted)]
    return rows


def _by_sector(con: Connection, table: str, day: date | None, column: str = "as_of_date") -> dict[str, Row]:
    if day is None:
        return {}
    return {row["sector"]: row for row in query(con, f"from {table} where {column} = ?", [day]).dicts()}


def _one(con: Connection, sql: str, day: date) -> Row | None:
    return next(iter(query(con, sql, [day]).dicts()), None)


def _without_book(decision: Row | None) -> Row | None:
    return decision and {name: value for name, value in decision.items() if name != "book_json"}
