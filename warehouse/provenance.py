"""What stands behind a decision: its snapshots, the policy of then, and the raw rows that it could read.

Two instants bound what a decision about day T has read: rows ingested until its knowledge time K, and of these the
ones that were available at T+1 00:15.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from warehouse.connection import Connection
from warehouse.contracts import ALLOCATION_SNAPSHOTS, DECISIONS, FACTS, POLICIES, PORTFOLIOS, TAXONOMIES
from warehouse.digest import DECISION_DELAY

_HASHES = ("policy_hash", "input_hash", "taxonomy_hash", "portfolio_hash", "code_version", "source")


@dataclass(frozen=True)
class Snapshot:
    """One decision as it was published, and what is known of how it came about.

    Attributes:
        as_of_date: The day that it is about.
        snapshot_id: Digest of its content.
        decision_id: Digest of its inputs.
        taken_at: When it was published, UTC.
        contents: Part (`allocations`, `hedges`, `orders`) to its JSON.
        known_until: K: nothing ingested later was read. Where the moment of the decision is not stored any more it is
            `taken_at`: a run keeps every other writer out from its decision to its publication.
        previous_decision_id: The decision whose book this one continued; None for the first one.
        is_current: True where the portfolio tables still hold it; False when the day was decided again since.
        portfolio_value_usd: Of the decision; None where it is not stored any more.
        policy_hash, input_hash, taxonomy_hash, portfolio_hash, code_version, source: None where not stored.
    """

    as_of_date: date
    snapshot_id: str
    decision_id: str
    taken_at: datetime
    contents: dict[str, str]
    known_until: datetime
    previous_decision_id: str | None
    is_current: bool
    portfolio_value_usd: float | None = None
    policy_hash: str | None = None
    input_hash: str | None = None
    taxonomy_hash: str | None = None
    portfolio_hash: str | None = None
    code_version: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Arrival:
    """A fact that came to be known between two instants.

    Attributes:
        table: `raw.<table>`.
        key: Its natural key, column to value.
        changed: Column to (value known at the first instant, value known at the second); all values where it is new.
        is_new: Nothing was known of it at the first instant.
        ingested_at, batch_id: Of the newer row.
        payload_sha256: Of the answer or file that the batch was read from; None where that is not known.
    """

    table: str
    key: dict[str, Any]
    changed: dict[str, tuple[Any, Any]]
    is_new: bool
    ingested_at: datetime
    batch_id: str
    payload_sha256: str | None


def read_snapshots(con: Connection) -> list[Snapshot]:
    """Every snapshot of a release, by day and then by the moment it was taken."""
    rows = _rows(con, f"from {ALLOCATION_SNAPSHOTS.qualified_name} order by as_of_date, taken_at, snapshot_id")
    decided = _rows(
        con,
        "select *, lag(decision_id) over (order by as_of_date) as previous_decision_id "
        f"from {DECISIONS.qualified_name}",
    )
    decisions = {row["decision_id"]: row for row in decided}
    newest = {(row["as_of_date"], row["decision_id"]): row["snapshot_id"] for row in rows}
    snapshots: list[Snapshot] = []
    for row in rows:
        decision = decisions.get(row["decision_id"], {})
        is_current = bool(decision) and newest[row["as_of_date"], row["decision_id"]] == row["snapshot_id"]
        previous = row.get("previous_decision_id") or decision.get("previous_decision_id")
        if previous is None and not decision:
            previous = _decided_before(row, snapshots)
        snapshots.append(
            Snapshot(
                as_of_date=row["as_of_date"],
                snapshot_id=row["snapshot_id"],
                decision_id=row["decision_id"],
                taken_at=row["taken_at"],
                contents=snapshot_contents(row),
                known_until=row.get("decided_at") or decision.get("decided_at") or row["taken_at"],
                previous_decision_id=previous,
                is_current=is_current,
                portfolio_value_usd=decision.get("portfolio_value_usd"),
                **{name: row.get(name) or decision.get(name) for name in _HASHES},
            )
        )
    return snapshots


def snapshot_contents(row: dict[str, Any]) -> dict[str, str]:
    """Part to JSON of a snapshot's row; a part that an older version did not keep is left out."""
    return {
        name.removesuffix("_json"): text for name, text in row.items() if name.endswith("_json") and text is not None
    }


def _decided_before(row: dict[str, Any], earlier: Sequence[Snapshot]) -> str | None:
    """The newest decision about an earlier day at the moment a snapshot was taken."""
    known = [one for one in earlier if one.as_of_date < row["as_of_date"] and one.taken_at <= row["taken_at"]]
    return max(known, key=lambda one: (one.as_of_date, one.taken_at)).decision_id if known else None


