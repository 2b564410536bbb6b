with newest as (
  select
    date,
    sector,
    leader_count,
    coverage_frac,
    open_interest_dropped_frac,
    last_closed_at,
    last_settled_at,
    last_observed_at,
    {{ plus_minutes(decision_instant('date'), -60 * var('health_fresh_hours')) }} as oldest_fresh_at
  from {{ ref('int_sector_daily') }}
),

judged as (
  select
    *,
    case
      when last_settled_at is null or last_settled_at < oldest_fresh_at then 'funding'
      when last_observed_at is null or last_observed_at < oldest_fresh_at then 'open interest'
      when last_closed_at is null or last_closed_at < oldest_fresh_at then 'perpetual candle'
    end as stale_kind,
    {{ rounded('open_interest_dropped_frac') }} > {{ var('data_dropped_share') }} as is_mostly_dropped,
    {{ rounded('coverage_frac') }} >= {{ var('health_coverage') }} as is_complete,
    {{ percent_text('open_interest_dropped_frac') }} as dropped_text,
    {{ percent_text('coverage_frac') }} as covered_text
  from newest
)

select
  date,
  sector,
  {{ rounded('coverage_frac') }} as coverage_frac,
  case
    when last_closed_at is not null and last_settled_at is not null and last_observed_at is not null
      then least(last_closed_at, last_settled_at, last_observed_at)
  end as newest_row_at,
  leader_count = 0 or (stale_kind is null and not is_mostly_dropped) as is_fresh,
  is_complete,
  case
    when leader_count = 0
      then 'no leaders: no asset is old enough with open interest on enough days'
    when stale_kind is not null
      then 'stale: no ' || stale_kind || ' of any leader in the last {{ var("health_fresh_hours") }} hours'
    when is_mostly_dropped
      then 'stale: ' || dropped_text || ' of the open interest comes from exchanges that are not believed'
    when not is_complete
      then 'incomplete: leaders with all data hold only ' || covered_text || ' of the open interest'
    when coverage_frac < 1
      then 'partial: leaders with all data hold ' || covered_text || ' of the open interest'
    else 'complete'
  end as reason
from judged
