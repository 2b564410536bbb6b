"""The gate after ingestion: is what this run loaded fit to be calculated with?"""

from datetime import datetime, timedelta

from expectations.ages import CANDLE_END, KINDS, ages_sql, newest_rows_sql
from expectations.model import Check, Parameters, Question, text_sql, timestamp_sql
from expectations.rules import helper_columns_sql, row_rules
from warehouse.contracts import FACTS, Table

_RECENT_DAYS = 40  # comparisons between series look at rows this young; a first load of years is not compared
_REPORT = "Nothing was published. Report it with this line: the loading must not do this."


def border_questions(p: Parameters) -> list[Question]:
    """Questions about the rows of this run, in the order in which they are reported."""
    return [
        *(_row_rules(table, p) for table in FACTS),
        *(_unique_keys(table, p) for table in FACTS),
        _some_exchange_is_fresh(p),
        _each_exchange_is_fresh(p),
        _loads_by_dataset(p),
        _loads_by_exchange(p),
        _close_against_mark(p),
        _mark_against_index(p),
        _open_interest_usd(p),
        _open_interest_jump(p),
        _settlements_per_day(p),
    ]


def _this_run(p: Parameters) -> str:
    return f"ingested_at >= {timestamp_sql(p.since)}"


def _recent(p: Parameters, column: str) -> str:
    return f"{column} between {timestamp_sql(_first_recent(p))} and {timestamp_sql(p.decision_at)}"


def _row_rules(table: Table, p: Parameters) -> Question:
    rules = row_rules(table.name, p.limits)
    columns = ", ".join(f"cast(coalesce({rule.predicate}, true) as integer) as {rule.name}" for rule in rules)
    return Question(
        table.qualified_name,
        f"select {', '.join(table.key)}, {columns} from (select *, {helper_columns_sql(table, p.now)} "
        f"from {table.qualified_name} where {_this_run(p)})",
        table.key,
        tuple(Check(rule.name, rule.meaning, f"{_REPORT} Such a row belongs in raw.quarantine.") for rule in rules),
        (table.qualified_name,),
    )


def _unique_keys(table: Table, p: Parameters) -> Question:
    series = [name for name in table.natural_key if name != table.event_column]
    counted = table.event_column or "symbol"
    groups = [*series, "ingested_at"]
    return Question(
        table.qualified_name,
        f"select {', '.join(groups)}, count(*) - count(distinct {counted}) as repeated_keys "
        f"from {table.qualified_name} where {_this_run(p)} group by {', '.join(groups)}",
        tuple(groups),
        (
            Check(
                "repeated_keys",
                "Rows with one key were loaded twice at the same instant; sums over them would be too large.",
                _REPORT,
                minimum=0,
                maximum=0,
            ),
        ),
        (table.qualified_name,),
    )


def _first_recent(p: Parameters) -> datetime:
    return p.decision_at - timedelta(days=_RECENT_DAYS)


_FRESH_TABLES = ("raw.futures_ohlcv", "raw.funding_rates", "raw.open_interest")


def _some_exchange_is_fresh(p: Parameters) -> Question:
    oldest = timestamp_sql(p.decision_at - timedelta(hours=p.limits.fresh_hours))
    return Question(
        "raw.load_batches",
        f"""
        select kind, cast(coalesce(max(newest_at) >= {oldest}, false) as integer) as some_exchange_is_fresh
        from (values {", ".join(f"('{kind}')" for kind in KINDS)}) as kinds (kind)
        left join ({newest_rows_sql(_first_recent(p), p.decision_at)}) using (kind)
        group by kind
        """,
        ("kind",),
        (
            Check(
                "some_exchange_is_fresh",
                f"No exchange has a row of this kind from the last {p.limits.fresh_hours:g} hours before the "
                "decision: every sector would be STALE and the plan empty.",
                "Check the network and raw.load_batches.error, then run again; nothing was published.",
                must_evaluate=True,
            ),
        ),
        _FRESH_TABLES,
    )


