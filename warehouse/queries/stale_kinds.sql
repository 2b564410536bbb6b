-- Which kind of data is behind, on which exchange?
--
-- Parameters:
--   hours (number, default 26): a series is stale when its newest row ends more hours than this before the day's end.
-- Columns:
--   exchange: exchange.
--   dataset: kind of data: the raw table.
--   series: series that the exchange has answered about.
--   stale_series: how many of them are stale.
--   hours_behind: of the newest series, hours from its last row to the end of the release's day; not below 0.
--   oldest_symbol: the series that is furthest behind.
--   oldest_hours_behind: how far.
--   failed_series: series whose newest request failed.
-- Reads: raw.load_batches, quality.release_info
-- How to read: The kind that is furthest behind is first. Some stale series are no fault: a coin that was delisted has
--   no newer row. Series that an exchange does not offer are not counted.
-- No rows: the release has no log of loads.
with asked as (
  select
    cast(as_of_date + 1 as timestamp) as day_end_at,
    coalesce(cast(getvariable('hours') as double), 26) as stale_hours
  from quality.release_info
),

series as (
  select
    exchange,
    dataset,
    symbol,
    max(covered_until_at) as covered_until_at,
    arg_max(status, started_at) as newest_status
  from raw.load_batches
  where symbol is not null
  group by exchange, dataset, symbol, price_type, timeframe
),

behind as (
  select
    series.exchange,
    series.dataset,
    series.symbol,
    series.newest_status,
    greatest(date_diff('minute', series.covered_until_at, asked.day_end_at) / 60, 0) as hours_behind,
    asked.stale_hours
  from series
  cross join asked
  where series.newest_status <> 'absent'
)

select
  exchange,
  dataset,
  count(*) as series,
  count(*) filter (where hours_behind > stale_hours or hours_behind is null) as stale_series,
  min(hours_behind) as hours_behind,
  arg_max(symbol, coalesce(hours_behind, 1e9)) as oldest_symbol,
  max(hours_behind) as oldest_hours_behind,
  count(*) filter (where newest_status = 'failed') as failed_series
from behind
group by exchange, dataset
order by hours_behind desc nulls first, exchange asc nulls last, dataset asc nulls last;
