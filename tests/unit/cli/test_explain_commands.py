"""`rotation explain`, `rotation diff`, `rotation replay`: what they print and how they end."""

import json
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from warehouse.connection import Warehouse
from warehouse.contracts import (
    ALLOCATION_SNAPSHOTS,
    DECISIONS,
    FUNDING_RATES,
    LOAD_BATCHES,
    SECTOR_SIGNALS,
    TARGET_ALLOCATIONS,
)
from warehouse.frames import frame_schema, insert
from warehouse.release import publish
from warehouse.schema import create_tables

BEFORE, DAY = date(2026, 11, 19), date(2026, 11, 20)
DECIDED = datetime(2026, 11, 21, 0, 16)
AGAIN = datetime(2026, 11, 22, 0, 16)
PREDICATE = {
    "state": "OVERLEVERAGED", "role": "enter", "applies": True, "predicate": "over.f", "metric": "funding_3d_bps",
    "comparison": ">=", "value": 1.5, "threshold": 3.0, "slack": -1.5, "satisfied": False,
}  # fmt: skip
MOVE = {
    "metric": "funding_3d_bps", "value": 1.5, "target": 3.0, "predicate": "over.f", "threshold": 3.0, "slack": -1.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def decided(tmp_path_factory) -> Path:
    """Two decided days, the second decided twice, with one funding rate that was revised in between."""
    directory = tmp_path_factory.mktemp("decided")
    with Warehouse(directory).open_build("test") as con:
        create_tables(con)
        con.execute("create schema marts")
        con.execute(
            "create table marts.data_health_daily as select date '2026-11-20' as date, 'L1' as sector, "
            "0.75::double as coverage_frac, true as is_fresh, 'partial' as reason"
        )
        con.execute(
            "create table marts.sector_funding_daily as select unnest([date '2026-11-18', date '2026-11-19', "
            "date '2026-11-20']) as date, 'L1' as sector, ['PEPE'] as leaders, [1.0] as leader_weights"
        )
        for day, funding in ((BEFORE, 1.0), (DAY, 1.5)):
            flip = {"moves": [MOVE], "distance": 0.5, "becomes": "OVERLEVERAGED"}
            _write(con, DECISIONS, [_decision(day)])
            _write(con, SECTOR_SIGNALS, [{
                "as_of_date": day, "sector": "L1", "state": "NEUTRAL", "previous_state": "NEUTRAL", "action": "HOLD",
                "reason_codes": ["SINGLE_NAME"], "funding_3d_bps": funding, "spread_z": '{"DEFI":null}',
                "rule_trace": json.dumps([PREDICATE]), "distance_to_flip": json.dumps([flip]), "decided_at": AGAIN,
            }])  # fmt: skip
            _write(con, TARGET_ALLOCATIONS, [{
                "as_of_date": day, "sector": "L1", "state": "NEUTRAL", "action": "HOLD", "current_usd": 32_000.0,
                "target_usd": 24_000.0, "delta_usd": -8_000.0, "current_weight_exact": "2/5",
                "target_weight_exact": "3/10" if day == DAY else "2/5", "reason_codes": ["BAND"],
                "explanation": "L1: NEUTRAL. Cut by a quarter.", "decision_id": f"d-{day}",
            }])  # fmt: skip
        _write(con, ALLOCATION_SNAPSHOTS, [
            _snapshot(BEFORE, "aaaa1111", f"d-{BEFORE}", DECIDED, 1.0),
            _snapshot(DAY, "bbbb2222", "d-old", DECIDED, 25_000.0),
            _snapshot(DAY, "cccc3333", f"d-{DAY}", AGAIN, 24_000.0),
        ])  # fmt: skip
        for ingested_at, rate, batch in ((DECIDED, 1e-4, "b-1"), (AGAIN, 2e-4, "b-2")):
            _write(con, FUNDING_RATES, [{
                "exchange": "binance", "symbol": "1000PEPE/USDT:USDT", "settled_at": datetime(2026, 11, 20, 8),
                "funding_rate": rate, "interval_hours": 8.0, "available_at": datetime(2026, 11, 20, 8, 1),
                "ingested_at": ingested_at, "batch_id": batch, "source": "simulated", "pit_quality": "observed",
            }])  # fmt: skip
            _write(con, LOAD_BATCHES, [{"batch_id": batch, "payload_sha256": f"sha-of-{batch}", "status": "ok"}])
    publish(
        Warehouse(directory), as_of_date=DAY, source="simulated", git_sha="abc", policy_hash="p", input_hash="i",
        checks_passed=3, keep=3, published_at=AGAIN,
    )  # fmt: skip
    return directory


def _write(con, table, rows) -> None:
    full = [dict.fromkeys(table.columns) | row for row in rows]
    insert(con, table, pl.DataFrame(full, schema=frame_schema(table)))


def _decision(day: date) -> dict:
    return {
        "decision_id": f"d-{day}", "as_of_date": day, "decided_at": AGAIN, "policy_hash": "p", "input_hash": "new",
        "portfolio_value_usd": 100_000.0, "spot_sleeve_usd": 80_000.0, "futures_sleeve_usd": 20_000.0,
        "status": "decided", "turnover_frac": 0.1, "book_json": "{}", "source": "simulated",
    }  # fmt: skip


def _snapshot(day: date, snapshot_id: str, decision_id: str, taken_at: datetime, usd: float) -> dict:
    targets = json.dumps([{"sector": "L1", "target_usd": usd}])
    return {
        "as_of_date": day, "snapshot_id": snapshot_id, "decision_id": decision_id, "taken_at": taken_at,
        "allocations_json": targets, "hedges_json": "[]",
    }  # fmt: skip


def explained(rotation, decided, *words) -> dict:
    answer = rotation("explain", *words, "--format", "json", "--warehouse", decided)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_every_predicate_stands_there_with_value_limit_and_slack(rotation, decided):
    (sector,) = explained(rotation, decided, "--sector", "L1")["sectors"]
    assert sector["predicates"] == [PREDICATE]
    line = next(
        line
        for line in rotation("explain", "--warehouse", decided).out.splitlines()
        if line.strip().startswith("over.f")
    )
    assert line.split() == ["over.f", "funding_3d_bps", "1.5", ">=", "3", "-1.5", "no"]


def test_the_distance_to_a_flip_is_said_in_words(rotation, decided):
    (sector,) = explained(rotation, decided)["sectors"]
    assert sector["distance_to_flip"][0]["in_words"] == ("OVERLEVERAGED if funding rises to 3 bp/8h (now 1.50 bp/8h)")


def test_what_changed_since_the_last_decision_is_named(rotation, decided):
    (sector,) = explained(rotation, decided)["sectors"]
    assert sector["changed"] == [
        {"what": "funding_3d_bps", "before": 1.0, "after": 1.5},
        {"what": "target_weight_exact", "before": "2/5", "after": "3/10"},
    ]
    assert explained(rotation, decided, "--date", str(BEFORE))["sectors"][0]["changed"] == []


def test_money_vetoes_and_data_health_stand_there(rotation, decided):
    words = " ".join(rotation("explain", "--warehouse", decided).out.split())
    for text in ("weight 2/5 -> 3/10", "32,000.00 -> 24,000.00 USD", "vetoes: SINGLE_NAME", "coverage_frac 0.75",
                 "L1: NEUTRAL. Cut by a quarter.", "bbbb2222 (replaced), cccc3333"):  # fmt: skip
        assert text in words


def test_the_table_fits_into_100_columns(rotation, decided):
    for words in ((), ("--sector", "L1", "--metric", "funding_3d_bps")):
        answer = rotation("explain", *words, "--warehouse", decided)
        assert answer.code == 0 and max(map(len, answer.out.splitlines())) <= 100


def test_the_raw_rows_behind_a_figure_have_batch_and_checksum(rotation, decided):
    found = explained(rotation, decided, "--sector", "L1", "--metric", "funding_3d_bps")
    (row,) = found["rows"]  # the newest revision, of a contract of 1000 coins
    assert (row["symbol"], row["asset"], row["funding_rate"]) == ("1000PEPE/USDT:USDT", "PEPE", 2e-4)
    assert (row["batch_id"], row["payload_sha256"]) == ("b-2", "sha-of-b-2")


def test_a_figure_says_which_rows_the_release_does_not_hold(rotation, decided):
    found = explained(rotation, decided, "--sector", "L1", "--metric", "funding_3d_bps")
    assert found["is_complete"] is False
    answer = rotation("explain", "--sector", "L1", "--metric", "funding_3d_bps", "--warehouse", decided)
    words = " ".join(answer.out.split())
    assert "ROTATION_PUBLISH__INCLUDE_RAW" in words and "--build" in words


def test_raw_rows_of_the_build_file_are_not_read_during_a_run(rotation, decided):
    words = ("--sector", "L1", "--metric", "funding_3d_bps", "--build")
    assert rotation("explain", *words, "--warehouse", decided).code == 0
    with Warehouse(decided).write_lock("a run"):
        answer = rotation("explain", *words, "--warehouse", decided)
    assert answer.code == 2 and "a run" in answer.err and "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "--sector", "GAMES"), "no sector GAMES"),
        (("explain", "--date", "2026-01-01"), "2026-11-19, 2026-11-20"),
        (("explain", "--sector", "L1", "--metric", "mood"), "funding_3d_bps"),
        (("explain", "--metric", "funding_3d_bps"), "--sector"),
        (("replay",), "--all"),
        (("replay", "ffff"), "2026-11-19 to 2026-11-20"),
        (("diff", "2026-11-20", "--from", "ffff"), "cccc3333"),
    ],
)
def test_what_is_not_there_ends_with_2_and_says_what_is(rotation, decided, words, said):
    answer = rotation(*words, "--warehouse", decided)
    assert answer.code == 2 and said in " ".join(answer.err.split()) and "Traceback" not in answer.err


