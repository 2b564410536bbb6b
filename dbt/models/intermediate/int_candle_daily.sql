-- depends_on: {{ ref('stg_arrivals') }}
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key=['exchange', 'symbol', 'date'],
  meta={'rests_on': ['stg_arrivals']}
) }}
{%- set since = first_new_day('candles') %}

with candles as (
  select
    exchange,
    symbol,
    timeframe,
    opened_at,
    close,
    volume_usd
  from {{ ref('stg_spot_ohlcv') }}
  where
    {{ is_recent('opened_at', since) }}
    and {{ is_recent('date', since) }}
    and {{ is_touched('candles', 'date', since) }}
  union all
  select
    exchange,
    symbol,
    timeframe,
    opened_at,
    close,
    volume_usd
  from {{ ref('stg_futures_ohlcv') }}
  where
    price_type = 'last'
    and {{ is_recent('opened_at', since) }}
    and {{ is_recent('date', since) }}
    and {{ is_touched('candles', 'date', since) }}
),

per_timeframe as (
  select
    exchange,
    symbol,
    timeframe,
    cast(opened_at as date) as date,
    count(*) as candle_count,
    count(volume_usd) as volume_count,
    max(opened_at) as last_opened_at,
    {{ value_at_max('close', 'opened_at') }} as last_close_usd,
    {{ exact_sum('volume_usd', 6) }} as volume_usd
  from candles
  group by exchange, symbol, timeframe, cast(opened_at as date)
),

timed as (
  select
    *,
    {{ timeframe_hours('timeframe') }} as candle_hours
  from per_timeframe
),

closing as (
  select
    *,
    {{ plus_minutes('last_opened_at', '60 * candle_hours') }} as last_closed_at
  from timed
)

select
  exchange,
  symbol,
  date,
  timeframe,
  candle_count * candle_hours as covered_hours,
  volume_count * candle_hours as volume_hours,
  case when last_closed_at = {{ plus_days('date', 1) }} and last_close_usd > 0 then last_close_usd end as close_usd,
  volume_usd,
  last_closed_at,
  {{ made_from() }}
from closing
-- A candle that ends beyond midnight (a week, a day that opens at 08:00) cannot tell a UTC day.
where last_closed_at <= {{ plus_days('date', 1) }}
qualify row_number() over (
  partition by exchange, symbol, date order by candle_count * candle_hours desc, candle_hours desc
) = 1
