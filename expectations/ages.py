"""The newest row per exchange and kind of data: what the gate at the border asks, and whoever wants to know later."""

from datetime import datetime

from expectations.model import timestamp_sql
from expectations.rules import TIMEFRAMES_US

KINDS = {
    "perpetual candles": "futures_ohlcv",
    "funding rates": "funding_rates",
    "open interest": "open_interest",
}
"""What a decision reads: the kind in words, and the table in `raw`."""

CANDLE_END = (
    "opened_at + case timeframe "
    + " ".join(f"when '{name}' then interval {us // 1_000_000} second" for name, us in TIMEFRAMES_US.items())
    + " end"
)


def newest_rows_sql(first: datetime, last: datetime) -> str:
    """Newest event per kind and exchange among the series that a decision reads.

    Args:
        first: Earlier rows are not looked at, UTC.
        last: Nor are later ones.
    """
    between = f"between {timestamp_sql(first)} and {timestamp_sql(last)}"
    return f"""
        select 'perpetual candles' as kind, exchange, max({CANDLE_END}) as newest_at from raw.futures_ohlcv
        where price_type = 'last' and market_type = 'perpetual' and opened_at {between}
            and {CANDLE_END} <= {timestamp_sql(last)}
        group by exchange
        union all
        select 'funding rates', exchange, max(settled_at) from raw.funding_rates
        where settled_at {between} group by exchange
        union all
        select 'open interest', exchange, max(observed_at) from raw.open_interest
        where observed_at {between} group by exchange
    """


def ages_sql(loads: str, first: datetime, last: datetime) -> str:
    """One row per exchange that was asked and kind that it has: kind, exchange, newest_at (NULL: none since `first`).

    Args:
        loads: Condition on `raw.load_batches` that says which loads were the asking.
        first: Earlier rows are not looked at, UTC.
        last: Nor are later ones.
    """
    kinds = ", ".join(f"('{kind}', '{table}')" for kind, table in KINDS.items())
    return f"""
        select kind, exchange, newest_at
        from (select distinct exchange from raw.load_batches where {loads})
        cross join (values {kinds}) as kinds (kind, dataset)
        left join (
            select exchange, dataset, bool_and(status = 'absent') as is_absent
            from raw.load_batches where {loads} group by exchange, dataset
        ) using (exchange, dataset)
        left join ({newest_rows_sql(first, last)}) using (kind, exchange)
        where not coalesce(is_absent, false) or newest_at is not null
    """
