"""The gate before publication: are the marts and the plan complete, consistent and exact?"""

from expectations.ledger import ledger_questions
from expectations.model import REPORT_IT, Check, Parameters, Question, text_sql, timestamp_sql
from expectations.orders import order_questions
from warehouse.contracts import FACTS, PORTFOLIO, Table

# Mart to the column that tells whether a day has come in at all.
DAILY_MARTS = {
    "marts.asset_futures_daily": "perp_close_usd",
    "marts.sector_funding_daily": "funding_8h_bps",
    "marts.sector_open_interest_daily": "futures_price_index",
    "marts.data_health_daily": "newest_row_at",
}
_STATES = (
    "STALE", "NO_DATA", "OVERLEVERAGED", "LOSING_MOMENTUM", "UNSTABLE", "CAPITULATION", "ACCUMULATION", "NEUTRAL",
)  # fmt: skip
_SOURCES_OF_LABEL = {
    "live": ("live", "archive"),
    "recorded": ("recorded", "archive"),
    "simulated": ("simulated",),
    "example": ("example",),
}
_TARGETS, _DECISIONS, _HEDGES = "portfolio.target_allocations", "portfolio.decisions", "portfolio.hedges"
_WEIGHTS, _MEMBERS, _SIGNALS = "marts.sector_weights", "marts.sector_membership", "portfolio.sector_signals"
_HEALTH = "marts.data_health_daily"


def release_questions(p: Parameters) -> list[Question]:
    """Questions about what would be published, in the order in which they are reported."""
    return [
        _strategic_weights(),
        _membership(),
        _asset_days(),
        *(_mart_reaches_today(mart, value, p) for mart, value in DAILY_MARTS.items()),
        _row_counts(p),
        _sector_health(p),
        _decision_today(p),
        *(_unique_keys(table) for table in PORTFOLIO),
        _signals(p),
        _target_rows(),
        _target_days(),
        _target_completeness(p),
        _hedge_rows(p),
        _hedges_per_asset(),
        *order_questions(p),
        *ledger_questions(p),
        *(_label(table, p) for table in FACTS),
    ]


def _strategic_weights() -> Question:
    return Question(
        _WEIGHTS,
        f"""
        select
            cast(exact_sum_is_one(list(strategic_weight_exact)) as integer) as strategic_weights_sum_exactly,
            sum(strategic_weight_frac) as strategic_weight_sum
        from {_WEIGHTS}
        """,
        ("strategic_weight_sum",),
        (
            Check(
                "strategic_weights_sum_exactly",
                "The strategic weights, added as exact fractions, are not 1.",
                "Correct the seed of the sector weights; write them as fractions such as 3/10.",
                must_evaluate=True,
            ),
            Check(
                "strategic_weight_sum",
                "The strategic weights as decimals do not add up to 1.",
                "Correct the seed of the sector weights.",
                minimum=1 - 1e-12,
                maximum=1 + 1e-12,
                must_evaluate=True,
            ),
        ),
        (_WEIGHTS,),
    )


def _membership() -> Question:
    return Question(
        _MEMBERS,
        f"""
        select
            asset, valid_from,
            cast(sector is not null and valid_from < coalesce(valid_to, date 'infinity')
                and coalesce(valid_to, date 'infinity') <= coalesce(
                    lead(valid_from) over (partition by asset order by valid_from), date 'infinity'
                ) as integer) as one_sector_at_a_time
        from {_MEMBERS}
        """,
        ("asset", "valid_from"),
        (
            Check(
                "one_sector_at_a_time",
                "An asset belongs to two sectors on one day, or to none of a name.",
                "Correct the seed of the sector membership: an asset's intervals must not overlap.",
                must_evaluate=True,
            ),
        ),
        (_MEMBERS,),
    )


def _asset_days() -> Question:
    mart = "marts.asset_futures_daily"
    return Question(
        mart,
        f"select date, asset, count(*) as rows_per_asset_and_day from {mart} group by date, asset",
        ("date", "asset"),
        (
            Check(
                "rows_per_asset_and_day",
                "An asset has two rows for one day, so it would count in two sectors.",
                "Look for overlapping intervals in marts.sector_membership.",
                maximum=1,
            ),
        ),
        (mart,),
    )


def _mart_reaches_today(mart: str, value: str, p: Parameters) -> Question:
    return Question(
        mart,
        f"select max(date) as newest_date, date_diff('day', max(date), date '{p.as_of_date}') as days_behind "
        f"from {mart} where date <= date '{p.as_of_date}' and {value} is not null",
        ("newest_date",),
        (
            Check(
                "days_behind",
                "The mart has no value for the decision's day, on any row.",
                "Look at the transform step's log and at raw.load_batches for the day, then run again.",
                maximum=0,
                must_evaluate=True,
            ),
        ),
        (mart,),
    )


