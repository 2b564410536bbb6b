-- Since when is each sector in its state, and what was it before?
--
-- Columns:
--   sector: sector.
--   state: confirmed state of the newest day.
--   since_date: first day of it, without a break.
--   days: how many decided days, the newest among them.
--   state_before: the state before; NULL where the release does not go back further.
-- Reads: portfolio.sector_signals
-- How to read: The latest change is first.
with newest as (
  select
    sector,
    arg_max(state, as_of_date) as state,
    min(as_of_date) as first_date
  from portfolio.sector_signals
  group by sector
),

others as (
  select
    signals.sector,
    max(signals.as_of_date) as last_other_date,
    arg_max(signals.state, signals.as_of_date) as state_before
  from portfolio.sector_signals as signals
  inner join newest on signals.sector = newest.sector and signals.state is distinct from newest.state
  group by signals.sector
)

select
  newest.sector,
  newest.state,
  min(signals.as_of_date) as since_date,
  count(*) as days,
  any_value(others.state_before) as state_before
from newest
left join others on newest.sector = others.sector
inner join portfolio.sector_signals as signals
  on
    newest.sector = signals.sector
    and (others.last_other_date < signals.as_of_date or others.last_other_date is null)
group by newest.sector, newest.state
order by since_date desc, newest.sector asc;
