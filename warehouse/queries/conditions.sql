-- Which conditions of the state rules does a sector meet, and how far is it from each limit?
--
-- Parameters:
--   sector (sector, default DEFI): which sector.
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   state: state whose rule the condition belongs to.
--   role: `enter` or `stay`: to come into the state, or to remain in it.
--   predicate: the condition's name, a key of the policy where it has one.
--   metric: what is measured.
--   comparison: how value and limit are compared.
--   value: the day's value in the unit of the metric's name; NULL where it is unknown or no number.
--   threshold: the limit.
--   slack: signed distance from the limit; positive: the condition holds.
--   satisfied: whether it holds.
-- Reads: portfolio.sector_signals
-- How to read: In the order of the rules: the first state whose conditions hold wins. Some conditions are alternatives,
--   so a state may hold although one of its conditions does not. Conditions that do not apply that day are left out.
-- No rows: the release has no signal of the sector on that day.
with asked as (
  select
    coalesce(getvariable('sector'), 'DEFI') as sector,
    coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.sector_signals
),

traces as (
  select
    unnest(json_extract(signals.rule_trace, '$[*]')) as entry,
    generate_subscripts(json_extract(signals.rule_trace, '$[*]'), 1) as place
  from portfolio.sector_signals as signals
  inner join asked on signals.as_of_date = asked.as_of_date and signals.sector = asked.sector
)

select
  entry ->> '$.state' as state,
  entry ->> '$.role' as role,
  entry ->> '$.predicate' as predicate,
  entry ->> '$.metric' as metric,
  entry ->> '$.comparison' as comparison,
  try_cast(entry ->> '$.value' as double) as value,
  try_cast(entry ->> '$.threshold' as double) as threshold,
  cast(entry ->> '$.slack' as double) as slack,
  cast(entry ->> '$.satisfied' as boolean) as satisfied
from traces
where cast(entry ->> '$.applies' as boolean)
order by place;