def _row_counts(p: Parameters) -> Question:
    marts = {name: rows for name, rows in p.last_row_counts.items() if name.startswith("marts.")}
    counts = ", ".join(f"({text_sql(name)}, {rows}, (select count(*) from {name}))" for name, rows in marts.items())
    return Question(
        "marts",
        f"select mart, rows_before, rows_now, rows_now / nullif(rows_before, 0) as rows_kept_frac "
        f"from (values {counts or '(null, 0, 0)'}) as counted (mart, rows_before, rows_now)",
        ("mart", "rows_before", "rows_now"),
        (
            Check(
                "rows_kept_frac",
                "A mart has lost more than one row in a hundred since the current release: history has gone missing.",
                "Compare row_counts in quality.release_log to find out what was removed. If it was meant (an asset or "
                "a sector taken off the list), run once with ROTATION_PUBLISH__ACCEPT_FEWER_ROWS=true.",
                minimum=0.99,
            ),
        ),
        tuple(marts),
    )


def _sector_health(p: Parameters) -> Question:
    return Question(
        _HEALTH,
        f"select sector, coverage_frac, cast(is_fresh as integer) as is_fresh from {_HEALTH} "
        f"where date = date '{p.as_of_date}'",
        ("sector", "coverage_frac"),
        (
            Check(
                "coverage_frac",
                f"Under {p.limits.sector_coverage_frac:.0%} of a sector's open interest has valid data today: the "
                "sector is frozen (NO_DATA), the others go on.",
                "marts.data_health_daily.reason names what is missing.",
                is_blocking=False,
                minimum=p.limits.sector_coverage_frac,
            ),
            Check(
                "is_fresh",
                "A sector has no row of one kind from the last day: it is frozen (STALE), the others go on.",
                "marts.data_health_daily.reason names what is missing.",
                is_blocking=False,
            ),
        ),
        (_HEALTH,),
    )


def _decision_today(p: Parameters) -> Question:
    return Question(
        _DECISIONS,
        f"""
        select
            as_of_date, decision_id, source,
            date_diff('day', as_of_date, date '{p.as_of_date}') as decision_days_behind,
            cast(coalesce(source = {text_sql(p.source)}, false) as integer) as decision_source_is_label
        from {_DECISIONS} order by as_of_date desc, decided_at desc limit 1
        """,
        ("as_of_date", "decision_id", "source"),
        (
            Check(
                "decision_days_behind",
                "There is no decision for the newest day, or one for a day that is not over.",
                "Look at the log of the decision step, then run again.",
                minimum=0,
                maximum=0,
                must_evaluate=True,
            ),
            Check(
                "decision_source_is_label",
                "The decision was made from another kind of data than the release would say.",
                "Use one WAREHOUSE_DIR for live and another one for simulated or recorded data.",
                must_evaluate=True,
            ),
        ),
        (_DECISIONS,),
    )


def _unique_keys(table: Table) -> Question:
    key = ", ".join(table.key)
    return Question(
        table.qualified_name,
        f"select {key}, count(*) as rows_per_key from {table.qualified_name} group by {key}",
        table.key,
        (Check("rows_per_key", "Two rows have one key.", REPORT_IT, maximum=1),),
        (table.qualified_name,),
    )


def _signals(p: Parameters) -> Question:
    states = ", ".join(text_sql(state) for state in _STATES)
    return Question(
        _SIGNALS,
        f"""
        select
            as_of_date, sector,
            cast(coalesce(state in ({states}), false) as integer) as state_is_known,
            cast(action is not null and explanation is not null as integer) as signal_is_explained
        from {_SIGNALS}
        """,
        ("as_of_date", "sector"),
        (
            Check("state_is_known", "A sector has no state, or one that does not exist.", REPORT_IT),
            Check("signal_is_explained", "A sector's signal has no action or no explanation.", REPORT_IT),
        ),
        (_SIGNALS,),
    )


def _target_rows() -> Question:
    return Question(
        _TARGETS,
        f"""
        select
            as_of_date, sector, target_weight_frac, target_usd,
            cast((state is not null or sector = 'CASH') and target_weight_frac is not null
                and target_weight_exact is not null and target_usd is not null as integer) as target_is_known,
            cast(target_weight_frac >= 0 and target_usd >= 0 as integer) as target_not_negative
        from {_TARGETS}
        """,
        ("as_of_date", "sector", "target_weight_frac", "target_usd"),
        (
            Check("target_is_known", "A sector's target has no state, weight or amount.", REPORT_IT),
            Check("target_not_negative", "A target weight or amount is negative.", REPORT_IT),
        ),
        (_TARGETS,),
    )


