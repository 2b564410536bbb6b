"""What the signals read from the warehouse."""

from datetime import date, timedelta

import polars as pl

from warehouse.connection import Connection
from warehouse.portfolio import read

_SECTOR_METRICS = """
select
    funding.* exclude (coverage_frac),
    interest.* exclude (date, sector),
    health.coverage_frac,
    health.is_fresh,
    health.reason
from marts.sector_funding_daily as funding
left join marts.sector_open_interest_daily as interest using (date, sector)
left join marts.data_health_daily as health using (date, sector)
where funding.date <= $last_day
order by date, sector
"""


def read_sector_metrics(connection: Connection, last_day: date) -> pl.DataFrame:
    """The three sector marts side by side, one row per (date, sector) up to `last_day`."""
    return read(connection, _SECTOR_METRICS, {"last_day": last_day})


def read_sector_spreads(connection: Connection, first_day: date, last_day: date) -> pl.DataFrame:
    """The spread mart of some days, one row per (date, sector, reference_sector)."""
    return read(
        connection,
        "select date, sector, reference_sector, spread_z_90d from marts.sector_spreads_daily "
        "where date between $first_day and $last_day order by all",
        {"first_day": first_day, "last_day": last_day},
    )


def first_day_to_signal(connection: Connection, first_day: date) -> date:
    """`first_day`, or the day after the newest stored signal where nights have been missed before it."""
    newest = read(
        connection,
        "select max(as_of_date) as newest from portfolio.sector_signals where as_of_date < $first_day",
        {"first_day": first_day},
    )["newest"][0]
    return first_day if newest is None else min(first_day, newest + timedelta(days=1))
