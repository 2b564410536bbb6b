"""What the index over all nights is made from."""

from dataclasses import dataclass, field

from pipelines.report.data import Row, has_table, read_rows
from warehouse.connection import Connection
from warehouse.contracts import (
    CHECK_RESULTS,
    DECISIONS,
    HEDGES,
    RELEASE_LOG,
    SECTOR_SIGNALS,
    TARGET_ALLOCATIONS,
)

_ORDERS = """
select as_of_date, sector, side, sum(notional_usd) as usd
from portfolio.rebalance_trades
group by all
order by as_of_date, usd desc, sector
"""
_CHANGES = f"""
select as_of_date, sector, if(delta_usd < 0, 'sell', 'buy') as side, abs(delta_usd) as usd
from {TARGET_ALLOCATIONS.qualified_name}
where sector <> 'CASH' and abs(delta_usd) >= 0.005
order by as_of_date, usd desc, sector
"""


@dataclass(frozen=True)
class Nights:
    """Every night of a release.

    Attributes:
        decisions: as_of_date, status, reason, turnover_frac, portfolio_value_usd, the oldest first.
        sectors: as_of_date, sector, state, previous_state, of sectors whose state changed.
        trades: as_of_date, sector, side, usd: sums of the orders, or the changes of the targets in a release without
            orders.
        hedges: as_of_date, asset, status, of hedges that were opened, resized or closed.
        releases: release_id, published_at, as_of_date, checks_passed, the newest first.
        stopped: checked_at, check_name, asset_key, details, of checks that stopped a run, the newest first.
    """

    decisions: list[Row] = field(default_factory=list)
    sectors: list[Row] = field(default_factory=list)
    trades: list[Row] = field(default_factory=list)
    hedges: list[Row] = field(default_factory=list)
    releases: list[Row] = field(default_factory=list)
    stopped: list[Row] = field(default_factory=list)


def read_nights(con: Connection) -> Nights:
    """Read what every night decided and what the gates said, out of a release."""
    return Nights(
        decisions=read_rows(
            con,
            "select as_of_date, status, reason, turnover_frac, portfolio_value_usd "
            f"from {DECISIONS.qualified_name} order by as_of_date",
        ),
        sectors=read_rows(
            con,
            f"select as_of_date, sector, state, previous_state from {SECTOR_SIGNALS.qualified_name} "
            "where state is distinct from previous_state order by as_of_date, sector",
        ),
        trades=read_rows(con, _ORDERS if has_table(con, "portfolio", "rebalance_trades") else _CHANGES),
        hedges=read_rows(
            con,
            f"select as_of_date, asset, status from {HEDGES.qualified_name} where status <> 'hold' "
            "order by as_of_date, hedge_id",
        ),
        releases=read_rows(
            con,
            f"select release_id, published_at, as_of_date, checks_passed from {RELEASE_LOG.qualified_name} "
            "order by release_id desc",
        ),
        stopped=read_rows(
            con,
            "select checked_at, check_name, asset_key, details "
            f"from {CHECK_RESULTS.qualified_name} where is_blocking and not passed "
            "order by checked_at desc, check_name",
        ),
    )