def _target_days() -> Question:
    return Question(
        _TARGETS,
        f"""
        select
            as_of_date,
            sum(target_weight_frac) as target_weight_sum,
            cast(exact_sum_is_one(list(target_weight_exact)) as integer) as target_weights_sum_exactly,
            coalesce(
                sum(cast(round(target_usd * 100) as bigint))
                - cast(round(any_value(spot_sleeve_usd) * 100) as bigint), 1
            ) as cents_off_sleeve
        from {_TARGETS} left join (select decision_id, spot_sleeve_usd from {_DECISIONS}) using (decision_id)
        group by as_of_date
        """,
        ("as_of_date",),
        (
            Check(
                "target_weight_sum",
                "A day's target weights as decimals do not add up to 1.",
                REPORT_IT,
                minimum=1 - 1e-12,
                maximum=1 + 1e-12,
            ),
            Check(
                "target_weights_sum_exactly",
                "A day's target weights, added as exact fractions, are not 1.",
                REPORT_IT,
            ),
            Check(
                "cents_off_sleeve",
                "A day's target amounts do not add up to the spot sleeve to the cent, or its decision is missing.",
                REPORT_IT,
                minimum=0,
                maximum=0,
            ),
        ),
        (_TARGETS, _DECISIONS),
    )


def _target_completeness(p: Parameters) -> Question:
    """Days decided by this run, and the newest one: older days had the sectors of their time."""
    return Question(
        _TARGETS,
        f"""
        select
            as_of_date,
            (select count(*) from {_WEIGHTS}) + 1 - count(distinct sector) filter (
                where sector = 'CASH' or sector in (select sector from {_WEIGHTS})
            ) as sectors_missing
        from {_DECISIONS} left join (select as_of_date, sector from {_TARGETS}) using (as_of_date)
        where (decided_at >= {timestamp_sql(p.since)} or as_of_date = date '{p.as_of_date}')
            and as_of_date >= (select min(as_of_date) from {_TARGETS})
        group by as_of_date
        """,
        ("as_of_date",),
        (
            Check(
                "sectors_missing",
                "A decision day lacks the target of a sector, or of CASH.",
                REPORT_IT,
                minimum=0,
                maximum=0,
            ),
        ),
        (_TARGETS, _DECISIONS, _WEIGHTS),
    )


def _hedge_rows(p: Parameters) -> Question:
    ratio = p.hedge_ratio_frac
    return Question(
        _HEDGES,
        f"""
        select
            as_of_date, hedge_id, status, notional_usd, quantity_base, mark_price_usd, exposure_usd,
            case when status <> 'close' then cast(
                quantity_base is not null and margin_usd is not null and exposure_usd is not null
                and ((mark_price_usd is not null and notional_usd is not null and offset_frac is not null)
                    or (status = 'hold' and mark_price_usd is null))
            as integer) end as hedge_is_complete,
            round(abs(quantity_base * mark_price_usd - notional_usd), 4) as notional_error_usd,
            case when role = 'hedge' and status <> 'close' then
                notional_usd - {ratio!r} * exposure_usd * coalesce(beta, 1)
                    * case when status = 'hold' then {1 + p.hedge_resize_frac!r} else 1 end
            end as hedge_excess_usd
        from {_HEDGES}
        -- earlier days were judged by the policy of their own night
        where as_of_date = date '{p.as_of_date}'
        """,
        ("as_of_date", "hedge_id", "status", "notional_usd", "quantity_base", "mark_price_usd", "exposure_usd"),
        (
            Check(
                "hedge_is_complete",
                "A live hedge lacks its quantity, price, margin, exposure or the honest offset beside it.",
                REPORT_IT,
            ),
            Check(
                "notional_error_usd",
                "A hedge's notional is not quantity times mark price to the cent.",
                REPORT_IT,
                maximum=0.01,
            ),
            Check(
                "hedge_excess_usd",
                f"A hedge is larger than {ratio:.0%} of what it protects, times its beta (a held one may have "
                f"drifted by {p.hedge_resize_frac:.0%}).",
                REPORT_IT,
                maximum=0.01,
            ),
        ),
        (_HEDGES,),
    )


def _hedges_per_asset() -> Question:
    return Question(
        _HEDGES,
        f"select as_of_date, asset, count(*) as live_hedges_per_asset from {_HEDGES} "
        "where role = 'hedge' and status <> 'close' group by as_of_date, asset",
        ("as_of_date", "asset"),
        (Check("live_hedges_per_asset", "Two hedges are live for one asset.", REPORT_IT, maximum=1),),
        (_HEDGES,),
    )


def _label(table: Table, p: Parameters) -> Question:
    allowed = ", ".join(text_sql(source) for source in _SOURCES_OF_LABEL[p.source])
    return Question(
        table.qualified_name,
        f"select source, count(*) as rows_of_source, cast(coalesce(source in ({allowed}), false) as integer) "
        f"as source_is_label from {table.qualified_name} group by source",
        ("source", "rows_of_source"),
        (
            Check(
                "source_is_label",
                "The warehouse holds rows of another kind of data than the release would say: simulated numbers "
                "must never pass for live ones.",
                "Use one WAREHOUSE_DIR for live and another one for simulated or recorded data.",
            ),
        ),
        (table.qualified_name,),
    )
