-- What would the hedge have given back in the last ten falls of over 5%?
--
-- Parameters:
--   asset (asset, default BTC): which coin.
--   fall (number, default 0.05): a fall loses more than this, decimal.
--   days (count, default 7): within how many days.
--   falls (count, default 10): how many falls, the newest first.
--   ratio (number, default 0.10): size of the short over the holding.
--   exposure_usd (number, default 20000): the holding at the start of each fall, USD.
--   cost_bps (number, default 7): fee and slippage of opening and of closing, bp of the short each.
-- Columns:
--   from_date: UTC day at whose close the fall begins.
--   to_date: UTC day at whose close it ends.
--   return_frac: spot return in between, decimal.
--   spot_pnl_usd: loss of the holding, USD.
--   hedge_price_pnl_usd: gain of the short from the price, USD.
--   funding_pnl_usd: funding that the short received (negative: paid), USD; NULL where a day's funding is unknown.
--   cost_usd: of opening and closing, USD.
--   given_back_usd: gain, funding and costs of the short together, USD.
--   offset_frac: the same as a share of the loss.
--   was_open: whether the program's own hedge of the coin was open at the start.
-- Reads: marts.asset_futures_daily, portfolio.hedges
-- How to read: A short held through each fall, which nobody knows beforehand: the falls are chosen with hindsight and
--   the rises in between are left out. `was_open` says when the program would have had it. A fall is the worst of
--   the windows that overlap with it, so no two overlap. Funding is paid on the mean of first and last value.
-- No rows: the coin has not fallen so much in the days of the release.
with asked as (
  select
    coalesce(getvariable('asset'), 'BTC') as asset,
    coalesce(cast(getvariable('fall') as double), 0.05) as fall_frac,
    coalesce(cast(getvariable('days') as integer), 7) as days,
    coalesce(cast(getvariable('falls') as integer), 10) as falls,
    coalesce(cast(getvariable('ratio') as double), 0.10) as ratio_frac,
    coalesce(cast(getvariable('exposure_usd') as double), 20000) as exposure_usd,
    coalesce(cast(getvariable('cost_bps') as double), 7) as cost_bps
),

windows as (
  select
    ends.asset,
    starts.date as from_date,
    ends.date as to_date,
    ends.spot_close_usd / starts.spot_close_usd - 1 as return_frac,
    asked.days,
    asked.fall_frac,
    asked.falls
  from asked
  inner join marts.asset_futures_daily as ends on asked.asset = ends.asset
  inner join marts.asset_futures_daily as starts
    on ends.asset = starts.asset and ends.date - asked.days = starts.date
  where starts.spot_close_usd > 0 and ends.spot_close_usd is not null
),

-- Of the windows that overlap with it, a fall is the worst, and the first of equal ones.
fallen as (
  select windows.*
  from windows
  left join windows as worse
    on
      windows.to_date <> worse.to_date
      and abs(windows.to_date - worse.to_date) < windows.days
      and (
        windows.return_frac > worse.return_frac
        or (windows.return_frac = worse.return_frac and windows.to_date > worse.to_date)
      )
  where windows.return_frac < -windows.fall_frac and worse.to_date is null
  qualify row_number() over (order by windows.to_date desc) <= windows.falls
),

funded as (
  select
    fallen.from_date,
    case
      when count(assets.funding_8h_bps) = any_value(fallen.days) then sum(assets.funding_8h_bps) * 3 / 1e4
    end as funding_frac
  from fallen
  left join marts.asset_futures_daily as assets
    on fallen.asset = assets.asset and fallen.from_date < assets.date and fallen.to_date >= assets.date
  group by fallen.from_date
),

reckoned as (
  select
    fallen.asset,
    fallen.from_date,
    fallen.to_date,
    fallen.return_frac,
    asked.exposure_usd * fallen.return_frac as spot_pnl_usd,
    -asked.exposure_usd * asked.ratio_frac * fallen.return_frac as hedge_price_pnl_usd,
    asked.exposure_usd * asked.ratio_frac * funded.funding_frac * (1 + fallen.return_frac / 2) as funding_pnl_usd,
    2 * asked.exposure_usd * asked.ratio_frac * asked.cost_bps / 1e4 as cost_usd
  from fallen
  cross join asked
  inner join funded on fallen.from_date = funded.from_date
)

select
  reckoned.from_date,
  reckoned.to_date,
  reckoned.return_frac,
  reckoned.spot_pnl_usd,
  reckoned.hedge_price_pnl_usd,
  reckoned.funding_pnl_usd,
  reckoned.cost_usd,
  reckoned.hedge_price_pnl_usd + reckoned.funding_pnl_usd - reckoned.cost_usd as given_back_usd,
  (reckoned.hedge_price_pnl_usd + reckoned.funding_pnl_usd - reckoned.cost_usd)
  / nullif(-reckoned.spot_pnl_usd, 0) as offset_frac,
  exists(
    select 1
    from portfolio.hedges as hedges
    where
      hedges.as_of_date = reckoned.from_date
      and hedges.asset = reckoned.asset
      and hedges.status <> 'close'
  ) as was_open
from reckoned
order by reckoned.to_date desc;
