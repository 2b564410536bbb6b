-- Which sector's funding is most above the market's tonight?
--
-- Parameters:
--   date (date, default the newest): UTC day.
-- Columns:
--   sector: sector.
--   market_excess_bps: its funding minus that of the leaders of all other sectors, 3-day means, bp per 8 hours.
--   funding_3d_bps: its funding, mean of 3 days, bp per 8 hours; longs pay shorts when positive.
--   funding_annualised: funding of the day as a decimal per year.
--   funding_pctl_90d: where the 3-day mean stands among the 90 days before, 0 to 1.
--   leaders: the coins behind it, the largest first.
-- Reads: marts.sector_funding_daily
-- How to read: The first row is the answer. High funding alone is no reason to cut: see `conditions`.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(date)) as date
  from marts.sector_funding_daily
)

select
  funding.sector,
  funding.market_excess_bps,
  funding.funding_3d_bps,
  funding.funding_annualised,
  funding.funding_pctl_90d,
  funding.leaders
from marts.sector_funding_daily as funding
inner join asked on funding.date = asked.date
order by funding.market_excess_bps desc nulls last, funding.sector asc nulls last;
