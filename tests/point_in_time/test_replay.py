"""A published decision comes out the same from the rows known then, also after rows have been revised."""

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.policy import Policy, load_policy
from warehouse.connection import Warehouse
from warehouse.provenance import Snapshot, read_snapshots

SAMPLED = 50


@dataclass(frozen=True)
class Revised:
    """A warehouse of many decided days in which raw rows were revised and the last day was decided again."""

    warehouse: Warehouse
    policy: Policy
    policy_path: Path
    market: Path
    last_day: date
    snapshots: list[Snapshot]


@pytest.fixture(scope="module")
def revised(run_nights, write_market, market_days, tmp_path_factory) -> Iterator[Revised]:
    folder = tmp_path_factory.mktemp("revised")
    market, policy_path = write_market(folder / "market"), folder / "policy.yml"
    policy_path.write_text("windows: {baseline: 40}\n")  # a short memory: more days can be decided
    _, ends = market_days
    first_day, last_day = ends - timedelta(days=59), ends
    warehouse = Warehouse(folder / "warehouse")
    night = run_nights(market, warehouse.directory, first_day, last_day, policy=policy_path)
    assert night.outcome.exit_code == 0, night.outcome.message
    revise(warehouse)
    night = run_nights(market, warehouse.directory, last_day, last_day, policy=policy_path)
    assert night.outcome.exit_code == 0, night.outcome.message
    with warehouse.open_release() as con:
        snapshots = read_snapshots(con)
    yield Revised(warehouse, load_policy(policy_path), policy_path, market, last_day, snapshots)
    shutil.rmtree(folder)


def revise(warehouse: Warehouse) -> None:
    """Newer revisions of 30 days of three coins, half of them a good deal higher, as a corrected file brings them."""
    with warehouse.open_build() as con:
        for table, column in (("funding_rates", "funding_rate"), ("open_interest", "open_interest_base")):
            con.execute(
                f"insert into raw.{table} by name "
                f"select * replace ({column} * 1.3 as {column}, (now() at time zone 'UTC') as ingested_at, "
                "'revised' as batch_id) "
                f"from raw.{table} where split_part(symbol, '/', 1) in ('SOL', 'UNI', 'XRP') "
                "and available_at between (select max(available_at) - interval 31 day from raw.funding_rates) "
                "and (select max(available_at) - interval 1 day from raw.funding_rates)"
            )


def test_fifty_random_decisions_are_byte_equal_after_their_rows_were_revised(revised):
    from pipelines.audit_trail.replay import replay

    replaced = [one for one in revised.snapshots if not one.is_current]
    assert [one.as_of_date for one in replaced] == [revised.last_day]
    past = [one for one in revised.snapshots if one.as_of_date < revised.last_day]
    chosen = random.Random(20260601).sample(past, SAMPLED - 1) + replaced
    verdicts = replay(revised.warehouse, lambda stored: [one for one in stored if one in chosen], revised.policy)
    assert len(verdicts) == SAMPLED
    assert {str(one.snapshot.as_of_date): one.reason for one in verdicts if one.outcome != "equal"} == {}


def test_a_revised_row_makes_another_decision_and_the_rows_are_named(revised):
    from pipelines.audit_trail.difference import difference

    found = difference(revised.warehouse, revised.last_day)
    assert found.before.decision_id != found.after.decision_id
    assert {cause.kind: cause.verdict for cause in found.causes}["raw rows"] == "other"
    assert {one.batch_id for one in found.arrivals} == {"revised"}
    assert {one.key["symbol"].split("/")[0] for one in found.arrivals} == {"SOL", "UNI", "XRP"}
    for one in found.arrivals:
        ((old, new),) = one.changed.values()
        assert new == pytest.approx(1.3 * old)
    assert found.rows_are_complete


def test_a_raw_row_that_was_tampered_with_is_found(revised, tmp_path):
    from pipelines.audit_trail.replay import replay

    shutil.copytree(revised.warehouse.directory, tmp_path / "warehouse", symlinks=True)
    tampered, day = Warehouse(tmp_path / "warehouse"), revised.last_day - timedelta(days=1)
    with tampered.open_build() as con:
        con.execute(
            "update raw.funding_rates set funding_rate = funding_rate * 1.001 "
            "where symbol = 'ETH/USDT:USDT' and settled_at = $1",
            [datetime.combine(revised.last_day, datetime.min.time())],
        )
    (verdict,) = replay(tampered, lambda stored: [one for one in stored if one.as_of_date == day], revised.policy)
    assert verdict.outcome == "different" and "input_hash was" in verdict.reason


def test_the_rows_behind_a_figure_bound_the_figure(revised):
    """A weighted mean of the leaders' daily funding lies between the lowest and the highest of them."""
    from pipelines.audit_trail.figures import figure

    with revised.warehouse.open_release() as con:
        found = figure(con, con, revised.last_day, "DEFI", "funding_3d_bps", revised.policy)
    assert found.is_complete and all(row["payload_sha256"] or row["batch_id"] == "revised" for row in found.rows)
    rows = pl.DataFrame(found.rows, infer_schema_length=None)
    assert rows["date"].n_unique() == 3 and set(rows["exchange"]) == {"binance", "bybit"}
    # Settlements of 8 or 4 hours: each day's rates sum to 24 hours, a third of which is the rate of 8 hours.
    daily = rows.group_by("date", "asset", "leader_weight", "exchange").agg(pl.col("funding_rate").sum() / 3 * 1e4)
    low, high = daily["funding_rate"].min(), daily["funding_rate"].max()
    assert low <= found.value <= high


def test_the_commands_read_the_release(revised, capsys):
    from pipelines.cli.commands import main

    for words in (["explain", "--sector", "L1"], ["diff", str(revised.last_day)]):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--format", "json", "--warehouse", str(revised.warehouse.directory)])
        assert not ended.value.code
        said = json.loads(capsys.readouterr().out)
        assert said
