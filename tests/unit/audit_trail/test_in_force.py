"""The policy and the taxonomy of a decision are kept once, and found again."""

from datetime import datetime

import pytest

from pipelines.audit_trail.difference import Cause, _policy_in_words, _taxonomy_in_words
from pipelines.audit_trail.in_force import keep_in_force, policy_of
from pipelines.policy import Policy, parse_policy
from pipelines.settings import SEEDS_DIRECTORY
from warehouse.connection import Warehouse
from warehouse.provenance import POLICIES, TAXONOMIES, Snapshot, stored_portfolio, stored_taxonomy
from warehouse.schema import create_tables

NOW = datetime(2026, 11, 21, 0, 16)
OTHER = parse_policy({"over": {"f": 4.0}})


@pytest.fixture
def connection(tmp_path):
    with Warehouse(tmp_path).open_build("test") as con:
        create_tables(con, [POLICIES, TAXONOMIES])
        yield con


def snapshot(policy_hash: str | None) -> Snapshot:
    return Snapshot(NOW.date(), "s", "d", NOW, {}, NOW, None, True, policy_hash=policy_hash)


def test_what_is_in_force_is_kept_once(connection):
    assert keep_in_force(connection, Policy(), None, "t", SEEDS_DIRECTORY, NOW) == 4  # a policy and three seed files
    assert keep_in_force(connection, Policy(), None, "t", SEEDS_DIRECTORY, NOW) == 0
    assert keep_in_force(connection, OTHER, None, "t", SEEDS_DIRECTORY, NOW) == 1
    assert keep_in_force(connection, OTHER, ("p", '{"version":1}'), "t", SEEDS_DIRECTORY, NOW) == 1
    assert stored_portfolio(connection, "p") == '{"version":1}' and stored_portfolio(connection, "q") is None


def test_a_policy_of_then_is_found_and_is_the_same_to_the_hash(connection):
    keep_in_force(connection, OTHER, None, "t", SEEDS_DIRECTORY, NOW)
    found = policy_of(connection, snapshot(OTHER.canonical_hash()), Policy())
    assert found == OTHER and found.canonical_hash() == OTHER.canonical_hash()


def test_a_policy_that_was_not_kept_is_not_made_up(connection):
    assert policy_of(connection, snapshot("unknown"), Policy()) is None


def test_a_snapshot_without_a_policy_is_tried_with_the_current_one(connection):
    assert policy_of(connection, snapshot(None), OTHER) is OTHER


def test_the_keys_of_two_policies_that_differ_are_named():
    assert _policy_in_words(Policy().canonical_json(), OTHER.canonical_json()) == ("over.f: 3.0 -> 4.0",)


def test_the_lines_of_two_taxonomies_that_differ_are_named(connection):
    keep_in_force(connection, Policy(), None, "t", SEEDS_DIRECTORY, NOW)
    before = stored_taxonomy(connection, "t")
    after = before | {"sectors.csv": before["sectors.csv"] + "GAMES,Games,0,new\n"}
    assert _taxonomy_in_words(before, after) == ("sectors.csv: + GAMES,Games,0,new",)


def test_a_cause_of_which_one_side_is_not_known_is_unknown():
    from pipelines.audit_trail.difference import _compared

    assert _compared("code", None, "1", ()) == Cause("code", "unknown")
    assert _compared("held book", None, None, (), is_optional=True) == Cause("held book", "same")
    assert _compared("policy", "p", "q", ("over.f",)) == Cause("policy", "other", ("over.f",))
