-- What does the curve of the dated contracts look like tonight?
--
-- Parameters:
--   asset (asset, default every one): which coin.
--   date (date, default the newest with a dated contract): UTC day.
-- Columns:
--   asset: coin.
--   exchange: exchange of the contracts.
--   contract: `front` (expires first) or `far` (at least 60 days later).
--   symbol: the contract.
--   days_to_expiry: days from the end of the day to its expiry.
--   basis_annualised: (contract / spot - 1) * 365 / days, decimal per year.
--   spot_price_usd: spot that it is measured against, USD per coin.
--   slope_annualised: basis of the far contract minus that of the front.
--   shape: CONTANGO: spot < front < far; BACKWARDATION: spot > front > far; HUMP, DIP or FLAT.
--   is_front_rich: the front costs much, and much more than the far one.
-- Reads: marts.calendar_spreads_daily
-- How to read: A basis is the price of leverage until expiry, no forecast. The curve's name does not say whether the
--   front is rich: a rich front is often in contango.
-- No rows: no dated contract 7 to 200 days from expiry has a close that day.
with asked as (
  select coalesce(cast(getvariable('date') as date), max(date)) as date
  from marts.calendar_spreads_daily
),

contracts as (
  select
    date,
    asset,
    exchange,
    'front' as contract,
    front_symbol as symbol,
    front_days as days_to_expiry,
    front_basis_annualised as basis_annualised,
    spot_price_usd,
    slope_annualised,
    shape,
    is_front_rich
  from marts.calendar_spreads_daily
  union all
  select
    date,
    asset,
    exchange,
    'far' as contract,
    far_symbol as symbol,
    far_days as days_to_expiry,
    far_basis_annualised as basis_annualised,
    spot_price_usd,
    slope_annualised,
    shape,
    is_front_rich
  from marts.calendar_spreads_daily
  where far_symbol is not null
)

select
  contracts.asset,
  contracts.exchange,
  contracts.contract,
  contracts.symbol,
  contracts.days_to_expiry,
  contracts.basis_annualised,
  contracts.spot_price_usd,
  contracts.slope_annualised,
  contracts.shape,
  contracts.is_front_rich
from contracts
inner join asked on contracts.date = asked.date
where contracts.asset = coalesce(getvariable('asset'), contracts.asset)
order by contracts.asset, contracts.exchange, contracts.days_to_expiry;
