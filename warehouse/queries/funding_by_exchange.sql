-- Which exchange disagrees with the others on a coin's funding?
--
-- Parameters:
--   asset (asset, default every one): which coin.
--   days (count, default 3): how many days before the newest settlement, as far as the release has raw rows.
-- Columns:
--   asset: coin, multipliers such as 1000PEPE taken off; renamed coins keep the exchange's code.
--   exchange: exchange.
--   funding_8h_bps: mean funding of its perpetuals on the coin, bp per 8 hours, whatever their interval.
--   median_8h_bps: median over the exchanges.
--   difference_bps: the exchange minus the median.
--   settlements: how many settlements it is the mean of.
-- Reads: raw.funding_rates, raw.instruments
-- How to read: The largest disagreement is first. It may be real (another base of customers, another clamp) or a fault;
--   `left_out` says which exchanges the program did not believe. Where an exchange does not say how many hours a
--   settlement covers, they are the hours since the settlement before.
-- No rows: no coin has funding on two exchanges in those days.
with listed as (
  select
    exchange,
    symbol,
    case
      when contract_multiplier > 1 then regexp_replace(regexp_replace(base, '^(1000+|k)', ''), '1000+$', '')
      else base
    end as asset
  from raw.instruments
  where market_type = 'perpetual'
  qualify row_number() over (partition by exchange, symbol order by ingested_at desc) = 1
),

newest as (
  select
    exchange,
    symbol,
    settled_at,
    funding_rate,
    interval_hours
  from raw.funding_rates
  qualify row_number() over (partition by exchange, symbol, settled_at order by ingested_at desc) = 1
),

settled as (
  select
    exchange,
    symbol,
    settled_at,
    funding_rate,
    coalesce(
      interval_hours,
      date_diff('minute', lag(settled_at) over (partition by exchange, symbol order by settled_at), settled_at) / 60
    ) as hours,
    max(settled_at) over () as newest_at
  from newest
),

per_exchange as (
  select
    listed.asset,
    settled.exchange,
    sum(settled.funding_rate) / sum(settled.hours) * 8 * 1e4 as funding_8h_bps,
    count(*) as settlements
  from settled
  inner join listed on settled.exchange = listed.exchange and settled.symbol = listed.symbol
  where
    settled.hours > 0
    and settled.settled_at > settled.newest_at - to_days(coalesce(cast(getvariable('days') as integer), 3))
  group by listed.asset, settled.exchange
),

compared as (
  select
    asset,
    exchange,
    funding_8h_bps,
    median(funding_8h_bps) over (partition by asset) as median_8h_bps,
    settlements,
    count(*) over (partition by asset) as exchanges
  from per_exchange
)

select
  asset,
  exchange,
  funding_8h_bps,
  median_8h_bps,
  funding_8h_bps - median_8h_bps as difference_bps,
  settlements
from compared
where exchanges > 1 and asset = coalesce(getvariable('asset'), asset)
order by abs(difference_bps) desc, asset asc, exchange asc;
