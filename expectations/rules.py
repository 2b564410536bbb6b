"""What must be true of one raw row: written once, used at the border and again inside the warehouse.

A rule is an SQL predicate that both DuckDB and Polars read with the same result. A row breaks a rule when its
predicate is false; a predicate that cannot be decided because a value is NULL (unknown) is not broken, so rules
about presence say `is not null`. Rows that break a rule go to quarantine with its name; they are never repaired.

Predicates may use helper columns beside the table's own, all in microseconds: `event_us` (the candle's open, the
settlement or the observation), `available_us` and `now_us` since 1970, and a candle's length `timeframe_us`.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import polars as pl

from expectations.limits import DEFAULT_LIMITS, Limits
from warehouse.contracts import FACTS, Table

CONFLICTING_DUPLICATE = "conflicting_duplicate"
CONFLICTING_DUPLICATE_MEANING = "The answer holds two rows with the same key and different values; neither is used."

_HOUR_US = 3_600_000_000
_MINUTE_US = 60_000_000
TIMEFRAMES_US = {
    "1m": _MINUTE_US, "3m": 3 * _MINUTE_US, "5m": 5 * _MINUTE_US, "15m": 15 * _MINUTE_US, "30m": 30 * _MINUTE_US,
    "1h": _HOUR_US, "2h": 2 * _HOUR_US, "4h": 4 * _HOUR_US, "6h": 6 * _HOUR_US, "8h": 8 * _HOUR_US,
    "12h": 12 * _HOUR_US, "1d": 24 * _HOUR_US,
}  # fmt: skip
_FIRST_PLAUSIBLE_US = 1_262_304_000_000_000  # 2010-01-01: earlier means that seconds were read as milliseconds
_LARGEST = "1.7976931348623157e308"  # NaN and infinity compare as larger than this in both engines

REJECTED_SCHEMA = {"batch_id": pl.String, "row_number": pl.Int64, "row_json": pl.String, "rule": pl.String}


@dataclass(frozen=True)
class Rule:
    """One thing that must be true of a row.

    Attributes:
        name: Stands in quarantine and in check results.
        predicate: SQL; false means broken.
        meaning: What a broken rule says about the row, for people.
    """

    name: str
    predicate: str
    meaning: str


def row_rules(dataset: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Rule, ...]:
    """The rules of one dataset, most basic first; a rejected row is filed under the first one it breaks.

    Args:
        dataset: A fact table's name: `instruments`, `spot_ohlcv`, `futures_ohlcv`, `funding_rates` or
            `open_interest`.
        limits: Thresholds.

    Raises:
        ValueError: no such dataset.
    """
    if dataset not in _RULES:
        raise ValueError(f"{dataset!r} has no row rules; the datasets are {', '.join(_RULES)}")
    return _RULES[dataset](limits)


def helper_columns_sql(table: Table, now: datetime) -> str:
    """The helper columns for DuckDB, as a select list."""
    event = "null::bigint" if table.event_column is None else f"epoch_us({table.event_column})"
    columns = [f"{event} as event_us", "epoch_us(available_at) as available_us", f"{_epoch_us(now)} as now_us"]
    if "timeframe" in table.columns:
        cases = " ".join(f"when '{name}' then {length}" for name, length in TIMEFRAMES_US.items())
        columns.append(f"case timeframe {cases} end as timeframe_us")
    return ", ".join(columns)


def split_rows(
    dataset: str, frame: pl.DataFrame, *, now: datetime, limits: Limits = DEFAULT_LIMITS
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows that may be stored from the rows that go to quarantine.

    NaN counts as NULL. Rows with the same key and the same values are one row; with different values all of them
    are rejected as `conflicting_duplicate`.

    Args:
        dataset: See `row_rules`.
        frame: Fact rows with all columns of the table, of one batch or of many: one call with 170 batches takes a
            tenth of the time of 170 calls.
        now: Rows of a later instant, and candles that close later, are rejected (UTC).
        limits: Thresholds.

    Returns:
        The clean rows with their columns, and the rejected ones as batch_id, row_number (position among the rows
        of its batch, from 1), row_json (the row as it came) and rule. Together they account for every row but
        equal duplicates.
    """
    table = _TABLES[dataset]
    key = list(table.natural_key)
    known = frame.with_columns(pl.col(pl.Float64, pl.Float32).fill_nan(None))
    names, tests = _compiled(dataset, limits)
    tested = known.with_columns(_helper_columns(table, now))
    if tested.select(pl.all_horizontal(tests).all()).item() and known.n_unique(key) == known.height:
        return known, pl.DataFrame(schema=REJECTED_SCHEMA)
    broken = pl.coalesce(pl.when(~test).then(pl.lit(name)) for name, test in zip(names, tests, strict=True))
    numbered = known.with_columns(
        tested.select(broken.alias("rule")).to_series(),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("batch_id").alias("row_number"),
    ).with_row_index("position")
    accepted = numbered.filter(pl.col("rule").is_null())
    # Of equal rows the last stays; a key that is still there twice has rows that contradict one another.
    distinct = accepted.unique([*key, *table.values], keep="last", maintain_order=True)
    is_conflicting = distinct.select(key).is_duplicated()
    conflicting = accepted.join(distinct.filter(is_conflicting), on=key, how="semi", nulls_equal=True)
    rejected = pl.concat(
        [numbered.filter(pl.col("rule").is_not_null()), conflicting.with_columns(rule=pl.lit(CONFLICTING_DUPLICATE))]
    ).sort("position")
    as_it_came = [_as_json(row) for row in frame[rejected["position"].to_list()].iter_rows(named=True)]
    clean = distinct.filter(~is_conflicting).drop("position", "rule", "row_number")
    return clean, rejected.with_columns(row_json=pl.Series(as_it_came, dtype=pl.String)).select(list(REJECTED_SCHEMA))


