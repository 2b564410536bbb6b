-- Where has leverage been building up?
--
-- Parameters:
--   days (count, default 30): how many days back.
--   sector (sector, default every one): which sector.
-- Columns:
--   date: UTC day.
--   sector: sector.
--   funding_3d_bps: funding, mean of 3 days, bp per 8 hours.
--   funding_pctl_90d: where that stands among the 90 days before, 0 to 1.
--   open_interest_usd: open interest of the leaders, USD.
--   open_interest_change_7d_frac: its change over 7 days at fixed prices, decimal.
--   open_interest_z_90d: its z-score against the 90 days before, in coins.
-- Reads: marts.sector_funding_daily, marts.sector_open_interest_daily
-- How to read: Funding says who is in a hurry, open interest whether there is more leverage than before. Both high at
--   once is what the rules call OVERLEVERAGED; one alone is not.
with newest as (
  select max(date) as date
  from marts.sector_funding_daily
)

select
  funding.date,
  funding.sector,
  funding.funding_3d_bps,
  funding.funding_pctl_90d,
  interest.open_interest_usd,
  interest.open_interest_change_7d_frac,
  interest.open_interest_z_90d
from marts.sector_funding_daily as funding
inner join newest on funding.date > newest.date - coalesce(cast(getvariable('days') as integer), 30)
inner join marts.sector_open_interest_daily as interest
  on funding.date = interest.date and funding.sector = interest.sector
where funding.sector = coalesce(getvariable('sector'), funding.sector)
order by funding.date desc, funding.sector asc;
