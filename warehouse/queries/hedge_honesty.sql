-- What each hedge would give back of a 10% fall within a week, and what it costs in a 10% rise.
select
    hedges.as_of_date,
    hedges.asset,
    hedges.status,
    hedges.notional_usd,
    scenarios.shock_frac,
    scenarios.net_pnl_usd,
    scenarios.offset_frac
from portfolio.hedges as hedges
join portfolio.hedge_scenarios as scenarios using (as_of_date, hedge_id)
where scenarios.shock_frac in (-0.1, 0.1) and scenarios.horizon_days = 7 and scenarios.funding_path = 'persist'
order by hedges.as_of_date desc, hedges.asset, scenarios.shock_frac;
