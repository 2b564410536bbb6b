-- What would the latest hedge gain, cost and offset in each scenario?
--
-- Parameters:
--   hedge_id (text, default the one on the newest day): which hedge.
--   path (text, default persist): path of funding: `persist`, `linear` or `flip` (the short pays).
-- Columns:
--   as_of_date: UTC day that it was computed on, the hedge's last.
--   hedge_id: the hedge.
--   shock_frac: change of the price, decimal.
--   horizon_days: days until then.
--   spot_pnl_usd: profit of the holding, USD.
--   hedge_price_pnl_usd: profit of the short from the price, USD.
--   funding_pnl_usd: funding received, USD; NULL when it is unknown.
--   cost_usd: fees and slippage of opening and closing, USD.
--   net_pnl_usd: all of it together, USD.
--   offset_frac: share of the loss given back, net of funding and costs; in a rise, of the gain taken.
--   is_liquidated: the rise is beyond the level where the margin is used up.
-- Reads: portfolio.hedge_scenarios
-- How to read: What-ifs with the coin's own price, no forecast. Compare the rise with the fall: the hedge costs about
--   as much in the one as it gives in the other.
-- No rows: there was no hedge, or none of that name or with that path.
with last_days as (
  select
    hedge_id,
    max(as_of_date) as as_of_date
  from portfolio.hedge_scenarios
  where hedge_id = getvariable('hedge_id') or (getvariable('hedge_id') is null and hedge_id <> 'PLAN')
  group by hedge_id
  order by max(as_of_date) desc, hedge_id asc
  limit 1
)

select
  scenarios.as_of_date,
  scenarios.hedge_id,
  scenarios.shock_frac,
  scenarios.horizon_days,
  scenarios.spot_pnl_usd,
  scenarios.hedge_price_pnl_usd,
  scenarios.funding_pnl_usd,
  scenarios.cost_usd,
  scenarios.net_pnl_usd,
  scenarios.offset_frac,
  scenarios.is_liquidated
from portfolio.hedge_scenarios as scenarios
inner join last_days on scenarios.as_of_date = last_days.as_of_date and scenarios.hedge_id = last_days.hedge_id
where scenarios.funding_path = coalesce(getvariable('path'), 'persist')
order by scenarios.horizon_days, scenarios.shock_frac;
