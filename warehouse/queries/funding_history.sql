-- How does a sector's funding compare with its range of the 90 days before?
--
-- Parameters:
--   sector (sector, default DEFI): which sector.
--   days (count, default 90): how many days, the newest last.
-- Columns:
--   date: UTC day.
--   funding_3d_bps: funding, mean of 3 days, bp per 8 hours.
--   low_90d_bps: lowest of the 90 days before, the day itself not among them.
--   median_90d_bps: their median.
--   high_90d_bps: their highest.
--   known_90d: how many of them are known.
--   funding_pctl_90d: percent rank of the day among them, 0 to 1; NULL under 60 known ones.
--   range_position: `above`, `below` or `inside` that range; NULL where one of the two is unknown.
-- Reads: marts.sector_funding_daily
-- How to read: `above` says that funding has not been as high in the 90 days before; it does not say what follows.
-- No rows: the release has no funding of the sector.
with ranged as (
  select
    date,
    sector,
    funding_3d_bps,
    min(funding_3d_bps) over before as low_90d_bps,
    median(funding_3d_bps) over before as median_90d_bps,
    max(funding_3d_bps) over before as high_90d_bps,
    count(funding_3d_bps) over before as known_90d,
    funding_pctl_90d,
    max(date) over (partition by sector) as newest
  from marts.sector_funding_daily
  window before as (partition by sector order by date rows between 90 preceding and 1 preceding)
)

select
  date,
  funding_3d_bps,
  low_90d_bps,
  median_90d_bps,
  high_90d_bps,
  known_90d,
  funding_pctl_90d,
  case
    when funding_3d_bps > high_90d_bps then 'above'
    when funding_3d_bps < low_90d_bps then 'below'
    when funding_3d_bps is not null and high_90d_bps is not null then 'inside'
  end as range_position
from ranged
where
  sector = coalesce(getvariable('sector'), 'DEFI')
  and date > newest - coalesce(cast(getvariable('days') as integer), 90)
order by date;
