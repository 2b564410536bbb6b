"""What a release says, for the command line: the rows of a day, and the tables in which people read them."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from pipelines.cli import portfolio_views, tables
from pipelines.cli.formats import json_value, output_console, write_rows
from pipelines.cli.options import Format, RunFormat, Topic
from warehouse.connection import Connection, Warehouse
from warehouse.contracts import (
    ASSET_TARGETS,
    CHECK_RESULTS,
    DECISIONS,
    FUTURES_SLEEVE,
    HEDGE_SCENARIOS,
    HEDGES,
    NAV_DAILY,
    REBALANCE_TRADES,
    RELEASE_INFO,
    SECTOR_SIGNALS,
    TARGET_ALLOCATIONS,
)
from warehouse.errors import WarehouseError
from warehouse.query import Rows, query, query_pasted
from warehouse.release import Release

DISCLAIMER = "paper only: proposals, no orders; not investment advice; that the signals earn money is not demonstrated"


class NothingThere(WarehouseError):
    """The release has nothing about that day; the message says about which it has."""


@dataclass(frozen=True)
class _Source:
    """Where a topic's rows are.

    Attributes:
        table: Qualified name.
        order: For `order by`.
        render: The rows as a table for people.
        day: The column that holds the day.
        days_table: Whose days count as there; a decided day may have no hedge, which is an answer too.
    """

    table: str
    order: str
    render: Callable[[list[dict[str, Any]]], RenderableType]
    day: str = "as_of_date"
    days_table: str | None = None


_ALLOCATIONS = TARGET_ALLOCATIONS.qualified_name
_SOURCES: dict[Topic, _Source] = {
    Topic.ALLOCATIONS: _Source(_ALLOCATIONS, "sector = 'CASH', sector", tables.allocations),
    Topic.SIGNALS: _Source(SECTOR_SIGNALS.qualified_name, "sector", tables.signals),
    Topic.ASSETS: _Source(ASSET_TARGETS.qualified_name, "sector, asset", portfolio_views.assets),
    Topic.ORDERS: _Source(REBALANCE_TRADES.qualified_name, "trade_id", portfolio_views.orders, days_table=_ALLOCATIONS),
    Topic.HEDGES: _Source(HEDGES.qualified_name, "hedge_id", tables.hedges, days_table=_ALLOCATIONS),
    Topic.SCENARIOS: _Source(
        HEDGE_SCENARIOS.qualified_name,
        "hedge_id, funding_path, horizon_days, shock_frac",
        tables.scenarios,
        days_table=_ALLOCATIONS,
    ),
    Topic.SLEEVE: _Source(FUTURES_SLEEVE.qualified_name, "as_of_date", portfolio_views.sleeve),
    Topic.VALUE: _Source(NAV_DAILY.qualified_name, "as_of_date", portfolio_views.value),
    Topic.HEALTH: _Source("marts.data_health_daily", "sector", tables.health, day="date"),
}


def show(warehouse: Warehouse, topic: Topic, day: date | None, form: Format) -> None:
    """Write one topic of one day (None: the newest) to standard output.

    Raises:
        NothingThere: the release has no such day.
        WarehouseError: there is no release, or it was made by another version.
    """
    with warehouse.open_release() as con:
        info = release_info(con)
        day = _known_day(con, topic, day, info)
        rows = _rows_of(con, topic, day)
        if form is not Format.TABLE:
            warn_of_source(info)
            write_rows(form, rows.columns, rows.types, rows.rows)
            return
        decision = _decision(con, day) if topic is not Topic.HEALTH else None
        found = rows.dicts()
    console = output_console()
    console.print(tables.header(info, day, decision), _table(topic, found, day), Text(DISCLAIMER, style="dim"))


def run_sql(warehouse: Warehouse, sql: str, form: Format) -> None:
    """Write the rows of somebody's query on the release to standard output.

    Raises:
        WarehouseError: there is no release, or the query cannot be run.
    """
    with warehouse.open_release() as con:
        info = release_info(con)
        rows = query_pasted(con, sql)
        warn_of_source(info)
        write_rows(form, rows.columns, rows.types, rows.rows)


def show_run(
    warehouse: Warehouse, release_id: str | None, run_id: str, message: str, day: date, form: RunFormat
) -> None:
    """Write what a run decided about its last day, as its release holds it, to standard output.

    Args:
        warehouse: Where the release is.
        release_id: The run's release; None for the current one.
        run_id: Whose check results to show.
        message: What the run says about itself; part of the JSON form.
        day: The last day decided.
        form: Tables for people, or one JSON object.
    """
    path = warehouse.resolve_release(release_id)
    with warehouse.open_release(release_id) as con:
        info, decision = release_info(con), _decision(con, day)
        topics = (Topic.ALLOCATIONS, Topic.SIGNALS, Topic.ORDERS, Topic.HEDGES, Topic.SLEEVE)
        found = {topic: _rows_of(con, topic, day).dicts() for topic in topics}
        checks = _failed_checks(con, run_id)
    if form is RunFormat.JSON:
        head = {"run_id": run_id, "message": message, "as_of_date": day, "release_path": str(path)}
        report = head | {"release": info, "decision": decision, **found, "failed_checks": checks}
        json.dump(json_value(report | {"disclaimer": DISCLAIMER}), sys.stdout, ensure_ascii=False, indent=1)
        print()
        return
    console = output_console()
    console.print(tables.header(info, day, decision))
    for topic, rows in found.items():
        console.print(_table(topic, rows, day))
    if checks:
        console.print(tables.checks(checks))
    _print_whereabouts(console, path, info)


def show_releases(releases: list[Release]) -> None:
    """Write every release that was published to standard output, the oldest first."""
    output_console().print(tables.releases(releases) if releases else "nothing has been published here yet")


def release_info(con: Connection) -> dict[str, Any]:
    """The line that says which release a file is and what its numbers are made from."""
    rows = query(con, f"from {RELEASE_INFO.qualified_name}").dicts()
    if len(rows) != 1:
        raise WarehouseError(
            f"{RELEASE_INFO.qualified_name} has {len(rows)} rows instead of one: this is no release of this "
            "program. Run `rotation rollback` to an earlier one or `rotation run` for a new one."
        )
    return rows[0]


def warn_of_source(info: dict[str, Any]) -> None:
    """Rows for programs carry no label, so the label goes beside them."""
    if info["source"] != "live":
        print(f"{tables.label(info['source'])} (release {info['release_id']})", file=sys.stderr)


def _rows_of(con: Connection, topic: Topic, day: date) -> Rows:
    source = _SOURCES[topic]
    return query(con, f"from {source.table} where {source.day} = ? order by {source.order}", [day])


def _known_day(con: Connection, topic: Topic, day: date | None, info: dict[str, Any]) -> date:
    """The day asked for, or the newest, if the release has it."""
    source = _SOURCES[topic]
    table = source.days_table or source.table
    known = query(con, f"select distinct {source.day} from {table} order by all").rows
    days = [row[0] for row in known]
    if not days:
        raise NothingThere(f"release {info['release_id']} has no {topic} at all; make a new one with: rotation run")
    if day is None:
        return days[-1]
    if day not in days:
        raise NothingThere(f"no {topic} for {day} in release {info['release_id']}; it has {_days(days)}")
    return day


def known_decided_day(con: Connection, day: date | None, info: dict[str, Any]) -> date:
    """The decided day asked for, or the newest one.

    Raises:
        NothingThere: the release has no such day.
    """
    return _known_day(con, Topic.ALLOCATIONS, day, info)


def _days(days: list[date]) -> str:
    if len(days) <= 10:
        return ", ".join(map(str, days))
    is_gapless = (days[-1] - days[0]).days == len(days) - 1
    return f"{'every day' if is_gapless else f'{len(days)} days'} from {days[0]} to {days[-1]}"


def _decision(con: Connection, day: date) -> dict[str, Any] | None:
    """The newest decision about a day; None where there is none."""
    sql = f"from {DECISIONS.qualified_name} where as_of_date = ? order by decided_at desc limit 1"
    rows = query(con, sql, [day]).dicts()
    return {name: value for name, value in rows[0].items() if name != "book_json"} if rows else None


def _failed_checks(con: Connection, run_id: str) -> list[dict[str, Any]]:
    sql = f"from {CHECK_RESULTS.qualified_name} where run_id = ? and not passed"
    sql += " order by is_blocking desc, check_name, asset_key"
    return query(con, sql, [run_id]).dicts()


def _table(topic: Topic, rows: list[dict[str, Any]], day: date) -> RenderableType:
    title = Text(topic.value.capitalize(), style="bold")
    body = _SOURCES[topic].render(rows) if rows else Text(f"none on {day}")
    return Group(title, body, "")


def _print_whereabouts(console: Console, path: Path, info: dict[str, Any]) -> None:
    lines: Iterable[str] = (
        f"release {info['release_id']}: {path}",
        'look closer: rotation show signals, rotation show scenarios, rotation sql "show all tables"',
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    console.print(Text(DISCLAIMER, style="dim"))
