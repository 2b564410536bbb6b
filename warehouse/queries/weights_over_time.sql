-- How did each sector's weight develop against its strategic weight?
--
-- Parameters:
--   sector (sector, default every one): which sector.
--   days (count, default 90): how many days back.
-- Columns:
--   as_of_date: UTC day.
--   sector: sector; CASH for the stablecoin.
--   target_weight_frac: target, share of the spot sleeve.
--   strategic_weight_frac: strategic weight; NULL for CASH, which has none.
--   tilt_frac: target over strategic weight, minus 1: 0.5 is half as much again.
--   state: confirmed state.
--   action: what the state asks for, vetoes applied.
-- Reads: portfolio.target_allocations, marts.sector_weights
-- How to read: By sector, the newest day last. The strategic weights are today's; weights drift with prices in between.
with newest as (
  select max(as_of_date) as as_of_date
  from portfolio.target_allocations
)

select
  targets.as_of_date,
  targets.sector,
  targets.target_weight_frac,
  weights.strategic_weight_frac,
  targets.target_weight_frac / nullif(weights.strategic_weight_frac, 0) - 1 as tilt_frac,
  targets.state,
  targets.action
from portfolio.target_allocations as targets
inner join newest on targets.as_of_date > newest.as_of_date - coalesce(cast(getvariable('days') as integer), 90)
left join marts.sector_weights as weights on targets.sector = weights.sector
where targets.sector = coalesce(getvariable('sector'), targets.sector)
order by targets.sector, targets.as_of_date;
