-- On which days were a sector's data incomplete, stale or partly not believed?
--
-- Parameters:
--   days (count, default 30): how many days back.
--   sector (sector, default every one): which sector.
-- Columns:
--   date: UTC day.
--   sector: sector.
--   coverage_frac: share of the leaders' open interest with all data, 0 to 1.
--   is_fresh: whether every kind of data was young enough.
--   is_complete: whether the coverage suffices.
--   reason: the finding in one phrase.
--   exchanges_left_out: exchanges that are not believed about some coin, with the reason.
-- Reads: marts.data_health_daily
-- How to read: A sector that is not fresh or not complete is frozen that day: neither bought nor sold.
-- No rows: all data of those days were complete and believed.
with newest as (
  select max(date) as date
  from marts.data_health_daily
)

select
  health.date,
  health.sector,
  health.coverage_frac,
  health.is_fresh,
  health.is_complete,
  health.reason,
  health.exchanges_left_out
from marts.data_health_daily as health
inner join newest on health.date > newest.date - coalesce(cast(getvariable('days') as integer), 30)
where
  (health.reason <> 'complete' or health.exchanges_left_out is not null)
  and health.sector = coalesce(getvariable('sector'), health.sector)
order by health.date desc, health.sector asc;
