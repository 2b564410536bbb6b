-- Which hedges are open, and how much of a fall do they really offset?
--
-- Parameters:
--   date (date, default the newest): UTC day that was decided.
-- Columns:
--   hedge_id: names the position from opening to closing.
--   asset: coin.
--   exchange: exchange of the contract.
--   days_open: days since the decision that opened it.
--   notional_usd: size of the short, USD.
--   exposure_usd: spot value that is hedged, USD.
--   hedge_ratio_frac: size over exposure.
--   offset_frac: share of the loss of a 10% fall that it gives back, by the price alone.
--   ratio_for_80pct_offset_frac: ratio that an offset of 80% would need.
--   liquidation_move_frac: rise that uses up its margin, decimal.
--   funding_3d_bps: the coin's funding now, bp per 8 hours; the short receives it when positive.
--   explanation: why, in a sentence.
-- Reads: portfolio.hedges, portfolio.target_allocations, marts.asset_futures_daily
-- How to read: A short of a tenth of a holding offsets a tenth of its loss, not more. Paper positions.
-- No rows: no hedge is open that day.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(as_of_date)) as as_of_date
  from portfolio.target_allocations
)

select
  hedges.hedge_id,
  hedges.asset,
  hedges.exchange,
  hedges.as_of_date - hedges.opened_date as days_open,
  hedges.notional_usd,
  hedges.exposure_usd,
  hedges.hedge_ratio_frac,
  hedges.offset_frac,
  hedges.ratio_for_80pct_offset_frac,
  hedges.liquidation_move_frac,
  assets.funding_3d_bps,
  hedges.explanation
from portfolio.hedges as hedges
inner join asked on hedges.as_of_date = asked.as_of_date
left join marts.asset_futures_daily as assets on hedges.as_of_date = assets.date and hedges.asset = assets.asset
where hedges.status <> 'close'
order by hedges.notional_usd desc nulls last, hedges.hedge_id asc nulls last;
