{%- set baseline = var('windows_baseline') %}
{%- set change_days = var('windows_oi_change') %}
with levels as (
  select
    *,
    ln(open_interest_index) as log_open_interest,
    ln(open_interest_usd_index) as log_open_interest_usd,
    {{ rounded(
      'futures_price_index / ' ~ days_ago('futures_price_index', 'sector', var('windows_momentum')) ~ ' - 1'
    ) }} as momentum_14d_frac,
    ln(futures_price_index / {{ days_ago('futures_price_index', 'sector', 1) }}) as log_return
  from {{ ref('int_sector_daily') }}
),

moved as (
  select
    *,
    {{ rounded(over_days('stddev_pop', 'log_return', 'sector', 14) ~ ' * sqrt(365)') }} as volatility_14d_annualised
  from levels
)

select
  date,
  sector,
  open_interest_usd,
  open_interest_index,
  -- Between two known ends a day without a step would hide a change that nobody saw.
  case
    when count(open_interest_index) over both_ends = {{ change_days + 1 }}
      then {{ rounded(
        'open_interest_index / ' ~ days_ago('open_interest_index', 'sector', change_days) ~ ' - 1'
      ) }}
  end as open_interest_change_7d_frac,
  open_interest_usd - {{ days_ago('open_interest_usd', 'sector', change_days) }} as open_interest_change_7d_usd,
  {{ z_score_before('log_open_interest', 'sector', baseline, var('metrics_oi_z_floor')) }} as open_interest_z_90d,
  {{ z_score_before('log_open_interest_usd', 'sector', baseline, var('metrics_oi_z_floor')) }}
    as open_interest_usd_z_90d,
  perp_volume_usd,
  {{ rounded('perp_volume_recent_mean_usd / nullif(perp_volume_prior_mean_usd, 0)') }} as volume_ratio_7d_28d,
  futures_price_index,
  {{ rounded('futures_price_index / ' ~ days_ago('futures_price_index', 'sector', 7) ~ ' - 1') }}
    as momentum_7d_frac,
  momentum_14d_frac,
  {{ rounded('futures_price_index / ' ~ days_ago('futures_price_index', 'sector', 28) ~ ' - 1') }}
    as momentum_28d_frac,
  {{ over_days('max', 'momentum_14d_frac', 'sector', var('windows_peak')) }} as momentum_14d_peak_28d_frac,
  open_interest_usd_index,
  spot_price_index,
  {{ rounded('spot_return_1d_frac') }} as spot_return_1d_frac,
  volatility_14d_annualised,
  {{ percent_rank_before('volatility_14d_annualised', 'sector', baseline) }} as volatility_pctl_90d,
  {{ rounded('perp_volume_usd / nullif(spot_volume_usd, 0)') }} as perp_spot_volume_ratio,
  {{ rounded(
    'open_interest_usd / nullif(' ~ over_days('avg', 'spot_volume_usd', 'sector', 30) ~ ', 0)'
  ) }} as open_interest_spot_volume_ratio
from moved
window both_ends as (
  partition by sector order by date rows between {{ change_days }} preceding and current row
)
