-- What would each hedge give back of a 10% fall within a week, and what would it cost in a 10% rise?
--
-- Columns:
--   as_of_date: UTC day.
--   asset: coin.
--   status: `open`, `hold` or `resize`.
--   notional_usd: size of the short, USD.
--   exposure_usd: spot value that is hedged, USD.
--   given_back_usd: profit of the hedge in the fall, funding and costs inside, USD.
--   given_back_frac: the same as a share of the loss.
--   taken_usd: loss of the hedge in the rise, USD.
--   taken_frac: the same as a share of the gain.
-- Reads: portfolio.hedges, portfolio.hedge_scenarios
-- How to read: The newest first; funding is taken to stay as it is. Whoever wants more offset needs a larger ratio, and
--   pays it in the rise.
-- No rows: there was no hedge.
with shocks as (
  select
    as_of_date,
    hedge_id,
    max(net_pnl_usd - spot_pnl_usd) filter (where shock_frac = -0.1) as given_back_usd,
    max(offset_frac) filter (where shock_frac = -0.1) as given_back_frac,
    max(spot_pnl_usd - net_pnl_usd) filter (where shock_frac = 0.1) as taken_usd,
    max(offset_frac) filter (where shock_frac = 0.1) as taken_frac
  from portfolio.hedge_scenarios
  where shock_frac in (-0.1, 0.1) and horizon_days = 7 and funding_path = 'persist'
  group by as_of_date, hedge_id
)

select
  hedges.as_of_date,
  hedges.asset,
  hedges.status,
  hedges.notional_usd,
  hedges.exposure_usd,
  shocks.given_back_usd,
  shocks.given_back_frac,
  shocks.taken_usd,
  shocks.taken_frac
from portfolio.hedges as hedges
inner join shocks on hedges.as_of_date = shocks.as_of_date and hedges.hedge_id = shocks.hedge_id
order by hedges.as_of_date desc, hedges.asset asc;
