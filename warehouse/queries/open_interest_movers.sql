-- Which coins had the biggest moves in open interest?
--
-- Parameters:
--   days (count, default 7): change over how many days.
--   top (count, default 10): how many coins.
--   date (date, default the newest): UTC day on which they end.
-- Columns:
--   asset: coin.
--   sector: its sector.
--   moved_usd: change of open interest in coins, at the price of the newest day, USD.
--   open_interest_change_frac: change of open interest in coins, decimal.
--   price_change_frac: change of the perpetuals' median close, decimal.
--   open_interest_usd: open interest now, USD.
--   exchanges: exchanges with data now.
--   exchanges_before: exchanges with data then; where it differs, a source came or went.
-- Reads: marts.asset_futures_daily
-- How to read: The largest move in USD is first, up or down; the price itself does not count as a move.
-- No rows: no coin has open interest on both days.
with asked as (
  select
    coalesce(cast(getvariable('date') as date), max(date)) as date,
    coalesce(cast(getvariable('days') as integer), 7) as days
  from marts.asset_futures_daily
),

changed as (
  select
    today.asset,
    today.sector,
    (1 - earlier.open_interest_base / today.open_interest_base) * today.open_interest_usd as moved_usd,
    today.open_interest_base / nullif(earlier.open_interest_base, 0) - 1 as open_interest_change_frac,
    today.perp_close_usd / nullif(earlier.perp_close_usd, 0) - 1 as price_change_frac,
    today.open_interest_usd,
    today.exchanges,
    earlier.exchanges as exchanges_before
  from marts.asset_futures_daily as today
  inner join asked on today.date = asked.date
  inner join marts.asset_futures_daily as earlier
    on today.asset = earlier.asset and earlier.date = asked.date - asked.days
  where today.open_interest_base > 0
)

select *
from changed
where moved_usd is not null
qualify
  row_number() over (order by abs(moved_usd) desc, asset asc) <= coalesce(cast(getvariable('top') as integer), 10)
order by abs(moved_usd) desc, asset asc;
