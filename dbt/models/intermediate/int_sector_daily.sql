with days as (
  select
    calendar.date,
    sectors.sector
  from {{ ref('int_calendar') }} as calendar
  cross join {{ ref('int_sectors') }} as sectors
),

led as (
  select
    leaders.date,
    leaders.sector,
    leaders.asset,
    leaders.leader_rank,
    leaders.leader_weight,
    leaders.open_interest_median_usd,
    assets.funding_8h_bps,
    assets.open_interest_usd,
    assets.open_interest_dropped_usd,
    assets.perp_volume_usd,
    assets.spot_volume_usd,
    case
      when assets.perp_volume_prior_mean_usd is not null then assets.perp_volume_recent_mean_usd
    end as volume_recent_usd,
    case
      when assets.perp_volume_recent_mean_usd is not null then assets.perp_volume_prior_mean_usd
    end as volume_prior_usd,
    assets.funding_8h_bps is not null
    and assets.open_interest_usd is not null
    and assets.perp_close_usd is not null
    and assets.perp_volume_usd is not null as is_valid,
    assets.last_closed_at,
    assets.last_settled_at,
    assets.last_observed_at
  from {{ ref('int_leaders') }} as leaders
  inner join {{ ref('int_asset_daily') }} as assets
    on leaders.date = assets.date and leaders.asset = assets.asset
),

today as (
  select
    date,
    sector,
    {{ exact_sum('leader_weight * funding_8h_bps') }}
    / {{ exact_sum('case when funding_8h_bps is not null then leader_weight end') }}
      as funding_8h_bps,
    {{ exact_sum('open_interest_median_usd * funding_8h_bps') }} as funding_times_oi,
    {{ exact_sum('case when funding_8h_bps is not null then open_interest_median_usd end') }}
      as funded_oi,
    {{ exact_sum('open_interest_usd') }} as open_interest_usd,
    {{ exact_sum('open_interest_dropped_usd') }} as open_interest_dropped_usd,
    {{ exact_sum('perp_volume_usd') }} as perp_volume_usd,
    {{ exact_sum('spot_volume_usd') }} as spot_volume_usd,
    {{ exact_sum('volume_recent_usd') }} as perp_volume_recent_mean_usd,
    {{ exact_sum('volume_prior_usd') }} as perp_volume_prior_mean_usd,
    {{ exact_sum('case when is_valid then open_interest_median_usd else 0 end') }}
    / {{ exact_sum('open_interest_median_usd') }} as coverage_frac,
    count(*) as leader_count,
    {{ collected('asset', 'leader_rank') }} as leaders,
    {{ collected('leader_weight', 'leader_rank') }} as leader_weights,
    max(last_closed_at) as last_closed_at,
    max(last_settled_at) as last_settled_at,
    max(last_observed_at) as last_observed_at
  from led
  group by date, sector
),

-- The funding of everybody else: over the leaders of all other sectors.
rest as (
  select
    own.date,
    own.sector,
    {{ exact_sum('other.funding_times_oi') }} / {{ exact_sum('other.funded_oi') }}
      as funding_rest_8h_bps
  from days as own
  inner join today as other
    on own.date = other.date and own.sector <> other.sector
  group by own.date, own.sector
),

-- Steps from the day before are taken over the leaders of the day before, so that a new leader moves no index.
steps as (
  select
    assets.date,
    leaders.sector,
    {{ exact_sum('assets.oi_step_now_usd') }}
    / nullif({{ exact_sum('assets.oi_step_before_usd') }}, 0) - 1 as open_interest_step,
    {{ exact_sum('assets.oi_usd_step_now_usd') }}
    / nullif({{ exact_sum('assets.oi_usd_step_before_usd') }}, 0) - 1 as open_interest_usd_step,
    {{ exact_sum('leader_weight * assets.perp_return_1d_frac') }}
    / {{ exact_sum('case when assets.perp_return_1d_frac is not null then leader_weight end') }}
      as futures_return,
    {{ exact_sum('leader_weight * assets.spot_return_1d_frac') }}
    / {{ exact_sum('case when assets.spot_return_1d_frac is not null then leader_weight end') }}
      as spot_return
  from {{ ref('int_leaders') }} as leaders
  inner join {{ ref('int_asset_daily') }} as assets
    on {{ plus_days('leaders.date', 1) }} = assets.date and leaders.asset = assets.asset
  group by assets.date, leaders.sector
),

joined as (
  select
    days.date,
    days.sector,
    today.funding_8h_bps,
    today.open_interest_usd,
    today.open_interest_dropped_usd,
    today.perp_volume_usd,
    today.spot_volume_usd,
    today.perp_volume_recent_mean_usd,
    today.perp_volume_prior_mean_usd,
    today.coverage_frac,
    today.leader_count,
    today.leaders,
    today.leader_weights,
    today.last_closed_at,
    today.last_settled_at,
    today.last_observed_at,
    rest.funding_rest_8h_bps,
    steps.open_interest_step,
    steps.open_interest_usd_step,
    steps.futures_return,
    steps.spot_return
  from days
  left join today
    on days.date = today.date and days.sector = today.sector
  left join rest
    on days.date = rest.date and days.sector = rest.sector
  left join steps
    on days.date = steps.date and days.sector = steps.sector
)

select
  date,
  sector,
  {{ rounded('funding_8h_bps') }} as funding_8h_bps,
  funding_rest_8h_bps,
  {{ chained('open_interest_step', 'sector') }} as open_interest_index,
  {{ chained('open_interest_usd_step', 'sector') }} as open_interest_usd_index,
  {{ chained('futures_return', 'sector') }} as futures_price_index,
  {{ chained('spot_return', 'sector') }} as spot_price_index,
  spot_return as spot_return_1d_frac,
  open_interest_usd,
  perp_volume_usd,
  spot_volume_usd,
  perp_volume_recent_mean_usd,
  perp_volume_prior_mean_usd,
  coalesce(
    open_interest_dropped_usd / (coalesce(open_interest_usd, 0) + open_interest_dropped_usd), 0
  ) as open_interest_dropped_frac,
  leaders,
  leader_weights,
  coalesce(leader_count, 0) as leader_count,
  coalesce(coverage_frac, 0) as coverage_frac,
  last_closed_at,
  last_settled_at,
  last_observed_at
from joined
