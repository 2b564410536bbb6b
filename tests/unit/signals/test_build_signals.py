"""The signal table from the marts: its rows, its columns, and inputs that cannot be used."""

import datetime as dt
import json

import polars as pl
import pytest

from pipelines.signals.signals import (
    METRIC_SCHEMA,
    SIGNAL_SCHEMA,
    SPREAD_SCHEMA,
    SignalInputError,
)
from pipelines.signals.signals import build_signals as build_batches
from warehouse.contracts import SECTOR_SIGNALS

ACCUMULATION = {"mom14": 0.05, "vr": 2.0}
NO_SPREADS = pl.DataFrame(schema=SPREAD_SCHEMA)
DAYS = [dt.date(2024, 2, 27) + dt.timedelta(days=offset) for offset in range(6)]


@pytest.fixture
def mart(sector):
    """The joined marts from (date, sector, changes from a quiet sector) rows; two leaders unless said."""

    def build(*rows, leader_count=2):
        records = [
            {
                "date": date,
                "sector": name,
                **vars(sector(**changes)),
                "leader_count": leader_count,
                "reason": None,
            }
            for date, name, changes in rows
        ]
        return pl.DataFrame(records, schema=METRIC_SCHEMA)

    return build


def build_signals(metrics, spreads, policy, first_day, last_day):
    """All days in one batch."""
    (signals,) = build_batches(metrics, spreads, policy, [(first_day, last_day)])
    return signals


def spreads(*rows):
    return pl.DataFrame(rows, schema=SPREAD_SCHEMA, orient="row")


def test_a_signal_row_has_the_contract_s_columns_and_types(mart, policy):
    signals = build_signals(mart((DAYS[0], "DEFI", {})), NO_SPREADS, policy, DAYS[0], DAYS[0])
    assert [*signals.columns, "decided_at"] == list(SECTOR_SIGNALS.columns)
    assert dict(signals.schema) == SIGNAL_SCHEMA
    assert signals.height == 1


def test_a_signal_row_carries_state_action_metrics_and_their_explanation(mart, policy):
    metrics = mart((DAYS[0], "DEFI", ACCUMULATION), (DAYS[1], "DEFI", ACCUMULATION))
    row = build_signals(metrics, NO_SPREADS, policy, DAYS[1], DAYS[1]).row(0, named=True)
    states = {name: row[name] for name in ("raw_state", "latched_state", "state", "previous_state")}
    assert states == {
        "raw_state": "ACCUMULATION",
        "latched_state": "ACCUMULATION",
        "state": "ACCUMULATION",
        "previous_state": "NEUTRAL",
    }
    assert (row["action"], row["reason_codes"]) == ("INCREASE", [])
    assert (row["momentum_14d_frac"], row["funding_sign_flips_14d"], row["is_fresh"]) == (0.05, 0, True)
    assert json.loads(row["spread_z"]) == {"L1": None, "STORE_OF_VALUE": None}
    trace = {entry["predicate"]: entry for entry in json.loads(row["rule_trace"])}
    assert trace["accum.vr"] == {
        "state": "ACCUMULATION",
        "role": "enter",
        "applies": True,
        "predicate": "accum.vr",
        "metric": "volume_ratio_7d_28d",
        "comparison": ">=",
        "value": 2.0,
        "threshold": 1.25,
        "slack": 0.75,
        "satisfied": True,
    }
    nearest = json.loads(row["distance_to_flip"])[0]
    # momentum .05 back to 0: |slack| .05, because the threshold is 0
    assert nearest == {
        "moves": [
            {
                "metric": "momentum_14d_frac",
                "value": 0.05,
                "target": 0.0,
                "predicate": "accum.mom_above",
                "threshold": 0.0,
                "slack": 0.05,
            }
        ],
        "distance": 0.05,
        "becomes": "NEUTRAL",
    }
    assert row["explanation"].startswith("DEFI: ACCUMULATION. Funding low at 1.00 bp/8h")


def test_a_vetoed_increase_is_stored_as_hold_with_its_reason_and_keeps_its_state(mart, policy):
    metrics = mart((DAYS[0], "DEFI", ACCUMULATION), (DAYS[1], "DEFI", ACCUMULATION))
    ahead = spreads((DAYS[1], "DEFI", "L1", 1.4999999999), (DAYS[1], "DEFI", "GAMING", 9.0))
    row = build_signals(metrics, ahead, policy, DAYS[1], DAYS[1]).row(0, named=True)
    # 1.4999999999 is 1.5 with nine decimals
    assert (row["state"], row["action"], row["reason_codes"]) == ("ACCUMULATION", "HOLD", ["SPREAD_VETO"])
    assert json.loads(row["spread_z"]) == {"L1": 1.5, "STORE_OF_VALUE": None}
    assert row["explanation"].endswith("Not raised: L1 runs ahead of it, spread z-score 1.50 (limit 1.5).")


def test_a_sector_with_one_leader_is_not_raised_in_the_table(mart, policy):
    rows = [(DAYS[0], "DEFI", ACCUMULATION), (DAYS[1], "DEFI", ACCUMULATION)]
    row = build_signals(mart(*rows, leader_count=1), NO_SPREADS, policy, DAYS[1], DAYS[1]).row(0, named=True)
    assert (row["action"], row["reason_codes"]) == ("HOLD", ["SINGLE_NAME"])


def test_another_day_s_spread_does_not_veto(mart, policy):
    metrics = mart((DAYS[0], "DEFI", ACCUMULATION), (DAYS[1], "DEFI", ACCUMULATION))
    ahead = spreads((DAYS[0], "DEFI", "L1", 5.0))
    assert build_signals(metrics, ahead, policy, DAYS[1], DAYS[1])["action"].to_list() == ["INCREASE"]


