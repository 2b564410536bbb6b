-- depends_on: {{ ref('stg_arrivals') }}
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key=['exchange', 'symbol', 'date'],
  meta={'rests_on': ['stg_arrivals']}
) }}
{%- set since = first_new_day('open_interest') %}
{%- set window_start, window_end = var('data_oi_window_min') %}

-- Each observation belongs to one day: used for two, it would be filled forward without being marked as carried.
with observed as (
  select
    exchange,
    symbol,
    observed_at,
    case
      when
        observed_at <= {{ plus_minutes('cast(observed_at as date)', window_end) }}
        and available_at <= {{ decision_instant(plus_days('cast(observed_at as date)', -1)) }}
        then {{ plus_days('cast(observed_at as date)', -1) }}
      else cast(observed_at as date)
    end as date,
    open_interest_contracts,
    open_interest_base,
    open_interest_usd
  from {{ ref('stg_open_interest') }}
  where {{ is_recent('observed_at', since, -1) }} and {{ is_recent('date', since, -1) }}
),

distanced as (
  select
    *,
    {{ microseconds_between('observed_at', plus_days('date', 1)) }} as microseconds_to_end
  from observed
  -- An observation shortly after midnight is the day before's.
  where {{ is_touched('open_interest', 'date', since, [0, -1]) }}
),

-- The smallest rank wins: inside the window the nearest to the day's end, the earlier of equals; outside it the last.
ranked as (
  select
    *,
    case when microseconds_to_end < 0 then 1 - 2 * microseconds_to_end else 2 * microseconds_to_end end
    + case when microseconds_to_end > {{ -60000000 * window_start }} then 1000000000000 else 0 end as rank
  from distanced
)

select
  exchange,
  symbol,
  date,
  {{ columns_at_min(
    ['open_interest_contracts', 'open_interest_base', 'open_interest_usd', 'observed_at'], 'rank'
  ) }},
  max(observed_at) as last_observed_at,
  {{ made_from() }}
from ranked
group by exchange, symbol, date
