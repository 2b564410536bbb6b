-- How far is a sector from being cut?
--
-- Parameters:
--   sector (sector, default DEFI): which sector.
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   sector: sector.
--   state: state by the rules with memory (`latched_state`).
--   answer: `cut already`, `this would cut it`, or `no cut among the nearest changes`.
--   becomes: the state that would cut it.
--   distance: sum over the moves of |gap| / |limit|; small is near.
--   metric: what has to move; a change that needs several metrics has one row for each.
--   value: where it stands, in the unit of its name.
--   target: where it has to go.
--   gap: target minus value.
-- Reads: portfolio.sector_signals
-- How to read: OVERLEVERAGED and LOSING_MOMENTUM cut a sector, UNSTABLE trims it. The program keeps the three smallest
--   changes of a sector, so a cut may be further away than what is listed: `conditions` shows every limit. A new state
--   counts after it has lasted for the days of `decide.confirm_days`.
-- No rows: the release has no signal of the sector on that day.
with asked as (
  select
    coalesce(getvariable('sector'), 'DEFI') as sector,
    coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.sector_signals
),

signal as (
  select
    signals.sector,
    signals.latched_state,
    json_extract(signals.distance_to_flip, '$[*]') as flips
  from portfolio.sector_signals as signals
  inner join asked on signals.as_of_date = asked.as_of_date and signals.sector = asked.sector
),

flips as (
  select
    sector,
    unnest(flips) as flip
  from signal
),

cuts as (
  select
    sector,
    flip ->> '$.becomes' as becomes,
    cast(flip ->> '$.distance' as double) as distance,
    unnest(json_extract(flip, '$.moves[*]')) as move
  from flips
  where flip ->> '$.becomes' in ('OVERLEVERAGED', 'LOSING_MOMENTUM', 'UNSTABLE')
)

select
  signal.sector,
  signal.latched_state as state,
  case
    when signal.latched_state in ('OVERLEVERAGED', 'LOSING_MOMENTUM', 'UNSTABLE') then 'cut already'
    when cuts.becomes is not null then 'this would cut it'
    else 'no cut among the nearest changes'
  end as answer,
  cuts.becomes,
  cuts.distance,
  cuts.move ->> '$.metric' as metric,
  cast(cuts.move ->> '$.value' as double) as value,
  cast(cuts.move ->> '$.target' as double) as target,
  cast(cuts.move ->> '$.target' as double) - cast(cuts.move ->> '$.value' as double) as gap
from signal
left join cuts on signal.sector = cuts.sector
order by cuts.distance asc nulls last, cuts.becomes asc nulls last, metric asc nulls last;