@lru_cache(maxsize=64)
def _compiled(dataset: str, limits: Limits) -> tuple[list[str], list[pl.Expr]]:
    rules = row_rules(dataset, limits)
    return [rule.name for rule in rules], [pl.sql_expr(rule.predicate).fill_null(True) for rule in rules]


def _helper_columns(table: Table, now: datetime) -> list[pl.Expr]:
    event = pl.lit(None, dtype=pl.Int64) if table.event_column is None else pl.col(table.event_column).dt.epoch("us")
    columns = [
        event.alias("event_us"),
        pl.col("available_at").dt.epoch("us").alias("available_us"),
        pl.lit(_epoch_us(now), dtype=pl.Int64).alias("now_us"),
    ]
    if "timeframe" in table.columns:
        length = pl.col("timeframe").replace_strict(TIMEFRAMES_US, default=None, return_dtype=pl.Int64)
        columns.append(length.alias("timeframe_us"))
    return columns


def _epoch_us(moment: datetime) -> int:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _as_json(row: dict[str, Any]) -> str:
    safe = {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(safe, default=str)


def _plain(number: float) -> str:
    """A number without an exponent, which Polars' SQL cannot read when it is negative."""
    return format(Decimal(repr(number)), "f")


def _text_in(*values: str) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"


def _positive(*columns: str) -> str:
    return " and ".join(f"{name} > 0 and {name} <= {_LARGEST}" for name in columns)


def _common(event: str) -> tuple[Rule, ...]:
    return (
        Rule("name_known", "exchange is not null and symbol is not null", "Exchange or symbol is missing."),
        Rule(
            "timestamp_plausible",
            f"event_us is not null and event_us >= {_FIRST_PLAUSIBLE_US}",
            f"`{event}` is missing or lies before 2010: seconds, milliseconds and microseconds were mixed up.",
        ),
        Rule("not_in_future", "event_us <= now_us", f"`{event}` lies after the moment of loading."),
    )


def _candle_rules(*more: Rule) -> tuple[Rule, ...]:
    return (
        *_common("opened_at"),
        Rule("timeframe_known", "timeframe_us is not null", "The timeframe is missing or not one of ours."),
        *more,
        Rule(
            "on_timeframe_grid",
            "event_us % timeframe_us = 0",
            "The candle does not open on a whole multiple of its timeframe in UTC.",
        ),
        Rule("candle_closed", "event_us + timeframe_us <= now_us", "The candle was still open when loaded."),
        Rule("close_known", "close is not null", "The closing price is missing, as in an error page read as data."),
        Rule("price_positive", _positive("open", "high", "low", "close"), "A price is zero, negative or infinite."),
        Rule(
            "high_is_highest",
            "high >= open and high >= low and high >= close",
            "The high is below another price of the candle.",
        ),
        Rule("low_is_lowest", "low <= open and low <= close", "The low is above another price."),
        Rule(
            "volume_not_negative",
            " and ".join(f"{name} >= 0 and {name} <= {_LARGEST}" for name in ("volume_base", "volume_quote")),
            "A volume is negative or infinite.",
        ),
        Rule(
            "available_after_event",
            "available_us is not null and available_us >= event_us + timeframe_us",
            "The row claims to have been known before its candle had closed.",
        ),
    )


def _available_after(event: str) -> Rule:
    return Rule(
        "available_after_event",
        "available_us is not null and available_us >= event_us",
        f"The row claims to have been known before `{event}`.",
    )


def _spot_rules(limits: Limits) -> tuple[Rule, ...]:
    return _candle_rules()


def _futures_rules(limits: Limits) -> tuple[Rule, ...]:
    return _candle_rules(
        Rule(
            "kind_known",
            f"price_type is not null and price_type in {_text_in('last', 'mark', 'index')} "
            f"and market_type is not null and market_type in {_text_in('perpetual', 'dated')}",
            "Price type or market type is missing or unknown.",
        )
    )


def _funding_rules(limits: Limits) -> tuple[Rule, ...]:
    intervals = ", ".join(str(hours) for hours in limits.funding_intervals_hours)
    return (
        *_common("settled_at"),
        Rule("on_the_hour", f"event_us % {_HOUR_US} = 0", "The settlement is not on a full hour."),
        Rule("funding_known", "funding_rate is not null", "The funding rate is missing."),
        Rule(
            "funding_believable",
            f"abs(funding_rate) <= {_plain(limits.max_abs_funding)}",
            f"The rate is beyond {limits.max_abs_funding:.0%} per settlement: percent read as a fraction, or garbage.",
        ),
        Rule(
            "interval_known",
            f"interval_hours in ({intervals})",
            f"The settlement interval is none of {intervals} hours.",
        ),
        Rule("price_positive", _positive("mark_price"), "The mark price is zero, negative or infinite."),
        _available_after("settled_at"),
    )


def _open_interest_rules(limits: Limits) -> tuple[Rule, ...]:
    units = ("open_interest_contracts", "open_interest_base", "open_interest_usd")
    return (
        *_common("observed_at"),
        Rule(
            "some_unit_known",
            " or ".join(f"{unit} is not null" for unit in units),
            "Open interest is missing in contracts, coins and dollars.",
        ),
        Rule("open_interest_positive", _positive(*units), "Open interest is zero, negative or infinite."),
        Rule(
            "kind_known",
            f"source_kind is not null and source_kind in {_text_in('history', 'snapshot', 'archive')}",
            "The row does not say whether it is history, a snapshot or an archive.",
        ),
        _available_after("observed_at"),
    )


def _instrument_rules(limits: Limits) -> tuple[Rule, ...]:
    sizes = ("contract_size", "contract_multiplier", "lot_step", "tick_size")
    return (
        Rule("name_known", "exchange is not null and symbol is not null", "Exchange or symbol is missing."),
        Rule(
            "kind_known",
            f"market_type is not null and market_type in {_text_in('spot', 'perpetual', 'dated')}",
            "The market type is missing or unknown.",
        ),
        Rule("coins_known", "base is not null and quote is not null", "The base or the quote coin is missing."),
        Rule(
            "sizes_positive",
            f"{_positive(*sizes)} and min_notional_usd >= 0",
            "A contract size, lot step or tick size is zero, negative or infinite.",
        ),
        Rule(
            "expiry_known",
            "market_type <> 'dated' or expiry_at is not null",
            "A dated contract does not say when it expires.",
        ),
    )


_RULES: dict[str, Callable[[Limits], tuple[Rule, ...]]] = {
    "instruments": _instrument_rules,
    "spot_ohlcv": _spot_rules,
    "futures_ohlcv": _futures_rules,
    "funding_rates": _funding_rules,
    "open_interest": _open_interest_rules,
}
_TABLES = {table.name: table for table in FACTS}
