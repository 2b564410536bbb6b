-- depends_on: {{ ref('stg_arrivals') }}
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key=['exchange', 'symbol', 'date'],
  meta={'rests_on': ['stg_arrivals']}
) }}
{%- set since = first_new_day('marks') %}

with marks as (
  select
    exchange,
    symbol,
    timeframe,
    opened_at,
    close
  from {{ ref('stg_futures_ohlcv') }}
  where
    price_type = 'mark'
    and {{ is_recent('opened_at', since) }}
    and {{ is_recent('date', since) }}
    and {{ is_touched('marks', 'date', since) }}
),

indexes as (
  select
    exchange,
    symbol,
    timeframe,
    opened_at,
    nullif(close, 0) as close
  from {{ ref('stg_futures_ohlcv') }}
  where
    price_type = 'index'
    and {{ is_recent('opened_at', since) }}
    and {{ is_recent('date', since) }}
),

per_timeframe as (
  select
    marks.exchange,
    marks.symbol,
    marks.timeframe,
    cast(marks.opened_at as date) as date,
    count(marks.close / indexes.close) as pair_count,
    {{ exact_sum('marks.close / indexes.close - 1', 18) }} as basis_sum
  from marks
  inner join indexes
    on
      marks.exchange = indexes.exchange
      and marks.symbol = indexes.symbol
      and marks.timeframe = indexes.timeframe
      and marks.opened_at = indexes.opened_at
  group by marks.exchange, marks.symbol, marks.timeframe, cast(marks.opened_at as date)
),

timed as (
  select
    *,
    {{ timeframe_hours('timeframe') }} as candle_hours
  from per_timeframe
  where pair_count > 0
)

select
  exchange,
  symbol,
  date,
  timeframe,
  basis_sum / pair_count as mark_index_basis_frac,
  {{ made_from() }}
from timed
where candle_hours <= 24
qualify row_number() over (
  partition by exchange, symbol, date order by pair_count * candle_hours desc, candle_hours desc
) = 1
