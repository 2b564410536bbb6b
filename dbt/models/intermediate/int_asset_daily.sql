{%- set read = [ref('int_instrument_daily')] %}
{{ config(
  materialized='incremental', incremental_strategy='append',
  pre_hook="{{ forget_changed_days([ref('int_instrument_daily')], ref('int_calendar')) }}"
) }}
{%- set since = first_changed_day(read) %}
{#- The longest windows below, and the days that their first day looks back in turn. -#}
{%- set longest = [var('leaders_median_days'), var('windows_vol_recent') + var('windows_vol_prior'), 30] | max %}
{%- set days_before = longest + var('windows_vol_recent') %}

with perpetuals as (
  select
    *,
    case
      when lag(date) over by_day = {{ plus_days('date', -1) }} then lag(open_interest_base) over by_day
    end as previous_base,
    case when lag(date) over by_day = {{ plus_days('date', -1) }} then lag(price_usd) over by_day end as previous_price,
    case
      when count(volume_usd) over recent >= {{ needed(var('windows_vol_recent')) }}
        then {{ exact_sum('volume_usd', over='recent') }} / count(volume_usd) over recent
    end as recent_volume_usd
  from {{ from_day(ref('int_instrument_daily'), since, days_before) }}
  where market_type = 'perpetual'
  window
    by_day as (partition by exchange, symbol order by date),
    recent as (
      partition by exchange, symbol order by date
      range between interval {{ var('windows_vol_recent') - 1 }} day preceding and current row
    )
),

-- A price-neutral step needs coins on both days and a price on the first, the step in USD also one on the second.
stepped as (
  select
    *,
    case when previous_base is not null then open_interest_base end * previous_price as step_now_usd,
    case when open_interest_base is not null then previous_base end * previous_price as step_before_usd
  from perpetuals
),

perpetual_days as (
  select
    date,
    asset,
    {{ median('close_usd') }} as perp_close_usd,
    {{ exact_sum('volume_usd') }} as perp_volume_usd,
    {{ exact_sum('open_interest_usd') }} as open_interest_usd,
    {{ exact_sum('open_interest_base') }} as open_interest_base,
    coalesce(bool_or(open_interest_is_carried), false) as open_interest_is_carried,
    {{ exact_sum('open_interest_dropped_usd') }} as open_interest_dropped_usd,
    {{ median('mark_index_basis_frac') }} as mark_index_basis_frac,
    count(distinct case
      when
        not is_dropped
        and {{ latest_known(['last_closed_at', 'last_settled_at', 'last_observed_at']) }} is not null
        then exchange
    end) as exchanges,
    count(funding_8h_bps) as funded,
    count(case when funding_8h_bps is not null then open_interest_usd end) as funded_with_oi,
    count(case when funding_8h_bps is not null then recent_volume_usd end) as funded_with_volume,
    {{ exact_sum('funding_8h_bps * open_interest_usd') }} as funding_times_oi,
    {{ exact_sum('case when funding_8h_bps is not null then open_interest_usd end') }}
      as funded_oi,
    {{ exact_sum('funding_8h_bps * recent_volume_usd') }} as funding_times_volume,
    {{ exact_sum('case when funding_8h_bps is not null then recent_volume_usd end') }}
      as funded_volume,
    {{ exact_sum('funding_8h_bps') }} as funding_total,
    {{ exact_sum('step_now_usd') }} as oi_step_now_usd,
    {{ exact_sum('step_before_usd') }} as oi_step_before_usd,
    {{ exact_sum('case when step_now_usd is not null then open_interest_base * price_usd end') }}
      as oi_usd_step_now_usd,
    {{ exact_sum('case when price_usd is not null then step_before_usd end') }}
      as oi_usd_step_before_usd,
    max(last_closed_at) as last_closed_at,
    max(last_settled_at) as last_settled_at,
    max(last_observed_at) as last_observed_at
  from stepped
  group by date, asset
),

weighted as (
  select
    *,
    case
      when funded = 0 then null
      when funded_with_oi = funded and funded_oi > 0 then 'oi'
      when funded_with_volume = funded and funded_volume > 0 then 'volume'
      else 'equal'
    end as funding_weighting
  from perpetual_days
),

spot_days as (
  select
    date,
    asset,
    {{ median('close_usd') }} as spot_close_usd,
    {{ exact_sum('volume_usd') }} as spot_volume_usd
  from {{ from_day(ref('int_instrument_daily'), since, days_before) }}
  where market_type = 'spot'
  group by date, asset
),

assets as (
  select
    asset,
    min(date) as first_date
  from {{ ref('int_instrument_daily') }}
  where market_type = 'perpetual'
  group by asset
),

-- Every day from the asset's first on, so that a window of rows is a window of days.
days as (
  select
    calendar.date,
    assets.asset
  from assets
  inner join {{ from_day(ref('int_calendar'), since, longest) }} as calendar
    on assets.first_date <= calendar.date
),

joined as (
  select
    days.date,
    days.asset,
    membership.sector,
    case weighted.funding_weighting
      when 'oi' then weighted.funding_times_oi / weighted.funded_oi
      when 'volume' then weighted.funding_times_volume / weighted.funded_volume
      when 'equal' then weighted.funding_total / weighted.funded
    end as funding_8h_bps,
    weighted.funding_weighting,
    weighted.perp_close_usd,
    spot_days.spot_close_usd,
    weighted.perp_volume_usd,
    spot_days.spot_volume_usd,
    weighted.open_interest_usd,
    weighted.open_interest_base,
    coalesce(weighted.open_interest_is_carried, false) as open_interest_is_carried,
    weighted.open_interest_dropped_usd,
    coalesce(weighted.mark_index_basis_frac, weighted.perp_close_usd / spot_days.spot_close_usd - 1) as basis_frac,
    case
      when weighted.mark_index_basis_frac is not null then 'mark_index'
      when weighted.perp_close_usd / spot_days.spot_close_usd is not null then 'perp_spot'
    end as basis_kind,
    coalesce(weighted.exchanges, 0) as exchanges,
    weighted.oi_step_now_usd,
    weighted.oi_step_before_usd,
    weighted.oi_usd_step_now_usd,
    weighted.oi_usd_step_before_usd,
    weighted.last_closed_at,
    weighted.last_settled_at,
    weighted.last_observed_at
  from days
  left join weighted
    on days.date = weighted.date and days.asset = weighted.asset
  left join spot_days
    on days.date = spot_days.date and days.asset = spot_days.asset
  left join {{ ref('int_sector_membership') }} as membership
    on
      days.asset = membership.asset
      and days.date >= membership.valid_from
      and (days.date < membership.valid_to or membership.valid_to is null)
),

measured as (
  select
    date,
    asset,
    sector,
    funding_8h_bps,
    funding_weighting,
    perp_close_usd,
    spot_close_usd,
    perp_volume_usd,
    spot_volume_usd,
    open_interest_usd,
    open_interest_base,
    open_interest_is_carried,
    open_interest_dropped_usd,
    basis_frac,
    basis_kind,
    exchanges,
    oi_step_now_usd,
    oi_step_before_usd,
    oi_usd_step_now_usd,
    oi_usd_step_before_usd,
    perp_close_usd / {{ days_ago('perp_close_usd', 'asset', 1) }} - 1 as perp_return_1d_frac,
    spot_close_usd / {{ days_ago('spot_close_usd', 'asset', 1) }} - 1 as spot_return_1d_frac,
    {{ over_days('exact_avg', 'perp_volume_usd', 'asset', var('windows_vol_recent')) }} as perp_volume_recent_mean_usd,
    {{ over_days(
      'exact_avg', 'perp_volume_usd', 'asset', var('windows_vol_prior'), ends=var('windows_vol_recent')
    ) }} as perp_volume_prior_mean_usd,
    case
      when count(open_interest_usd) over ranking >= {{ var('leaders_median_min') }}
        then {{ median('open_interest_usd') }} over ranking
    end as open_interest_median_usd,
    max(last_closed_at) over history as last_closed_at,
    max(last_settled_at) over history as last_settled_at,
    max(last_observed_at) over history as last_observed_at
  from joined
  window
    history as (partition by asset order by date rows between 29 preceding and current row),
    ranking as (
      partition by asset order by date rows between {{ var('leaders_median_days') - 1 }} preceding and current row
    )
)

select
  date,
  asset,
  sector,
  funding_8h_bps,
  funding_weighting,
  perp_close_usd,
  spot_close_usd,
  perp_volume_usd,
  spot_volume_usd,
  open_interest_usd,
  open_interest_base,
  open_interest_is_carried,
  open_interest_dropped_usd,
  basis_frac,
  basis_kind,
  exchanges,
  oi_step_now_usd,
  oi_step_before_usd,
  oi_usd_step_now_usd,
  oi_usd_step_before_usd,
  perp_return_1d_frac,
  spot_return_1d_frac,
  perp_volume_recent_mean_usd,
  perp_volume_prior_mean_usd,
  open_interest_median_usd,
  last_closed_at,
  last_settled_at,
  last_observed_at,
  {{ made_from(ref('int_instrument_daily')) }}
from measured
where {{ is_recent('date', since) }}
