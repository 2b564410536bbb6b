{%- if var('as_of_date') is none -%}
  {%- set last_date = plus_days('cast(max(reached_at) as date)', -1) -%}
{%- else -%}
  {%- set last_date = "cast('" ~ var('as_of_date') ~ "' as date)" -%}
{%- endif -%}

with held as (
  select
    date,
    last_closed_at as reached_at
  from {{ ref('int_candle_daily') }}
  union all
  select
    date,
    last_settled_at as reached_at
  from {{ ref('int_funding_daily') }}
  union all
  select
    date,
    last_observed_at as reached_at
  from {{ ref('int_open_interest_daily') }}
),

bounds as (
  select
    min(date) as first_date,
    {{ last_date }} as last_date
  from held
)

select {{ each_day('first_date', 'last_date') }} as date
from bounds