def _each_exchange_is_fresh(p: Parameters) -> Question:
    # An exchange that was asked and has no recent row at all is at least as far behind as "recent" reaches.
    return Question(
        "raw.load_batches",
        f"""
        select kind, exchange,
            coalesce(epoch({timestamp_sql(p.decision_at)} - newest_at) / 3600, {24 * _RECENT_DAYS}) as hours_behind
        from ({ages_sql(f"run_id = {text_sql(p.run_id)}", _first_recent(p), p.decision_at)})
        """,
        ("kind", "exchange"),
        (
            Check(
                "hours_behind",
                "One exchange's newest row is too old. The decision leaves that exchange out; a sector that loses "
                "too much open interest this way becomes STALE.",
                "Check raw.load_batches.error for the exchange. If it is closed for good, take it off the list.",
                is_blocking=False,
                minimum=0,
                maximum=p.limits.fresh_hours,
            ),
        ),
        _FRESH_TABLES,
    )


def _loads_by_dataset(p: Parameters) -> Question:
    return Question(
        "raw.load_batches",
        f"""
        select dataset, cast(coalesce(bool_or(status in ('ok', 'empty')), false) as integer) as not_all_failed
        from raw.load_batches where run_id = {text_sql(p.run_id)} and status <> 'absent' group by dataset
        """,
        ("dataset",),
        (
            Check(
                "not_all_failed",
                "Every load of this dataset failed, on every exchange.",
                "Check the network and raw.load_batches.error, then run again; nothing was published.",
            ),
        ),
        ("raw.load_batches",),
    )


def _loads_by_exchange(p: Parameters) -> Question:
    return Question(
        "raw.load_batches",
        f"""
        select
            exchange, dataset,
            count(*) filter (where status in ('ok', 'empty')) / count(*) as series_filled_frac,
            sum(rows_quarantined) / nullif(sum(rows_received), 0) as quarantined_frac
        from raw.load_batches where run_id = {text_sql(p.run_id)} and status <> 'absent'
        group by exchange, dataset
        """,
        ("exchange", "dataset"),
        (
            Check(
                "series_filled_frac",
                "More than a tenth of an exchange's series of one dataset could not be loaded. The sectors that "
                "need them may be frozen (NO_DATA).",
                "Look at raw.load_batches.error; the next run loads what is missing.",
                is_blocking=False,
                minimum=0.9,
            ),
            Check(
                "quarantined_frac",
                "More than one row in a hundred of an exchange's dataset broke a rule and was set aside.",
                "Look at raw.quarantine: rule and row_json tell what came. The rows are kept there.",
                is_blocking=False,
                maximum=0.01,
            ),
        ),
        ("raw.load_batches",),
    )


def _pair_sql(p: Parameters, one: str, other: str, column: str) -> str:
    side = f"select * from raw.futures_ohlcv where {_this_run(p)} and {_recent(p, 'opened_at')} and price_type ="
    # a corrected price must not go on failing: only the newest revision of each candle is compared
    newest = (
        "qualify row_number() over (partition by exchange, symbol, timeframe, opened_at order by ingested_at desc) = 1"
    )
    return f"""
        select exchange, symbol, timeframe, opened_at, abs(a.close / b.close - 1) as {column}
        from ({side} '{one}' {newest}) as a
        join ({side} '{other}' {newest}) as b using (exchange, symbol, timeframe, opened_at)
    """


def _close_against_mark(p: Parameters) -> Question:
    sql = _pair_sql(p, "last", "mark", "close_to_mark_frac")
    limit = p.limits.close_mark_frac
    return Question(
        "raw.futures_ohlcv",
        f"select *, close_to_mark_frac as most_closes_near_mark from ({sql})",
        ("exchange", "symbol", "timeframe", "opened_at"),
        (
            Check(
                "close_to_mark_frac",
                f"A traded close lies more than {limit:.0%} from the mark price of the same candle.",
                "Look at the contract: thin trading does it, a wrong contract multiplier does it on every candle.",
                is_blocking=False,
                maximum=limit,
            ),
            Check(
                "most_closes_near_mark",
                f"More than one close in twenty lies over {limit:.0%} from the mark price: the prices of one of the "
                "two series cannot be right.",
                "Compare the failing symbols with the exchange's page; nothing was published.",
                maximum=limit,
                mostly=0.95,
            ),
        ),
        ("raw.futures_ohlcv",),
    )


def _mark_against_index(p: Parameters) -> Question:
    return Question(
        "raw.futures_ohlcv",
        _pair_sql(p, "mark", "index", "mark_to_index_frac"),
        ("exchange", "symbol", "timeframe", "opened_at"),
        (
            Check(
                "mark_to_index_frac",
                f"The mark price lies more than {p.limits.mark_index_frac:.0%} from the index: an extreme basis, or "
                "one of the two is wrong. It goes into basis_frac.",
                "Look at the contract on the exchange's page.",
                is_blocking=False,
                maximum=p.limits.mark_index_frac,
            ),
        ),
        ("raw.futures_ohlcv",),
    )


