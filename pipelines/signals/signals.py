"""From the marts' daily metrics to one signal per sector and day, with everything that explains it."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator

import polars as pl

from pipelines.policy import Policy
from pipelines.signals.chain import SectorDay, sector_chain
from pipelines.signals.distance import Flip, distance_to_flip
from pipelines.signals.explain import explain_state, explain_vetoes
from pipelines.signals.metrics import METRIC_NAMES, SectorMetrics
from pipelines.signals.rules import Rules, build_rules
from pipelines.signals.states import rule_trace
from pipelines.signals.vetoes import apply_vetoes
from warehouse.contracts import SECTOR_SIGNALS
from warehouse.frames import frame_schema

SIGNAL_SCHEMA = {name: kind for name, kind in frame_schema(SECTOR_SIGNALS).items() if name != "decided_at"}
METRIC_SCHEMA = {
    "date": pl.Date(),
    "sector": pl.String(),
    **{name: SIGNAL_SCHEMA[name] for name in METRIC_NAMES},
    "leader_count": pl.Int64(),
    "reason": pl.String(),
}
SPREAD_SCHEMA = {
    "date": pl.Date(),
    "sector": pl.String(),
    "reference_sector": pl.String(),
    "spread_z_90d": pl.Float64(),
}


class SignalInputError(ValueError):
    """The marts given to the signals cannot be used; the message names the column or key and the remedy."""


def build_signals(
    metrics: pl.DataFrame, spreads: pl.DataFrame, policy: Policy, batches: Iterable[tuple[dt.date, dt.date]]
) -> Iterator[pl.DataFrame]:
    """The rows of `portfolio.sector_signals`, some days at a time.

    The chain of states is computed from each sector's first day of data, whatever the first wanted day is; a day
    without a row, also after the newest one, is a NO_DATA day. Rows after the last wanted day change nothing.

    Args:
        metrics: One row per (date, sector): the funding, open-interest and data-health marts joined, with the
            columns of `METRIC_SCHEMA` under their mart names (`reason` is that of the data health). More
            columns are ignored.
        spreads: The sector-spread mart, with the columns of `SPREAD_SCHEMA`.
        policy: Thresholds, actions and vetoes.
        batches: First and last day, both included, of the rows that are wanted together; at least one, in order.

    Yields:
        Per batch the columns of the table's contract but `decided_at`, by date and sector. A sector has no row before
        its first data.

    Raises:
        SignalInputError: a column is missing or of a wrong kind, or a key is null or doubled.
    """
    wanted = list(batches)
    first_day, last_day = wanted[0][0], wanted[-1][1]
    metrics = _checked(metrics, METRIC_SCHEMA, ["date", "sector"], "sector metrics")
    spreads = _checked(spreads, SPREAD_SCHEMA, ["date", "sector", "reference_sector"], "sector spreads")
    rules = build_rules(policy)
    spread_z = _spread_z(spreads.filter(pl.col("date").is_between(first_day, last_day)), rules)
    chains = []
    for (sector,), frame in metrics.sort("sector").partition_by("sector", as_dict=True).items():
        records = {record["date"]: record for record in frame.iter_rows(named=True)}
        days = {date: SectorMetrics.from_row(record, rules.decimals) for date, record in records.items()}
        chains.append((sector, records, sector_chain(days, rules, last_day)))
    for first, last in wanted:
        rows = [
            _signal(sector, day, records.get(day.date, {}), spread_z.get((day.date, sector), {}), rules, policy)
            for sector, records, chain in chains
            for day in chain
            if first <= day.date <= last
        ]
        yield pl.DataFrame(rows, schema=SIGNAL_SCHEMA, orient="row").sort("as_of_date", "sector")


def _signal(
    sector: str,
    day: SectorDay,
    record: dict[str, object],
    known_z: dict[str, float | None],
    rules: Rules,
    policy: Policy,
) -> dict[str, object]:
    leader_count = record.get("leader_count")
    spread_z = {name: known_z.get(name) for name in policy.spread.reference if name != sector}
    wanted = getattr(policy.actions, day.state)
    action, codes = apply_vetoes(wanted, sector, spread_z, leader_count, policy)
    flips = distance_to_flip(day.metrics, day.latched_state, day.latch, rules)
    state_text = explain_state(sector, day, flips, rules, policy, record.get("reason"))
    veto_text = explain_vetoes(codes, sector, spread_z, leader_count, policy)
    return {
        "as_of_date": day.date,
        "sector": sector,
        "raw_state": day.raw_state,
        "latched_state": day.latched_state,
        "state": day.state,
        "previous_state": day.previous_state,
        "action": action,
        "reason_codes": codes,
        **vars(day.metrics),
        "spread_z": _json(spread_z),
        "leader_count": leader_count,
        "rule_trace": _json([vars(traced) for traced in rule_trace(day.metrics, rules, day.latch)]),
        "distance_to_flip": _json([_flip_record(flip) for flip in flips]),
        "explanation": f"{state_text} {veto_text}".rstrip(),
    }


def _flip_record(flip: Flip) -> dict[str, object]:
    return vars(flip) | {"moves": [vars(move) for move in flip.moves]}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _spread_z(spreads: pl.DataFrame, rules: Rules) -> dict[tuple[dt.date, str], dict[str, float | None]]:
    """(date, sector) to reference sector to z, rounded like every value that meets a threshold."""
    z = pl.col("spread_z_90d")
    rounded = pl.when(z.is_finite()).then(z).round(rules.decimals)
    by_key: dict[tuple[dt.date, str], dict[str, float | None]] = {}
    for date, sector, reference, value in spreads.with_columns(rounded).iter_rows():
        by_key.setdefault((date, sector), {})[reference] = value
    return by_key


def _checked(frame: pl.DataFrame, schema: dict[str, pl.DataType], key: list[str], what: str) -> pl.DataFrame:
    if missing := [name for name in schema if name not in frame.columns]:
        raise SignalInputError(f"{what}: column {', '.join(missing)} is missing; build the marts again")
    frame = frame.select(schema.keys())
    try:
        frame = frame.cast(schema)
    except pl.exceptions.PolarsError as error:
        raise SignalInputError(f"{what}: a column is of the wrong kind ({error}); build the marts again") from None
    if frame.select(pl.any_horizontal(pl.col(key).is_null().any())).item():
        raise SignalInputError(f"{what}: a row has no {' or no '.join(key)}; build the marts again")
    doubled = frame.select(key).filter(frame.select(key).is_duplicated())
    if not doubled.is_empty():
        raise SignalInputError(f"{what}: {doubled.row(0)} stands there twice; one row per {', '.join(key)} is needed")
    return frame
