{%- set read = [ref('int_instrument_observed')] %}
{{ config(
  materialized='incremental', incremental_strategy='append',
  pre_hook="{{ forget_changed_days([ref('int_instrument_observed')], ref('int_instrument_observed')) }}"
) }}
{%- set since = first_changed_day(read) %}

with judged as (
  select
    observed.date,
    observed.exchange,
    observed.symbol,
    observed.asset,
    observed.market_type,
    observed.expiry_at,
    observed.is_price_departed,
    observed.close_usd,
    observed.price_usd,
    observed.asset_close_usd,
    observed.volume_usd,
    observed.funding_8h_bps,
    observed.mark_index_basis_frac,
    observed.observed_base,
    observed.last_closed_at,
    observed.last_settled_at,
    observed.last_observed_at,
    observed.is_price_departed or observed.is_outdated as is_dropped,
    jumps.date is not null as is_jump
  from {{ from_day(ref('int_instrument_observed'), since, 1) }} as observed
  left join {{ ref('int_open_interest_jumps') }} as jumps
    on
      observed.date = jumps.date
      and observed.asset = jumps.asset
      and observed.exchange = jumps.exchange
      and observed.market_type = 'perpetual'
),

believed as (
  select
    *,
    case when not is_dropped and not is_jump then observed_base end as believed_base
  from judged
),

followed as (
  select
    *,
    case
      when
        observed_base is null
        and not is_price_departed
        and not is_jump
        and {{ var('data_oi_carry_days') }} > 0
        and lag(date) over (partition by exchange, symbol order by date) = {{ plus_days('date', -1) }}
        then lag(believed_base) over (partition by exchange, symbol order by date)
    end as carried_base
  from believed
)

select
  date,
  exchange,
  symbol,
  asset,
  market_type,
  expiry_at,
  is_dropped,
  case when not is_dropped then close_usd end as close_usd,
  case when is_dropped then asset_close_usd else price_usd end as price_usd,
  case when not is_dropped then volume_usd end as volume_usd,
  case when not is_dropped then funding_8h_bps end as funding_8h_bps,
  case when not is_dropped then mark_index_basis_frac end as mark_index_basis_frac,
  coalesce(believed_base, carried_base) as open_interest_base,
  coalesce(believed_base, carried_base)
  * case when is_dropped then asset_close_usd else price_usd end as open_interest_usd,
  carried_base is not null as open_interest_is_carried,
  case
    when is_dropped or is_jump then observed_base * coalesce(asset_close_usd, close_usd)
  end as open_interest_dropped_usd,
  last_closed_at,
  last_settled_at,
  last_observed_at,
  {{ made_from(ref('int_instrument_observed')) }}
from followed
where {{ is_recent('date', since) }}
