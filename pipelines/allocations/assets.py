"""The exact target weights of the spot sleeve, day after day."""

from datetime import date

import dagster as dg
import polars as pl

from pipelines.allocations import inputs
from pipelines.allocations.replay import decide_range
from pipelines.allocations.rows import decision_fields, target_rows
from pipelines.clock import utc_now
from pipelines.metadata import preview
from pipelines.partitions import DAILY, ONE_RUN, partition_days
from pipelines.policy import refuse_unbuilt, require_known_sectors
from pipelines.progress import report
from pipelines.resources import PipelineWarehouse, RunSettings
from pipelines.version import code_version
from warehouse.connection import Connection
from warehouse.contracts import DECISIONS, TARGET_ALLOCATIONS
from warehouse.digest import input_hashes
from warehouse.frames import frame_schema
from warehouse.portfolio import replace_days
from warehouse.released import begin_deciding

TARGET_ALLOCATIONS_KEY = dg.AssetKey(["portfolio", "target_allocations"])


@dg.asset(
    key=TARGET_ALLOCATIONS_KEY,
    group_name="allocations",
    kinds={"python"},
    owners=["team:strategy"],
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[dg.AssetKey(["portfolio", "sector_signals"]), dg.AssetKey(["marts", "sector_weights"])],
)
def target_allocations(
    context: dg.AssetExecutionContext, settings: RunSettings, warehouse: PipelineWarehouse
) -> dg.MaterializeResult:
    """What share of the spot sleeve each sector should hold, to the cent, with the reason.

    Grain: one row per (as_of_date, sector) and one for CASH; `portfolio.decisions` has one row per day. Weights are
    fractions of the spot sleeve and sum to 1 exactly. A day continues from the newest released decision before it;
    days without a decision in between only drift with spot prices.
    """
    first_day, last_day = partition_days(context)
    report("allocations", f"{first_day} to {last_day}")
    with warehouse.files.open_build() as connection:
        begin_deciding(connection, warehouse.files, context.run_id, last_day)
        decisions, targets = _decide(connection, settings, first_day, last_day)
        replace_days(connection, DECISIONS, decisions, first_day, last_day)
        replace_days(connection, TARGET_ALLOCATIONS, targets, first_day, last_day)
    tonight = targets.filter(targets["as_of_date"] == last_day)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": targets.height,
            "window": f"{first_day} to {last_day}",
            "decisions": decisions.height,
            "tonight": preview(
                tonight.select("sector", "action", "current_usd", "target_usd", "reason_codes", "explanation")
            ),
        }
    )


def _decide(
    connection: Connection, settings: RunSettings, first_day: date, last_day: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frames of `portfolio.decisions` and `portfolio.target_allocations` for the days."""
    policy, chosen = settings.load_policy(), settings.load()
    book = inputs.read_book(connection, first_day, chosen.portfolio_value_usd, policy)
    days = inputs.read_days(connection, book, first_day, last_day, policy)
    strategic = inputs.read_strategic_weights(connection)
    require_known_sectors(policy, strategic)
    refuse_unbuilt(policy)
    sentences = inputs.read_sentences(connection, first_day, last_day)
    known_at = inputs.read_knowledge_times(connection, first_day, last_day)
    stored_at = inputs.read_stored_times(connection, first_day, last_day)
    hashes = input_hashes(connection, first_day, last_day, max(known_at.values(), default=utc_now()))
    taxonomy_hash = inputs.taxonomy_hash()
    stamp = {
        "policy_hash": policy.canonical_hash(),
        "code_version": code_version(),
        "source": chosen.source,
        "cadence": policy.decide.cadence,
    }
    decisions, targets = [], []
    for decision in decide_range(days, strategic, policy, book, first_day, last_day):
        day = decision.as_of
        decision_id = decision.decision_id(hashes[day], stamp["policy_hash"], taxonomy_hash)
        decided_at = stored_at.get(decision_id, known_at[day])
        targets += target_rows(decision, decision_id, sentences.get(day, {}), policy)
        decisions.append(
            decision_fields(decision)
            | stamp
            | {
                "decision_id": decision_id,
                "decided_at": decided_at,
                "input_hash": hashes[day],
                "pit_quality": "observed" if (decided_at.date() - day).days <= 1 else "assumed",
            }
        )
    return (
        pl.DataFrame(decisions, schema=frame_schema(DECISIONS)),
        pl.DataFrame(targets, schema=frame_schema(TARGET_ALLOCATIONS)),
    )


ASSETS = [target_allocations]
