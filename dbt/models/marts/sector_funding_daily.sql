{%- set baseline = var('windows_baseline') %}
with means as (
  select
    date,
    sector,
    funding_8h_bps,
    {{ over_days('avg', 'funding_8h_bps', 'sector', var('windows_funding_mean')) }} as mean_bps,
    {{ over_days('avg', 'funding_rest_8h_bps', 'sector', var('windows_funding_mean')) }} as rest_mean_bps,
    {{ rounded(over_days('stddev_pop', 'funding_8h_bps', 'sector', var('windows_funding_vol'))) }} as stdev_bps,
    case
      when abs(funding_8h_bps) >= {{ var('metrics_flip_level_bps') }} then sign(funding_8h_bps)
    end as clear_sign,
    leaders,
    leader_weights,
    leader_count,
    coverage_frac
  from {{ ref('int_sector_daily') }}
),

signed as (
  select
    *,
    {{ rounded('mean_bps') }} as funding_3d_bps,
    last_value(clear_sign ignore nulls) over (
      partition by sector order by date rows between unbounded preceding and 1 preceding
    ) as previous_sign
  from means
),

-- One on a day whose sign is clear and differs from the last clear one before it.
flipped as (
  select
    *,
    case when clear_sign is not null then coalesce(cast(clear_sign <> previous_sign as integer), 0) end as flip
  from signed
)

select
  date,
  sector,
  funding_8h_bps,
  funding_3d_bps,
  {{ percent_rank_before('funding_3d_bps', 'sector', baseline) }} as funding_pctl_90d,
  {{ z_score_before('funding_3d_bps', 'sector', baseline, var('metrics_funding_z_floor_bps')) }} as funding_z_90d,
  {{ over_days('max', 'funding_3d_bps', 'sector', var('windows_peak')) }} as funding_peak_28d_bps,
  {{ rounded('mean_bps - rest_mean_bps') }} as market_excess_bps,
  stdev_bps as funding_stdev_14d_bps,
  {{ rounded(over_days('median', 'stdev_bps', 'sector', baseline, ends=1)) }} as funding_stdev_median_90d_bps,
  -- The first clear day in the window has its predecessor outside of it.
  case
    when count(funding_8h_bps) over recent >= {{ needed(var('windows_funding_vol')) }}
      then cast(
        coalesce(sum(flip) over recent - first_value(flip ignore nulls) over recent, 0) as bigint
      )
  end as funding_sign_flips_14d,
  funding_8h_bps * 3 * 365 / 1e4 as funding_annualised,
  leaders,
  leader_weights,
  leader_count,
  coverage_frac
from flipped
window recent as (
  partition by sector order by date
  rows between {{ var('windows_funding_vol') - 1 }} preceding and current row
)
