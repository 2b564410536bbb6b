with first_candles as (
  select
    instruments.exchange,
    instruments.symbol,
    instruments.asset,
    min(candles.date) as first_date
  from (
    select distinct
      exchange,
      symbol,
      asset
    from {{ ref('int_instrument_daily') }}
    where market_type = 'perpetual'
  ) as instruments
  left join {{ ref('int_candle_daily') }} as candles
    on instruments.exchange = candles.exchange and instruments.symbol = candles.symbol
  group by instruments.exchange, instruments.symbol, instruments.asset
),

held as (
  select
    *,
    min(first_date) over (partition by exchange) as exchange_first_date
  from first_candles
),

-- A series that begins on the first day that is held of its exchange may be much older: its age counts as met.
ages as (
  select
    held.asset,
    min(case
      when described.listed_at is not null
        then {{ plus_days('cast(described.listed_at as date)', var('leaders_min_perp_age_days')) }}
      when held.first_date > held.exchange_first_date
        then {{ plus_days('held.first_date', var('leaders_min_perp_age_days')) }}
      else held.first_date
    end) as old_enough_on
  from held
  left join {{ ref('stg_instruments') }} as described
    on held.exchange = described.exchange and held.symbol = described.symbol
  group by held.asset
),

ranked as (
  select
    days.date,
    days.sector,
    days.asset,
    days.open_interest_median_usd,
    row_number() over (
      partition by days.date, days.sector order by days.open_interest_median_usd desc, days.asset asc
    ) as leader_rank
  from {{ ref('int_asset_daily') }} as days
  inner join ages
    on days.asset = ages.asset and days.date >= ages.old_enough_on
  where
    days.sector is not null
    and days.open_interest_median_usd is not null
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
