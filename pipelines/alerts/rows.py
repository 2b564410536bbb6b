"""What events are found in, read out of a release."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from fractions import Fraction

from pipelines.alerts.events import DayRows, ReleaseRows, Row
from pipelines.policy import Policy
from warehouse.connection import Connection
from warehouse.contracts import DECISIONS, FUTURES_SLEEVE, HEDGES, LEDGER, POLICIES, RELEASE_INFO, SECTOR_SIGNALS, Table
from warehouse.errors import WarehouseError
from warehouse.provenance import has_table
from warehouse.query import query

_LIQUIDATIONS = f"""
select
    as_of_date,
    substr(any_value(account) filter (where account like 'futures:%'), length('futures:') + 1) as hedge_id,
    sum(amount_usd) filter (where account like 'cash:%') as lost_usd
from {LEDGER.qualified_name}
where reason = 'LIQUIDATION' and as_of_date between ? and ?
group by as_of_date, transaction_id
order by all
"""
_POLICY = f"""
select policy_json
from {POLICIES.qualified_name}
join {DECISIONS.qualified_name} using (policy_hash)
order by as_of_date desc
limit 1
"""


def read_release(con: Connection, since: Callable[[Sequence[date]], date | None]) -> ReleaseRows:
    """The rows of a release from one decided day to its last.

    Args:
        con: A release.
        since: Gives the first day wanted, from all decided days; None: the first of all.

    Raises:
        WarehouseError: the file is no release of this program, or holds no decision.
    """
    info = _rows(con, f"from {RELEASE_INFO.qualified_name}")
    days = [
        row["as_of_date"]
        for row in _rows(con, f"select distinct as_of_date from {DECISIONS.qualified_name} order by as_of_date")
    ]
    if len(info) != 1 or not days:
        raise WarehouseError("this file is no release with a decision; make one with: rotation run")
    first, last = since(days) or days[0], days[-1]
    decisions, signals, positions, sleeves = (
        _by_day(con, table, first, last) for table in (DECISIONS, SECTOR_SIGNALS, HEDGES, FUTURES_SLEEVE)
    )
    lost = defaultdict(list)
    if has_table(con, LEDGER.qualified_name):
        for row in _rows(con, _LIQUIDATIONS, [first, last]):
            lost[row["as_of_date"]].append(row)
    rows = {
        day: DayRows(
            decision=decisions[day][-1],
            signals=signals[day],
            positions=positions[day],
            sleeve=next(iter(sleeves[day]), None),
            liquidations=lost[day],
        )
        for day in days
        if first <= day <= last
    }
    return ReleaseRows(
        info[0]["release_id"], info[0]["published_at"], info[0]["source"], days, rows, _reserve_frac(con)
    )


def _reserve_frac(con: Connection) -> float:
    """The share of the futures sleeve that the policy of the last decision keeps free."""
    stored = _rows(con, _POLICY) if has_table(con, POLICIES.qualified_name) else []
    policy = json.loads(stored[0]["policy_json"]) if stored else {}
    return float(Fraction(policy.get("budgets", {}).get("reserve", Policy().budgets.reserve)))


def _by_day(con: Connection, table: Table, first: date, last: date) -> defaultdict[date, list[Row]]:
    found: defaultdict[date, list[Row]] = defaultdict(list)
    if has_table(con, table.qualified_name):
        sql = f"from {table.qualified_name} where as_of_date between ? and ? order by {', '.join(table.key)}"
        for row in _rows(con, sql, [first, last]):
            found[row["as_of_date"]].append(row)
    return found


def _rows(con: Connection, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
    return list(query(con, sql, parameters).dicts())
