-- Where does open interest grow while the price stands still?
--
-- Parameters:
--   days (count, default 7): change over how many days.
--   growth (number, default 0.10): open interest in coins has grown by at least this, decimal.
--   move (number, default 0.03): the price has moved by at most this either way, decimal.
--   date (date, default the newest): UTC day on which they end.
-- Columns:
--   asset: coin.
--   sector: its sector.
--   open_interest_change_frac: change of open interest in coins, decimal.
--   price_change_frac: change of the perpetuals' median close, decimal.
--   funding_3d_bps: funding, mean of 3 days, bp per 8 hours.
--   open_interest_usd: open interest now, USD.
--   exchanges: exchanges with data now.
--   exchanges_before: exchanges with data then; where it is lower, the growth may be a new source and no new leverage.
-- Reads: marts.asset_futures_daily
-- How to read: New leverage without a move. Every long has a short, so it does not say in which direction.
-- No rows: no coin has grown so much with so small a move.
with asked as (
  select
    coalesce(cast(getvariable('date') as date), max(date)) as date,
    coalesce(cast(getvariable('days') as integer), 7) as days,
    coalesce(cast(getvariable('growth') as double), 0.10) as growth_frac,
    coalesce(cast(getvariable('move') as double), 0.03) as move_frac
  from marts.asset_futures_daily
),

changed as (
  select
    today.asset,
    today.sector,
    today.open_interest_base / nullif(earlier.open_interest_base, 0) - 1 as open_interest_change_frac,
    today.perp_close_usd / nullif(earlier.perp_close_usd, 0) - 1 as price_change_frac,
    today.funding_3d_bps,
    today.open_interest_usd,
    today.exchanges,
    earlier.exchanges as exchanges_before,
    asked.growth_frac,
    asked.move_frac
  from marts.asset_futures_daily as today
  inner join asked on today.date = asked.date
  inner join marts.asset_futures_daily as earlier
    on today.asset = earlier.asset and earlier.date = asked.date - asked.days
)

select
  asset,
  sector,
  open_interest_change_frac,
  price_change_frac,
  funding_3d_bps,
  open_interest_usd,
  exchanges,
  exchanges_before
from changed
where open_interest_change_frac >= growth_frac and abs(price_change_frac) <= move_frac
order by open_interest_change_frac desc, asset asc;
