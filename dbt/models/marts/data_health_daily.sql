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
  judged.date,
  judged.sector,
  {{ rounded('judged.coverage_frac') }} as coverage_frac,
  case
    when
      judged.last_closed_at is not null
      and judged.last_settled_at is not null
      and judged.last_observed_at is not null
      then least(judged.last_closed_at, judged.last_settled_at, judged.last_observed_at)
  end as newest_row_at,
  judged.leader_count = 0 or (judged.stale_kind is null and not judged.is_mostly_dropped) as is_fresh,
  judged.is_complete,
  case
    when judged.leader_count = 0
      then 'no leaders: no asset is old enough with open interest on enough days'
    when judged.stale_kind is not null
      then 'stale: no ' || judged.stale_kind || ' of any leader in the last {{ var("health_fresh_hours") }} hours'
    when judged.is_mostly_dropped
      then 'stale: ' || judged.dropped_text || ' of the open interest comes from exchanges that are not believed'
    when not judged.is_complete
      then 'incomplete: leaders with all data hold only ' || judged.covered_text || ' of the open interest'
    when judged.coverage_frac < 1
      then 'partial: leaders with all data hold ' || judged.covered_text || ' of the open interest'
    else 'complete'
  end as reason,
  left_out.exchanges_left_out
from judged
left join {{ ref('int_exchanges_left_out') }} as left_out
  on judged.date = left_out.date and judged.sector = left_out.sector
