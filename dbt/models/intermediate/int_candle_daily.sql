{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key=['exchange', 'symbol', 'date']
) }}
{%- set since = first_touched_day('candles') -%}
{%- set touched -%}
  {%- if since %}
    opened_at >= cast('{{ since }}' as timestamp)
    and exists (
      select 1 from touched
      where
        touched.exchange = candles.exchange
        and touched.symbol = candles.symbol
        and touched.date = cast(candles.opened_at as date)
    )
  {%- else %}
    true
  {%- endif %}
{%- endset -%}

with
{% if is_incremental() %}
touched as (
  select distinct
    exchange,
    symbol,
    cast(event_at as date) as date
  from {{ ref('stg_arrivals') }}
  where {{ has_arrived_since('candles') }}
),
{% endif %}

last_candles as (
  select
    exchange,
    symbol,
    timeframe,
    opened_at,
    close,
    volume_usd,
    ingested_at
  from {{ ref('stg_spot_ohlcv') }} as candles
  where {{ touched }}
  union all
  select
    exchange,
    symbol,
    timeframe,
    opened_at,
    close,
    volume_usd,
    ingested_at
  from {{ ref('stg_futures_ohlcv') }} as candles
  where price_type = 'last' and {{ touched }}
),

per_timeframe as (
  select
    exchange,
    symbol,
    timeframe,
    cast(opened_at as date) as date,
    {{ timeframe_hours('timeframe') }} as candle_hours,
    count(*) * candle_hours as covered_hours,
    count(volume_usd) * candle_hours as volume_hours,
    max(opened_at) as last_opened_at,
    {{ value_at_max('close', 'opened_at') }} as last_close,
    {{ exact_sum('volume_usd', 6) }} as volume_usd,
    max(ingested_at) as ingested_at
  from last_candles
  group by exchange, symbol, timeframe, cast(opened_at as date)
),

closing as (
  select
    *,
    {{ plus_minutes('last_opened_at', '60 * candle_hours') }} as last_closed_at
  from per_timeframe
),

-- A candle that ends beyond midnight (a week, a day that opens at 08:00) cannot tell a UTC day.
one_timeframe as (
  select *
  from closing
  where last_closed_at <= {{ plus_days('date', 1) }}
  qualify row_number() over (
    partition by exchange, symbol, date order by covered_hours desc, candle_hours desc
  ) = 1
),

marked as (
  select
    candles.exchange,
    candles.symbol,
    candles.timeframe,
    cast(candles.opened_at as date) as date,
    {{ exact_sum('candles.close / nullif(index_candles.close, 0) - 1', 18) }} / count(*) as mark_index_basis_frac,
    count(*) * {{ timeframe_hours('candles.timeframe') }} as covered_hours,
    max(greatest(candles.ingested_at, index_candles.ingested_at)) as ingested_at
  from {{ ref('stg_futures_ohlcv') }} as candles
  inner join {{ ref('stg_futures_ohlcv') }} as index_candles
    on
      candles.exchange = index_candles.exchange
      and candles.symbol = index_candles.symbol
      and candles.timeframe = index_candles.timeframe
      and candles.opened_at = index_candles.opened_at
  where
    candles.price_type = 'mark'
    and index_candles.price_type = 'index'
    {%- if since %}
    and index_candles.opened_at >= cast('{{ since }}' as timestamp)
    {%- endif %}
    and {{ touched | replace('opened_at', 'candles.opened_at') | replace('candles.candles.', 'candles.') }}
  group by candles.exchange, candles.symbol, candles.timeframe, cast(candles.opened_at as date)
)
select 1
