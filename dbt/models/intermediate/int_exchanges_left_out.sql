with dropped as (
  select distinct
    date,
    asset,
    exchange,
    case
      when is_price_departed then 'price far from the other exchanges'
      else 'newest row too old'
    end as reason
  from {{ ref('int_instrument_observed') }}
  where market_type = 'perpetual' and (is_price_departed or is_outdated)
  union all
  select distinct
    date,
    asset,
    exchange,
    'open interest of more than 50 days of volume, its unit is doubted' as reason
  from {{ ref('int_instrument_observed') }}
  where is_unit_doubted
  union all
  select
    date,
    asset,
    exchange,
    'open interest jumps while the other exchanges hardly move' as reason
  from {{ ref('int_open_interest_jumps') }}
),

per_exchange as (
  select
    dropped.date,
    membership.sector,
    dropped.exchange || ': ' || dropped.reason || ' (' || {{ joined_text('dropped.asset', "', '") }} || ')' as finding
  from dropped
  inner join {{ ref('int_sector_membership') }} as membership
    on
      dropped.asset = membership.asset
      and dropped.date >= membership.valid_from
      and (dropped.date < membership.valid_to or membership.valid_to is null)
  group by dropped.date, membership.sector, dropped.exchange, dropped.reason
)

select
  date,
  sector,
  {{ collected('finding', 'finding') }} as exchanges_left_out
from per_exchange
group by date, sector
