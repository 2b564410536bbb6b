{%- set read = [
  ref('int_candle_daily'), ref('int_basis_daily'), ref('int_funding_daily'), ref('int_open_interest_daily')
] %}
{{ config(
  materialized='incremental', incremental_strategy='append',
  pre_hook="{{ forget_changed_days([
  ref('int_candle_daily'), ref('int_basis_daily'), ref('int_funding_daily'), ref('int_open_interest_daily')
], ref('int_calendar')) }}",
  meta={'rests_on': ['stg_instruments']}
) }}
{%- set since = first_changed_day(read) %}

with carrying_days as (
  select
    exchange,
    symbol,
    {{ plus_days('date', 1) }} as date
  from {{ from_day(ref('int_open_interest_daily'), since, 1) }}
),

-- Every instrument-day with any data, and the day after an observation, on which it may be carried.
days as (
  select
    exchange,
    symbol,
    date,
    candle.close_usd as unit_close_usd,
    case when candle.volume_hours >= {{ var('metrics_volume_min_hours') }} then candle.volume_usd end as volume_usd,
    case
      when funding.hours_sum >= {{ var('metrics_funding_min_hours') }}
        then 1e4 * 8 * funding.rate_sum / funding.hours_sum
    end as funding_8h_bps,
    basis.mark_index_basis_frac,
    oi.open_interest_contracts,
    oi.open_interest_base,
    oi.open_interest_usd,
    candle.last_closed_at,
    funding.last_settled_at,
    oi.last_observed_at
  from {{ from_day(ref('int_candle_daily'), since) }} as candle
  full outer join {{ from_day(ref('int_funding_daily'), since) }} as funding using (exchange, symbol, date)
  full outer join {{ from_day(ref('int_open_interest_daily'), since) }} as oi using (exchange, symbol, date)
  full outer join carrying_days using (exchange, symbol, date)
  full outer join {{ from_day(ref('int_basis_daily'), since) }} as basis using (exchange, symbol, date)
),

-- A symbol that no exchange lists any more still says what it is: BASE/QUOTE:SETTLE-EXPIRY.
symbols as (
  select
    exchange,
    symbol,
    {{ text_part('symbol', "'/'", 1) }} as base,
    {{ text_part(text_part('symbol', "'/'", 2), "':'", 1) }} as quote,
    {{ text_part('symbol', "':'", 2) }} as settle
  from (
    select distinct
      exchange,
      symbol
    from days
  ) as known
),

described as (
  select
    symbols.exchange,
    symbols.symbol,
    coalesce(listed.base, symbols.base) as base,
    coalesce(
      listed.market_type,
      case when symbols.settle = '' then 'spot' when symbols.settle like '%-%' then 'dated' else 'perpetual' end
    ) as market_type,
    coalesce(listed.is_linear, {{ text_part('symbols.settle', "'-'", 1) }} <> symbols.base) as is_linear,
    listed.contract_size,
    coalesce(listed.contract_multiplier, 1) as contract_multiplier,
    listed.expiry_at
  from symbols
  left join {{ ref('stg_instruments') }} as listed
    on symbols.exchange = listed.exchange and symbols.symbol = listed.symbol
  where coalesce(listed.quote, symbols.quote) in ('USD', 'USDT', 'USDC')
),

facts as (
  select
    days.*,
    described.market_type,
    described.is_linear,
    described.contract_size,
    described.expiry_at,
    coalesce(renamed.asset, described.base) as asset,
    coalesce(renamed.multiplier * renamed.ratio, described.contract_multiplier) as coins_per_unit,
    {{ latest_known(['days.last_closed_at', 'days.last_settled_at', 'days.last_observed_at']) }} as newest_row_at
  from days
  inner join {{ ref('int_calendar') }} as calendar
    on days.date = calendar.date
  inner join described
    on days.exchange = described.exchange and days.symbol = described.symbol
  left join {{ ref('asset_symbols') }} as renamed
    on
      described.base = renamed.base
      and days.date >= renamed.valid_from
      and (days.date < renamed.valid_to or renamed.valid_to is null)
),

