-- What changed since the night before?
--
-- Parameters:
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   subject: sector, CASH, or hedge.
--   what: `state`, `action`, `target weight` or `hedge`.
--   before: on the night decided before.
--   after: on this night.
-- Reads: portfolio.sector_signals, portfolio.target_allocations, portfolio.hedges
-- How to read: Weights are shares of the spot sleeve; a weight that drifted with prices alone shows, too. Of hedges,
--   those that opened, changed their size or closed.
-- No rows: nothing changed.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.target_allocations
),

days as (
  select
    asked.as_of_date as day_after,
    max(targets.as_of_date) as day_before
  from asked
  inner join portfolio.target_allocations as targets on asked.as_of_date > targets.as_of_date
  group by asked.as_of_date
),

said as (
  select
    as_of_date,
    sector as subject,
    'state' as what,
    state as said
  from portfolio.sector_signals
  union all
  select
    as_of_date,
    sector as subject,
    'action' as what,
    action as said
  from portfolio.sector_signals
  union all
  select
    as_of_date,
    sector as subject,
    'target weight' as what,
    printf('%.2f%%', 100 * target_weight_frac) as said
  from portfolio.target_allocations
),

changes as (
  select
    today.subject,
    today.what,
    earlier.said as before,
    today.said as after
  from days
  inner join said as today on days.day_after = today.as_of_date
  left join said as earlier
    on
      days.day_before = earlier.as_of_date
      and today.subject = earlier.subject
      and today.what = earlier.what
  where today.said is distinct from earlier.said
  union all
  select
    hedges.asset as subject,
    'hedge' as what,
    earlier.status as before,
    hedges.status as after
  from days
  inner join portfolio.hedges as hedges on days.day_after = hedges.as_of_date
  left join portfolio.hedges as earlier
    on days.day_before = earlier.as_of_date and hedges.hedge_id = earlier.hedge_id
  where hedges.status <> 'hold'
)

select
  subject,
  what,
  before,
  after
from changes
order by what, subject, after;
