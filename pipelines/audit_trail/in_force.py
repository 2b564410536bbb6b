"""The policy, portfolio file and taxonomy of a decision: kept at publication, found again when it is looked into."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.policy import Policy, parse_policy
from pipelines.seeds import TAXONOMY_FILES
from warehouse.connection import Connection
from warehouse.contracts import POLICIES, PORTFOLIOS, TAXONOMIES
from warehouse.frames import frame_schema
from warehouse.portfolio import append
from warehouse.provenance import Snapshot, stored_policy


def policy_rows(policy: Policy, used_at: datetime) -> list[dict[str, Any]]:
    """The row of `portfolio.policies`."""
    row = {"policy_hash": policy.canonical_hash(), "policy_json": policy.canonical_json(), "first_used_at": used_at}
    return [row]


def taxonomy_rows(taxonomy_hash: str, seeds_directory: Path, used_at: datetime) -> list[dict[str, Any]]:
    """The rows of `portfolio.taxonomies`: the seed files that the hash was taken over."""
    return [
        {
            "taxonomy_hash": taxonomy_hash,
            "file": name,
            "content": (seeds_directory / name).read_text(encoding="utf-8"),
            "first_used_at": used_at,
        }
        for name in TAXONOMY_FILES
    ]


def keep_in_force(
    connection: Connection,
    policy: Policy,
    portfolio: tuple[str, str] | None,
    taxonomy_hash: str,
    seeds_directory: Path,
    used_at: datetime,
) -> int:
    """Keep what tonight's decisions were made under, if it is new; gives how many rows were added.

    Args:
        connection: The build file.
        policy: The resolved policy.
        portfolio: Hash and JSON of the portfolio file; None where there is none.
        taxonomy_hash: Of the seed files.
        seeds_directory: Where they are.
        used_at: Now.
    """
    names = ("portfolio_hash", "portfolio_json", "first_used_at")
    rows = (
        (PORTFOLIOS, [dict(zip(names, (*portfolio, used_at), strict=True))] if portfolio else []),
        (POLICIES, policy_rows(policy, used_at)),
        (TAXONOMIES, taxonomy_rows(taxonomy_hash, seeds_directory, used_at)),
    )
    return sum(append(connection, table, pl.DataFrame(new, schema=frame_schema(table))) for table, new in rows)


def policy_of(connection: Connection, snapshot: Snapshot, current: Policy) -> Policy | None:
    """The policy of a decision; None where it is neither the current one nor kept.

    A snapshot that does not say its policy is tried with the current one: its id tells whether that was right.
    """
    if snapshot.policy_hash in (None, current.canonical_hash()):
        return current
    stored = stored_policy(connection, snapshot.policy_hash)
    if stored is None:
        return None
    policy = parse_policy(json.loads(stored))
    return policy if policy.canonical_hash() == snapshot.policy_hash else None
