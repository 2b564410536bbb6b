{%- set baseline = var('windows_baseline') %}
with chained as (
  select
    *,
    {{ over_days('avg', 'funding_8h_bps', 'asset', var('windows_funding_mean')) }} as mean_bps,
    oi_step_now_usd / nullif(oi_step_before_usd, 0) - 1 as open_interest_step,
    oi_usd_step_now_usd / nullif(oi_usd_step_before_usd, 0) - 1 as open_interest_usd_step
  from {{ ref('int_asset_daily') }}
),

levels as (
  select
    *,
    {{ rounded('mean_bps') }} as funding_3d_bps,
    ln({{ chained('open_interest_step', 'asset') }}) as log_open_interest,
    ln({{ chained('open_interest_usd_step', 'asset') }}) as log_open_interest_usd
  from chained
)

select
  date,
  asset,
  sector,
  {{ rounded('funding_8h_bps') }} as funding_8h_bps,
  funding_8h_bps * 3 * 365 / 1e4 as funding_annualised,
  open_interest_usd,
  open_interest_base,
  funding_weighting,
  perp_close_usd,
  spot_close_usd,
  perp_volume_usd,
  spot_volume_usd,
  basis_frac,
  basis_kind,
  open_interest_is_carried,
  exchanges,
  funding_3d_bps,
  {{ percent_rank_before('funding_3d_bps', 'asset', baseline) }} as funding_pctl_90d,
  {{ z_score_before('log_open_interest', 'asset', baseline, var('metrics_oi_z_floor')) }} as open_interest_z_90d,
  {{ z_score_before('log_open_interest_usd', 'asset', baseline, var('metrics_oi_z_floor')) }}
    as open_interest_usd_z_90d
from levels
