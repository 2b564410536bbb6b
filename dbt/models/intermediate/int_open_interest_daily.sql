{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key=['exchange', 'symbol', 'date']
) }}
{%- set since = first_touched_day('open_interest') %}
{%- set window_start, window_end = var('data_oi_window_min') %}

-- An observation shortly after midnight is the previous day's too.
with touched as (
  {{ touched_days('open_interest', [0, -1]) }}
),

observed as (
  select
    exchange,
    symbol,
    observed_at,
    cast(observed_at as date) as date,
    open_interest_contracts,
    open_interest_base,
    open_interest_usd,
    available_at,
    ingested_at
  from {{ ref('stg_open_interest') }} as open_interest
  where {{ is_recent('open_interest', 'observed_at', since, -1) }}
),

candidates as (
  select
    exchange,
    symbol,
    observed_at,
    date,
    open_interest_contracts,
    open_interest_base,
    open_interest_usd,
    ingested_at
  from observed
  union all
  select
    exchange,
    symbol,
    observed_at,
    {{ plus_days('date', -1) }} as date,
    open_interest_contracts,
    open_interest_base,
    open_interest_usd,
    ingested_at
  from observed
  where
    observed_at <= {{ plus_minutes('date', window_end) }}
    and available_at <= {{ decision_instant(plus_days('date', -1)) }}
),

distanced as (
  select
    *,
    {{ microseconds_between('observed_at', plus_days('date', 1)) }} as microseconds_to_end
  from candidates
  where {{ is_touched('candidates', 'candidates.date') }}
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
  {{ value_at_min('open_interest_contracts', 'rank') }} as open_interest_contracts,
  {{ value_at_min('open_interest_base', 'rank') }} as open_interest_base,
  {{ value_at_min('open_interest_usd', 'rank') }} as open_interest_usd,
  {{ value_at_min('observed_at', 'rank') }} as observed_at,
  max(observed_at) as last_observed_at,
  max(ingested_at) as ingested_at,
  '{{ rules_fingerprint() }}' as rules_fingerprint
from ranked
group by exchange, symbol, date
