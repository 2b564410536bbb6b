-- Whether a day's reading is believed depends on whether the day before's was, so the suspicious days are walked one
-- by one. They are few: a day is suspicious when an exchange jumped, and on the two days after, which may rest on it.
with recursive observed as (
  select
    date,
    exchange,
    symbol,
    asset,
    case when not is_price_departed and not is_outdated then observed_base end as kept_base,
    observed_base is null and not is_price_departed as may_carry,
    lag(date) over (partition by exchange, symbol order by date) as previous_date
  from {{ ref('int_instrument_observed') }}
  where market_type = 'perpetual'
),

carried as (
  select
    *,
    case
      when may_carry and previous_date = {{ plus_days('date', -1) }} and {{ var('data_oi_carry_days') }} > 0
        then lag(kept_base) over (partition by exchange, symbol order by date)
    end as carried_base
  from observed
),

followed as (
  select
    date,
    exchange,
    asset,
    coalesce(kept_base, carried_base) as base,
    case
      when previous_date = {{ plus_days('date', -1) }}
        then lag(coalesce(kept_base, carried_base)) over (partition by exchange, symbol order by date)
    end as previous_base,
    lag(kept_base is null) over (partition by exchange, symbol order by date) as is_previous_carried
  from carried
),

-- `..._observed`: without the instruments whose coins of the day before were carried from the day before that.
changes as (
  select
    date,
    asset,
    exchange,
    sum(base) as base,
    sum(previous_base) as previous_base,
    sum(case when not is_previous_carried then base end) as base_observed,
    sum(case when not is_previous_carried then previous_base end) as previous_base_observed
  from followed
  where base is not null and previous_base is not null
  group by date, asset, exchange
),

suspicious as (
  select distinct
    changes.asset,
    {{ plus_days('changes.date', 'later.days') }} as date
  from changes
  cross join (values (0), (1), (2)) as later (days)
  where {{ rounded('abs(changes.base / changes.previous_base - 1)') }} > {{ var('data_oi_jump') }}
),

runs as (
  select
    asset,
    date,
    {{ plus_days('date', '-cast(row_number() over (partition by asset order by date) as integer)') }} as run
  from suspicious
),

steps as (
  select
    asset,
    run,
    date,
    row_number() over (partition by asset, run order by date) as step
  from runs
),

exchanges as (
  select distinct
    steps.asset,
    steps.run,
    changes.exchange
  from steps
  inner join changes
    on steps.asset = changes.asset and steps.date = changes.date
),

grid as (
  select
    steps.asset,
    steps.run,
    steps.step,
    steps.date,
    exchanges.exchange,
    changes.base,
    changes.previous_base,
    changes.base_observed,
    changes.previous_base_observed
  from steps
  inner join exchanges
    on steps.asset = exchanges.asset and steps.run = exchanges.run
  left join changes
    on
      steps.asset = changes.asset
      and steps.date = changes.date
      and exchanges.exchange = changes.exchange
),

walk as (
  select
    asset,
    run,
    cast(0 as bigint) as step,
    cast(null as date) as date,
    exchange,
    false as is_dropped,
    false as was_dropped
  from exchanges
  union all
  select
    asset,
    run,
    step,
    date,
    exchange,
    coalesce(
      {{ rounded('abs(base / previous_base - 1)') }} > {{ var('data_oi_jump') }}
      and {{ rounded('abs(
        (sum(base) over others - base) / nullif(sum(previous_base) over others - previous_base, 0) - 1
      )') }} < {{ var('data_oi_jump_others') }},
      false
    ) as is_dropped,
    was_dropped
  from (
    select
      grid.asset,
      grid.run,
      grid.step,
      grid.date,
      grid.exchange,
      walk.is_dropped as was_dropped,
      case
        when walk.is_dropped then null
        when walk.was_dropped then grid.base_observed
        else grid.base
      end as base,
      case
        when walk.is_dropped then null
        when walk.was_dropped then grid.previous_base_observed
        else grid.previous_base
      end as previous_base
    from walk
    inner join grid
      on
        walk.asset = grid.asset
        and walk.run = grid.run
        and walk.exchange = grid.exchange
        and walk.step + 1 = grid.step
  ) as believed
  window others as (partition by asset, run)
)

select
  date,
  asset,
  exchange
from walk
where is_dropped
