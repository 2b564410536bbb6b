-- depends_on: {{ ref('stg_arrivals') }}
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key=['exchange', 'symbol', 'date'],
  meta={'rests_on': ['stg_arrivals']}
) }}
{%- set since = first_new_day('funding') %}

with settlements as (
  select
    exchange,
    symbol,
    {{ day_ending_at('settled_at') }} as date,
    settled_at,
    funding_rate,
    interval_hours,
    {{ microseconds_between(
      'lag(settled_at) over (partition by exchange, symbol order by settled_at)', 'settled_at'
    ) }} / 3600000000 as hours_since_previous
  from {{ ref('stg_funding_rates') }}
  -- A gap over a day says nothing, so one day of history before the first touched day is enough.
  where {{ is_recent('settled_at', since, -1) }} and {{ is_recent('date', since, -1) }}
),

timed as (
  select
    *,
    coalesce(interval_hours, {{ nearest_interval('hours_since_previous') }}) as hours
  from settlements
)

select
  exchange,
  symbol,
  date,
  {{ exact_sum('case when hours is not null then funding_rate end', 18) }} as rate_sum,
  sum(case when funding_rate is not null then hours end) as hours_sum,
  max(settled_at) as last_settled_at,
  {{ made_from() }}
from timed
-- A new settlement also changes the gap to the next one, which may belong to the next day.
where {{ is_touched('funding', 'date', since, [0, 1]) }}
group by exchange, symbol, date
