with contracts as (
  select
    date,
    exchange,
    asset,
    symbol,
    close_usd,
    {{ microseconds_between(plus_days('date', 1), 'expiry_at') }} / 86400000000 as expiry_days
  from {{ ref('int_instrument_daily') }}
  where market_type = 'dated' and close_usd is not null
),

usable as (
  select *
  from contracts
  where expiry_days >= {{ var('metrics_dte_min') }} and expiry_days <= {{ var('metrics_dte_max') }}
),

fronts as (
  select *
  from usable
  qualify row_number() over (partition by date, exchange, asset order by expiry_days, symbol) = 1
),

exchange_spots as (
  select
    date,
    exchange,
    asset,
    {{ median('close_usd') }} as close_usd
  from {{ ref('int_instrument_daily') }}
  where market_type = 'spot'
  group by date, exchange, asset
),

paired as (
  select
    fronts.date,
    fronts.exchange,
    fronts.asset,
    coalesce(exchange_spots.close_usd, assets.spot_close_usd) as spot_price_usd,
    fronts.symbol as front_symbol,
    fars.symbol as far_symbol,
    fronts.close_usd as front_close_usd,
    fars.close_usd as far_close_usd,
    fronts.expiry_days as front_days,
    fars.expiry_days as far_days
  from fronts
  left join usable as fars
    on
      fronts.date = fars.date
      and fronts.exchange = fars.exchange
      and fronts.asset = fars.asset
      and fars.expiry_days >= fronts.expiry_days + {{ var('metrics_dte_gap') }}
  left join exchange_spots
    on
      fronts.date = exchange_spots.date
      and fronts.exchange = exchange_spots.exchange
      and fronts.asset = exchange_spots.asset
  left join {{ ref('int_asset_daily') }} as assets
    on fronts.date = assets.date and fronts.asset = assets.asset
  qualify row_number() over (
    partition by fronts.date, fronts.exchange, fronts.asset order by fars.expiry_days, fars.symbol
  ) = 1
),

annualised as (
  select
    *,
    (front_close_usd / spot_price_usd - 1) * 365 / front_days as front_basis,
    (far_close_usd / spot_price_usd - 1) * 365 / far_days as far_basis,
    ln(far_close_usd / front_close_usd) * 365 / (far_days - front_days) as forward
  from paired
)

select
  date,
  exchange,
  asset,
  spot_price_usd,
  front_symbol,
  far_symbol,
  front_days,
  far_days,
  {{ rounded('front_basis') }} as front_basis_annualised,
  {{ rounded('far_basis') }} as far_basis_annualised,
  {{ rounded('far_basis - front_basis') }} as slope_annualised,
  {{ rounded('forward') }} as forward_annualised,
  case
    when far_close_usd is null or spot_price_usd is null then null
    when spot_price_usd < front_close_usd and front_close_usd < far_close_usd then 'CONTANGO'
    when spot_price_usd > front_close_usd and front_close_usd > far_close_usd then 'BACKWARDATION'
    when front_close_usd > spot_price_usd and far_close_usd < front_close_usd then 'HUMP'
    when front_close_usd < spot_price_usd and far_close_usd > front_close_usd then 'DIP'
    else 'FLAT'
  end as shape,
  coalesce(
    {{ rounded('front_basis') }} >= {{ var('calendar_front') }}
    and {{ rounded('front_basis - far_basis') }} >= {{ var('calendar_excess') }},
    false
  ) as is_front_rich
from annualised
