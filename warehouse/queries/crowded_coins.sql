-- Which coins are most crowded with longs tonight?
--
-- Parameters:
--   top (count, default 10): how many coins.
--   date (date, default the newest): UTC day.
-- Columns:
--   asset: coin.
--   sector: its sector.
--   funding_3d_bps: funding, mean of 3 days, bp per 8 hours.
--   funding_pctl_90d: where that stands among the 90 days before, 0 to 1.
--   open_interest_z_90d: z-score of open interest in coins.
--   open_interest_usd_z_90d: z-score of open interest in USD; it contains the price.
--   open_interest_usd: open interest, USD.
-- Reads: marts.asset_futures_daily
-- How to read: The highest percentile of funding is first, then the highest funding. Crowded means that longs pay more
--   than they used to; it does not say when that ends.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(date)) as date
  from marts.asset_futures_daily
)

select
  assets.asset,
  assets.sector,
  assets.funding_3d_bps,
  assets.funding_pctl_90d,
  assets.open_interest_z_90d,
  assets.open_interest_usd_z_90d,
  assets.open_interest_usd
from marts.asset_futures_daily as assets
inner join asked on assets.date = asked.date
where assets.funding_pctl_90d is not null
order by assets.funding_pctl_90d desc, assets.funding_3d_bps desc, assets.asset asc
limit coalesce(cast(getvariable('top') as integer), 10);
