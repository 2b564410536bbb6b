-- Which sectors are one small move away from another state, and which move is that?
--
-- Parameters:
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   sector: sector.
--   state: state by the rules with memory, which the distance is measured from (`latched_state`).
--   next_state: what it would become; NULL where the data, not the market, decide.
--   distance: sum over the moves of |gap| / |limit|; small is near.
--   metric: what has to move.
--   value: where it stands, in the unit of its name.
--   target: where it has to go.
-- Reads: portfolio.sector_signals
-- How to read: The nearest sector is first; a change that needs several metrics at once has one row for each. Only the
--   smallest change is shown. A new state counts after it has lasted for the days of `decide.confirm_days`.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.sector_signals
),

nearest as (
  select
    signals.sector,
    signals.latched_state,
    signals.distance_to_flip ->> '$[0].becomes' as next_state,
    cast(signals.distance_to_flip ->> '$[0].distance' as double) as distance,
    coalesce(nullif(json_extract(signals.distance_to_flip, '$[0].moves[*]'), []), [null]) as moves
  from portfolio.sector_signals as signals
  inner join asked on signals.as_of_date = asked.as_of_date
),

moved as (
  select
    sector,
    latched_state,
    next_state,
    distance,
    unnest(moves) as move
  from nearest
)

select
  sector,
  latched_state as state,
  next_state,
  distance,
  move ->> '$.metric' as metric,
  cast(move ->> '$.value' as double) as value,
  cast(move ->> '$.target' as double) as target
from moved
order by distance asc nulls last, sector asc nulls last, metric asc nulls last;
