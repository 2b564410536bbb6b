"""How the daily profits of the roles move together, once there are enough days to say anything."""

import json
from datetime import date
from itertools import combinations

import polars as pl

from pipelines.ledger.book import ROLES


def role_correlations(nav: pl.DataFrame, min_days: int, first_day: date) -> dict[date, str]:
    """Day to the correlations of the roles' daily profits up to it, as JSON: pair -> correlation and n.

    Counted are the days on which both roles earned or lost something; under `min_days` of them the correlation is
    null. An expanding window: day d uses every day up to d.

    Args:
        nav: `as_of_date` and `<role>_pnl_usd` (cumulative) of every night so far, any order.
        min_days: Days from which a correlation is told.
        first_day: First day that is told of; the profits of the days before only count.
    """
    columns = {role: f"{role}_pnl_usd" for role in ROLES}
    daily = nav.sort("as_of_date").with_columns(pl.col(name).diff().alias(role) for role, name in columns.items())
    pairs = list(combinations(ROLES, 2))
    daily = daily.with_columns(
        measure for first, second in pairs for measure in _expanding(first, second, f"{first}-{second}")
    )
    rows = {}
    for row in daily.filter(pl.col("as_of_date") >= first_day).iter_rows(named=True):
        told = {}
        for first, second in pairs:
            name = f"{first}-{second}"
            n, value = int(row[f"{name} n"] or 0), row[name]
            is_known = n >= min_days and value is not None and value == value
            told[name] = {"correlation": round(value, 6) if is_known else None, "n": n}
        rows[row["as_of_date"]] = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return rows


def _expanding(first: str, second: str, name: str) -> tuple[pl.Expr, pl.Expr]:
    both = (pl.col(first) != 0) & (pl.col(second) != 0)
    x = pl.when(both).then(pl.col(first)).otherwise(0.0)
    y = pl.when(both).then(pl.col(second)).otherwise(0.0)
    n = both.fill_null(False).cast(pl.Int64).cum_sum()
    sums = {key: values.fill_null(0.0).cum_sum() for key, values in {"x": x, "y": y}.items()}
    products = {key: v.fill_null(0.0).cum_sum() for key, v in {"xx": x * x, "yy": y * y, "xy": x * y}.items()}
    covariance = n * products["xy"] - sums["x"] * sums["y"]
    spread = (n * products["xx"] - sums["x"] ** 2) * (n * products["yy"] - sums["y"] ** 2)
    correlation = pl.when(spread > 0).then(covariance / spread.clip(1e-300).sqrt())
    return correlation.alias(name), n.alias(f"{name} n")