def stored_policy(con: Connection, policy_hash: str | None) -> str | None:
    """The JSON of a policy that was in force; None where it was not kept."""
    if policy_hash is None or not has_table(con, POLICIES.qualified_name):
        return None
    sql = f"select policy_json from {POLICIES.qualified_name} where policy_hash = $1"
    found = con.execute(sql, [policy_hash]).fetchone()
    return found[0] if found else None


def stored_portfolio(con: Connection, portfolio_hash: str | None) -> str | None:
    """The JSON of a portfolio file that was in force; None where it was not kept."""
    if portfolio_hash is None or not has_table(con, PORTFOLIOS.qualified_name):
        return None
    sql = f"select portfolio_json from {PORTFOLIOS.qualified_name} where portfolio_hash = $1"
    found = con.execute(sql, [portfolio_hash]).fetchone()
    return found[0] if found else None


def stored_taxonomy(con: Connection, taxonomy_hash: str | None) -> dict[str, str]:
    """File name to content of a taxonomy that was in force; empty where it was not kept."""
    if taxonomy_hash is None or not has_table(con, TAXONOMIES.qualified_name):
        return {}
    sql = f"select file, content from {TAXONOMIES.qualified_name} where taxonomy_hash = $1 order by file"
    return dict(con.execute(sql, [taxonomy_hash]).fetchall())


def has_table(con: Connection, qualified_name: str) -> bool:
    """Whether the open file has the table."""
    schema, name = qualified_name.split(".")
    found = con.execute(
        "select count(*) from duckdb_tables() "
        "where database_name = current_database() and schema_name = $1 and table_name = $2",
        [schema, name],
    ).fetchone()
    return bool(found and found[0])


def arrived_between(con: Connection, after: datetime, until: datetime, as_of_date: date) -> bool:
    """Whether a row that the decision of a day could read came in after one knowledge time and until another."""
    instant = datetime.combine(as_of_date, datetime.min.time()) + DECISION_DELAY
    for table in FACTS:
        readable = "true" if table.event_column is None else "available_at <= $instant"
        found = con.execute(
            f"select 1 from {table.qualified_name} "
            f"where ingested_at > $after and ingested_at <= $until and {readable} limit 1",
            {"after": after, "until": until} | ({} if table.event_column is None else {"instant": instant}),
        ).fetchone()
        if found:
            return True
    return False


def arrivals(con: Connection, after: datetime, until: datetime, as_of_date: date) -> list[Arrival]:
    """The facts that the decision of a day could read at the second knowledge time and not, or otherwise, at the first.

    Args:
        con: A file with the raw schema.
        after, until: The two knowledge times, the earlier one first.
        as_of_date: The day that is decided.
    """
    has_batches = has_table(con, "raw.load_batches")
    checksums = "left join raw.load_batches as batches using (batch_id)" if has_batches else ""
    instant = datetime.combine(as_of_date, datetime.min.time()) + DECISION_DELAY
    found: list[Arrival] = []
    for table in (one for one in FACTS if has_table(con, one.qualified_name)):
        key = ", ".join(table.natural_key)
        readable = "true" if table.event_column is None else "available_at <= $instant"
        newest = f"row_number() over (partition by {key} order by ingested_at desc) = 1"
        rows = _rows(
            con,
            f"""
            with newer as (
                from {table.qualified_name}
                where ingested_at > $after and ingested_at <= $until and {readable} qualify {newest}
            ),
            older as (
                select {key}, {", ".join(f"{name} as old_{name}" for name in table.values)}, true as was_known
                from {table.qualified_name} semi join newer using ({key})
                where ingested_at <= $after and {readable} qualify {newest}
            )
            select newer.*, older.* exclude ({key}), {"payload_sha256" if has_batches else "null as payload_sha256"}
            from newer left join older using ({key}) {checksums}
            order by {key}
            """,
            {"after": after, "until": until} | ({} if table.event_column is None else {"instant": instant}),
        )
        for row in rows:
            is_new = not row["was_known"]
            changed = {name: (row[f"old_{name}"], row[name]) for name in table.values}
            changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
            if changed or is_new:
                named = {name: row[name] for name in table.natural_key}
                lineage = (row["ingested_at"], row["batch_id"], row["payload_sha256"])
                found.append(Arrival(table.qualified_name, named, changed, is_new, *lineage))
    return found


def _rows(con: Connection, sql: str, parameters: Any = None) -> list[dict[str, Any]]:
    result = con.cursor().execute(sql, parameters)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
