-- On which nights was nothing decided, and why?
--
-- Columns:
--   as_of_date: UTC day.
--   status: `halted` (too much is frozen) or `no_trade`.
--   reason: the reason code that stands for the whole.
--   frozen_sectors: sectors without usable data that night.
--   decided_at: when.
--   pit_quality: `observed`: decided within a day; `assumed`: over history that was filled in later.
-- Reads: portfolio.decisions, portfolio.sector_signals
-- How to read: The newest first. A halted night leaves every weight as it is.
-- No rows: every night was decided.
with newest as (
  select
    as_of_date,
    status,
    reason,
    decided_at,
    pit_quality
  from portfolio.decisions
  qualify row_number() over (partition by as_of_date order by decided_at desc, decision_id asc) = 1
),

frozen as (
  select
    as_of_date,
    list(sector order by sector) as frozen_sectors
  from portfolio.sector_signals
  where action = 'FREEZE'
  group by as_of_date
)

select
  newest.as_of_date,
  newest.status,
  newest.reason,
  coalesce(frozen.frozen_sectors, []) as frozen_sectors,
  newest.decided_at,
  newest.pit_quality
from newest
left join frozen on newest.as_of_date = frozen.as_of_date
where newest.status <> 'decided'
order by newest.as_of_date desc;