exchange_days as (
  select
    date,
    asset,
    exchange,
    {{ median("case when market_type = 'perpetual' then unit_close_usd / coins_per_unit end") }} as close_usd,
    max(newest_row_at) as newest_row_at
  from facts
  group by date, asset, exchange
),

-- Only where the prices are this far apart can one of them depart from the median of the others.
dispersed as (
  select
    date,
    asset,
    {{ median('close_usd') }} as median_close_usd
  from exchange_days
  group by date, asset
  having count(close_usd) >= 3 and max(close_usd) > min(close_usd) * (1 + {{ var('data_price_jump') }})
),

-- Compared with the median of all, too: of three exchanges with one wrong price, the median of the others is half
-- wrong for the two that are right.
departed as (
  select
    own.date,
    own.asset,
    own.exchange
  from dispersed
  inner join exchange_days as own
    on dispersed.date = own.date and dispersed.asset = own.asset
  inner join exchange_days as other
    on own.date = other.date and own.asset = other.asset and own.exchange <> other.exchange
  where other.close_usd is not null
  group by own.date, own.asset, own.exchange, own.close_usd, dispersed.median_close_usd
  having
    {{ rounded('abs(own.close_usd / ' ~ median('other.close_usd') ~ ' - 1)') }} > {{ var('data_price_jump') }}
    and {{ rounded('abs(own.close_usd / dispersed.median_close_usd - 1)') }} > {{ var('data_price_jump') }}
),

-- An exchange without any row that day has nothing to drop but a carried open interest, and that is kept.
outdated as (
  select
    date,
    asset,
    exchange
  from exchange_days
  where
    newest_row_at < {{ plus_minutes(decision_instant('date'), -60 * var('data_stale_exchange_hours')) }}
),

flagged as (
  select
    facts.*,
    facts.unit_close_usd / facts.coins_per_unit as close_usd,
    departed.date is not null as is_price_departed,
    outdated.date is not null as is_outdated
  from facts
  left join departed
    on facts.date = departed.date and facts.asset = departed.asset and facts.exchange = departed.exchange
  left join outdated
    on facts.date = outdated.date and facts.asset = outdated.asset and facts.exchange = outdated.exchange
),

asset_prices as (
  select
    date,
    asset,
    {{ median('close_usd') }} as close_usd
  from flagged
  where market_type = 'perpetual' and not is_price_departed and not is_outdated
  group by date, asset
),

priced as (
  select
    flagged.*,
    asset_prices.close_usd as asset_close_usd,
    coalesce(flagged.close_usd, asset_prices.close_usd) as price_usd
  from flagged
  left join asset_prices
    on flagged.date = asset_prices.date and flagged.asset = asset_prices.asset
),

counted as (
  select
    *,
    case
      when market_type <> 'perpetual' then null
      when is_linear
        then coalesce(
          open_interest_base * coins_per_unit,
          open_interest_contracts * contract_size * coins_per_unit,
          open_interest_usd / price_usd
        )
      else coalesce(
        coalesce(open_interest_contracts * contract_size, open_interest_usd) / price_usd,
        open_interest_base * coins_per_unit
      )
    end as coins
  from priced
),

-- Contracts taken for coins, or the like, would outweigh all other exchanges: nobody holds what takes months to trade.
doubted as (
  select
    *,
    coalesce(market_type = 'perpetual' and coins * price_usd > 50 * volume_usd, false) as is_unit_doubted
  from counted
)

-- Zero is no reading: nobody holds a listed perpetual only for an instant, and a step from zero has no ratio.
select
  date,
  exchange,
  symbol,
  asset,
  market_type,
  expiry_at,
  is_price_departed,
  is_outdated,
  close_usd,
  price_usd,
  asset_close_usd,
  volume_usd,
  funding_8h_bps,
  mark_index_basis_frac,
  is_unit_doubted,
  case when coins > 0 and not is_unit_doubted then coins end as observed_base,
  last_closed_at,
  last_settled_at,
  last_observed_at,
  {{ made_from() }}
from doubted
