"""What a night's page is made from: rows of a release, as they stand there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from warehouse.connection import Connection
from warehouse.contracts import (
    CHECK_RESULTS,
    DECISIONS,
    HEDGE_SCENARIOS,
    HEDGES,
    LOAD_BATCHES,
    RELEASE_INFO,
    SECTOR_SIGNALS,
    TARGET_ALLOCATIONS,
)
from warehouse.errors import WarehouseError
from warehouse.query import query

Row = dict[str, Any]

CHART_DAYS = 180
BOOK_TABLES = {
    "rebalance_trades": "side desc, sector, asset, trade_id",
    "asset_targets": "sector, asset",
    "futures_sleeve": "as_of_date",
    "ledger": "booked_at, transaction_id, entry_id",
}  # not in every release: a release of an earlier version has no orders and no ledger


class NoSuchNight(WarehouseError):
    """The release has no decision about that day; the message says about which days it has one."""


@dataclass(frozen=True)
class Night:
    """One decided day and what its page shows around it. Every list may be empty.

    Attributes:
        day: The decided UTC day.
        info: The line of `quality.release_info`.
        decision: The line of `portfolio.decisions`.
        previous_day: The decided day before; None for the first.
        previous_value_usd: Worth of both sleeves on that day.
        targets, signals, hedges: Tonight's rows.
        previous_signals, previous_hedges: Those of the decided day before.
        scenarios: Of tonight's hedges.
        strategic_weights: Sector to its strategic weight (0 to 1).
        sector_names: Sector to its readable name.
        weights: as_of_date, sector, target_weight_frac of every decided day up to tonight.
        funding, open_interest, spreads: The sectors' marts over the last `CHART_DAYS` days; `spreads` holds only
            the references that can veto a purchase.
        spread_matrix: Tonight's lead of every sector over every other one.
        curve: Tonight's calendar spreads.
        health: Tonight's data health per sector.
        failed_checks, loads: What did not pass, and the loads that brought nothing, of the run behind the release;
            empty for any day but the newest, which they are not about.
        checks_run: How many checks that run made; None for any day but the newest.
        nav: as_of_date and the columns of `portfolio.nav_daily` up to tonight.
        book: Table name to tonight's rows, for those of `BOOK_TABLES` that the release has.
    """

    day: date
    info: Row
    decision: Row
    previous_day: date | None = None
    previous_value_usd: float | None = None
    targets: list[Row] = field(default_factory=list)
    signals: list[Row] = field(default_factory=list)
    previous_signals: list[Row] = field(default_factory=list)
    hedges: list[Row] = field(default_factory=list)
    previous_hedges: list[Row] = field(default_factory=list)
    scenarios: list[Row] = field(default_factory=list)
    strategic_weights: dict[str, float] = field(default_factory=dict)
    sector_names: dict[str, str] = field(default_factory=dict)
    weights: list[Row] = field(default_factory=list)
    funding: list[Row] = field(default_factory=list)
    open_interest: list[Row] = field(default_factory=list)
    spreads: list[Row] = field(default_factory=list)
    spread_matrix: list[Row] = field(default_factory=list)
    curve: list[Row] = field(default_factory=list)
    health: list[Row] = field(default_factory=list)
    failed_checks: list[Row] = field(default_factory=list)
    loads: list[Row] = field(default_factory=list)
    checks_run: int | None = None
    nav: list[Row] = field(default_factory=list)
    book: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def sectors(self) -> list[str]:
        """Sectors that have a signal tonight, in the order of their strategic weight."""
        names = {row["sector"] for row in self.signals}
        return sorted(names, key=lambda name: (-self.strategic_weights.get(name, 0.0), name))


def read_night(con: Connection, day: date | None, references: Sequence[str]) -> Night:
    """Read one decided day out of a release.

    Args:
        con: A release, open for reading.
        day: The day; None for the newest.
        references: Sectors whose lead can veto a purchase, for the charts of spreads.

    Raises:
        NoSuchNight: the release has no decision about that day.
        WarehouseError: the file is no release of this program.
    """
    days = decided_days(con)
    chosen = _chosen(days, day)
    before = max((other for other in days if other < chosen), default=None)
    since = chosen - timedelta(days=CHART_DAYS - 1)
    info = release_info(con)
    sector_weights = read_rows(con, "select sector, name, strategic_weight_frac from marts.sector_weights")
    check_run = _newest_check_run(con) if chosen == days[-1] else None
    return Night(
        day=chosen,
        info=info,
        decision=_of_day(con, DECISIONS.qualified_name, chosen, "decided_at desc")[0],
        previous_day=before,
        previous_value_usd=_value_of(con, before),
        targets=_of_day(con, TARGET_ALLOCATIONS.qualified_name, chosen, "sector = 'CASH', sector"),
        signals=_of_day(con, SECTOR_SIGNALS.qualified_name, chosen, "sector"),
        previous_signals=_of_day(con, SECTOR_SIGNALS.qualified_name, before, "sector"),
        hedges=_of_day(con, HEDGES.qualified_name, chosen, "status = 'close', hedge_id"),
        previous_hedges=_of_day(con, HEDGES.qualified_name, before, "hedge_id"),
        scenarios=_of_day(
            con, HEDGE_SCENARIOS.qualified_name, chosen, "hedge_id, horizon_days, funding_path, shock_frac"
        ),
        strategic_weights={row["sector"]: row["strategic_weight_frac"] for row in sector_weights},
        sector_names={row["sector"]: row["name"] for row in sector_weights},
        weights=read_rows(
            con,
            f"select as_of_date, sector, target_weight_frac from {TARGET_ALLOCATIONS.qualified_name} "
            "where as_of_date <= ? order by as_of_date, sector",
            [chosen],
        ),
        funding=read_rows(
            con,
            "select date, sector, funding_8h_bps, funding_3d_bps, leaders from marts.sector_funding_daily "
            "where date between ? and ? order by date, sector",
            [since, chosen],
        ),
        open_interest=read_rows(
            con,
            "select date, sector, open_interest_index, open_interest_change_7d_frac, momentum_14d_frac, "
            "volume_ratio_7d_28d from marts.sector_open_interest_daily "
            "where date between ? and ? order by date, sector",
            [since, chosen],
        ),
        spreads=read_rows(
            con,
            "select date, sector, reference_sector, spread_z_90d from marts.sector_spreads_daily "
            "where date between ? and ? and list_contains(?, reference_sector) order by date, sector, reference_sector",
            [since, chosen, list(references)],
        ),
        spread_matrix=read_rows(
            con,
            "select sector, reference_sector, spread_z_90d, spread_change_14d_log from marts.sector_spreads_daily "
            "where date = ? order by sector, reference_sector",
            [chosen],
        ),
        curve=read_rows(con, "from marts.calendar_spreads_daily where date = ? order by asset, exchange", [chosen]),
        health=read_rows(con, "from marts.data_health_daily where date = ? order by sector", [chosen]),
        failed_checks=_failed_checks(con, check_run),
        loads=_loads_without_rows(con, check_run),
        checks_run=_count_of_checks(con, check_run),
        nav=_nav(con, chosen),
        book={
            name: _of_day(con, f"portfolio.{name}", chosen, order)
            for name, order in BOOK_TABLES.items()
            if has_table(con, "portfolio", name)
        },
    )


def decided_days(con: Connection) -> list[date]:
    """Every day that the release has a decision about, the oldest first."""
    found = read_rows(con, f"select distinct as_of_date from {DECISIONS.qualified_name} order by as_of_date")
    return [row["as_of_date"] for row in found]


def release_info(con: Connection) -> Row:
    """The line that says which release a file is and what its numbers are made from."""
    rows = read_rows(con, f"from {RELEASE_INFO.qualified_name}")
    if len(rows) != 1:
        raise WarehouseError(
            f"{RELEASE_INFO.qualified_name} has {len(rows)} rows instead of one: this is no release of this "
            "program. Run `rotation rollback` to an earlier one or `rotation run` for a new one."
        )
    return rows[0]


def _chosen(days: list[date], day: date | None) -> date:
    if not days:
        raise NoSuchNight("the release has no decision at all; make one with: rotation run")
    if day is None:
        return days[-1]
    if day not in days:
        raise NoSuchNight(
            f"no decision about {day} in the release; it has {len(days)} from {days[0]} to {days[-1]}: choose one of "
            "them, or decide the day with: rotation run"
        )
    return day


def read_rows(con: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """The rows of a query, each as a dictionary."""
    return query(con, sql, parameters).dicts()


def _of_day(con: Connection, table: str, day: date | None, order: str) -> list[Row]:
    return [] if day is None else read_rows(con, f"from {table} where as_of_date = ? order by {order}", [day])


def has_table(con: Connection, schema: str, name: str) -> bool:
    """Whether the release has a table; one of an earlier version may not."""
    sql = "select 1 as found from duckdb_tables() where schema_name = ? and table_name = ?"
    return bool(read_rows(con, sql, [schema, name]))


def _value_of(con: Connection, day: date | None) -> float | None:
    rows = _of_day(con, DECISIONS.qualified_name, day, "decided_at desc")
    return rows[0]["portfolio_value_usd"] if rows else None


def _nav(con: Connection, day: date) -> list[Row]:
    if not has_table(con, "portfolio", "nav_daily"):
        return []
    return read_rows(con, "from portfolio.nav_daily where as_of_date <= ? order by as_of_date", [day])


def _newest_check_run(con: Connection) -> str | None:
    sql = f"select run_id from {CHECK_RESULTS.qualified_name} order by checked_at desc limit 1"
    return next((row["run_id"] for row in read_rows(con, sql)), None)


def _failed_checks(con: Connection, run_id: str | None) -> list[Row]:
    sql = f"from {CHECK_RESULTS.qualified_name} where run_id = ? and not passed order by check_name, asset_key"
    return [] if run_id is None else read_rows(con, sql, [run_id])


def _count_of_checks(con: Connection, run_id: str | None) -> int | None:
    sql = f"select count(*) as checks from {CHECK_RESULTS.qualified_name} where run_id = ?"
    return None if run_id is None else read_rows(con, sql, [run_id])[0]["checks"]


def _loads_without_rows(con: Connection, run_id: str | None) -> list[Row]:
    """Loads of a run that failed or brought nothing, alike ones in one line, with the symbols."""
    if run_id is None or not has_table(con, LOAD_BATCHES.schema, LOAD_BATCHES.name):
        return []
    sql = (
        "select exchange, dataset, status, error, count(*) as loads, list(distinct symbol order by symbol) as symbols "
        f"from {LOAD_BATCHES.qualified_name} where run_id = ? and status <> 'ok' group by all order by all"
    )
    return read_rows(con, sql, [run_id])
