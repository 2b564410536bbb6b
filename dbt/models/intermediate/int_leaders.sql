with instruments as (
  select distinct
    exchange,
    symbol,
    asset
  from {{ ref('int_instrument_daily') }}
  where market_type = 'perpetual'
),

first_candles as (
  select
    exchange,
    symbol,
    min(date) as first_date
  from {{ ref('int_candle_daily') }}
  group by exchange, symbol
),

-- A series that begins on the first day that is held of its exchange may be much older: its age counts as met.
listings as (
  select
    instruments.asset,
    min(coalesce(
      cast(described.listed_at as date),
      case
        when first_candles.first_date > min(first_candles.first_date) over (partition by instruments.exchange)
          then first_candles.first_date
        when first_candles.first_date is not null then date '1970-01-01'
      end
    )) over (partition by instruments.asset) as listed_on
  from instruments
  left join {{ ref('stg_instruments') }} as described
    on instruments.exchange = described.exchange and instruments.symbol = described.symbol
  left join first_candles
    on instruments.exchange = first_candles.exchange and instruments.symbol = first_candles.symbol
),

listing_days as (
  select distinct
    asset,
    listed_on
  from listings
),

ranked as (
  select
    days.date,
    days.sector,
    days.asset,
    days.open_interest_median_usd,
    row_number() over (
      partition by days.date, days.sector order by days.open_interest_median_usd desc, days.asset
    ) as leader_rank
  from {{ ref('int_asset_daily') }} as days
  inner join listing_days
    on days.asset = listing_days.asset
  where
    days.sector is not null
    and days.open_interest_median_usd is not null
    and {{ days_between('listing_days.listed_on', 'days.date') }} >= {{ var('leaders_min_perp_age_days') }}
),

leaders as (
  select
    *,
    sum(open_interest_median_usd) over (
      partition by date, sector order by leader_rank rows between current row and unbounded following
    ) as remaining_usd,
    count(*) over (partition by date, sector) as leader_count
  from ranked
  where leader_rank <= {{ var('leaders_k') }}
),

-- Water-filling: the largest are capped until the next one's share of what is left stays under the cap.
tested as (
  select
    *,
    open_interest_median_usd * (1 - (leader_rank - 1) * {{ fraction(var('leaders_oi_weight_cap')) }})
    <= {{ fraction(var('leaders_oi_weight_cap')) }} * remaining_usd as fits
  from leaders
),

filled as (
  select
    *,
    min(case when fits then leader_rank end) over (partition by date, sector) as first_uncapped_rank
  from tested
),

scaled as (
  select
    *,
    max(case when leader_rank = first_uncapped_rank then remaining_usd end) over (
      partition by date, sector
    ) as uncapped_usd
  from filled
)

select
  date,
  sector,
  asset,
  leader_rank,
  open_interest_median_usd,
  case
    when leader_count * {{ fraction(var('leaders_oi_weight_cap')) }} <= 1 then 1.0 / leader_count
    when leader_rank < first_uncapped_rank then {{ fraction(var('leaders_oi_weight_cap')) }}
    else
      open_interest_median_usd / uncapped_usd
      * (1 - (first_uncapped_rank - 1) * {{ fraction(var('leaders_oi_weight_cap')) }})
  end as leader_weight
from scaled
