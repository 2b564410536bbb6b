-- What should each sector hold tonight, and why?
--
-- Parameters:
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   sector: sector; CASH for the stablecoin.
--   state: confirmed state.
--   action: what the state asks for, vetoes applied.
--   current_usd: held before the decision, USD.
--   target_usd: target, USD; all rows together are the spot sleeve to the cent.
--   delta_usd: target minus held, USD.
--   reason_codes: why, as codes.
--   explanation: why, in a sentence.
-- Reads: portfolio.target_allocations
-- How to read: The largest change is first. Targets are proposals on paper, gross of costs.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.target_allocations
)

select
  targets.sector,
  targets.state,
  targets.action,
  targets.current_usd,
  targets.target_usd,
  targets.delta_usd,
  targets.reason_codes,
  targets.explanation
from portfolio.target_allocations as targets
inner join asked on targets.as_of_date = asked.as_of_date
order by abs(targets.delta_usd) desc, targets.sector asc;