def test_a_spread_that_is_not_a_number_is_unknown(mart, policy):
    metrics = mart((DAYS[0], "DEFI", ACCUMULATION), (DAYS[1], "DEFI", ACCUMULATION))
    nan = spreads((DAYS[1], "DEFI", "L1", float("nan")))
    row = build_signals(metrics, nan, policy, DAYS[1], DAYS[1]).row(0, named=True)
    assert (row["action"], json.loads(row["spread_z"])["L1"]) == ("INCREASE", None)


def test_a_sector_without_data_is_frozen_and_the_others_proceed(mart, policy):
    metrics = mart(
        (DAYS[0], "DEFI", {"oi_z": None}),
        (DAYS[0], "L1", {}),
        (DAYS[1], "DEFI", {"oi_z": None}),
        (DAYS[1], "L1", {"oi_chg7": -0.05, "mom14": -0.1}),
    )
    signals = build_signals(metrics, NO_SPREADS, policy, DAYS[1], DAYS[1])
    assert signals["action"].to_list() == ["FREEZE", "HOLD"]
    assert signals["distance_to_flip"][0] == "[]"


def test_the_chain_starts_at_the_first_data_whatever_days_are_wanted(mart, policy):
    losing = {"oi_chg7": -0.05, "mom14": -0.1}
    metrics = mart(*[(day, "L1", losing) for day in DAYS])
    everything = build_signals(metrics, NO_SPREADS, policy, DAYS[0], DAYS[-1])
    last = build_signals(metrics, NO_SPREADS, policy, DAYS[-1], DAYS[-1])
    assert last.equals(everything.tail(1))
    assert last["state"].to_list() == ["LOSING_MOMENTUM"]


def test_rows_after_the_last_day_change_nothing(mart, policy):
    rows = [(DAYS[0], "L1", ACCUMULATION), (DAYS[1], "L1", ACCUMULATION)]
    later = [(DAYS[2], "L1", {"f": None}), (DAYS[2], "GAMING", {})]
    known = build_signals(mart(*rows), NO_SPREADS, policy, DAYS[0], DAYS[1])
    assert build_signals(mart(*rows, *later), NO_SPREADS, policy, DAYS[0], DAYS[1]).equals(known)


def test_every_wanted_day_has_a_row_even_without_data(mart, policy):
    metrics = mart((DAYS[0], "L1", {}), (DAYS[2], "L1", {}), (DAYS[2], "DEFI", {}))
    signals = build_signals(metrics, NO_SPREADS, policy, DAYS[0], DAYS[3])
    keys = signals.select("as_of_date", "sector", "state").rows()
    assert keys == [
        (DAYS[0], "L1", "NEUTRAL"),
        (DAYS[1], "L1", "NO_DATA"),
        (DAYS[2], "DEFI", "NEUTRAL"),
        (DAYS[2], "L1", "NEUTRAL"),
        (DAYS[3], "DEFI", "NO_DATA"),
        (DAYS[3], "L1", "NO_DATA"),
    ]


def test_the_order_of_the_input_rows_does_not_matter(mart, policy):
    rows = [(day, name, ACCUMULATION if name == "L1" else {}) for day in DAYS for name in ("L1", "DEFI")]
    forward = build_signals(mart(*rows), NO_SPREADS, policy, DAYS[0], DAYS[-1])
    assert build_signals(mart(*reversed(rows)), NO_SPREADS, policy, DAYS[0], DAYS[-1]).equals(forward)


def test_no_metrics_at_all_give_an_empty_table(policy):
    signals = build_signals(pl.DataFrame(schema=METRIC_SCHEMA), NO_SPREADS, policy, DAYS[0], DAYS[1])
    assert (signals.height, dict(signals.schema)) == (0, SIGNAL_SCHEMA)


def test_a_missing_column_is_named(mart, policy):
    metrics = mart((DAYS[0], "L1", {})).drop("volume_ratio_7d_28d")
    with pytest.raises(SignalInputError, match="sector metrics: column volume_ratio_7d_28d is missing"):
        build_signals(metrics, NO_SPREADS, policy, DAYS[0], DAYS[0])


def test_a_doubled_key_is_refused_and_named(mart, policy):
    metrics = mart((DAYS[0], "L1", {}), (DAYS[0], "L1", {"f": 9.0}))
    with pytest.raises(SignalInputError, match=r"L1.*stands there twice"):
        build_signals(metrics, NO_SPREADS, policy, DAYS[0], DAYS[0])


def test_a_row_without_a_key_is_refused(mart, policy):
    with pytest.raises(SignalInputError, match="no date or no sector"):
        build_signals(mart((DAYS[0], None, {})), NO_SPREADS, policy, DAYS[0], DAYS[0])


def test_a_column_of_the_wrong_kind_is_refused_without_a_traceback_of_its_own(mart, policy):
    metrics = mart((DAYS[0], "L1", {})).with_columns(funding_3d_bps=pl.lit("much"))
    with pytest.raises(SignalInputError, match="wrong kind") as error:
        build_signals(metrics, NO_SPREADS, policy, DAYS[0], DAYS[0])
    assert error.value.__suppress_context__


def test_days_in_batches_are_the_days_at_once(mart, policy):
    rows = [
        (day, name, changes) for day, changes in zip(DAYS, [ACCUMULATION, {}] * 3, strict=True) for name in ("A", "B")
    ]
    whole = build_signals(mart(*rows), NO_SPREADS, policy, DAYS[0], DAYS[-1])
    batches = [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[2]), (DAYS[3], DAYS[5])]
    parts = list(build_batches(mart(*rows), NO_SPREADS, policy, batches))
    assert [part["as_of_date"].n_unique() for part in parts] == [2, 1, 3]
    assert pl.concat(parts).equals(whole)