def test_diff_names_the_value_the_row_and_its_batch(rotation, decided):
    answer = rotation("diff", DAY, "--format", "json", "--warehouse", decided)
    found = json.loads(answer.out)
    assert [(one["row"], one["column"], one["before"], one["after"]) for one in found["changes"]] == [
        ("L1", "target_usd", 25_000.0, 24_000.0)
    ]
    (row,) = found["arrivals"]
    assert row["changed"] == {"funding_rate": [1e-4, 2e-4]}
    assert (row["batch_id"], row["payload_sha256"]) == ("b-2", "sha-of-b-2")
    assert "raw rows did it" in found["verdict"] and "not excluded: policy" in found["verdict"]


def test_diff_the_other_way_round_tells_the_other_story(rotation, decided):
    answer = rotation("diff", DAY, "--from", "cccc", "--to", "bbbb", "--format", "json", "--warehouse", decided)
    assert json.loads(answer.out)["changes"][0]["after"] == 25_000.0


def test_diff_of_a_day_with_one_snapshot_says_so(rotation, decided):
    answer = rotation("diff", BEFORE, "--warehouse", decided)
    assert answer.code == 0 and "one snapshot, so there is nothing to compare: aaaa1111" in answer.err


def test_diff_reads_the_release_while_a_run_is_going_on(rotation, decided):
    with Warehouse(decided).write_lock("a run"):
        answer = rotation("diff", DAY, "--format", "json", "--warehouse", decided)
    found = json.loads(answer.out)
    assert found["rows_are_complete"] is False and len(found["arrivals"]) == 1


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (("equal", "equal"), 0),
        (("equal", "different"), 3),
        (("impossible", "equal"), 2),
        (("impossible", "different"), 3),
    ],
)
def test_replay_ends_with_3_where_one_differs_and_with_2_where_one_cannot_be_made_again(
    rotation, decided, monkeypatch, outcomes, code
):
    from pipelines.audit_trail.replay import Verdict
    from warehouse.provenance import read_snapshots

    def pretend(warehouse, choose, policy):
        with warehouse.open_release() as con:
            chosen = choose(read_snapshots(con))
        return [Verdict(one, outcome, "because") for one, outcome in zip(chosen, outcomes, strict=True)]

    monkeypatch.setattr("pipelines.audit_trail.replay.replay", pretend)
    answer = rotation("replay", "aaaa", "bbbb2222", "--format", "json", "--warehouse", decided)
    assert answer.code == code, answer.err
    assert [(one["snapshot_id"], one["outcome"]) for one in json.loads(answer.out)] == [
        ("aaaa1111", outcomes[0]), ("bbbb2222", outcomes[1]),
    ]  # fmt: skip


def test_replay_is_refused_during_a_run(rotation, decided):
    with Warehouse(decided).write_lock("a run"):
        answer = rotation("replay", DAY, "--warehouse", decided)
    assert answer.code == 2 and "a run" in answer.err
