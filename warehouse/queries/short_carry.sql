-- What does holding a short in each coin earn or cost a year through funding?
--
-- Parameters:
--   days (count, default 30): mean over how many days, the newest among them.
--   date (date, default the newest): UTC day on which they end.
-- Columns:
--   asset: coin.
--   sector: its sector.
--   carry_1d_annualised: funding of the newest day as a decimal per year; positive: the short receives it.
--   carry_annualised: mean over the days that are known, decimal per year.
--   known_days: how many days are known.
--   days_paid: on how many of them the short had to pay.
-- Reads: marts.asset_futures_daily
-- How to read: 0.10 is 10% of the notional a year at the rate of those days, before fees and slippage, and without the
--   price: a short loses what the coin gains. Funding changes daily; this is what was, not what will be.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(date)) as date
  from marts.asset_futures_daily
)

select
  assets.asset,
  arg_max(assets.sector, assets.date) as sector,
  max(assets.funding_annualised) filter (where assets.date = asked.date) as carry_1d_annualised,
  avg(assets.funding_annualised) as carry_annualised,
  count(assets.funding_annualised) as known_days,
  count(*) filter (where assets.funding_annualised < 0) as days_paid
from marts.asset_futures_daily as assets
inner join asked
  on
    assets.date <= asked.date
    and assets.date > asked.date - coalesce(cast(getvariable('days') as integer), 30)
group by assets.asset
having count(assets.funding_annualised) > 0
order by carry_annualised desc, assets.asset asc;