def _open_interest_usd(p: Parameters) -> Question:
    limit = p.limits.open_interest_usd_frac
    return Question(
        "raw.open_interest",
        f"""
        select
            published.exchange, published.symbol, observed_at,
            abs(open_interest_usd / (open_interest_base * close) - 1) as published_usd_error_frac
        from (
            select exchange, symbol, observed_at, open_interest_usd, open_interest_base from raw.open_interest
            where {_this_run(p)} and {_recent(p, "observed_at")}
                and open_interest_usd is not null and open_interest_base is not null
        ) as published
        asof join (
            select exchange, symbol, {CANDLE_END} as closed_at, close from raw.futures_ohlcv
            where price_type = 'last' and {_recent(p, "opened_at")}
        ) as candles
            on published.exchange = candles.exchange and published.symbol = candles.symbol
            and published.observed_at >= candles.closed_at
        where observed_at - closed_at <= interval 2 hour
        """,
        ("exchange", "symbol", "observed_at"),
        (
            Check(
                "published_usd_error_frac",
                f"The open interest that the exchange publishes in dollars differs by more than {limit:.0%} from "
                "coins times price: a contract size may be wrong, or both sides were counted. Our own figure is "
                "used.",
                "Compare contract_size in raw.instruments with the exchange's contract page.",
                is_blocking=False,
                maximum=limit,
            ),
        ),
        ("raw.open_interest", "raw.futures_ohlcv"),
    )


def _open_interest_jump(p: Parameters) -> Question:
    yesterday = p.as_of_date - timedelta(days=1)
    quantity = "coalesce(open_interest_base, open_interest_contracts, open_interest_usd)"
    return Question(
        "raw.open_interest",
        f"""
        select exchange, symbol, abs(today / before - 1) as open_interest_jump_frac
        from (
            select
                exchange, symbol,
                arg_max({quantity}, observed_at) filter (where cast(observed_at as date) = date '{p.as_of_date}')
                    as today,
                arg_max({quantity}, observed_at) filter (where cast(observed_at as date) = date '{yesterday}')
                    as before
            from raw.open_interest
            where observed_at >= date '{yesterday}' and observed_at < date '{p.as_of_date + timedelta(days=1)}'
            group by exchange, symbol
        )
        """,
        ("exchange", "symbol"),
        (
            Check(
                "open_interest_jump_frac",
                f"Open interest changed by more than {p.limits.open_interest_jump_frac:.0%} within a day. It may be "
                "true (it was for SOL in November 2022); the decision drops it only when other exchanges disagree.",
                "Nothing, unless the exchange's page shows another figure.",
                is_blocking=False,
                maximum=p.limits.open_interest_jump_frac,
            ),
        ),
        ("raw.open_interest",),
    )


def _settlements_per_day(p: Parameters) -> Question:
    midnight = f"timestamp '{p.as_of_date} 00:00:00'"
    return Question(
        "raw.funding_rates",
        f"""
        select exchange, symbol, abs(settlements - 24 / hours) as settlements_off
        from (
            select
                exchange, symbol,
                count(distinct settled_at) filter (where settled_at > {midnight}) as settlements,
                coalesce(
                    mode(interval_hours) filter (where settled_at > {midnight}), quantile_disc(gap_hours, 0.5)
                ) as hours
            from (
                select
                    *,
                    epoch(settled_at - lag(settled_at) over (
                        partition by exchange, symbol order by settled_at
                    )) / 3600 as gap_hours
                from (
                    select exchange, symbol, settled_at, arg_max(interval_hours, ingested_at) as interval_hours
                    from raw.funding_rates
                    where settled_at > {midnight} - interval 7 day and settled_at <= {midnight} + interval 1 day
                    group by exchange, symbol, settled_at
                )
            )
            group by exchange, symbol
        )
        where settlements > 0
        """,
        ("exchange", "symbol"),
        (
            Check(
                "settlements_off",
                "A contract settled more or fewer times in the day than its interval says (one more or less is "
                "let pass): settlements are missing, or the interval changed.",
                "If it persists, look at the exchange's funding page; under 16 covered hours the day's funding is "
                "unknown.",
                is_blocking=False,
                maximum=1,
            ),
        ),
        ("raw.funding_rates",),
    )
