-- Who leads each sector, and with which weight?
--
-- Parameters:
--   sector (sector, default every one): which sector.
--   date (date, default the newest): UTC day.
-- Columns:
--   sector: sector.
--   place: 1 for the largest.
--   asset: coin.
--   weight_frac: its weight in the sector's metrics; the weights of a sector sum to 1.
--   open_interest_usd: its open interest of that day over all exchanges, USD.
--   funding_3d_bps: its own funding, mean of 3 days, bp per 8 hours.
--   exchanges: how many exchanges its data come from.
-- Reads: marts.sector_funding_daily, marts.asset_futures_daily
-- How to read: A sector's funding, open interest and momentum are those of these coins. Weights follow the median open
--   interest of 30 days and are capped, so they need not match the open interest of the day.
-- No rows: no coin is old enough with open interest on enough days.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(date)) as date
  from marts.sector_funding_daily
),

led as (
  select
    funding.date,
    funding.sector,
    unnest(funding.leaders) as asset,
    unnest(funding.leader_weights) as weight_frac,
    generate_subscripts(funding.leaders, 1) as place
  from marts.sector_funding_daily as funding
  inner join asked on funding.date = asked.date
)

select
  led.sector,
  led.place,
  led.asset,
  led.weight_frac,
  assets.open_interest_usd,
  assets.funding_3d_bps,
  assets.exchanges
from led
left join marts.asset_futures_daily as assets on led.date = assets.date and led.asset = assets.asset
where led.sector = coalesce(getvariable('sector'), led.sector)
order by led.sector, led.place;
