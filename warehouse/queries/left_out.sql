-- Which exchanges were left out, about which coins and why?
--
-- Parameters:
--   days (count, default 30): how many days back.
-- Columns:
--   exchange: exchange.
--   finding: the reason, and the coins it is about in parentheses.
--   sectors: sectors that it concerned.
--   days: on how many days.
--   first_date: the first of them in those days.
--   last_date: the last of them.
-- Reads: marts.data_health_daily
-- How to read: What an exchange said about these coins was not used on those days; other exchanges were, where there
--   are any. A finding that goes on until the newest day deserves a look at that exchange.
-- No rows: every exchange was believed about every coin.
with newest as (
  select max(date) as date
  from marts.data_health_daily
),

found as (
  select
    health.date,
    health.sector,
    unnest(health.exchanges_left_out) as finding
  from marts.data_health_daily as health
  inner join newest on health.date > newest.date - coalesce(cast(getvariable('days') as integer), 30)
)

select
  split_part(finding, ': ', 1) as exchange,
  substr(finding, strpos(finding, ': ') + 2) as finding,
  list(distinct sector order by sector) as sectors,
  count(distinct date) as days,
  min(date) as first_date,
  max(date) as last_date
from found
group by split_part(finding, ': ', 1), substr(finding, strpos(finding, ': ') + 2)
order by last_date desc, days desc, exchange asc, finding asc;
